/*
 * What the plan asks about a replica, answered from what its thread knows.
 */
#include "confdefs.h"

#include "sync/engine.h"

static bool view_by_state(void *arg, const char *path, uint64_t seq)
{
	struct engine *e = arg;

	return seq <= pathset_related(&e->fences, path);
}

static enum plan_held view_held(void *arg, const char *path, uint64_t seq)
{
	struct engine *e = arg;

	if (pathset_cover(&e->parked_paths, path))
		return HELD_HERE;
	return pathset_below(&e->parked_paths, path) ? HELD_BELOW : HELD_NO;
}

static bool view_has(void *arg, const struct record *r)
{
	struct engine *e = arg;

	/* what comes back from aside is told by a record of our own */
	return fresh_tells(e->fresh, r) ||
	       (r->seq > e->cursor && asides_tells(e->asides, r));
}

static bool view_excluded(void *arg, const char *path, bool is_dir)
{
	const struct engine *e = arg;

	return filter_excludes(e->filter, path, is_dir);
}

static bool view_moves_change(void *arg, const char *path, const char *path2)
{
	const struct engine *e = arg;

	return filter_tells_apart(e->filter, path, path2);
}

void batch_plan(struct engine *e, const struct record *records, unsigned n,
		struct plan_memory *memory, struct plan *ret)
{
	const struct plan_view view = {.by_state = view_by_state,
				       .held = view_held,
				       .has = view_has,
				       .excluded =
					       e->filter ? view_excluded : NULL,
				       .moves_change = view_moves_change,
				       .arg = e};

	plan_build(records, n, &view, memory, ret);
}
