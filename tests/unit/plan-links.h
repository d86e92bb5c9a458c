#ifndef MIRRORFS_TESTS_PLAN_LINKS_H
#define MIRRORFS_TESTS_PLAN_LINKS_H

/* More of plan-replica.h: what sync/links.c knows of names, and forgets with a
 * connection. */

static struct tree known;   /* path -> object of the master */
static struct tree former;  /* … that are doubted in this reconcile */
static struct tree kept;    /* … until something is published there */
static struct tree settled; /* `known`, as of the cursor */

static void know(const char *path, int obj)
{
	set(&known, path, obj);
}

static bool knows(const struct tree *t, const char *path, int obj)
{
	int i = find(t, path);

	return i >= 0 && t->names[i].obj == obj;
}

static bool knows_other(const struct tree *t, const char *path, int obj)
{
	return find(t, path) >= 0 && !knows(t, path, obj);
}

static bool is_other(const char *path, int obj)
{
	return knows_other(&known, path, obj) ||
	       knows_other(&former, path, obj) || knows_other(&kept, path, obj);
}

/* `path` is to become a name of `obj`, some time. */
static void keep(const char *path, int obj)
{
	int i = find(&former, path), k = find(&known, path);

	if (!is_other(path, obj))
		del(&kept, path);
	else if (find(&kept, path) < 0)
		set(&kept, path,
		    i >= 0 ? former.names[i].obj : known.names[k].obj);
}

static void distrust(const char *path)
{
	for (int i = 0; i < known.n; i++) {
		const struct name *n = &known.names[i];

		if (path_is_below(n->path, path) && find(&kept, n->path) < 0 &&
		    find(&former, n->path) < 0)
			set(&former, n->path, n->obj);
	}
	del_below(&known, path);
}

/* Names of `obj` but for `path`; owned by the caller, as they are changed.
 * `names` may be NULL. */
static int others(int obj, const char *path, char *names[NAMES])
{
	int n = 0;

	for (int i = 0; i < known.n; i++) {
		const struct name *k = &known.names[i];

		if (k->obj != obj || strcmp(k->path, path) == 0)
			continue;
		if (names)
			names[n] = strdup(k->path);
		n++;
	}
	return n;
}

/* Its content is still to come. */
static void names_later(int obj, const char *path)
{
	stale[obj] |= is_other(path, obj);
	keep(path, obj);
	know(path, obj);
}

/* Something is published at `path`, and at the others. */
static void taken(int obj, const char *path, bool all)
{
	del(&kept, path);
	for (int i = 0; all && i < known.n; i++)
		if (known.names[i].obj == obj)
			del(&kept, known.names[i].path);
}

static void takes_name(int obj, const char *path)
{
	if (knows(&known, path, obj))
		return;
	del(&known, path);
	if (others(obj, path, NULL) > 0)
		know(path, obj);
}

static void names_moved(const char *from, const char *to)
{
	struct tree *all[] = {&known, &kept};

	for (int i = 0; i < 2; i++) {
		del_below(all[i], to);
		move(all[i], from, to);
	}
}

static void names_copy(struct tree *to, const struct tree *from)
{
	reset(to);
	for (int i = 0; i < from->n; i++)
		set(to, from->names[i].path, from->names[i].obj);
}

static void names_save(void)
{
	names_copy(&settled, &known);
}

/* Another connection knows what is in the journal. */
static void names_again(void)
{
	reset(&kept);
	names_copy(&known, &settled);
}

static void names_reset(void)
{
	reset(&known);
	reset(&former);
	reset(&kept);
	reset(&settled);
}

/* What is known of names when it is sent, whatever comes of it. Returns true
 * when a link brings others with it. */
static bool sent(const struct action *a)
{
	int obj = obj_of(a->rec);
	struct object *o = &master.objs[obj];
	bool joins = a->kind == ACT_LINK && !knows(&known, a->path, obj);

	switch (a->kind) {
	case ACT_PUT:
	case ACT_SYMLINK:
		if (o->names == 0)
			break;
		if (o->open) {
			if (others(obj, a->path, NULL) > 0)
				names_later(obj, a->path);
			break;
		}
		takes_name(obj, a->path);
		taken(obj, a->path, true);
		break;
	case ACT_LINK:
		plan_memory_linked(memory, &a->rec->obj);
		del(&kept, a->path2);
		taken(obj, a->path2, joins);
		know(a->path, obj);
		know(a->path2, obj);
		break;
	case ACT_NAME:
		names_later(obj, a->path);
		break;
	case ACT_RENAME:
		names_moved(a->path, a->path2);
		break;
	case ACT_EXCHANGE:
		names_moved(a->path, "~");
		names_moved(a->path2, a->path);
		names_moved("~", a->path2);
		break;
	case ACT_UNLINK:
		del(&known, a->path);
		break;
	case ACT_RMDIR:
		del_below(&known, a->path);
		break;
	default:
		break;
	}
	return joins;
}

#endif
