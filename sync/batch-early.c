/*
 * On a long line the next batch need not wait for this one with all: while the
 * answers of this one are on their way, contents that new records tell of are
 * uploaded (exec-early.c). Nothing of that is seen, so the order is as it was;
 * and the plan of the next batch is made as if nothing were there. Where many
 * records wait it is the plan that saves most, and nothing is done here.
 */
#include "confdefs.h"

#include <stdlib.h>
#include <unistd.h>

#include "paths.h"
#include "sync/engine.h"

#define LOOK_MAX  64 /* records at once; more are a backlog */
#define TRIES_MAX 25

void early_begin(struct engine *e, uint64_t after)
{
	enum exec_update update = e->exec->cfg.update;

	e->early.after = after;
	e->early.tries = 0;
	e->exec->look_again = false;
	/* others are written into what is there */
	e->exec->watching = exec_is_far(e->exec) &&
			    (update == UPDATE_ATOMIC || update == UPDATE_WHOLE);
	early_drop(e->exec); /* what this batch has not taken */
}

void early_end(struct engine *e)
{
	e->exec->watching = false;
}

static bool worth_it(struct engine *e, const struct record *r)
{
	return r->op == OP_SETTLE && S_ISREG(r->mode) && r->path &&
	       !(r->flags & (RF_LAST | RF_IDLE)) && !path_is_long(r->path) &&
	       !path_is_reserved(r->path) &&
	       !pathset_cover(&e->parked_paths, r->path) &&
	       !filter_excludes(e->filter, r->path, false) &&
	       !asides_find(e->asides, &r->obj);
}

/* look_at - false: later. What has settled is still busy for a moment, and would
 * have to be sent once more. */
static bool look_at(struct engine *e, const struct record *r)
{
	bool busy = false, worth = e->exec->watching && worth_it(e, r);

	if (worth)
		shared_busy_mark(e->shared, &r->obj, &busy);
	if (busy && e->early.tries++ < TRIES_MAX)
		return false;
	if (worth && !busy)
		exec_early(e->exec, r->path, &r->obj);
	e->early.after = r->seq;
	e->early.tries = 0;
	return true;
}

void early_look(struct engine *e)
{
	struct record records[LOOK_MAX];
	bool later = false;
	uint64_t pokes;

	(void)!read(e->wake_fd, &pokes, sizeof(pokes));
	int n = journal_read(e->journal, e->early.after, records, LOOK_MAX);
	if (n < 0 || n == LOOK_MAX)
		e->exec->watching = false;
	for (int i = 0; i < n; i++) {
		later = later || !look_at(e, &records[i]);
		record_done(&records[i]);
	}
	e->exec->look_again = later;
}
