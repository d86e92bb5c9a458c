/*
 * Calls that send and wait, for what happens seldom. They pump, so done
 * functions of other requests may run meanwhile.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "remote-wait.h"
#include "sync/remote/conn.h"

#define FILE_MAX    (64u * 1024)
#define AHEAD_MAX   16u        /* READDIRs under way at once */
#define AHEAD_NAMES 16u        /* a reply with fewer is the last but one */
/* No folder is that large, nor that deep: memory and stack are finite, and who
 * walks a tree does so for as long as the server says "a folder". */
#define ENTRIES_MAX 4000000u
#define NAMES_MAX   (256u << 20) /* bytes */
#define EMPTY_MAX   1000u	 /* replies of one listing without a name */
#define PATH_BYTES  4096u

void remote_keep_handle(const struct remote_reply *reply,
			struct remote_handle *ret)
{
	ret->len = reply->handle_len;
	memcpy(ret->bytes, reply->handle, reply->handle_len);
}

struct wait {
	struct remote *r;
	unsigned pending;
	int status; /* of the first that failed */
	struct remote_handle handle;
	struct remote_attr attr;
	char *text;
};

static void wait_got(void *arg, const struct remote_reply *reply)
{
	struct wait *w = arg;
	w->pending--;
	if (w->status == 0)
		w->status = reply->status;
	if (reply->status < 0)
		return;
	if (reply->handle)
		remote_keep_handle(reply, &w->handle);
	if (reply->attr)
		w->attr = *reply->attr;
	if (reply->text && !(w->text = strdup(reply->text)))
		abort();
}

/* wait_all - until nothing is pending; the pump never leaves a request
 * without its done function. */
static int wait_all(struct wait *w)
{
	while (w->pending > 0)
		remote_pump(w->r, -1, -1);
	return w->status;
}

static int wait_one(struct wait *w)
{
	w->pending++;
	return wait_all(w);
}

int remote_lstat(struct remote *r, const char *path, struct remote_attr *ret)
{
	struct wait w = {.r = r};
	remote_send_lstat(r, path, wait_got, &w);
	int status = wait_one(&w);
	if (status == 0)
		*ret = w.attr;
	return status;
}

int remote_is_folder(struct remote *r, const char *path)
{
	struct remote_attr a;
	int s = remote_lstat(r, path, &a);

	if (s < 0)
		return s == -ENOTCONN ? s : 0;
	return S_ISDIR(a.mode);
}

int remote_rmdir(struct remote *r, const char *path)
{
	struct wait w = {.r = r};
	remote_send_rmdir(r, path, wait_got, &w);
	return wait_one(&w);
}

int remote_remove(struct remote *r, const char *path)
{
	struct wait w = {.r = r};
	remote_send_remove(r, path, wait_got, &w);
	return wait_one(&w);
}

int remote_rename(struct remote *r, const char *from, const char *to)
{
	struct wait w = {.r = r};
	remote_send_rename(r, from, to, wait_got, &w);
	return wait_one(&w);
}

int remote_readlink(struct remote *r, const char *path, char **ret)
{
	struct wait w = {.r = r};
	remote_send_readlink(r, path, wait_got, &w);
	int status = wait_one(&w);
	if (status == 0)
		*ret = w.text;
	return status;
}

void answer_got(void *arg, const struct remote_reply *reply)
{
	struct answer *a = arg;
	a->status = reply->status;
	if (reply->attr)
		a->attr = *reply->attr;
	--*a->pending;
}

void answers_wait(struct remote *r, const unsigned *pending)
{
	while (*pending > 0)
		remote_pump(r, -1, -1);
}

/* ---- listings ---- */

/* A few READDIRs are always ahead, more while they bring something: a round
 * trip for each hundred names would be slow over a long way. */
struct listing {
	struct wait w; /* w.pending, w.status */
	unsigned ahead;
	bool end;
	struct remote_entry *entries;
	unsigned n, cap;
	unsigned empty; /* replies, without a name */
	size_t bytes; /* of the names */
};

static void listing_add(struct listing *l, const struct remote_entry *e)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->entries = realloc(l->entries, l->cap * sizeof(*e));
		if (!l->entries)
			abort();
	}
	l->entries[l->n] = *e;
	l->entries[l->n].name = strdup(e->name);
	if (!l->entries[l->n].name)
		abort();
	l->bytes += strlen(e->name);
	l->n++;
}

static void listing_got(void *arg, const struct remote_reply *reply);

static void listing_ask(struct listing *l)
{
	while (!l->end && l->w.pending < l->ahead) {
		l->w.pending++;
		remote_send_readdir(l->w.r, &l->w.handle, listing_got, l);
	}
}

static void listing_got(void *arg, const struct remote_reply *reply)
{
	struct listing *l = arg;
	l->w.pending--;
	if (reply->status < 0) {
		l->end = true;
		if (reply->status != -ENODATA && l->w.status == 0)
			l->w.status = reply->status;
		return;
	}
	for (uint32_t i = 0; i < reply->n_entries; i++)
		listing_add(l, &reply->entries[i]);
	l->empty += reply->n_entries == 0;
	if (l->n > ENTRIES_MAX || l->bytes > NAMES_MAX ||
	    l->empty > EMPTY_MAX) {
		l->end = true;
		l->w.status = -EFBIG;
	}
	if (reply->n_entries < AHEAD_NAMES && l->w.pending > 0)
		return;
	if (l->ahead < AHEAD_MAX)
		l->ahead++;
	listing_ask(l);
}

int remote_list(struct remote *r, const char *path, struct remote_entry **ret,
		unsigned *ret_n)
{
	struct listing l = {.w = {.r = r}, .ahead = 2};
	if (strlen(path) > PATH_BYTES)
		return -EINVAL; /* what an honest one says, too */
	remote_send_opendir(r, path, wait_got, &l.w);
	int status = wait_one(&l.w);
	if (status < 0)
		return status;
	listing_ask(&l);
	status = wait_all(&l.w);
	remote_send_close(r, &l.w.handle, NULL, NULL);
	if (status < 0) {
		remote_entries_free(l.entries, l.n);
		return status;
	}
	*ret = l.entries;
	*ret_n = l.n;
	return 0;
}

void remote_entries_free(struct remote_entry *entries, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(entries[i].name);
	free(entries);
}

/* ---- small files ---- */

struct reading {
	struct wait w;
	struct buf data;
};

static void reading_got(void *arg, const struct remote_reply *reply)
{
	struct reading *g = arg;
	g->w.pending--;
	g->w.status = reply->status;
	if (reply->status == 0)
		buf_put(&g->data, reply->data, reply->data_len);
}

/* read_rest - until end of file; servers may give less than was asked for. */
static int read_rest(struct remote *r, struct reading *g)
{
	while (g->data.len <= FILE_MAX) {
		g->w.pending++;
		remote_send_read(r, &g->w.handle, g->data.len,
				 r->caps.read_bytes, reading_got, g);
		int status = wait_all(&g->w);
		if (status < 0)
			return status == -ENODATA ? 0 : status;
	}
	return -EFBIG;
}

int remote_read_file(struct remote *r, const char *path, char **ret,
		     size_t *ret_len)
{
	struct reading g = {.w = {.r = r}};
	remote_send_open(r, path, RO_READ, 0, wait_got, &g.w);
	int status = wait_one(&g.w);
	if (status < 0)
		return status;
	status = read_rest(r, &g);
	remote_send_close(r, &g.w.handle, NULL, NULL);
	if (status < 0) {
		buf_done(&g.data);
		return status;
	}
	*ret_len = g.data.len;
	buf_put_u8(&g.data, 0);
	*ret = (char *)g.data.data;
	return 0;
}
