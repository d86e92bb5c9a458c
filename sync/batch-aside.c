/*
 * A large file leaves the line, and comes back into it when all of it is in
 * the stage: as a batch of one record that says "settled", made up here, at a
 * name that the object has as of the cursor. What a crash leaves: until that
 * batch has been noted in the journal the file is still aside, and is sent
 * again.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "sync/engine.h"
#include "sync/learn.h"
#include "sync/lower.h"

/* touches - has `a` to do with that path or object? */
static bool touches(const struct action *a, const char *path,
		    const struct fhandle *obj)
{
	return path_related(a->path, path) ||
	       (a->path2 && a->kind != ACT_SYMLINK &&
		path_related(a->path2, path)) ||
	       (a->rec && fhandle_equal(&a->rec->obj, obj));
}

bool aside_may_leave(void *arg, const struct step *s)
{
	const struct engine *e = arg;
	const struct action *a = s->tag;

	/* a copy in place of a link is not all that its object is about */
	if (!a || !e->plan || a->kind != ACT_PUT)
		return false;
	if (links_has_other(e->links, &s->obj, s->path))
		return false;
	for (const struct action *b = a + 1; b < e->plan->actions + e->plan->n;
	     b++) {
		if (touches(b, s->path, &s->obj))
			return false;
	}
	return true;
}

/* told_since - what the replica has of the path is as of that record: it may have
 * been parked, and is being retried. */
static uint64_t told_since(struct engine *e, const char *path)
{
	uint64_t seq = e->cursor;

	return journal_parked_since(e->journal, e->row.id, path, &seq) < 0
		       ? 0
		       : seq;
}

/* owed_by_others - it may lose the name by which it was to be sent. */
static void owed_by_others(struct engine *e, struct aside_row row)
{
	char **names;
	unsigned n = links_copies(e->links, &row.obj, row.path, &names);

	for (unsigned i = 0; i < n; i++) {
		row.path = names[i];
		asides_put(e->asides, &row, 0);
	}
	links_copies_free(names, n);
}

void aside_left(struct engine *e, const struct step *s)
{
	const struct action *a = s->tag;
	bool owed = s->result == STEP_SUPERSEDED;
	uint64_t newest = a ? a->rec->seq : shared_last_seq(e->shared);
	const struct aside_row row = {.obj = s->obj,
				      .path = s->path,
				      .from_seq = told_since(e, s->path),
				      .seq = newest,
				      .time_ns = clock_wall_ns(),
				      .size = (uint64_t)s->st.st_size,
				      .absent = a && a->absent && !owed,
				      .owed = owed};

	log_debug("%s: %s: path=%s", e->row.name,
		  owed ? "written again, is owed" : "large, goes aside",
		  s->path);
	asides_put(e->asides, &row, owed ? 0 : s->as_of);
	if (owed)
		owed_by_others(e, row);
}

static void gone(void *arg, const struct fhandle *obj)
{
	struct engine *e = arg;

	exec_aside_drop(e->exec, obj);
	plan_memory_present(e->memory, obj);
}

/* learn_owner - no record to come tells of its owner. */
static void learn_owner(struct engine *e, const struct aside_row *row)
{
	struct stat st;
	struct fhandle obj;
	CLEANUP_CLOSE int fd = lower_open_object(e->cfg->lower_fd, &row->obj,
						 row->path, O_PATH);

	if (fd >= 0 && lower_look_fd(fd, &st, &obj) == 0)
		engine_owner(e, st.st_uid, st.st_gid, row->path);
}

static void again(void *arg, const struct aside_row *row, bool linked)
{
	struct engine *e = arg;

	if (row->owed)
		return;
	learn_owner(e, row);
	if (row->absent)
		plan_memory_absent(e->memory, &row->obj, linked);
	exec_aside(e->exec, row->path, &row->obj);
}

int aside_begin(struct engine *e)
{
	int r = asides_open(e->journal, e->row.id, gone, e, &e->asides);

	if (r == 0)
		asides_each(e->asides, again, e);
	return r;
}

bool aside_comes(struct engine *e, const char *path, const struct fhandle *obj)
{
	return asides_is(e->asides, obj, path) &&
	       exec_aside_comes(e->exec, obj);
}

void aside_end_all(struct engine *e)
{
	struct fhandle obj;

	while (asides_first(e->asides, &obj)) {
		exec_aside_drop(e->exec, &obj);
		if (!asides_end(e->asides, &obj, false))
			asides_paid(e->asides, &obj, false);
	}
}

int aside_idle(struct engine *e)
{
	int r = asides_idle(e->asides);

	return r > 0 ? engine_note(e) : r;
}

/* puts_it - does the plan send it? */
static bool puts_it(const struct plan *plan, const struct fhandle *obj)
{
	for (unsigned i = 0; i < plan->n; i++) {
		const struct action *a = &plan->actions[i];
		if (a->kind == ACT_PUT && fhandle_equal(&a->rec->obj, obj))
			return true;
	}
	return false;
}

/* publish - `obj`, the name of which is `path`. */
static int publish(struct engine *e, const struct fhandle *obj, char *path,
		   bool *ret_pushed)
{
	const struct record rec = {.seq = e->cursor,
				   .op = OP_SETTLE,
				   .obj = *obj,
				   .path = path,
				   .mode = S_IFREG};
	struct plan plan;

	batch_plan(e, &rec, 1, e->memory, &plan);
	*ret_pushed = puts_it(&plan, obj);
	int r = batch_run_plan(e, &plan, e->cursor);
	plan_done(&plan);
	return r;
}

int batch_aside(struct engine *e)
{
	const struct fhandle *ready;
	bool some = false;
	int r = 0;

	while (r == 0 && (ready = exec_aside_ready(e->exec))) {
		struct fhandle obj = *ready;
		const char *name = asides_find(e->asides, &obj);
		char *path = name ? strdup(name) : NULL;
		bool pushed = false;

		if (path)
			r = publish(e, &obj, path, &pushed);
		free(path);
		/* where the path is parked nothing was pushed: its retry brings
		 * the file. What was pushed, and changed meanwhile, may have
		 * gone aside again, and be ready again. */
		if (r == 0 && !pushed && exec_aside_is_ready(e->exec, &obj)) {
			exec_aside_drop(e->exec, &obj);
			asides_end(e->asides, &obj, false);
		}
		some = true;
	}
	return r == 0 && some ? engine_note(e) : r;
}
