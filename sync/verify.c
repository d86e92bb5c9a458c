/*
 * Contents, compared by reading back what the replica has: SFTP has no hash
 * that OpenSSH would know. Files that look equal by size and time are put on a
 * list; when it is full, and at the end of each folder, all of them are read at
 * once, pipelined, and what differs is sent.
 *
 * Of a file whose content changes here meanwhile a record is on its way, which
 * brings what was changed. What was there has to be right for that, too: where it
 * was equal, it is; else nobody knows whether the change is all that differs.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "sync/compare.h"
#include "sync/lower.h"

#define CHECKS_MAX 64
#define PIECE_MAX  (256u * 1024)
#define WINDOW	   (4u * 1024 * 1024) /* bytes that are asked for at once */
#define PUMP_MS	   1000

struct check {
	struct verify *v;
	char *path;
	struct fhandle obj;
	struct stat st;
	struct remote_attr there;
	int fd;
	struct remote_handle handle;
	uint64_t off; /* what lies before it was asked for */
	unsigned pending;
	bool opened, differs;
};

struct verify {
	struct remote *remote;
	struct check checks[CHECKS_MAX];
	unsigned n;
	unsigned pending;
	uint64_t asked; /* bytes without an answer */
	uint64_t read;
	uint8_t data[PIECE_MAX];
};

struct piece {
	struct check *check;
	uint64_t off;
	uint32_t len;
};

struct verify *verify_new(void)
{
	struct verify *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	return v;
}

uint64_t verify_read(const struct verify *v)
{
	return v->read;
}

static void forget(struct verify *v)
{
	while (v->n > 0) {
		struct check *c = &v->checks[--v->n];
		free(c->path);
		if (c->fd >= 0)
			close(c->fd);
	}
}

void verify_free(struct verify *v)
{
	if (v)
		forget(v);
	free(v);
}

/* ---- reading back ---- */

static void answered(struct check *c)
{
	c->pending--;
	c->v->pending--;
}

static void got_open(void *arg, const struct remote_reply *reply)
{
	struct check *c = arg;

	answered(c);
	c->differs = reply->status < 0;
	c->opened = reply->status == 0;
	if (c->opened)
		remote_keep_handle(reply, &c->handle);
}

static void got_closed(void *arg, const struct remote_reply *reply)
{
	answered(arg);
}

static void got_piece(void *arg, const struct remote_reply *reply);

static void ask(struct check *c, uint64_t off, uint32_t len)
{
	struct piece *p = malloc(sizeof(*p));

	if (!p)
		abort();
	*p = (struct piece){c, off, len};
	c->pending++;
	c->v->pending++;
	c->v->asked += len;
	remote_send_read(c->v->remote, &c->handle, off, len, got_piece, p);
}

/* same_here - are these bytes those of the master? */
static bool same_here(struct check *c, uint64_t off, const uint8_t *bytes,
		      uint32_t len)
{
	ssize_t n = pread(c->fd, c->v->data, len, (off_t)off);

	return n == (ssize_t)len && memcmp(c->v->data, bytes, len) == 0;
}

static void got_piece(void *arg, const struct remote_reply *reply)
{
	struct piece *p = arg;
	struct check *c = p->check;

	answered(c);
	c->v->asked -= p->len;
	if (reply->status < 0 || reply->data_len == 0 ||
	    reply->data_len > p->len ||
	    !same_here(c, p->off, reply->data, reply->data_len)) {
		c->differs = true;
	} else {
		c->v->read += reply->data_len;
		if (reply->data_len < p->len) /* it gives less at once */
			ask(c, p->off + reply->data_len,
			    p->len - reply->data_len);
	}
	free(p);
}

/* feed - ask for more of each, and close those of which all was asked. */
static void feed(struct verify *v)
{
	uint32_t max = remote_caps(v->remote)->read_bytes;

	max = max < PIECE_MAX ? max : PIECE_MAX;
	for (unsigned i = 0; i < v->n; i++) {
		struct check *c = &v->checks[i];
		uint64_t size = (uint64_t)c->st.st_size;
		while (c->opened && !c->differs && c->off < size &&
		       v->asked < WINDOW) {
			uint64_t left = size - c->off;
			uint32_t len = left < max ? (uint32_t)left : max;
			ask(c, c->off, len);
			c->off += len;
		}
		if (c->opened && c->pending == 0 &&
		    (c->differs || c->off >= size)) {
			c->opened = false;
			c->pending++;
			v->pending++;
			remote_send_close(v->remote, &c->handle, got_closed, c);
		}
	}
}

static void begin(struct engine *e, struct verify *v)
{
	v->remote = e->remote;
	v->asked = 0;
	for (unsigned i = 0; i < v->n; i++) {
		struct check *c = &v->checks[i];
		c->fd = lower_open_object(e->cfg->lower_fd, &c->obj, c->path,
					  O_RDONLY);
		if (c->fd < 0) {
			compare_unseen(e, c->path, c->fd);
			continue;
		}
		c->pending++;
		v->pending++;
		remote_send_open(v->remote, c->path, RO_READ, 0, got_open, c);
	}
}

/* read_all - whatever comes of it, nothing is pending when it returns. */
static int read_all(struct engine *e, struct verify *v)
{
	struct pollfd stop = {.fd = e->stop_fd, .events = POLLIN};
	int r = 0;

	begin(e, v);
	while (v->pending > 0) {
		if (remote_pump(v->remote, PUMP_MS, -1) < 0)
			r = -ENOTCONN;
		if (r == 0 && poll(&stop, 1, 0) > 0)
			r = -ECANCELED;
		if (r == 0)
			feed(v);
		seed_tick(e);
	}
	return r;
}

/* ---- and what comes of it ---- */

/* written - its content changed here since it was put on the list, as far as size
 * and time tell; *ret: what it is like now. */
static bool written(const struct check *c, struct stat *ret)
{
	return fstat(c->fd, ret) < 0 || !lower_same_content(ret, &c->st);
}

static int judge(struct engine *e, const struct check *c)
{
	uint64_t next = exec_next(e->exec);
	struct stat now;
	int r = 0;

	if (c->fd < 0)
		return 0; /* gone: a record tells */
	if (written(c, &now)) {
		if (c->differs) /* that record is to bring all of it */
			stale_add(e->stale, &c->obj);
		return 0;
	}
	if (c->differs) {
		seed_sends(e, &c->st);
		engine_touch_parent(e, c->path);
		r = engine_push(e, STEP_PUT, c->path, NULL, &c->obj, NULL);
	} else {
		r = compare_attributes(e, c->path, &now, &c->obj, &c->there);
	}
	if (exec_next(e->exec) != next)
		seed_differs(e, c->path);
	return r;
}

int verify_run(struct engine *e)
{
	struct verify *v = e->verify;

	if (!v || v->n == 0)
		return 0;
	int r = read_all(e, v);
	for (unsigned i = 0; r == 0 && i < v->n; i++)
		r = judge(e, &v->checks[i]);
	forget(v);
	return r;
}

int verify_room(struct engine *e)
{
	uint32_t handles = remote_caps(e->remote)->handles / 4;
	unsigned max = handles && handles < CHECKS_MAX ? handles : CHECKS_MAX;

	return e->verify && e->verify->n >= max ? verify_run(e) : 0;
}

int verify_add(struct engine *e, const char *path, const struct stat *st,
	       const struct fhandle *obj, const struct remote_attr *there)
{
	struct verify *v = e->verify;

	v->checks[v->n++] = (struct check){.v = v,
					   .path = strdup(path),
					   .obj = *obj,
					   .st = *st,
					   .there = *there,
					   .fd = -1};
	return 0;
}
