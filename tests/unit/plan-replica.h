#ifndef MIRRORFS_TESTS_PLAN_REPLICA_H
#define MIRRORFS_TESTS_PLAN_REPLICA_H

/*
 * The replica of test-plan-random.c, in memory: what each action does to it,
 * and reconcile. Code, not declarations: it is one program with the test,
 * which includes it once, after model.h.
 */

#include "memo.h"

#define PENDING UINT64_MAX

static struct tree replica; /* an object is one inode there */
static struct tree known;   /* links: path -> object of the master */
static struct tree parked;  /* paths only */
static struct tree doubted; /* paths only */
static struct fence fences[16384];
static unsigned n_fences;
static char *done_path[OBJECTS]; /* of this reconcile */
static bool stale[OBJECTS];	 /* a record told of content not published */
static struct plan_memory *memory;
static unsigned cursor;
static unsigned faults; /* of 1000 actions */
static unsigned n_failed, n_actions, n_crashes;
static bool trace;
static bool gave_up; /* something to be uploaded was open: not exact */

static int obj_of(const struct record *r)
{
	int obj;

	memcpy(&obj, r->obj.bytes, sizeof(obj));
	return obj;
}

static void know(const char *path, int obj)
{
	while (known.n_objs <= obj)
		new_obj(&known, 'f', 0, 0);
	set(&known, path, obj);
}

/* The new inode of `obj` at `path`, and at its other known names. */
static void publish(const char *path, int obj)
{
	struct object *o = &master.objs[obj];
	int ino = new_obj(&replica, o->type, o->content, o->attr);
	int i = find(&known, path);
	bool linked = o->names > 1;

	stale[obj] = false;
	if (i >= 0 && known.names[i].obj != obj)
		del(&known, path);
	for (i = 0; i < known.n; i++)
		linked |= known.names[i].obj == obj;
	if (linked)
		know(path, obj);
	set(&replica, path, ino);
	if (o->type != 'f')
		return;
	for (i = 0; i < known.n; i++)
		if (known.names[i].obj == obj &&
		    strcmp(known.names[i].path, path) &&
		    parent_ok(&replica, known.names[i].path))
			set(&replica, known.names[i].path, ino);
}

static bool run_put(const struct action *a)
{
	int obj = obj_of(a->rec);
	struct object *o = &master.objs[obj];

	if (o->names == 0) { /* stale: a later record deals with it */
		del(&known, a->path);
		return true;
	}
	if (o->open) {
		bool linked = o->names > 1;

		for (int i = 0; i < known.n; i++)
			linked |= known.names[i].obj == obj;
		gave_up = true;
		if (linked)
			know(a->path, obj);
		if (a->absent)
			plan_memory_absent(memory, &a->rec->obj, linked);
		return true;
	}
	if (!parent_ok(&replica, a->path) || (at(&replica, a->path) &&
					      at(&replica, a->path)->type == 'd'))
		return false;
	publish(a->path, obj);
	plan_memory_present(memory, &a->rec->obj);
	return true;
}

static bool run_rename(const struct action *a)
{
	struct object *x = at(&replica, a->path), *y = at(&replica, a->path2);

	if (!x && !a->tree && master.objs[obj_of(a->rec)].names == 0) {
		del(&known, a->path);
		return true; /* gone: a later record removes path2 */
	}
	if (!x || !parent_ok(&replica, a->path2))
		return false;
	if (y && ((x->type == 'd') != (y->type == 'd') ||
		  (y->type == 'd' && has_children(&replica, a->path2))))
		return false;
	del(&replica, a->path2);
	del(&known, a->path2);
	move(&replica, a->path, a->path2);
	move(&known, a->path, a->path2);
	return true;
}

static bool run_exchange(const struct action *a)
{
	if (!at(&replica, a->path) || !at(&replica, a->path2))
		return false;
	for (int i = 0; i < 2; i++) {
		struct tree *t = i ? &known : &replica;

		move(t, a->path, "~");
		move(t, a->path2, a->path);
		move(t, "~", a->path2);
	}
	return true;
}

static bool run_link(const struct action *a)
{
	int i = find(&replica, a->path);

	if (i < 0 && master.objs[obj_of(a->rec)].names == 0)
		return true;
	if (i < 0 || at(&replica, a->path2) || !parent_ok(&replica, a->path2))
		return false;
	set(&replica, a->path2, replica.names[i].obj);
	know(a->path, obj_of(a->rec));
	know(a->path2, obj_of(a->rec));
	return true;
}

static bool run_make(const struct action *a)
{
	char type = a->kind == ACT_MKDIR ? 'd' : 'l';
	int obj = obj_of(a->rec);

	if (!parent_ok(&replica, a->path))
		return false;
	if (type == 'd' && at(&replica, a->path))
		return false;
	if (at(&replica, a->path) && at(&replica, a->path)->type == 'd')
		return false;
	del(&known, a->path);
	set(&replica, a->path,
	    new_obj(&replica, type, master.objs[obj].content,
		    type == 'd' ? (int)a->rec->uid : master.objs[obj].attr));
	return true;
}

static bool run_remove(const struct action *a)
{
	struct object *o = at(&replica, a->path);

	if (!o) {
		del(&known, a->path);
		return true;
	}
	if ((o->type == 'd') != (a->kind == ACT_RMDIR) ||
	    has_children(&replica, a->path))
		return false;
	del(&replica, a->path);
	del(&known, a->path);
	return true;
}

static bool run(const struct action *a)
{
	struct object *o;

	n_actions++;
	switch (a->kind) {
	case ACT_PUT:
		return run_put(a);
	case ACT_MKDIR:
	case ACT_SYMLINK:
		return run_make(a);
	case ACT_LINK:
		return run_link(a);
	case ACT_NAME:
		know(a->path, obj_of(a->rec));
		return true;
	case ACT_RENAME:
		return run_rename(a);
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
