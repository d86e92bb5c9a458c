/*
 * See fates.h. Each path has its events, the oldest first; who follows an object
 * takes, again and again, the next one at its path or above it.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <uthash.h>

#include "cleanup.h"
#include "paths.h"
#include "sync/fates.h"

#define SIGHTS 16 /* of one name, that may be exchanged often */

enum event_kind {
	GONE, /* removed */
	MADE, /* nothing was there before */
	AWAY, /* renamed to `other` */
	CAME, /* by a rename, where nothing was */
	OVER, /* the same, in the place of what was there */
	SWAP, /* exchanged with `other` */
};

struct event {
	uint64_t seq;
	enum event_kind kind;
	uint32_t type; /* S_IFMT of what is there now; 0: not known */
	char *other;   /* of AWAY and SWAP; owned */
};

struct fates_path {
	char *path;
	struct event *events;
	unsigned n;
	UT_hash_handle hh;
};

static struct fates_path *find(const struct fates *f, const char *path,
			       size_t len)
{
	struct fates_path *p;

	HASH_FIND(hh, f->paths, path, len, p);
	return p;
}

static void put(struct fates *f, const char *path, uint64_t seq,
		enum event_kind kind, uint32_t mode, const char *other)
{
	struct fates_path *p = find(f, path, strlen(path));

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			abort();
		p->path = text_copy(path);
		HASH_ADD_KEYPTR(hh, f->paths, p->path, strlen(p->path), p);
	}
	if ((p->n & (p->n - 1)) == 0)
		p->events =
			reallocarray(p->events, p->n ? (size_t)p->n * 2 : 1,
				     sizeof(*p->events));
	if (!p->events)
		abort();
	f->n++;
	p->events[p->n++] = (struct event){
		.seq = seq,
		.kind = kind,
		.type = mode & S_IFMT,
		.other = text_copy(other),
	};
}

void fates_record(struct fates *f, const struct record *r)
{
	bool swap = r->flags & RF_EXCHANGE, over = r->flags & RF_REPLACED;

	switch (r->op) {
	case OP_UNLINK:
	case OP_RMDIR:
		put(f, r->path, r->seq, GONE, 0, NULL);
		break;
	case OP_CREATE:
	case OP_MKDIR:
	case OP_SYMLINK:
	case OP_MKNOD:
		put(f, r->path, r->seq, MADE, r->mode, NULL);
		break;
	case OP_LINK:
		put(f, r->path2, r->seq, MADE, r->mode, NULL);
		break;
	case OP_RENAME:
		put(f, r->path, r->seq, swap ? SWAP : AWAY, 0, r->path2);
		put(f, r->path2, r->seq, swap ? SWAP : over ? OVER : CAME,
		    r->mode, swap ? r->path : NULL);
		break;
	default:
		break;
	}
}

void fates_done(struct fates *f)
{
	struct fates_path *p, *tmp;

	f->n = 0;
	HASH_ITER(hh, f->paths, p, tmp)
	{
		HASH_DEL(f->paths, p);
		for (unsigned i = 0; i < p->n; i++)
			free(p->events[i].other);
		free(p->events);
		free(p->path);
		free(p);
	}
}

/* behind - which of the events is the first behind `seq`. */
static unsigned behind(const struct fates_path *p, uint64_t seq)
{
	unsigned low = 0, high = p->n;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		if (p->events[mid].seq > seq)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* ---- what may have been at a path ---- */

/* seen_at - the newest event before `before` that put something at the first `len`
 * bytes of `path`: of that type, or a folder above it. NULL: there is none. */
static const struct event *seen_at(const struct fates *f, const char *path,
				   size_t len, uint32_t type, uint64_t before)
{
	const struct fates_path *p = find(f, path, len);

	for (unsigned i = p ? behind(p, before - 1) : 0; i > 0; i--) {
		const struct event *ev = &p->events[i - 1];
		if (ev->kind == GONE || ev->kind == AWAY ||
		    (path[len] && ev->kind == MADE))
			continue;
		if (!ev->type || ev->type == (path[len] ? S_IFDIR : type))
			return ev;
	}
	return NULL;
}

uint64_t fates_seen(const struct fates *f, const char *path, uint32_t type,
		    uint64_t before, uint64_t since, enum fates_sight *ret)
{
	size_t len = strlen(path);
	uint64_t seen = since;

	*ret = SIGHT_ABOVE;
	for (;;) {
		const struct event *ev = seen_at(f, path, len, type, before);
		if (ev && ev->seq > seen) {
			seen = ev->seq;
			*ret = path[len]  ? SIGHT_ABOVE
			       : ev->type ? SIGHT_SURE
					  : SIGHT_MAYBE;
		}
		if (len == 0)
			return seen;
		len = path_parent_len(path, len);
	}
}

/* ---- where it went ---- */

/* next_at - the first event behind `seq` at the first `len` bytes of `path`, or
 * NULL. */
static const struct event *next_at(const struct fates *f, const char *path,
				   size_t len, uint64_t seq)
{
	const struct fates_path *p = find(f, path, len);
	unsigned i = p ? behind(p, seq) : 0;

	return p && i < p->n ? &p->events[i] : NULL;
}

/* next - the same of `path` and all that it is in. *ret_len: of that one. */
static const struct event *next(const struct fates *f, const char *path,
				uint64_t seq, size_t *ret_len)
{
	const struct event *first = NULL;
	size_t len = strlen(path);

	for (;;) {
		const struct event *ev = next_at(f, path, len, seq);
		if (ev && (!first || ev->seq < first->seq)) {
			first = ev;
			*ret_len = len;
		}
		if (len == 0)
			return first;
		len = path_parent_len(path, len);
	}
}

/* fate_of - what `ev`, at the path of what is followed or above it, did to that.
 * FATE_THERE: it may have moved. What comes to a path finds it empty, and so it
 * finds a folder that it replaces. */
static enum fate fate_of(const struct event *ev, bool itself)
{
	switch (ev->kind) {
	case GONE:
	case OVER:
		return itself ? FATE_REMOVED : FATE_REMOVED_ABOVE;
	case MADE:
	case CAME:
		return FATE_UNTOLD;
	default:
		return FATE_THERE;
	}
}

enum fate fates_follow(const struct fates *f, const char *path, uint64_t seq,
		       char **ret)
{
	enum fate fate = FATE_THERE;
	const struct event *ev;
	size_t len;

	*ret = text_copy(path);
	while (fate == FATE_THERE && (ev = next(f, *ret, seq, &len))) {
		seq = ev->seq;
		fate = fate_of(ev, !(*ret)[len]);
		if (ev->kind != AWAY && ev->kind != SWAP)
			continue;
		char *moved =
			path_rebase(*ret, find(f, *ret, len)->path, ev->other);
		free(*ret);
		*ret = moved;
	}
	return fate;
}

/* ---- what explains that it is missing ---- */

/* explained_by - what was at the path behind `seen`: as fates_explain says. */
static int explained_by(const struct fates *f, const struct fates_question *q,
			uint64_t seen)
{
	CLEANUP_FREE char *now = NULL;

	switch (fates_follow(f, q->path, seen, &now)) {
	case FATE_REMOVED:
		return 1;
	case FATE_REMOVED_ABOVE:
		return seen == q->since && q->partly;
	case FATE_UNTOLD:
		return 0;
	case FATE_THERE:
		break;
	}
	if (q->type_at(q->arg, now) == q->type)
		return 1;
	return strcmp(now, q->path) == 0 ? 0 : -EAGAIN;
}

int fates_explain(const struct fates *f, const struct fates_question *q)
{
	bool empty = q->type_at(q->arg, q->path) == 0;
	enum fates_sight sight = SIGHT_ABOVE;
	uint64_t seen = UINT64_MAX;
	int r = 0;

	for (int i = 1; seen > q->since && sight != SIGHT_SURE; i++) {
		seen = i > SIGHTS ? q->since
				  : fates_seen(f, q->path, q->type, seen,
					       q->since, &sight);
		/* it came there, and is missing */
		bool missing = empty && seen > q->since && sight != SIGHT_ABOVE;
		if (missing && SEQ_EPOCH(seen) == q->epoch)
			return 1; /* the record that it is gone will come */
		int x = explained_by(f, q, seen);
		if (x == 1 || (x == 0 && missing))
			return x;
		if (x < 0)
			r = x;
	}
	return r;
}
