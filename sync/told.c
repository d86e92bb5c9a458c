/*
 * What would be removed on a replica though no record tells that users have
 * removed it.
 *
 * A path that is compared by itself, as what was in flight when the last run
 * ended is, may be below a folder that went while nothing was mounted: with its
 * disk, or by fsck. The records that say "look everywhere", upon which
 * everything is compared and somebody is asked (seed.c), are behind those in
 * flight, or are not made yet. So what is deleted by state is counted here.
 *
 * While it is mounted, all that goes has a record. So this is only about what
 * the replica has as of an earlier mount, or where a record says that it is not
 * known. A little may always go. Of more, the records are asked: a user may
 * have removed it before the unmount, or since.
 */
#include "confdefs.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "shared.h"
#include "sync/engine.h"
#include "sync/told.h"

#define RECORDS	    256
#define RECORDS_MAX 200000	   /* of which the paths are kept */
#define WAIT_NS	    (2 * NS_PER_S) /* for the newest, at most */
#define WAIT_MS	    2

/* ---- what records tell ---- */

/* forget - what was at a path may have been there again, and gone, untold. */
static void forget(struct told *t)
{
	pathset_done(&t->gone);
	pathset_done(&t->made);
	pathset_done(&t->moved);
}

void told_record(struct told *t, const struct record *r)
{
	t->upto = r->seq;
	switch (r->op) {
	case OP_GAP:
	case OP_UNSURE:
		forget(t);
		break;
	case OP_UNLINK:
	case OP_RMDIR:
		pathset_put(&t->gone, r->path, r->seq);
		break;
	case OP_CREATE:
	case OP_MKDIR:
	case OP_SYMLINK:
	case OP_MKNOD:
		pathset_put(&t->made, r->path, r->seq);
		break;
	case OP_LINK:
		pathset_put(&t->made, r->path2, r->seq);
		break;
	case OP_RENAME:
		/* whether it has swapped them already cannot be told */
		pathset_put(r->flags & RF_EXCHANGE ? &t->moved : &t->gone,
			    r->path, r->seq);
		pathset_put(&t->moved, r->path2, r->seq);
		break;
	default:
		break;
	}
}

bool told_gone(const struct told *t, const char *path)
{
	uint64_t gone = pathset_cover(&t->gone, path);

	return gone > pathset_at(&t->made, path) &&
	       gone > pathset_cover(&t->moved, path);
}

void told_done(struct told *t)
{
	forget(t);
	*t = (struct told){0};
}

static int read_some(struct engine *e)
{
	CLEANUP_FREE struct record *list = calloc(RECORDS, sizeof(*list));

	if (!list)
		abort();
	int n = journal_read(e->journal, e->told.upto, list, RECORDS);
	for (int i = 0; i < n; i++) {
		told_record(&e->told, &list[i]);
		record_done(&list[i]);
	}
	return n;
}

/* catch_up - the record of what is gone already may still be on its way into the
 * journal. */
static int catch_up(struct engine *e)
{
	struct pollfd stop = {.fd = e->stop_fd, .events = POLLIN};
	uint64_t want = shared_settled_seq(e->shared), have = 0;
	int64_t end = clock_mono_ns() + WAIT_NS;
	int r = journal_last_seq(e->journal, &have);

	while (r == 0 && have < want && clock_mono_ns() < end) {
		if (poll(&stop, 1, WAIT_MS) > 0)
			return -ECANCELED;
		r = journal_last_seq(e->journal, &have);
	}
	return r;
}

int told_removed(struct engine *e, const char *path, uint64_t since)
{
	bool anew = e->told.upto == 0 || since < e->told.from;
	int r = 0;

	if (!anew && told_gone(&e->told, path))
		return 1;
	if (anew) {
		forget(&e->told);
		e->told.from = e->told.upto = since;
		r = journal_tail(e->journal, RECORDS_MAX, &e->told.upto);
	}
	if (r == 0)
		r = catch_up(e);
	while (r == 0 && (r = read_some(e)) > 0)
		r = 0;
	return r < 0 ? r : told_gone(&e->told, path);
}

/* ---- what is to be deleted ---- */

/* is_doubtful - may something have happened to it without a record? *ret_since:
 * the replica has it as of then. */
static int is_doubtful(struct engine *e, const char *path, uint64_t *ret_since)
{
	int r = 0;

	*ret_since = e->cursor;
	if (e->reconciling)
		r = journal_parked_since(e->journal, e->row.id, path,
					 ret_since);
	if (r < 0)
		return r;
	return e->told.doubting ||
	       SEQ_EPOCH(*ret_since) != SEQ_EPOCH(shared_last_seq(e->shared));
}

int told_asks(struct engine *e, const char *path, const struct remote_attr *a)
{
	uint64_t since, n = 1;

	if (e->told.counted || e->row.options.max_delete >= 100)
		return 0;
	int r = is_doubtful(e, path, &since);
	if (r <= 0)
		return r;
	r = told_removed(e, path, since);
	if (r == 0 && S_ISDIR(a->mode))
		r = seed_count(e, path, &n);
	if (r != 0)
		return r < 0 ? r : 0;
	if (e->told.untold + (int64_t)n <= TOLD_FREE) {
		e->told.untold += (int64_t)n;
		return 0;
	}
	CLEANUP_FREE char *name = text_printable(path);
	log_notice("%s: /%s is not in the tree, and no record tells why: "
		   "comparing everything before it goes",
		   e->row.name, name);
	return -ESTALE;
}
