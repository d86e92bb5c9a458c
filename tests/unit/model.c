/* The model of a master that changes at random, for test-plan-random.c. */
#include "confdefs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "paths.h"
#include "tests/unit/model.h"

struct tree master;
struct record recs[RECORDS];
unsigned n_recs;
uint64_t seed;
static int made, contents; /* as one is told from another */

unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

/* ---- trees ---- */

int find(const struct tree *t, const char *path)
{
	for (int i = 0; i < t->n; i++)
		if (!strcmp(t->names[i].path, path))
			return i;
	return -1;
}

struct object *at(struct tree *t, const char *path)
{
	int i = find(t, path);

	return i < 0 ? NULL : &t->objs[t->names[i].obj];
}

void del(struct tree *t, const char *path)
{
	int i = find(t, path);

	if (i < 0)
		return;
	t->objs[t->names[i].obj].names--;
	free(t->names[i].path);
	t->names[i] = t->names[--t->n];
}

void set(struct tree *t, const char *path, int obj)
{
	del(t, path);
	assert(t->n < NAMES);
	t->names[t->n++] = (struct name){strdup(path), obj};
	t->objs[obj].names++;
}

int new_obj(struct tree *t, char type, int content, int attr)
{
	assert(t->n_objs < OBJECTS);
	t->objs[t->n_objs] =
		(struct object){type, content, attr, .changed = n_recs};
	return t->n_objs++;
}

void move(struct tree *t, const char *from, const char *to)
{
	for (int i = 0; i < t->n; i++)
		if (path_is_below(t->names[i].path, from)) {
			char *p = path_rebase(t->names[i].path, from, to);

			free(t->names[i].path);
			t->names[i].path = p;
		}
}

void del_below(struct tree *t, const char *path)
{
	for (int i = t->n; i-- > 0;)
		if (path_is_below(t->names[i].path, path)) {
			char *p = strdup(t->names[i].path);

			del(t, p);
			free(p);
		}
}

bool has_children(const struct tree *t, const char *path)
{
	for (int i = 0; i < t->n; i++)
		if (path_is_below(t->names[i].path, path) &&
		    strcmp(t->names[i].path, path))
			return true;
	return false;
}

bool is_dir(struct tree *t, const char *path)
{
	return !*path || (at(t, path) && at(t, path)->type == 'd');
}

bool parent_ok(struct tree *t, const char *path)
{
	char *p = path_parent(path);
	bool ok = is_dir(t, p);

	free(p);
	return ok;
}

void reset(struct tree *t)
{
	while (t->n)
		del(t, t->names[0].path);
	t->n_objs = 0;
}

/* ---- the master ---- */

void model_begin(uint64_t s)
{
	seed = s;
	n_recs = 0;
	made = 1;
	contents = 2;
}

static struct record *note(enum record_op op, int obj, const char *path,
			   const char *path2, uint32_t flags)
{
	struct record *r = &recs[n_recs++];
	char type = master.objs[obj].type;

	assert(n_recs < RECORDS);
	*r = (struct record){.seq = 10000 + n_recs,
			     .op = op,
			     .flags = flags,
			     .path = strdup(path),
			     .path2 = path2 ? strdup(path2) : NULL};
	r->obj.len = sizeof(obj);
	memcpy(r->obj.bytes, &obj, sizeof(obj));
	r->mode = type == 'd' ? S_IFDIR : type == 'l' ? S_IFLNK : S_IFREG;
	return r;
}

/* A name that may or may not exist, in a folder that does. */
char *some_path(void)
{
	const char *dir = "";
	char name[2] = {"abcd"[rnd(4)], 0};
	int i = rnd(NAMES);

	if (i < master.n && is_dir(&master, master.names[i].path) &&
	    strlen(master.names[i].path) < 6)
		dir = master.names[i].path;
	return path_join(dir, name);
}

static int obj_at(const char *path)
{
	int i = find(&master, path);

	return i < 0 ? -1 : master.names[i].obj;
}

/* looked_at - the overlay learns that name of it. */
static void looked_at(const char *path)
{
	struct object *o = at(&master, path);

	if (o)
		o->former = NULL;
}

/* Of what is in a folder that moves, or goes, all names are: a former one would
 * move along. */
static void looked_below(const char *path)
{
	for (int i = 0; i < master.n_objs; i++) {
		const char *former = master.objs[i].former;

		if (former && path_is_below(former, path))
			master.objs[i].former = NULL;
	}
}

/* Neither is the other, or in it. */
static bool apart(const char *a, const char *b)
{
	return !path_is_below(b, a) && !path_is_below(a, b);
}

void model_exchange(const char *a, const char *b)
{
	int obj = obj_at(a);

	if (obj < 0 || obj_at(b) < 0 || !apart(a, b))
		return;
	looked_below(a);
	looked_below(b);
	looked_at(a);
	looked_at(b);
	move(&master, a, "~");
	move(&master, b, a);
	move(&master, "~", b);
	note(OP_RENAME, obj, a, b, RF_EXCHANGE);
}

void model_rename(const char *a, const char *b)
{
	struct object *x = at(&master, a), *y = at(&master, b);
	int obj = obj_at(a);

	if (!x || !parent_ok(&master, b) || !apart(a, b))
		return;
	if (y && (x == y || (x->type == 'd') != (y->type == 'd') ||
		  (y->type == 'd' && has_children(&master, b))))
		return;
	looked_below(a);
	looked_at(a);
	if (y)
		del(&master, b);
	move(&master, a, b);
	note(OP_RENAME, obj, a, b, y ? RF_REPLACED : 0);
}

void model_make(char kind, const char *path)
{
	bool file = kind == 'c' || kind == 'o';
	int obj;

	if (at(&master, path) || !parent_ok(&master, path))
		return;
	made++;
	if (file) {
		/* what is made by mknod is empty */
		obj = new_obj(&master, 'f', kind == 'o' ? rnd(2) : 0, made);
		set(&master, path, obj);
		master.objs[obj].open = kind == 'o';
		note(OP_CREATE, obj, path, NULL, kind == 'o' ? RF_OPEN : 0);
	} else if (kind == 'm') {
		obj = new_obj(&master, 'd', 0, made);
		set(&master, path, obj);
		note(OP_MKDIR, obj, path, NULL, 0)->uid = made;
	} else {
		obj = new_obj(&master, 'l', made, 1);
		set(&master, path, obj);
		note(OP_SYMLINK, obj, path, "target", 0)->uid = 1;
	}
}

void model_remove(const char *path)
{
	int obj = obj_at(path);
	struct object *o = obj < 0 ? NULL : &master.objs[obj];

	if (!o || (o->type == 'd' && has_children(&master, path)))
		return;
	del(&master, path);
	o->changed = n_recs;
	if (o->type == 'd') {
		looked_below(path);
		note(OP_RMDIR, obj, path, NULL, 0);
		return;
	}
	bool unknown = o->former || (o->open && rnd(2));
	struct record *r =
		note(OP_UNLINK, obj, path, NULL, o->names ? 0 : RF_LAST);
	o->former = unknown && o->names ? r->path : NULL;
}

static void note_settled(int obj, const char *path)
{
	const char *former = master.objs[obj].former;

	master.objs[obj].open = false;
	note(OP_SETTLE, obj, former ? former : path, NULL,
	     former ? RF_LAST : 0);
}

void model_write(char how, const char *path)
{
	int obj = obj_at(path);
	struct object *o = obj < 0 ? NULL : &master.objs[obj];

	if (!o || o->type != 'f' || (!o->open && how == 's'))
		return;
	o->content = ++contents;
	o->changed = n_recs;
	if (how != 's')
		looked_at(path);
	if (o->open && how == 's') {
		note_settled(obj, path);
	} else if (!o->open && how == 'w') {
		o->open = true;
		note(OP_DIRTY, obj, path, NULL, 0);
	} else if (!o->open && how == 't') {
		note(OP_TRUNC, obj, path, NULL, 0);
	}
}

void model_link(const char *a, const char *b)
{
	struct object *x = at(&master, a);
	int obj = obj_at(a);

	if (!x || x->type != 'f' || at(&master, b) || !strcmp(a, b) ||
	    !parent_ok(&master, b))
		return;
	looked_at(a);
	set(&master, b, obj);
	x->changed = n_recs;
	note(OP_LINK, obj, a, b, 0);
}

void model_attr(const char *path)
{
	struct object *x = at(&master, path);

	if (!x)
		return;
	looked_at(path);
	x->attr += 1000;
	x->changed = n_recs;
	note(OP_SETATTR, obj_at(path), path, NULL, RF_MODE);
}

void settle_all(void)
{
	for (int i = 0; i < master.n_objs; i++) {
		char *path = NULL;

		if (!master.objs[i].open)
			continue;
		for (int k = 0; k < master.n; k++)
			if (master.names[k].obj == i)
				path = master.names[k].path;
		note_settled(i, path ? path : "gone");
	}
}

void master_step(void)
{
	char *a = some_path(), *b = some_path();
	unsigned k = rnd(16);

	if (!at(&master, a))
		model_make("ooooocmmyy"[rnd(10)], a);
	else if (k < 5)
		model_write("ssswwwt"[rnd(7)], a);
	else if (k < 7)
		model_remove(a);
	else if (k < 8)
		model_exchange(a, b);
	else if (k < 12)
		model_rename(a, b);
	else if (k < 14)
		model_attr(a);
	else
		model_link(a, b);
	if (rnd(200) == 0)
		note(OP_UNSURE, 0, a, b, 0);
	free(a);
	free(b);
}
