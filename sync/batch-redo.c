/*
 * What the steps of a plan could not do is done over, by reconcile, while the
 * cursor stays; what fails again is parked. Each path takes many round trips,
 * so of more than a few the others are parked as they are, and tried when what
 * is behind them has had its turn: a folder that takes nothing, and thousands
 * of files for it, would hold up everybody for minutes.
 *
 * A folder that is missing on the replica is brought by reconcile, so when it
 * is missing still, it was removed here or there meanwhile, and more tries are
 * worth while: users may remove a tree, of which some files have other names
 * elsewhere, and make it anew, faster than it can be compared.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sync/engine.h"

#define REDO_TRIES 2
#define RACE_TRIES 8 /* where a folder is missing */
#define REDO_MAX   16
#define DEAR_BYTES (1024u * 1024)

int batch_redo(struct engine *e, const char *path, enum strictness strict,
	       enum depth depth, uint64_t seq)
{
	int r;

	/* what it is in could not be brought either; what was parked before is
	 * compared when it is tried: what is there may be another one's */
	if (engine_is_parked(e, path, strict < STRICT_FULL ? 0 : seq))
		return strict >= STRICT_NEWS ? unsure_at(e, path) : 0;
	r = reconcile(e, path, strict, depth);
	return r == 0 ? batch_mend(e, seq) : r;
}

/* redo - what is in `bad`, once; STRICT_TREE: with all that is below. A folder
 * that did not fail itself is never parked: all in it would have to wait. */
static int redo(struct engine *e, struct pathset *bad, const char *path,
		enum strictness strict, uint64_t seq, unsigned *n)
{
	uint64_t doubt = pathset_at(bad, path);
	bool tree = strict == STRICT_TREE;
	int r;

	if (doubt == 0 || doubt == DONE_OVER)
		return 0;
	pathset_put(bad, path, DONE_OVER);
	/* its retry would send what is but compared */
	if (doubt != FAILED || !*path || strict < STRICT_FULL ||
	    (*n)++ < REDO_MAX)
		return batch_redo(e, path, strict, tree ? DEPTH_ALL : DEPTH_ONE,
				  seq);
	r = tree ? unsure_at(e, path) : 0;
	return r == 0 ? engine_park_for_now(e, path, seq) : r;
}

/* redo_others - attributes that did not come, or not to their file, are to be
 * those of all its names, and the one by which they were sent may be another
 * file's by now. Where it is not, the file is new, and so are its names. */
static int redo_others(struct engine *e, struct pathset *bad,
		       const struct action *a, uint64_t seq, unsigned *redone)
{
	const struct fhandle *obj = &a->rec->obj;
	char **names;
	int r = 0;

	if (a->kind != ACT_SETATTR || !pathset_at(bad, a->path) ||
	    (links_is(e->links, a->path, obj) &&
	     !engine_is_parked(e, a->path, seq)))
		return 0;
	/* reconcile changes the set that the names belong to */
	unsigned n = links_copies(e->links, obj, a->path, &names);
	for (unsigned i = 0; i < n; i++) {
		if (r == 0 && !pathset_at(bad, names[i])) {
			pathset_put(bad, names[i], FAILED);
			r = redo(e, bad, names[i], STRICT_ATTR, seq, redone);
		}
	}
	links_copies_free(names, n);
	return r;
}

/* is_dear - all of a large file would be sent to be refused once more, as it does
 * not fit into a quota. (What was refused its place only is there: exec-kept.c.) */
static bool is_dear(const struct engine *e, const char *path)
{
	struct failure why = {0};

	return engine_failure(e, path, &why) && why.kind == STEP_PUT &&
	       why.need > DEAR_BYTES && why.error == -EREMOTEIO;
}

static bool is_missing(const struct engine *e, const char *path)
{
	struct failure why = {0};

	return engine_failure(e, path, &why) && why.error == -ENOENT;
}

int batch_each_failed(struct engine *e, mend_fn *fn, void *arg)
{
	char **failed = NULL;
	unsigned n;
	int r = 0;

	for (int try = 0;
	     r == 0 && (n = engine_take_failed(e, true, &failed)) > 0; try++) {
		for (unsigned i = 0; i < n; i++) {
			const struct mending m = {
				.try = try,
				.i = i,
				.missing = try < RACE_TRIES &&
					   is_missing(e, failed[i]),
			};
			if (r == 0)
				r = fn(e, failed[i], &m, arg);
			free(failed[i]);
		}
		free(failed);
		failed = NULL;
	}
	free(failed);
	return r;
}

static int mend(struct engine *e, const char *path, const struct mending *m,
		void *arg)
{
	const uint64_t *seq = arg;

	if (m->i >= REDO_MAX)
		return engine_park_for_now(e, path, *seq);
	bool again = m->try < REDO_TRIES && !is_dear(e, path);

	return again || m->missing
		       ? reconcile(e, path, STRICT_FULL, DEPTH_ALL)
		       : engine_park(e, path, *seq);
}

int batch_mend(struct engine *e, uint64_t seq)
{
	return batch_each_failed(e, mend, &seq);
}

int batch_redo_failed(struct engine *e, const struct plan *plan, uint64_t seq)
{
	struct pathset bad = {0};
	char **failed = NULL;
	unsigned n = engine_take_failed(e, false, &failed), redone = 0;
	int r = n && visit_is_over(e->remote) ? -ENOTCONN : 0;

	for (unsigned i = 0; i < n; i++)
		pathset_put(&bad, failed[i], FAILED);
	plan_taint(plan, &bad);
	for (unsigned i = 0; r == 0 && i < plan->n; i++) {
		const struct action *a = &plan->actions[i];
		enum strictness strict = action_redone(a);
		if (action_is_state(a))
			continue;
		r = redo(e, &bad, a->path, strict, seq, &redone);
		if (r == 0 && action_second(a))
			r = redo(e, &bad, action_second(a), strict, seq,
				 &redone);
		if (r == 0)
			r = redo_others(e, &bad, a, seq, &redone);
	}
	/* what the plan does not name: other names of its objects */
	for (unsigned i = 0; i < n; i++) {
		if (r == 0)
			r = redo(e, &bad, failed[i], STRICT_FULL, seq, &redone);
		free(failed[i]);
	}
	free(failed);
	pathset_done(&bad);
	return r;
}
