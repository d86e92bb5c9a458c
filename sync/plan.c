/*
 * How each record is applied: as an operation, by state, or not at all.
 *
 * By state means that its paths are reconciled at the end of the batch, with
 * the master as it is then. That is ahead of the records, so from the first
 * such path on, every later record of the batch that is related to it must
 * be applied by state as well; the operations before it are unharmed.
 *
 * Had already: an upload of an earlier batch was made so late that it has what
 * this record tells of.
 *
 * Held: the path is parked, because an earlier action failed there. Its retry
 * reconciles everything below it, so records there need nothing more. When
 * only one of two names is held, the other one is applied by state.
 */
#include "confdefs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "paths.h"
#include "sync/pathset.h"
#include "sync/plan-build.h"

static bool has_second(const struct record *r)
{
	return r->path2 &&
	       (r->op == OP_LINK || r->op == OP_RENAME || r->op == OP_UNSURE);
}

static bool is_exchange(const struct record *r)
{
	return r->op == OP_RENAME && r->flags & RF_EXCHANGE;
}

static bool is_alone(const struct record *r)
{
	uint32_t type = r->mode & S_IFMT;

	return r->op == OP_RENAME &&
	       (r->flags & RF_EXCHANGE || type == S_IFDIR || type == 0);
}

/* A rename of a directory; several of them can be in one batch. */
static bool is_move(const struct record *r)
{
	return is_alone(r) && !(r->flags & RF_EXCHANGE) && r->mode & S_IFMT;
}

/* Then what is below its paths has the same names, and was not changed, but is
 * not what was there before. */
static bool may_move_dir(const struct record *r)
{
	return is_alone(r) || (r->op == OP_UNSURE && r->path2);
}

static bool fenced(struct builder *b, const struct record *r, const char *path)
{
	return b->view->by_state(b->view->arg, path, r->seq) ||
	       builder_in_state(b, path);
}

static enum plan_held held(struct builder *b, const struct record *r,
			   const char *path)
{
	return b->view->held(b->view->arg, path, r->seq);
}

/* Does a record of this kind change the tree at its paths? */
static bool is_change(const struct record *r)
{
	switch (r->op) {
	case OP_CREATE:
	case OP_MKDIR:
	case OP_SYMLINK:
	case OP_LINK:
	case OP_RENAME:
	case OP_UNLINK:
	case OP_RMDIR:
	case OP_SETATTR:
	case OP_SETTLE:
	case OP_TRUNC:
	case OP_UNSURE:
		return r->path != NULL;
	default:
		return false;
	}
}

/* What cannot be done as an operation whatever the fences say. */
static bool needs_state(struct builder *b, const struct record *r)
{
	if (r->op == OP_UNSURE || r->obj.len == 0)
		return true;
	/* no server can name it; it may stand for anything below it */
	if (path_is_long(r->path) || (has_second(r) && path_is_long(r->path2)))
		return true;
	/* overlayfs may have made it a file of its own, apart from its other
	 * names: reconcile sees that */
	if (fhandle_is_number(&r->obj, NULL) && r->op == OP_SETATTR &&
	    !S_ISDIR(r->mode))
		return true;
	/* a former name: somebody else may have it by now */
	if (r->flags & RF_LAST && r->op != OP_UNLINK && r->op != OP_RMDIR)
		return true;
	if (has_second(r) && held(b, r, r->path2) == HELD_HERE)
		return true;
	if (held(b, r, r->path) == HELD_HERE)
		return true;
	/* what is parked below would be in the way */
	if (r->op == OP_RMDIR)
		return held(b, r, r->path) == HELD_BELOW;
	return false;
}

static bool by_state(struct builder *b, const struct record *r)
{
	return needs_state(b, r) || fenced(b, r, r->path) ||
	       (has_second(r) && fenced(b, r, r->path2));
}

static void state_of(struct builder *b, const struct record *r,
		     const char *path, enum strictness strict, bool deep)
{
	if (held(b, r, path) != HELD_HERE)
		builder_state(b, r, path, strict, deep);
}

/* The memory must know which objects are absent, however a record is
 * applied. */
static void remember(struct builder *b, const struct record *r)
{
	struct plan_absent *a;

	if (r->op == OP_CREATE && r->flags & RF_OPEN)
		memory_add(b->memory, &r->obj, true);
	else if (r->op == OP_SETTLE ||
		 (r->op == OP_UNLINK && r->flags & RF_LAST))
		memory_del(b->memory, &r->obj);
	a = memory_find(b->memory, &r->obj);
	if (a)
		a->shadow = true;
	if (a && r->op == OP_LINK)
		a->linked = true;
}

static void apply_state(struct builder *b, const struct record *r)
{
	bool deep = (r->op == OP_RENAME && is_alone(r)) || r->op == OP_UNSURE;
	enum strictness strict = STRICT_DATA;

	if (r->obj.len > 0)
		remember(b, r);
	if (r->op == OP_CREATE && r->flags & RF_OPEN)
		return; /* its SETTLE record brings it */
	if (r->op == OP_SETATTR)
		strict = STRICT_ATTR;
	if (r->op == OP_SETTLE || r->op == OP_TRUNC)
		strict = STRICT_NEWS;
	/* of a link, too: a walk that came by the new name, before this record,
	 * has sent the newest content there, while the older name, which
	 * nothing led to, has the old one, perhaps with newer times */
	if (r->op == OP_UNSURE || r->op == OP_CREATE || r->op == OP_SYMLINK ||
	    r->op == OP_LINK)
		strict = STRICT_FULL;
	if (may_move_dir(r))
		strict = STRICT_TREE;
	state_of(b, r, r->path, strict, deep);
	if (r->obj.len > 0 &&
	    (r->op == OP_SETATTR || r->op == OP_SETTLE || r->op == OP_TRUNC))
		builder_state_object(b, r, strict);
	if (has_second(r))
		state_of(b, r, r->path2,
			 strict == STRICT_TREE ? strict : STRICT_FULL, deep);
}

/* What a record changes that SFTP cannot carry. */
static void count(struct builder *b, const struct record *r)
{
	if (r->op == OP_MKNOD && plan_special(r->mode))
		builder_count(b, plan_special(r->mode), r);
	else if (r->op == OP_FLAGS)
		builder_count(b, "flags", r);
	else if (r->op == OP_XATTR && r->path2 &&
		 !strncmp(r->path2, "system.posix_acl_", 17))
		builder_count(b, "acl", r);
	else if (r->op == OP_XATTR)
		builder_count(b, "xattr", r);
	else if (r->op == OP_RENAME && r->flags & RF_WHITEOUT)
		builder_count(b, "device", r);
}

static void emit_alone(struct builder *b, const struct record *r)
{
	bool swap = r->flags & RF_EXCHANGE;
	int i = builder_emit(b, swap ? ACT_EXCHANGE : ACT_RENAME, r, r->path,
			     r->path2);

	b->plan->actions[i].tree = !swap;
}

static bool excludes(struct builder *b, const char *path, bool is_dir)
{
	return b->view->excluded(b->view->arg, path, is_dir);
}

/* is_hidden - the replica does not get what is at `path`, whichever of the two
 * that an exchange swapped: its record tells the kind of one. */
static bool is_hidden(struct builder *b, const struct record *r,
		      const char *path)
{
	bool is_dir = S_ISDIR(r->mode);

	return excludes(b, path, is_dir) &&
	       (!is_exchange(r) || excludes(b, path, !is_dir));
}

/* may_be_hidden - or one of the two. */
static bool may_be_hidden(struct builder *b, const struct record *r,
			  const char *path)
{
	bool is_dir = S_ISDIR(r->mode);

	return excludes(b, path, is_dir) ||
	       (is_exchange(r) && excludes(b, path, !is_dir));
}

/*
 * A name that the replica does not get takes part. What happens to it alone is
 * nothing; where there is another one, it appears or disappears there. The
 * object may have more names, which changed with it.
 */
static void apply_excluded(struct builder *b, const struct record *r)
{
	bool deep = is_alone(r) || r->op == OP_UNSURE;
	bool second = has_second(r);
	enum strictness strict = may_move_dir(r) ? STRICT_TREE : STRICT_FULL;

	if (r->obj.len > 0)
		remember(b, r);
	if (r->op == OP_CREATE && r->flags & RF_OPEN)
		return;
	if (!is_hidden(b, r, r->path))
		state_of(b, r, r->path, strict, deep);
	if (second && !is_hidden(b, r, r->path2))
		state_of(b, r, r->path2, strict, deep);
	if (!second && r->obj.len > 0 &&
	    (r->op == OP_SETATTR || r->op == OP_SETTLE || r->op == OP_TRUNC))
		builder_state_object(
			b, r, r->op == OP_SETATTR ? STRICT_ATTR : STRICT_FULL);
}

/* is_filtered - is it applied by apply_excluded? */
static bool is_filtered(struct builder *b, const struct record *r)
{
	const struct plan_view *v = b->view;

	if (!v->excluded || !r->path)
		return false;
	if (may_be_hidden(b, r, r->path) ||
	    (has_second(r) && may_be_hidden(b, r, r->path2)))
		return true;
	return is_alone(r) && v->moves_change(v->arg, r->path, r->path2);
}

/* May `r` be in a batch with the renames of directories before it? */
static bool joins_moves(struct builder *b, const struct record *r)
{
	return is_move(r) && b->plan->n < PLAN_MOVES_MAX && !by_state(b, r) &&
	       !is_filtered(b, r) && !builder_touches(b, r->path) &&
	       !builder_touches(b, r->path2);
}

/* Its path is not known here: no record of another kind can be beside it. */
static bool is_unsure_object(const struct record *r)
{
	return r->op == OP_UNSURE && r->flags & RF_OBJECT;
}

/* Returns false when `r` must wait for another batch. */
static bool plan_record(struct builder *b, const struct record *r, bool first)
{
	bool moves = b->plan->n > 0 && b->plan->actions[0].tree;

	if (moves && !joins_moves(b, r))
		return false;
	memory_epoch(b->memory, SEQ_EPOCH(r->seq));
	if (r->op == OP_GAP) {
		memory_clear(b->memory);
		count(b, r);
		builder_state(b, r, "", STRICT_DATA, true);
		return true;
	}
	if (is_unsure_object(r)) {
		builder_state_unsure(b, r);
		return true;
	}
	/* its number may have been another one's */
	if (fhandle_is_number(&r->obj, NULL) && record_makes_object(r))
		builder_renew(b, &r->obj);
	if (is_filtered(b, r)) {
		if (is_change(r))
			apply_excluded(b, r);
		return true;
	}
	if (!is_change(r)) {
		count(b, r);
		return true;
	}
	if (by_state(b, r)) {
		count(b, r);
		apply_state(b, r);
		return true;
	}
	if (b->view->has && b->view->has(b->view->arg, r))
		return true;
	if (is_alone(r) && !first && !moves)
		return false;
	count(b, r);
	if (is_alone(r))
		emit_alone(b, r);
	else
		plan_operate(b, r);
	return true;
}

/* An object is reconciled at its path, too: once is enough. */
static void join_states(struct builder *b)
{
	unsigned i, n = 0;

	for (i = 0; i < b->n_states; i++) {
		struct action *a = &b->states[i], *same;
		int at = builder_path(b, a->path)->state;

		if (a->kind != ACT_OBJECT || at < 0)
			continue;
		same = &b->states[at];
		a->deep = same->deep;
		if (same->strict > a->strict)
			a->strict = same->strict;
		same->kind = ACT_NONE;
	}
	for (i = 0; i < b->n_states; i++)
		if (b->states[i].kind != ACT_NONE)
			b->states[n++] = b->states[i];
	b->n_states = n;
}

/* Drop what was folded away; the reconciles go to the end. */
static void finish(struct builder *b)
{
	struct plan *plan = b->plan;
	unsigned i, n = 0;

	join_states(b);
	for (i = 0; i < plan->n; i++)
		if (plan->actions[i].kind != ACT_NONE)
			plan->actions[n++] = plan->actions[i];
	plan->n = n;
	if (b->n_states == 0)
		return;
	plan->actions = reallocarray(plan->actions, n + b->n_states,
				     sizeof(*plan->actions));
	if (!plan->actions)
		abort();
	memcpy(plan->actions + n, b->states, b->n_states * sizeof(*b->states));
	plan->n += b->n_states;
}

void plan_build(const struct record *records, unsigned n,
		const struct plan_view *view, struct plan_memory *memory,
		struct plan *ret)
{
	struct builder b = {.view = view, .memory = memory, .plan = ret};
	bool alone = false;

	*ret = (struct plan){.used = 0};
	while (ret->used < n && !alone) {
		const struct record *r = &records[ret->used];

		if (is_unsure_object(r) != is_unsure_object(records))
			break; /* its path is not known yet */
		if (!plan_record(&b, r, ret->used == 0))
			break;
		alone = ret->n == 1 && ret->used == 0 && is_alone(r) &&
			!is_move(r) && b.n_states == 0;
		/* what it says of contents is for it alone */
		alone |= r->op == OP_GAP && r->flags & RF_CONTENT;
		ret->used++;
	}
	finish(&b);
	builder_done(&b);
}

void plan_done(struct plan *plan)
{
	free(plan->actions);
	free(plan->gone);
	*plan = (struct plan){.used = 0};
}

/* ---- what failed ---- */

/* put_both - its paths become doubtful. */
static void put_both(struct pathset *set, const struct action *a)
{
	pathset_put(set, a->path, TAINTED);
	if (action_second(a))
		pathset_put(set, action_second(a), TAINTED);
}

void plan_taint(const struct plan *plan, struct pathset *bad)
{
	struct pathset above = {0};

	for (unsigned i = 0; i < plan->n; i++) {
		const struct action *a = &plan->actions[i];
		const char *two = action_second(a);
		if (action_is_state(a))
			continue;
		if (pathset_cover(bad, a->path) ||
		    (two && pathset_cover(bad, two)))
			put_both(bad, a);
		else if (pathset_below(bad, a->path) ||
			 (two && pathset_below(bad, two)))
			put_both(&above, a);
	}
	for (unsigned i = 0; i < plan->n; i++) {
		const struct action *a = &plan->actions[i];
		if (!action_is_state(a) && pathset_at(&above, a->path) &&
		    !pathset_at(bad, a->path))
			put_both(bad, a);
	}
	pathset_done(&above);
}
