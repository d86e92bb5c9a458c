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
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "shared.h"
#include "sync/engine.h"
#include "sync/lower.h"
#include "sync/told.h"

#define RECORDS	    256
#define RECORDS_MAX 200000	   /* of which the paths are kept */
#define WAIT_NS	    (2 * NS_PER_S) /* for the newest, at most */
#define WAIT_MS	    2
#define TRIES	    8
#define SIGHTS	    16 /* of one name */

/* ---- what records tell ---- */

void told_record(struct told *t, const struct record *r)
{
	t->upto = r->seq;
	/* what was at a path may have been there again, and gone, untold */
	if (r->op == OP_GAP || r->op == OP_UNSURE)
		fates_done(&t->fates);
	else
		fates_record(&t->fates, r);
}

void told_forget(struct told *t)
{
	fates_done(&t->fates);
	t->from = t->upto = 0;
}

void told_done(struct told *t)
{
	told_forget(t);
	*t = (struct told){0};
}

static uint64_t epoch(const struct engine *e)
{
	return SEQ_EPOCH(shared_last_seq(e->shared));
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

/* learn - all that records tell from behind `since` on. */
static int learn(struct engine *e, uint64_t since)
{
	int r = 0;

	if (e->told.upto == 0 || since < e->told.from) {
		told_forget(&e->told);
		e->told.from = e->told.upto = since;
		r = journal_tail(e->journal, RECORDS_MAX, &e->told.upto);
	}
	if (r == 0)
		r = catch_up(e);
	while (r == 0 && (r = read_some(e)) > 0)
		r = 0;
	return r;
}

/* kind_at - of what the master has there; 0: nothing. */
static mode_t kind_at(struct engine *e, const char *path)
{
	struct stat st;
	struct fhandle obj;

	return lower_look(e->cfg->lower_fd, path, &st, &obj) == 0
		       ? st.st_mode & S_IFMT
		       : 0;
}

/* explain - what became of what was at `path`, as far as records are known: 1, 0,
 * or -EAGAIN when it was moved to where nothing of that type is. What was seen
 * last comes first; of what may have been there, or may have come with its
 * folder, any does. */
static int explain(struct engine *e, const char *path, mode_t type,
		   uint64_t since)
{
	const struct fates *f = &e->told.fates;
	bool empty = kind_at(e, path) == 0;
	enum fates_sight sight = SIGHT_ABOVE;
	uint64_t seen = UINT64_MAX;
	int r = 0;

	for (int i = 0; i < SIGHTS && seen > since && sight != SIGHT_SURE;
	     i++) {
		seen = fates_seen(f, path, type, seen, since, &sight);
		/* gone while it is mounted: the record will come */
		if (empty && sight != SIGHT_ABOVE &&
		    SEQ_EPOCH(seen) == epoch(e))
			return 1;
		CLEANUP_FREE char *now = fates_follow(f, path, seen);
		if (!now || kind_at(e, now) == type)
			return 1;
		if (strcmp(now, path) != 0)
			r = -EAGAIN;
		else if (empty && sight != SIGHT_ABOVE)
			return 0;
	}
	return r;
}

int told_removed(struct engine *e, const char *path, mode_t mode,
		 uint64_t since)
{
	mode_t type = mode & S_IFMT;
	bool known = e->told.upto > 0 && since >= e->told.from;
	int x = known ? explain(e, path, type, since) : 0;

	/* it may be moved on as it is looked for */
	for (int i = 0; i < TRIES && x != 1; i++) {
		uint64_t upto = e->told.upto;
		int r = learn(e, since);
		if (r < 0)
			return r;
		if (known && e->told.upto == upto)
			return 0;
		known = true;
		x = explain(e, path, type, since);
		if (x == 0)
			return 0;
	}
	return x == 1;
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
	return e->told.doubting || SEQ_EPOCH(*ret_since) != epoch(e);
}

int told_asks(struct engine *e, const char *path, const struct remote_attr *a)
{
	uint64_t since, n = 1;

	if (e->told.counted || e->row.options.max_delete >= 100)
		return 0;
	int r = is_doubtful(e, path, &since);
	if (r <= 0)
		return r;
	r = told_removed(e, path, a->mode, since);
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
