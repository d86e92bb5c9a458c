/*
 * A batch: records after the cursor, planned, applied, done over where that
 * failed, and the cursor moved. What a crash leaves at each point: before
 * `inflight` is stored, nothing was sent; after it, and before the cursor is,
 * any part may have been applied, and batch_resume has it compared.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/durable.h"
#include "sync/engine.h"
#include "sync/filters.h"
#include "sync/learn.h"
#include "sync/lower.h"

#define BATCH_MAX 4096

static const struct {
	enum step_kind step;
} steps_of[] = {
	[ACT_PUT] = {STEP_PUT},		[ACT_MKDIR] = {STEP_MKDIR},
	[ACT_SYMLINK] = {STEP_SYMLINK}, [ACT_LINK] = {STEP_LINK},
	[ACT_RENAME] = {STEP_RENAME},	[ACT_EXCHANGE] = {STEP_EXCHANGE},
	[ACT_UNLINK] = {STEP_REMOVE},	[ACT_RMDIR] = {STEP_RMDIR},
	[ACT_SETATTR] = {STEP_SETATTR}, [ACT_NAME] = {STEP_NAME},
};

/* takes_name - path names the object from now on: one more name, when it has
 * others, else none that must be known. Where its content comes later, the
 * replica has something else there, which may have names elsewhere. */
static void takes_name(struct engine *e, const struct step *s)
{
	const char **names;

	if (links_is(e->links, s->path, &s->obj))
		return;
	unsigned n = links_other(e->links, &s->obj, s->path, s->number, &names);
	free(names);
	if (s->result != STEP_SUPERSEDED)
		links_del(e->links, s->path);
	else if (n > 0)
		unsure_name(e, s->path, &s->obj);
	if (n > 0)
		links_add(e->links, &s->obj, s->path, s->number);
}

void batch_sending(struct engine *e, const struct step *s)
{
	const struct action *a = s->tag;

	switch (a->kind) {
	case ACT_LINK:
		plan_memory_linked(e->memory, &a->rec->obj);
		if (e->can.can[CAN_HARDLINK])
			break;
		links_add(e->links, &a->rec->obj, a->path, s->number);
		links_add(e->links, &a->rec->obj, a->path2, s->number);
		break;
	case ACT_NAME:
		unsure_name(e, a->path, &a->rec->obj);
		links_add(e->links, &a->rec->obj, a->path, s->number);
		break;
	case ACT_EXCHANGE:
		links_swap(e->links, a->path, a->path2);
		break;
	case ACT_UNLINK:
		links_del(e->links, a->path);
		break;
	case ACT_RMDIR: /* names that never came to be */
		links_del_tree(e->links, a->path);
		break;
	case ACT_SYMLINK:
	case ACT_PUT:
		takes_name(e, s);
		break;
	default:
		break;
	}
}

/* push_copy - in place of a link, which the server does not make. */
static int push_copy(struct engine *e, const struct action *a)
{
	engine_count(e, "hard-link", a->path2);
	return engine_push(e, STEP_PUT, a->path2, a->path, &a->rec->obj,
			   (void *)a);
}

/* push_update - if its last upload was given up, what the replica has is older
 * than the cursor says. */
static int push_update(struct engine *e, const struct action *a)
{
	struct stale_content is = {.since = e->cursor};

	stale_get(e->stale, &a->rec->obj, &is);
	return exec_push_update(e->exec, a->path, &a->rec->obj, is, (void *)a);
}

static int push_action(struct engine *e, const struct action *a)
{
	const char *two = action_second(a);
	int r = engine_owner(e, a->rec->uid, a->rec->gid, a->path);

	if (r != 0)
		return r < 0 ? r : 0;
	if (a->kind != ACT_SETATTR && a->kind != ACT_NAME) {
		engine_touch_parent(e, a->path);
		if (two)
			engine_touch_parent(e, two);
	}
	if (a->kind == ACT_MKDIR ||
	    (a->kind == ACT_SETATTR && S_ISDIR(a->rec->mode)))
		engine_touch(e, a->path);
	if (a->kind == ACT_LINK && !e->can.can[CAN_HARDLINK])
		r = push_copy(e, a);
	else if (a->update)
		r = push_update(e, a);
	else
		r = engine_push(e, steps_of[a->kind].step, a->path, two,
				&a->rec->obj, (void *)a);
	if (r == 0 && a->tree)
		r = engine_moved(e, a->path, a->path2);
	if (r == 0 && a->kind == ACT_EXCHANGE) {
		r = engine_swapped(e, a->path, a->path2);
		/* xfs gives folders that change their parents the time of the
		 * exchange (xfs_cross_rename, seen on Linux 6.18) */
		engine_touch(e, a->path);
		engine_touch(e, a->path2);
	}
	return r;
}

/* is_again - just what was looked at before this one: of a name that many
 * objects have had, one after the other. */
static bool is_again(const struct action *before, const struct action *a)
{
	return before && !before->deep && !a->deep && a->rec->op != OP_GAP &&
	       before->strict >= a->strict &&
	       strcmp(before->path, a->path) == 0;
}

/* run_state - reconcile the path, and with OBJECT all other names that the
 * replica has of the object: it changed under them, too. `before`: the last one
 * of this batch, or NULL. */
static int run_state(struct engine *e, const struct action *a, uint64_t seq,
		     const struct action *before)
{
	char **names = NULL;
	int n = 0, r = 0;

	if (!*a->path && a->deep)
		return -ESTALE;
	if (a->kind == ACT_OBJECT)
		n = object_names(e, a, &names);
	if (n < 0 || (n == 0 && is_again(before, a)))
		return n;
	if (a->rec->op == OP_GAP && a->rec->flags & RF_CONTENT)
		e->changed_ns = a->rec->size;
	r = batch_redo(e, a->path, a->strict, a->deep ? DEPTH_ALL : DEPTH_ONE,
		       seq);
	for (int i = 0; r == 0 && i < n; i++)
		r = batch_redo(e, names[i], a->strict, DEPTH_ONE, seq);
	links_copies_free(names, (unsigned)n);
	e->changed_ns = UINT64_MAX;
	return r;
}

/* publish_state - right behind the last step: who restores the replica from a
 * copy that was made meanwhile must not find a number that it has not got. */
static int publish_state(struct engine *e, const struct plan *plan,
			 uint64_t seq)
{
	bool more = plan->n && action_is_state(&plan->actions[plan->n - 1]);

	if (!e->state.busy || e->state.seq != seq || more ||
	    !e->can.can[CAN_POSIX_RENAME])
		return 0;
	int r = exec_send(e->exec);
	if (r == 0)
		stage_write_publish(e);
	return r;
}

int batch_run_plan(struct engine *e, const struct plan *plan, uint64_t seq)
{
	const struct action *before = NULL;
	int r = 0;

	e->plan = plan;
	for (unsigned i = 0; i < plan->n_counts; i++)
		for (uint64_t k = 0; k < plan->counts[i].n; k++)
			engine_count(e, plan->counts[i].kind,
				     plan->counts[i].example);
	for (unsigned i = 0; r == 0 && i < plan->n; i++) {
		if (!action_is_state(&plan->actions[i]))
			r = push_action(e, &plan->actions[i]);
	}
	if (r == 0)
		r = engine_push_times(e);
	if (r == 0)
		r = publish_state(e, plan, seq);
	if (r == 0)
		r = exec_drain(e->exec);
	e->plan = NULL;
	e->state.early |= e->state.go && e->failed;
	if (r == 0)
		r = batch_redo_failed(e, plan, seq);
	for (unsigned i = 0; r == 0 && i < plan->n; i++) {
		const struct action *a = &plan->actions[i];
		if (a->kind == ACT_UNSURE) {
			r = unsure_run(e, a->rec, seq);
			before = NULL;
		} else if (action_is_state(a)) {
			r = run_state(e, a, seq, before);
			before = a;
		}
	}
	return r;
}

int batch_commit(struct engine *e, uint64_t seq, bool seeded)
{
	int r = engine_dir_times(e);

	if (r < 0)
		return r;
	r = e->state.seq == seq ? stage_write_end(e) : -EAGAIN;
	/* anew, too, where the file that was opened for it was no use */
	if (r < 0 && r != -ENOTCONN && r != -ECANCELED)
		r = stage_write(e, seq);
	int safe = r == -ENOTCONN || r == -ECANCELED ? r : durable_commit(e);
	if (safe < 0)
		return safe;
	r = journal_transaction_begin(e->journal);
	if (r < 0)
		return r;
	r = engine_flush(e);
	if (r == 0)
		r = durable_note(e, safe);
	if (r == 0)
		r = journal_fences_drop(e->journal, e->row.id, seq);
	if (r >= 0)
		r = journal_batch_end(e->journal, e->row.id, seq, seeded);
	if (r >= 0 && e->seeding)
		r = journal_seed_end(e->journal, e->row.id);
	/* what is parked was left out of the comparison */
	if (r >= 0 && seeded && !e->n_parked)
		r = filters_settle(e);
	r = journal_transaction_close(e->journal, r);
	if (r < 0)
		return r;
	pathset_drop(&e->fences, seq);
	fresh_drop(&e->fresh, seq);
	plan_memory_forget(e->memory, seq);
	e->beside = false;
	e->cursor = seq;
	e->seeded = seeded;
	stage_write_ahead(e);
	if (!e->n_parked && SEQ_EPOCH(seq) == shared_epoch(e->shared))
		told_forget(&e->told); /* what it has is of this mount */
	return 0;
}

/* touch_folders - what came and went within the batch, and what is not
 * carried, has changed its folder all the same. */
static void touch_folders(struct engine *e, const struct record *records,
			  unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct record *r = &records[i];
		switch (r->op) {
		case OP_LINK:
		case OP_RENAME:
			engine_touch_parent(e, r->path2);
			/* fall through */
		case OP_CREATE:
		case OP_MKDIR:
		case OP_SYMLINK:
		case OP_MKNOD:
		case OP_UNLINK:
		case OP_RMDIR:
			engine_touch_parent(e, r->path);
			break;
		default:
			break;
		}
	}
}

/* note_stale - not what the replica has already: nothing would end that. */
static void note_stale(struct engine *e, const struct record *records,
		       unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct record *r = &records[i];
		if (r->path && filter_excludes(e->filter, r->path, false))
			continue;
		bool nameless = r->op == OP_SETTLE && r->flags & RF_LAST;
		if (nameless)
			e->swept = false;
		if (nameless && !fhandle_is_number(&r->obj, NULL) &&
		    lower_is_nameless(e->cfg->lower_fd, &r->obj))
			continue; /* nothing would ever publish it */
		if (!fresh_tells(e->fresh, r))
			stale_record(e->stale, r, e->cursor);
		if (r->op == OP_RENAME &&
		    (pathset_cover(&e->parked_paths, r->path) ||
		     pathset_cover(&e->parked_paths, r->path2)))
			unsure_moved(e, r);
	}
}

/* count_behind - a backlog that takes more than a batch is told when it is
 * done: how much there was, and how little had to be sent for it. */
static void count_behind(struct engine *e, int n)
{
	struct catch_up *c = &e->behind;

	if (n == BATCH_MAX && c->since_ns == 0)
		*c = (struct catch_up){.since_ns = clock_mono_ns()};
	if (n != 0 || c->since_ns == 0)
		return;
	log_notice("%s: caught up: records=%llu actions=%llu uploads=%llu "
		   "seconds=%.1f",
		   e->row.name, (unsigned long long)c->records,
		   (unsigned long long)c->actions,
		   (unsigned long long)c->uploads,
		   (double)(clock_mono_ns() - c->since_ns) / 1e9);
	*c = (struct catch_up){0};
}

/* forget_numbers - one that is made, or whose last name goes, is another object's
 * from then on, and what had it before has no names. */
static void forget_numbers(struct engine *e, const struct record *records,
			   unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct record *r = &records[i];
		if (fhandle_is_number(&r->obj, NULL) &&
		    (record_makes_object(r) ||
		     (r->op == OP_UNLINK && r->flags & RF_LAST)))
			links_del_object(e->links, &r->obj);
	}
}

/* run_records - all of a batch, from `inflight` to the cursor. */
static int run_records(struct engine *e, const struct record *records,
		       struct plan *plan)
{
	uint64_t last = records[plan->used - 1].seq;
	int r = engine_owners(e, records, plan->used);

	if (r == 0)
		r = journal_batch_begin(e->journal, e->row.id, last);
	if (r < 0)
		return r;
	e->inflight = last;
	e->behind.records += plan->used;
	e->behind.actions += plan->n;
	/* beside the uploads, as it takes several round trips */
	stage_write_begin(e, last);
	touch_folders(e, records, plan->used);
	forget_numbers(e, records, plan->used);
	note_stale(e, records, plan->used);
	for (unsigned i = 0; i < plan->n_gone; i++)
		stale_published(e->stale, &plan->gone[i]);
	for (unsigned i = 0; i < plan->used; i++)
		asides_record(e->asides, &records[i]);
	r = engine_parked_renamed(e, records, plan->used);
	if (r == 0)
		r = batch_run_plan(e, plan, last);
	if (r == 0)
		r = unsure_parked(e, records, plan->used);
	if (r == 0)
		r = engine_parked_carry(e, records, plan->used);
	return r < 0 ? r : batch_commit(e, last, true);
}

/*
 * Where there is nothing to do, as for a file that was made and is being
 * written, a moment is given for what will follow: it would have to wait for
 * the end of the batch.
 */
static int plan_and_run(struct engine *e, const struct record *records,
			unsigned n, bool *ret_some)
{
	struct plan plan;
	int r = 0;

	batch_plan(e, records, n, e->memory, &plan);
	e->lull = plan.n == 0 && n < BATCH_MAX && !e->lull;
	*ret_some = !e->lull;
	if (!e->lull)
		r = run_records(e, records, &plan);
	plan_done(&plan);
	return r;
}

int batch_run(struct engine *e, bool *ret_some)
{
	struct record *records = calloc(BATCH_MAX, sizeof(*records));
	int n, r;

	if (!records)
		abort();
	n = journal_read(e->journal, e->cursor, records, BATCH_MAX);
	*ret_some = n > 0;
	r = n < 0 ? n : 0;
	count_behind(e, n);
	if (n == 0)
		r = aside_idle(e);
	if (n == 0 && shared_settled_seq(e->shared) == e->cursor &&
	    !exec_has_asides(e->exec))
		engine_settled(e);
	if (n > 0)
		r = plan_and_run(e, records, (unsigned)n, ret_some);
	for (int i = 0; i < n; i++)
		record_done(&records[i]);
	free(records);
	return r;
}

/* tree_rename_done - that was in flight: did it happen? 1, 0, or -EAGAIN when that
 * cannot be told. */
static int tree_rename_done(struct engine *e, const struct action *a)
{
	struct remote_attr attr;
	int from = remote_lstat(e->remote, a->path, &attr);
	int to = remote_lstat(e->remote, a->path2, &attr);

	if (from == -ENOTCONN || to == -ENOTCONN)
		return -ENOTCONN;
	if (from == -ENOENT && to == 0)
		return 1;
	return from == 0 ? 0 : -EAGAIN;
}

/* moved_before - that directory was renamed before the connection was lost. */
static int moved_before(struct engine *e, const struct record *r)
{
	links_move(e->links, r->path, r->path2);
	engine_touch_parent(e, r->path);
	engine_touch_parent(e, r->path2);
	return engine_moved(e, r->path, r->path2);
}

/* resume_moves - those of `moves` that were not done are done now. -EAGAIN when
 * that cannot be told of one. */
static int resume_moves(struct engine *e, const struct plan *moves)
{
	CLEANUP_FREE struct action *left = calloc(moves->n, sizeof(*left));
	struct plan plan = {.actions = left};
	int r = 0;

	if (!left)
		abort();
	for (unsigned i = 0; r >= 0 && i < moves->n; i++) {
		r = tree_rename_done(e, &moves->actions[i]);
		if (r == 0)
			left[plan.n++] = moves->actions[i];
	}
	for (unsigned i = 0, k = 0; r >= 0 && i < moves->n; i++) {
		const struct record *rec = moves->actions[i].rec;
		asides_record(e->asides, rec);
		if (k < plan.n && left[k].rec == rec)
			r = push_action(e, &left[k++]);
		else
			r = moved_before(e, rec);
	}
	if (r >= 0)
		r = exec_drain(e->exec);
	if (r >= 0)
		r = batch_redo_failed(e, &plan, e->inflight);
	return r < 0 ? r : batch_commit(e, e->inflight, true);
}

/* resume_planned - what was in flight, planned again. -EAGAIN when it is not
 * renames of directories, each apart from the others. Nothing of it is
 * remembered: it will be planned once more, by state. */
static int resume_planned(struct engine *e, const struct record *records,
			  unsigned n)
{
	struct plan_memory *none = plan_memory_new();
	struct plan plan;
	int r = -EAGAIN;

	batch_plan(e, records, n, none, &plan);
	if (plan.used == n && plan.n == n && plan.actions[0].tree)
		r = resume_moves(e, &plan);
	plan_done(&plan);
	plan_memory_free(none);
	return r;
}

/* seen_after - `path` of the record before these, as it is called behind them.
 * Owned by the caller. */
static char *seen_after(const char *path, const struct record *records,
			unsigned n)
{
	char *seen = strdup(path);

	for (unsigned i = 0; i < n; i++) {
		const struct record *r = &records[i];
		if (r->op != OP_RENAME || !S_ISDIR(r->mode))
			continue;
		bool back =
			r->flags & RF_EXCHANGE && path_is_below(seen, r->path2);
		const char *from = back ? r->path2 : r->path;
		if (!path_is_below(seen, from))
			continue;
		char *moved =
			path_rebase(seen, from, back ? r->path : r->path2);
		free(seen);
		seen = moved;
	}
	return seen;
}

static void recall(struct engine *e, const char *path, bool parent,
		   const struct record *behind, unsigned n)
{
	CLEANUP_FREE char *folder = NULL;
	CLEANUP_FREE char *seen = NULL;

	if (!path || !*path)
		return;
	folder = parent ? path_parent(path) : strdup(path);
	seen = seen_after(folder, behind, n);
	engine_recall(e, seen);
}

/*
 * recall_folders - that changed before the connection was lost. Which of them
 * had been moved on the master by the time that theirs were to be set, so that
 * they come behind the move, nobody has noted.
 */
static int recall_folders(struct engine *e)
{
	uint64_t after = e->cursor > BATCH_MAX ? e->cursor - BATCH_MAX : 0;
	struct record *records;
	int n, last = 0;

	if (shared_settled_seq(e->shared) == e->cursor)
		return 0;
	records = calloc(BATCH_MAX, sizeof(*records));
	if (!records)
		abort();
	n = journal_read(e->journal, after, records, BATCH_MAX);
	while (last < n && records[last].seq <= e->cursor)
		last++;
	for (int i = 0; i < last; i++) {
		const struct record *r = &records[i], *behind = r + 1;
		unsigned left = (unsigned)(last - i - 1);
		recall(e, r->path, true, behind, left);
		recall(e, r->path2, true, behind, left);
		if (S_ISDIR(r->mode))
			recall(e, r->path2 ? r->path2 : r->path, false, behind,
			       left);
	}
	for (int i = 0; i < n; i++)
		record_done(&records[i]);
	free(records);
	return n < 0 ? n : 0;
}

int batch_resume(struct engine *e)
{
	CLEANUP_FREE struct record *records =
		calloc(PLAN_MOVES_MAX, sizeof(*records));
	int n, last, r = recall_folders(e);

	if (!records)
		abort();
	if (r < 0 || e->inflight <= e->cursor)
		return r;
	r = -EAGAIN;
	n = journal_read(e->journal, e->cursor, records, PLAN_MOVES_MAX);
	if (n < 0)
		return n;
	for (last = n; last > 0 && records[last - 1].seq != e->inflight; last--)
		;
	if (last > 0)
		r = resume_planned(e, records, (unsigned)last);
	/* -ESTALE: so it will be once more, where everything can be compared */
	if (r == -EAGAIN || r == -ESTALE)
		r = engine_fence(e, "", e->inflight);
	for (int i = 0; i < n; i++)
		record_done(&records[i]);
	return r;
}
