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
 * have removed or moved it before the unmount, or since (fates.c).
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
#include "sync/lower.h"
#include "sync/told.h"

#define RECORDS	    256
#define RECORDS_MAX 200000	   /* of which the paths are kept */
#define EVENTS_MAX  600000	   /* then they are read anew: one has 2 */
#define WAIT_NS	    (2 * NS_PER_S) /* for the newest, at most */
#define WAIT_MS	    2
#define TRIES	    8
#define FRESH_NS    NS_PER_S

/* ---- what records tell ---- */

void told_record(struct told *t, const struct record *r)
{
	t->upto = r->seq;
	if (r->op != OP_GAP && r->op != OP_UNSURE) {
		fates_record(&t->fates, r);
		return;
	}
	/* what was at a path may have been there again, and gone, untold */
	fates_done(&t->fates);
	t->partly = true;
}

void told_forget(struct told *t)
{
	fates_done(&t->fates);
	t->from = t->upto = 0;
}

void told_done(struct told *t)
{
	fates_done(&t->fates);
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

static bool is_known(const struct told *t, uint64_t since)
{
	return t->upto > 0 && since >= t->from;
}

/* learn - all that records tell from behind `since` on. */
static int learn(struct engine *e, uint64_t since)
{
	struct told *t = &e->told;
	int r = 0;

	if (!is_known(t, since) || t->fates.n > EVENTS_MAX) {
		told_forget(t);
		t->from = t->upto = since;
		r = journal_tail(e->journal, RECORDS_MAX, &t->upto);
		t->partly = t->upto > since;
	}
	if (r == 0)
		r = catch_up(e);
	while (r == 0 && (r = read_some(e)) > 0)
		r = 0;
	t->learned_ns = clock_mono_ns();
	return r;
}

/* type_at - what cannot be looked at is there, of no type. */
static uint32_t type_at(void *arg, const char *path)
{
	struct engine *e = arg;
	struct stat st;
	struct fhandle obj;
	int r = lower_look(e->cfg->lower_fd, path, &st, &obj);

	if (r == 0)
		return st.st_mode & S_IFMT;
	return r == -ENOENT || r == -ENOTDIR ? 0 : S_IFMT;
}

static int explain(struct engine *e, const char *path, mode_t mode,
		   uint64_t since)
{
	const struct fates_question q = {
		.path = path,
		.type = mode & S_IFMT,
		.since = since,
		.partly = e->told.partly,
		.epoch = shared_epoch(e->shared),
		.type_at = type_at,
		.arg = e,
	};

	return q.type ? fates_explain(&e->told.fates, &q) : 0;
}

int told_removed(struct engine *e, const char *path, mode_t mode,
		 uint64_t since)
{
	const struct told *t = &e->told;
	uint64_t upto = 0;
	int x = 0;

	/* that there may have been more than they tell comes late, as it is
	 * found out beside users */
	if (is_known(t, since) && clock_mono_ns() - t->learned_ns < FRESH_NS) {
		upto = t->upto;
		x = explain(e, path, mode, since);
	}
	/* it may be moved on as it is looked for */
	for (int i = 0; i < TRIES && x != 1; i++) {
		int r = learn(e, since);
		if (r < 0 || t->upto == upto)
			return r;
		upto = t->upto;
		x = explain(e, path, mode, since);
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
	return e->told.doubting ||
	       SEQ_EPOCH(*ret_since) != shared_epoch(e->shared);
}

int told_asks(struct engine *e, const char *path, const struct remote_attr *a)
{
	uint64_t since, n = 0;

	if (e->told.counted || e->row.options.max_delete >= 100)
		return 0;
	int r = is_doubtful(e, path, &since);
	if (r <= 0)
		return r;
	r = told_removed(e, path, a->mode, since);
	if (r != 0)
		return r < 0 ? r : 0;
	r = seed_count(e, path, a->mode, &n);
	if (r < 0)
		return r;
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
