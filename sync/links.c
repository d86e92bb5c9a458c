/*
 * A table of names: by path, by object, which each upload asks for, and by folder,
 * as folders are moved, removed and compared, and there are trees that are links
 * for the most part (cp -al, pnpm).
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "cleanup.h"
#include "paths.h"
#include "sync/links.h"

struct folder {
	char *path;
	struct name *names; /* just in it */
	struct folder *parent, *children;
	struct folder *prev, *next; /* of the same parent */
	UT_hash_handle hh;
};
struct name {
	char *path;
	struct fhandle obj;
	uint64_t since;	   /* the step that makes it a name */
	struct name *next; /* of the same object */
	struct folder *folder;
	struct name *prev_in, *next_in; /* of the same folder */
	UT_hash_handle hh;
};
struct object {
	struct fhandle obj;
	struct name *names;
	UT_hash_handle hh;
};
struct former { /* a name that is doubted */
	char *path;
	struct fhandle obj;
	bool kept;
	UT_hash_handle hh;
};
struct change { /* not in the journal yet */
	char *path;
	bool add;
	struct fhandle obj;
};

struct links {
	struct journal *j;
	int64_t replica;
	struct name *by_path;
	struct folder *folders;
	struct object *by_object;
	struct former *formers;
	struct change *changes;
	unsigned n_changes;
	bool cleared;
};

static struct object *object_find(const struct links *l,
				  const struct fhandle *obj)
{
	struct object *o;

	HASH_FIND(hh, l->by_object, obj, fhandle_size(obj), o);
	return o;
}

/* ---- folders that have names in them, or below ---- */

static struct folder *folder_find(const struct links *l, const char *path,
				  size_t len)
{
	struct folder *f;

	HASH_FIND(hh, l->folders, path, len, f);
	return f;
}

static struct folder *folder_get(struct links *l, const char *path, size_t len)
{
	struct folder *f = folder_find(l, path, len);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		abort();
	f->path = strndup(path, len);
	HASH_ADD_KEYPTR(hh, l->folders, f->path, len, f);
	if (len == 0)
		return f;
	f->parent = folder_get(l, path, path_parent_len(path, len));
	DL_APPEND(f->parent->children, f);
	return f;
}

/* folder_trim - it, and those above it, unless they are needed. */
static void folder_trim(struct links *l, struct folder *f)
{
	while (f && !f->names && !f->children) {
		struct folder *parent = f->parent;
		if (parent)
			DL_DELETE(parent->children, f);
		HASH_DEL(l->folders, f);
		free(f->path);
		free(f);
		f = parent;
	}
}

struct names {
	struct name **list;
	unsigned n;
};

static void names_put(struct names *all, struct name *n)
{
	if ((all->n & (all->n - 1)) == 0) /* twice as many */
		all->list = reallocarray(all->list, all->n ? all->n * 2 : 1,
					 sizeof(*all->list));
	if (!all->list)
		abort();
	all->list[all->n++] = n;
}

static void names_in(struct names *all, const struct folder *f, bool deep)
{
	struct folder *child;
	struct name *n;

	DL_FOREACH2(f->names, n, next_in)
	names_put(all, n);
	if (!deep)
		return;
	DL_FOREACH(f->children, child)
	names_in(all, child, true);
}

/* ---- one name ---- */

static void note(struct links *l, const char *path, const struct fhandle *obj)
{
	l->changes =
		reallocarray(l->changes, l->n_changes + 1, sizeof(*l->changes));
	if (!l->changes)
		abort();
	struct change *c = &l->changes[l->n_changes++];
	*c = (struct change){.path = strdup(path), .add = obj};
	if (obj)
		c->obj = *obj;
}

static void insert(struct links *l, const struct fhandle *obj, const char *path,
		   uint64_t since)
{
	struct name *n = calloc(1, sizeof(*n));
	struct object *o = object_find(l, obj);

	if (!n)
		abort();
	n->path = strdup(path);
	n->obj = *obj;
	n->since = since;
	HASH_ADD_KEYPTR(hh, l->by_path, n->path, strlen(n->path), n);
	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o)
			abort();
		o->obj = *obj;
		HASH_ADD_KEYPTR(hh, l->by_object, &o->obj,
				fhandle_size(&o->obj), o);
	}
	n->next = o->names;
	o->names = n;
	n->folder = folder_get(l, path, path_parent_len(path, strlen(path)));
	DL_APPEND2(n->folder->names, n, prev_in, next_in);
}

static void drop(struct links *l, struct name *n)
{
	struct object *o = object_find(l, &n->obj);
	struct name **p = &o->names;

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
	if (!o->names) {
		HASH_DEL(l->by_object, o);
		free(o);
	}
	DL_DELETE2(n->folder->names, n, prev_in, next_in);
	folder_trim(l, n->folder);
	HASH_DEL(l->by_path, n);
	free(n->path);
	free(n);
}

static struct name *name_find(const struct links *l, const char *path)
{
	struct name *n;

	HASH_FIND(hh, l->by_path, path, strlen(path), n);
	return n;
}

/* names_below - `path`, if it is a name, and those below it, to be freed. */
static struct names names_below(const struct links *l, const char *path)
{
	struct folder *f = folder_find(l, path, strlen(path));
	struct name *n = name_find(l, path);
	struct names all = {0};

	if (n)
		names_put(&all, n);
	if (f)
		names_in(&all, f, true);
	return all;
}

static void forget(struct links *l, struct names *all)
{
	for (unsigned i = 0; i < all->n; i++) {
		note(l, all->list[i]->path, NULL);
		drop(l, all->list[i]);
	}
	free(all->list);
}

int links_open(struct journal *j, int64_t replica, struct links **ret)
{
	struct link_name *rows;
	unsigned n;
	int r = journal_links_load(j, replica, &rows, &n);
	if (r < 0)
		return r;
	struct links *l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	l->j = j;
	l->replica = replica;
	for (unsigned i = 0; i < n; i++)
		insert(l, &rows[i].obj, rows[i].path, 0);
	links_free(rows, n);
	*ret = l;
	return 0;
}

static void forget_changes(struct links *l)
{
	for (unsigned i = 0; i < l->n_changes; i++)
		free(l->changes[i].path);
	free(l->changes);
	l->changes = NULL;
	l->n_changes = 0;
	l->cleared = false;
}

static struct former *former_find(const struct links *l, const char *path)
{
	struct former *f;

	HASH_FIND(hh, l->formers, path, strlen(path), f);
	return f;
}

static struct former *former_add(struct links *l, const char *path,
				 const struct fhandle *obj)
{
	struct former *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->path = strdup(path);
	f->obj = *obj;
	HASH_ADD_KEYPTR(hh, l->formers, f->path, strlen(f->path), f);
	return f;
}

static void former_drop(struct links *l, struct former *f)
{
	HASH_DEL(l->formers, f);
	free(f->path);
	free(f);
}

void links_clear(struct links *l)
{
	struct name *n, *tmp;

	links_doubt(l, "");
	for (struct former *f = l->formers; f; f = f->hh.next)
		f->kept = true;
	forget_changes(l);
	HASH_ITER(hh, l->by_path, n, tmp)
	drop(l, n);
	l->cleared = true;
}

void links_close(struct links *l)
{
	struct former *f, *tmp;

	if (!l)
		return;
	links_clear(l);
	HASH_ITER(hh, l->formers, f, tmp)
	former_drop(l, f);
	free(l);
}

void links_add(struct links *l, const struct fhandle *obj, const char *path,
	       uint64_t since)
{
	struct name *n = name_find(l, path);

	if (n && fhandle_equal(&n->obj, obj))
		return;
	if (n)
		drop(l, n);
	insert(l, obj, path, since);
	note(l, path, obj);
}

bool links_has(const struct links *l, const char *path)
{
	return name_find(l, path);
}

void links_del(struct links *l, const char *path)
{
	struct name *n = name_find(l, path);

	if (!n)
		return;
	note(l, path, NULL);
	drop(l, n);
}

void links_del_object(struct links *l, const struct fhandle *obj)
{
	struct object *o;

	/* the object goes with its last name */
	while ((o = object_find(l, obj)) && o->names) {
		note(l, o->names->path, NULL);
		drop(l, o->names);
	}
}

void links_del_tree(struct links *l, const char *path)
{
	struct names all = names_below(l, path);

	forget(l, &all);
}

static void del_in(struct links *l, const char *path, bool deep)
{
	struct folder *f = folder_find(l, path, strlen(path));
	struct names all = {0};

	if (f)
		names_in(&all, f, deep);
	forget(l, &all);
}

void links_del_entries(struct links *l, const char *path)
{
	del_in(l, path, false);
}

void links_del_below(struct links *l, const char *path)
{
	del_in(l, path, true);
}

void links_doubt(struct links *l, const char *path)
{
	struct names all = names_below(l, path);

	for (unsigned i = 0; i < all.n; i++) {
		const struct name *n = all.list[i];
		if (!former_find(l, n->path))
			former_add(l, n->path, &n->obj);
	}
	free(all.list);
}

void links_trust(struct links *l)
{
	struct former *f, *tmp;

	HASH_ITER(hh, l->formers, f, tmp)
	{
		if (!f->kept)
			former_drop(l, f);
	}
}

void links_taken(struct links *l, const char *path)
{
	struct former *f = former_find(l, path);

	if (f && f->kept)
		former_drop(l, f);
}

bool links_was(const struct links *l, const char *path)
{
	return name_find(l, path) || former_find(l, path);
}

bool links_is_other(const struct links *l, const char *path,
		    const struct fhandle *obj)
{
	const struct name *n = name_find(l, path);
	const struct former *f = former_find(l, path);

	return (n && !fhandle_equal(&n->obj, obj)) ||
	       (f && !fhandle_equal(&f->obj, obj));
}

void links_keep(struct links *l, const char *path, const struct fhandle *obj)
{
	const struct name *n = name_find(l, path);
	struct former *f = former_find(l, path);

	if (!links_is_other(l, path, obj)) {
		links_taken(l, path);
		return;
	}
	if (!f)
		f = former_add(l, path, &n->obj);
	f->kept = true;
}

static bool was(const struct links *l, const char *path,
		const struct fhandle *obj)
{
	const struct former *f = former_find(l, path);

	return links_is(l, path, obj) || (f && fhandle_equal(&f->obj, obj));
}

bool links_has_other(const struct links *l, const struct fhandle *obj,
		     const char *path)
{
	const struct object *o = object_find(l, obj);

	return o && (o->names->next || strcmp(o->names->path, path) != 0);
}

void links_single(struct links *l, const char *path, const struct fhandle *obj,
		  uint64_t since)
{
	bool stays = was(l, path, obj) || links_has_other(l, obj, path);

	links_keep(l, path, obj);
	if (stays)
		links_add(l, obj, path, since);
	else
		links_del(l, path);
}

static void formers_move(struct links *l, const char *from, const char *to)
{
	struct former *f, *tmp;

	HASH_ITER(hh, l->formers, f, tmp)
	{
		if (path_is_below(f->path, to))
			former_drop(l, f);
	}
	HASH_ITER(hh, l->formers, f, tmp)
	{
		if (!path_is_below(f->path, from))
			continue;
		CLEANUP_FREE char *path = path_rebase(f->path, from, to);
		former_add(l, path, &f->obj)->kept = f->kept;
		former_drop(l, f);
	}
}

void links_move(struct links *l, const char *from, const char *to)
{
	struct name *n, *tmp;
	struct links moved = {0};

	formers_move(l, from, to);
	links_del_tree(l, to);
	struct names all = names_below(l, from);
	for (unsigned i = 0; i < all.n; i++) {
		CLEANUP_FREE char *path =
			path_rebase(all.list[i]->path, from, to);
		insert(&moved, &all.list[i]->obj, path, all.list[i]->since);
	}
	forget(l, &all);
	HASH_ITER(hh, moved.by_path, n, tmp)
	{
		links_add(l, &n->obj, n->path, n->since);
		drop(&moved, n);
	}
}

void links_swap(struct links *l, const char *a, const char *b)
{
	static const char aside[] = RESERVED_NAME "/swap";

	links_move(l, a, aside);
	links_move(l, b, a);
	links_move(l, aside, b);
}

bool links_is(const struct links *l, const char *path,
	      const struct fhandle *obj)
{
	struct name *n = name_find(l, path);

	return n && fhandle_equal(&n->obj, obj);
}

unsigned links_other(const struct links *l, const struct fhandle *obj,
		     const char *path, uint64_t at, const char ***ret)
{
	struct object *o = object_find(l, obj);
	unsigned n = 0;

	*ret = NULL;
	for (struct name *a = o ? o->names : NULL; a; a = a->next) {
		if (a->since > at || strcmp(a->path, path) == 0)
			continue;
		*ret = reallocarray(*ret, n + 1, sizeof(**ret));
		if (!*ret)
			abort();
		(*ret)[n++] = a->path;
	}
	return n;
}

unsigned links_copies(const struct links *l, const struct fhandle *obj,
		      const char *path, char ***ret)
{
	const char **names;
	unsigned n = links_other(l, obj, path, UINT64_MAX, &names);

	*ret = n ? calloc(n, sizeof(**ret)) : NULL;
	for (unsigned i = 0; i < n; i++) {
		if (!*ret || !((*ret)[i] = strdup(names[i])))
			abort();
	}
	free(names);
	return n;
}

void links_copies_free(char **names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

int links_save(struct links *l)
{
	int r = l->cleared ? journal_links_clear(l->j, l->replica) : 0;

	for (unsigned i = 0; r >= 0 && i < l->n_changes; i++) {
		struct change *c = &l->changes[i];
		if (c->add)
			r = journal_link_add(l->j, l->replica, &c->obj,
					     c->path);
		else
			r = journal_link_del(l->j, l->replica, c->path);
		if (r == -ENOENT)
			r = 0;
	}
	if (r >= 0)
		forget_changes(l);
	return r < 0 ? r : 0;
}
