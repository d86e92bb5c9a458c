/*
 * Records as operations. Each function turns one record into actions and
 * folds it into earlier ones. An earlier action is only moved or removed when
 * it is the last one that names the path, so nothing in between can depend
 * on it. What a name has on the replica when an upload is cancelled is told
 * by `fresh`: nothing (the upload made it) or an older thing, which must then
 * be removed.
 */
#include "confdefs.h"

#include <sys/stat.h>

#include "sync/plan-build.h"

const char *plan_special(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFBLK:
	case S_IFCHR:
		return "device";
	default:
		return NULL;
	}
}

static bool is_open(struct builder *b, const struct record *r)
{
	return memory_find(b->memory, &r->obj);
}

/* An unlink of `path` that the next thing at `path` makes needless. */
static bool take_unlink(struct builder *b, const char *path)
{
	int i = builder_last(b, path, ACT_UNLINK);

	if (i < 0 || builder_above(b, path, i))
		return false;
	builder_kill(b, i);
	return true;
}

/*
 * The newest PUT or SYMLINK of r's object, when it is at `path` and nothing
 * depends on it. (An action on another name of the object does: the upload
 * reaches all its names.)
 */
static int loose_put(struct builder *b, const struct record *r,
		     const char *path)
{
	const struct plan_object *o = builder_object(b, &r->obj);
	int i = o->put;

	if (i < 0 || o->last != i || builder_path(b, path)->last != i ||
	    builder_path(b, b->plan->actions[i].path) != builder_path(b, path))
		return -1;
	return i;
}

static void do_content(struct builder *b, const struct record *r, bool fresh,
		       bool absent)
{
	struct plan_object *o = builder_object(b, &r->obj);
	/* a number comes again by a copy-up, which no record tells */
	bool again = fhandle_is_number(&r->obj, NULL);
	struct action put = {.fresh = fresh,
			     .absent = absent,
			     .lone = fresh,
			     .first_seq = r->seq};
	bool attrs;
	int i;

	if (o->gone && !again)
		return;
	i = builder_last(b, r->path, ACT_SETATTR);
	attrs = i >= 0 && i == o->attr;
	if (attrs)
		builder_kill(b, i);
	i = loose_put(b, r, r->path);
	if (i < 0 && o->put >= 0 && !again) {
		/* that one will read what there is by then */
		b->plan->actions[o->put].attrs |= attrs;
		return;
	}
	if (i >= 0) {
		put = b->plan->actions[i];
		builder_kill(b, i);
	}
	if (take_unlink(b, r->path))
		put.fresh = false;
	i = builder_emit(b, ACT_PUT, r, r->path, NULL);
	b->plan->actions[i].fresh = put.fresh;
	b->plan->actions[i].absent = put.absent;
	b->plan->actions[i].lone = put.lone;
	b->plan->actions[i].attrs = put.attrs || attrs;
	b->plan->actions[i].first_seq = put.first_seq;
	b->plan->actions[i].update =
		!fhandle_is_number(&r->obj, NULL) && !put.fresh &&
		!put.absent && b->slots[i].prev < 0 && b->slots[i].prev_obj < 0;
	o->put = i;
}

static void do_create(struct builder *b, const struct record *r)
{
	if (r->flags & RF_OPEN)
		memory_add(b->memory, &r->obj, false);
	else
		do_content(b, r, true, true);
}

static void do_settle(struct builder *b, const struct record *r)
{
	struct plan_absent *a = memory_find(b->memory, &r->obj);
	bool fresh = a && !a->shadow;

	do_content(b, r, fresh, a != NULL);
	memory_del(b->memory, &r->obj);
}

static void do_trunc(struct builder *b, const struct record *r)
{
	if (!is_open(b, r))
		do_content(b, r, false, false);
}

static void do_symlink(struct builder *b, const struct record *r)
{
	bool fresh = !take_unlink(b, r->path);
	int i = builder_emit(b, ACT_SYMLINK, r, r->path, r->path2);

	b->plan->actions[i].fresh = fresh;
	builder_object(b, &r->obj)->put = i;
}

static void do_setattr(struct builder *b, const struct record *r)
{
	struct plan_object *o = builder_object(b, &r->obj);

	if (is_open(b, r) || plan_special(r->mode))
		return;
	if (o->put >= 0)
		b->plan->actions[o->put].attrs = true;
	if (o->put >= 0 || o->attr >= 0 || o->gone)
		return; /* that one carries it */
	o->attr = builder_emit(b, ACT_SETATTR, r, r->path, NULL);
}

static void do_link(struct builder *b, const struct record *r)
{
	struct plan_absent *a = memory_find(b->memory, &r->obj);

	if (plan_special(r->mode))
		return;
	if (!a) {
		builder_emit(b, ACT_LINK, r, r->path, r->path2);
		return;
	}
	builder_emit(b, ACT_NAME, r, r->path, NULL);
	builder_emit(b, ACT_NAME, r, r->path2, NULL);
	a->shadow = true;
	a->linked = true;
}

/*
 * `from` got its object in this batch, by a rename from a name that nothing
 * has had to do with since: one rename from there does, or none, when it comes
 * back. `over`: something is at `to`. Returns false when it is not so.
 */
static bool fold_chain(struct builder *b, const struct record *r,
		       const char *from, const char *to, bool over)
{
	int i = builder_last(b, from, ACT_RENAME);
	struct action first;

	if (i < 0 || builder_object(b, &r->obj)->last != i)
		return false;
	first = b->plan->actions[i];
	if (!first.fresh || builder_path(b, first.path)->last != i ||
	    builder_above(b, first.path, i) ||
	    builder_path(b, first.path2) != builder_path(b, from))
		return false;
	builder_kill(b, i);
	if (builder_path(b, first.path) == builder_path(b, to))
		return true;
	i = builder_emit(b, ACT_RENAME, r, first.path, to);
	b->plan->actions[i].fresh = !over;
	b->plan->actions[i].first_seq = first.first_seq;
	return true;
}

/* take_version - a new file at `path` that another one replaces is not sent.
 * Returns true when there was nothing before it on the replica. */
static bool take_version(struct builder *b, const char *path)
{
	int i = builder_last(b, path, ACT_PUT);
	const struct action *put = i < 0 ? NULL : &b->plan->actions[i];

	if (!put || !put->lone || builder_above(b, path, i) ||
	    builder_object(b, &put->rec->obj)->last != i)
		return false;
	bool fresh = put->fresh;
	builder_gone(b, i);
	return fresh;
}

static void do_rename(struct builder *b, const struct record *r,
		      const char *from, const char *to)
{
	struct plan_absent *a = memory_find(b->memory, &r->obj);
	struct action put = {.kind = ACT_NONE};
	bool older, over;
	int i;

	if (plan_special(r->mode)) {
		builder_emit(b, ACT_UNLINK, r, to, NULL);
		return;
	}
	if (a) { /* what `to` has now stays until the file is settled */
		if (a->shadow)
			builder_emit(b, ACT_UNLINK, r, from, NULL);
		if (a->linked)
			builder_emit(b, ACT_NAME, r, to, NULL);
		a->shadow = true;
		return;
	}
	i = loose_put(b, r, from);
	if (i >= 0) {
		put = b->plan->actions[i];
		builder_kill(b, i);
	}
	/* an older version keeps its name until the upload is complete */
	older = i >= 0 && !put.fresh && !put.absent && put.kind == ACT_PUT;
	over = r->flags & RF_REPLACED && !take_version(b, to);
	over = take_unlink(b, to) || over;
	if ((i < 0 || older) && !fold_chain(b, r, from, to, over)) {
		int k = builder_emit(b, ACT_RENAME, r, from, to);
		b->plan->actions[k].fresh = !over;
	}
	if (i < 0)
		return;
	i = builder_emit(b, put.kind, r, to, put.path2);
	b->plan->actions[i].first_seq = put.first_seq;
	b->plan->actions[i].fresh = !older && !over;
	b->plan->actions[i].absent = !older;
	b->plan->actions[i].lone = put.lone;
	b->plan->actions[i].attrs = put.attrs;
	builder_object(b, &r->obj)->put = i;
	if (!put.fresh && !older)
		builder_emit(b, ACT_UNLINK, r, from, NULL);
}

/*
 * link(x, z) and then unlink(x): how sftp-server renames. link(x, z) and then
 * unlink(z): nothing.
 */
static bool fold_link(struct builder *b, const struct record *r)
{
	int i = builder_last(b, r->path, ACT_LINK);
	const struct action *a;
	const char *to;

	if (i < 0 || builder_object(b, &r->obj)->last != i)
		return false;
	a = &b->plan->actions[i];
	to = a->path2;
	if (builder_path(b, to) == builder_path(b, r->path)) {
		builder_kill(b, i);
		return true;
	}
	if (builder_path(b, to)->last != i)
		return false;
	builder_kill(b, i);
	do_rename(b, r, r->path, to);
	return true;
}

static void do_unlink(struct builder *b, const struct record *r)
{
	struct plan_object *o = builder_object(b, &r->obj);
	struct plan_absent *a = memory_find(b->memory, &r->obj);
	bool fresh = a && !a->shadow;
	int i;

	if (r->flags & RF_LAST) {
		o->gone = true;
		memory_del(b->memory, &r->obj);
	}
	if (fold_link(b, r))
		return;
	i = r->flags & RF_LAST ? loose_put(b, r, r->path) : -1;
	if (i >= 0) {
		fresh = b->plan->actions[i].fresh;
		builder_kill(b, i);
	}
	i = builder_last(b, r->path, ACT_SETATTR);
	if (i >= 0 && i == o->attr && r->flags & RF_LAST)
		builder_kill(b, i);
	if (!fresh)
		builder_emit(b, ACT_UNLINK, r, r->path, NULL);
}

static void do_rmdir(struct builder *b, const struct record *r)
{
	struct plan_path *p = builder_path(b, r->path);
	int attr = builder_last(b, r->path, ACT_SETATTR), made = p->last;

	if (attr >= 0)
		made = b->slots[attr].prev;
	if (made >= 0 && b->plan->actions[made].kind == ACT_MKDIR &&
	    p->live_below == 0) {
		if (attr >= 0)
			builder_kill(b, attr);
		builder_kill(b, made);
		return;
	}
	builder_emit(b, ACT_RMDIR, r, r->path, NULL);
}

void plan_operate(struct builder *b, const struct record *r)
{
	switch (r->op) {
	case OP_CREATE:
		do_create(b, r);
		break;
	case OP_MKDIR:
		builder_emit(b, ACT_MKDIR, r, r->path, NULL);
		break;
	case OP_SYMLINK:
		do_symlink(b, r);
		break;
	case OP_LINK:
		do_link(b, r);
		break;
	case OP_RENAME:
		do_rename(b, r, r->path, r->path2);
		break;
	case OP_UNLINK:
		do_unlink(b, r);
		break;
	case OP_RMDIR:
		do_rmdir(b, r);
		break;
	case OP_SETATTR:
		do_setattr(b, r);
		break;
	case OP_SETTLE:
		do_settle(b, r);
		break;
	case OP_TRUNC:
		do_trunc(b, r);
		break;
	default:
		break;
	}
}
