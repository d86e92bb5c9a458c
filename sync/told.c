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

/* ---- what records tell ---- */

/* follows_well - is nothing missing between the last record and `r`? Of a run that
 * did not end well the newest records may be lost, and replicas have had them. */
static bool follows_well(const struct told *t, const struct record *r)
{
	uint64_t before = SEQ_EPOCH(t->upto), epoch = SEQ_EPOCH(r->seq);

	return epoch == before ? !t->cut : epoch == before + 1 && t->stopped;
}

void told_record(struct told *t, const struct record *r, uint64_t epoch)
{
	t->cut = !follows_well(t, r);
	t->stopped = r->op == OP_STOP;
	t->upto = r->seq;
	if (r->op != OP_GAP && r->op != OP_UNSURE)
		fates_record(&t->fates, r);
	else if (t->cut)
		fates_done(&t->fates);
	else if (SEQ_EPOCH(r->seq) != epoch)
		t->doubt = r->seq;
}

void told_done(struct told *t)
{
	fates_done(&t->fates);
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
		told_record(&e->told, &list[i], epoch(e));
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
		fates_done(&e->told.fates);
		e->told.doubt = 0;
		e->told.cut = e->told.stopped = false;
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

/* is_explained - by what records tell as far as they are known. What the replica
 * has is taken for what was seen at the path last, of that type. */
static bool is_explained(struct engine *e, const char *path, mode_t type,
			 uint64_t since)
{
	const struct fates *f = &e->told.fates;
	bool empty = kind_at(e, path) == 0, sure;
	uint64_t seen = UINT64_MAX, gone;

	do {
		seen = fates_seen(f, path, type, seen, since, &sure);
		/* gone while it is mounted: the record will come */
		if (empty && seen > since && SEQ_EPOCH(seen) == epoch(e))
			return true;
		CLEANUP_FREE char *now = fates_follow(f, path, seen, &gone);
		if (!now)
			return gone > e->told.doubt;
		if (kind_at(e, now) == type)
			return true;
		if (empty && strcmp(now, path) == 0)
			return false;
	} while (!sure && seen > since);
	return false;
}

int told_removed(struct engine *e, const char *path, mode_t mode,
		 uint64_t since)
{
	bool known = e->told.upto > 0 && since >= e->told.from;

	if (known && is_explained(e, path, mode & S_IFMT, since))
		return 1;
	/* it may be moved on as it is looked for */
	for (int i = 0; i < TRIES; i++) {
		uint64_t upto = known ? e->told.upto : 0;
		int r = learn(e, since);
		if (r < 0 || e->told.upto == upto)
			return r;
		if (is_explained(e, path, mode & S_IFMT, since))
			return 1;
		known = true;
	}
	return 0;
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
