#ifndef MIRRORFS_TESTS_PLAN_REPLICA_H
#define MIRRORFS_TESTS_PLAN_REPLICA_H

/*
 * The replica of test-plan-random.c, in memory: what each action does to it,
 * and reconcile. Code, not declarations: it is one program with the test,
 * which includes it once, after model.h.
 */

#include "filter.h"
#include "memo.h"

#define PENDING UINT64_MAX

static struct tree replica; /* an object is one inode there */
static struct tree parked; /* attr: when last; changed: behind which record first */
enum { PARKED_BEFORE, PARKED_NOW };
static bool retrying;	       /* what is parked */
static unsigned doubted_since; /* … from then on */
static struct tree doubted; /* paths only */
static struct fence fences[16384];
static unsigned n_fences;
static bool stale[OBJECTS];	 /* a record told of content not published */
static struct plan_memory *memory;
static unsigned cursor;
static unsigned faults; /* of 1000 actions */
static unsigned n_failed, n_actions, n_crashes;
static bool trace;
static bool gave_up; /* something was open, or gone: not exact */
static bool nolinks; /* the server makes no hard links: each name is a copy */
static struct filter *filter;

#include "tests/unit/plan-links.h"

static int obj_of(const struct record *r)
{
	return obj_is(&r->obj);
}

/* A file can be there. */
static bool can_name(const char *path)
{
	return parent_ok(&replica, path) &&
	       !(at(&replica, path) && at(&replica, path)->type == 'd');
}

/* The new inode of `obj` at `path`, and at its other names; false when one of
 * those could not be made. */
static bool publish(const char *path, int obj)
{
	struct object *o = &master.objs[obj];
	int ino = new_obj(&replica, o->type, o->content, o->attr);
	char **names;
	unsigned n = others(obj, path, &names);
	bool ok = true;

	stale[obj] = false;
	taken(obj, path, true);
	set(&replica, path, ino);
	/* without links reconcile comes by all names itself */
	for (unsigned i = 0; !nolinks && i < n; i++) {
		if (o->type == 'f' && can_name(names[i]))
			set(&replica, names[i], ino);
		else
			ok &= o->type != 'f';
	}
	links_copies_free(names, n);
	return ok;
}

static void give_up(int obj, bool absent)
{
	struct fhandle h = handle_of(obj);

	gave_up = true;
	if (absent)
		plan_memory_absent(memory, &h, master.objs[obj].names > 1);
}

static bool run_put(const struct action *a)
{
	int obj = obj_of(a->rec);
	struct object *o = &master.objs[obj];

	if (o->names == 0) { /* a later record deals with it */
		gave_up = true;
		if (a->absent)
			plan_memory_gone(memory, &a->rec->obj, action_covers(a),
					 recs[n_recs - 1].seq);
		return true;
	}
	if (o->open) {
		give_up(obj, a->absent);
		return true;
	}
	copy_later(obj, a->path, NULL);
	if (!can_name(a->path) || !publish(a->path, obj))
		return false;
	plan_memory_present(memory, &a->rec->obj);
	return true;
}

/* `was`: it is removed afterwards. */
static bool run_rename(const struct action *a, bool was)
{
	struct object *x = at(&replica, a->path), *y = at(&replica, a->path2);

	if (!x || !parent_ok(&replica, a->path2))
		return false;
	if (y && ((x->type == 'd') != (y->type == 'd') ||
		  (y->type == 'd' && has_children(&replica, a->path2))))
		return false;
	if (x == y) { /* that does nothing */
		if (was)
			del(&replica, a->path);
		return true;
	}
	del(&replica, a->path2);
	move(&replica, a->path, a->path2);
	return true;
}

/* Three renames, of which some may fail: what is being written is not there. */
static bool run_exchange(const struct action *a)
{
	bool x = at(&replica, a->path), y = at(&replica, a->path2);
	bool up = parent_ok(&replica, a->path),
	     up2 = parent_ok(&replica, a->path2);

	move(&replica, a->path, "~");
	if (y && up)
		move(&replica, a->path2, a->path);
	if (x && up2)
		move(&replica, "~", a->path2);
	del_below(&replica, "~"); /* it stays in the stage */
	gave_up |= !x || !y;
	return x && y && up && up2;
}

/* run_copy - in place of a link. */
static bool run_copy(const struct action *a)
{
	int obj = obj_of(a->rec);
	struct object *o = &master.objs[obj];
	bool was = stale[obj]; /* the other names are, still */

	if (o->names == 0 || o->open) {
		gave_up = true;
		return true;
	}
	copy_later(obj, a->path2, a->path);
	bool ok = can_name(a->path2) && publish(a->path2, obj);
	stale[obj] = was;
	return ok;
}

/* `joins`: the others that are known of it, too. */
static bool run_link(const struct action *a, bool joins)
{
	int i = find(&replica, a->path), obj = obj_of(a->rec);
	char **names;
	bool ok = true;

	if (i < 0 || is_dir(&replica, a->path) || !can_name(a->path2))
		return false;
	int ino = replica.names[i].obj;
	unsigned n = others(obj, a->path, &names);

	set(&replica, a->path2, ino);
	for (unsigned k = 0; joins && k < n; k++) {
		bool can = can_name(names[k]);

		if (can)
			set(&replica, names[k], ino);
		ok &= can;
	}
	links_copies_free(names, n);
	return ok;
}

static bool run_make(const struct action *a)
{
	char type = a->kind == ACT_MKDIR ? 'd' : 'l';
	int obj = obj_of(a->rec);

	if (master.objs[obj].names == 0) {
		gave_up = true;
		return true;
	}
	if (!parent_ok(&replica, a->path))
		return false;
	if (type == 'd' && at(&replica, a->path))
		return false;
	if (at(&replica, a->path) && at(&replica, a->path)->type == 'd')
		return false;
	set(&replica, a->path,
	    new_obj(&replica, type, master.objs[obj].content,
		    master.objs[obj].attr));
	return true;
}

static bool run_remove(const struct action *a)
{
	struct object *o = at(&replica, a->path);

	if (!o)
		return true;
	if ((o->type == 'd') != (a->kind == ACT_RMDIR) ||
	    has_children(&replica, a->path))
		return false;
	del(&replica, a->path);
	return true;
}

/* `refused`: by the server, as if it could not be done. */
static bool run(const struct action *a, bool refused)
{
	bool was = a->kind == ACT_RENAME && links_was(links, a->path);
	bool joins = sent(a);
	struct object *o;

	n_actions++;
	if (a->kind == ACT_SETATTR && master.objs[obj_of(a->rec)].names)
		copy_later(obj_of(a->rec), a->path, NULL);
	if (refused)
		return false;
	switch (a->kind) {
	case ACT_PUT:
		return run_put(a);
	case ACT_MKDIR:
	case ACT_SYMLINK:
		return run_make(a);
	case ACT_LINK:
		return nolinks ? run_copy(a) : run_link(a, joins);
	case ACT_RENAME:
		return run_rename(a, was);
	case ACT_EXCHANGE:
		return run_exchange(a);
	case ACT_UNLINK:
	case ACT_RMDIR:
		return run_remove(a);
	case ACT_SETATTR:
		if (master.objs[obj_of(a->rec)].names == 0)
			return true;
		o = at(&replica, a->path);
		if (o)
			o->attr = master.objs[obj_of(a->rec)].attr;
		return o != NULL;
	default:
		return true;
	}
}

#endif
