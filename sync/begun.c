/*
 * A folder that the replica lacks comes with all that is in it, though it may
 * have been looked at for one file, or for what its own record says. Cut off in
 * between, it would be met there by the next connection, which then looks at
 * that one file only: the rest would be missing for ever. So the folder is
 * parked before it is made, in the journal only, as here nothing of it is held
 * back: the commit behind it takes that back in the same transaction. A
 * connection that was lost before leaves it to the next one, which tries what
 * is parked with all below, at once.
 *
 * The walk over all of the tree has its own place to go on from; and what is
 * parked already is done as a whole.
 */
#include "confdefs.h"

#include <errno.h>

#include "clock.h"
#include "paths.h"
#include "sync/begun.h"
#include "sync/seed.h"
#include "sync/textset.h"

static bool is_below_one(const struct engine *e, const char *path)
{
	for (const struct text_set *t = e->begun; t; t = t->hh.next) {
		if (path_is_below(path, t->text))
			return true;
	}
	return pathset_cover(&e->parked_paths, path) > 0;
}

int begun_note(struct engine *e, const char *path)
{
	const struct parked p = {
		.path = (char *)path,
		.seq = e->inflight > e->cursor ? e->inflight : e->cursor,
		.cause = CAUSE_WAITING,
		.error = (char *)cause_text(CAUSE_WAITING),
		.first_ns = clock_wall_ns(),
		.next_ns = clock_wall_ns()};

	if (seed_is_new(e) || is_below_one(e, path))
		return 0;
	set_add(&e->begun, path);
	/* records behind the cursor do not name all that is sent */
	e->beside = true;
	return journal_parked_put(e->journal, e->row.id, &p);
}

int begun_over(struct engine *e)
{
	struct text_set *t, *tmp;
	int r = 0;

	HASH_ITER(hh, e->begun, t, tmp)
	{
		/* it may have been parked since, as it failed */
		if (r == 0 && !pathset_at(&e->parked_paths, t->text))
			r = journal_parked_del(e->journal, e->row.id, t->text);
		if (r == -ENOENT) /* nor is the replica there any more */
			r = 0;
		set_del(&e->begun, t);
	}
	return r;
}
