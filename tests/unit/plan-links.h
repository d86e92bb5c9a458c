#ifndef MIRRORFS_TESTS_PLAN_LINKS_H
#define MIRRORFS_TESTS_PLAN_LINKS_H

/* More of plan-replica.h: what is known of names, by sync/links.c itself, and
 * what of that the journal has, as of the cursor. */

#include "sync/links.h"

static struct links *links;
static struct tree settled; /* the journal's: path -> object of the master */

static struct fhandle handle_of(int obj)
{
	struct fhandle h = {.len = sizeof(obj)};

	memcpy(h.bytes, &obj, sizeof(obj));
	return h;
}

static int obj_is(const struct fhandle *h)
{
	int obj;

	memcpy(&obj, h->bytes, sizeof(obj));
	return obj;
}

/* ---- in place of lib/journal ---- */

int journal_links_load(struct journal *j, int64_t id, struct link_name **ret,
		       unsigned *ret_n)
{
	*ret = calloc((unsigned)settled.n + 1, sizeof(**ret));
	*ret_n = (unsigned)settled.n;
	for (int i = 0; i < settled.n; i++) {
		(*ret)[i].path = strdup(settled.names[i].path);
		(*ret)[i].obj = handle_of(settled.names[i].obj);
	}
	return 0;
}

void links_free(struct link_name *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(list[i].path);
	free(list);
}

int journal_link_add(struct journal *j, int64_t id, const struct fhandle *obj,
		     const char *path)
{
	set(&settled, path, obj_is(obj));
	return 0;
}

int journal_link_del(struct journal *j, int64_t id, const char *path)
{
	del(&settled, path);
	return 0;
}

int journal_links_clear(struct journal *j, int64_t id)
{
	reset(&settled);
	return 0;
}

/* ---- by the numbers of objects ---- */

static void know(const char *path, int obj)
{
	struct fhandle h = handle_of(obj);

	links_add(links, &h, path, 0);
}

static bool knows(const char *path, int obj)
{
	struct fhandle h = handle_of(obj);

	return links_is(links, path, &h);
}

static bool is_other(const char *path, int obj)
{
	struct fhandle h = handle_of(obj);

	return links_is_other(links, path, &h);
}

/* Names of `obj` but for `path`; links_copies_free. */
static unsigned others(int obj, const char *path, char ***ret)
{
	struct fhandle h = handle_of(obj);

	return links_copies(links, &h, path, ret);
}

static bool has_others(int obj, const char *path)
{
	struct fhandle h = handle_of(obj);

	return links_has_other(links, &h, path);
}

/* ---- as batch.c and engine.c use it ---- */

/* Its content is still to come. */
static void names_later(int obj, const char *path)
{
	struct fhandle h = handle_of(obj);

	stale[obj] |= links_is_other(links, path, &h);
	links_keep(links, path, &h);
	links_add(links, &h, path, 0);
}

/* Something is published at `path`, and at the others. */
static void taken(int obj, const char *path, bool all)
{
	char **names;
	unsigned n = others(obj, path, &names);

	links_taken(links, path);
	for (unsigned i = 0; all && i < n; i++)
		links_taken(links, names[i]);
	links_copies_free(names, n);
}

static void takes_name(int obj, const char *path)
{
	if (knows(path, obj))
		return;
	links_del(links, path);
	if (has_others(obj, path))
		know(path, obj);
}

static void names_save(void)
{
	assert_int_equal(links_save(links), 0);
}

/* Another connection knows what is in the journal. */
static void names_again(void)
{
	links_close(links);
	assert_int_equal(links_open(NULL, 0, &links), 0);
}

static void names_reset(void)
{
	links_close(links);
	links = NULL;
	reset(&settled);
}

/* What is known of names when it is sent, whatever comes of it. Returns true
 * when a link brings others with it. */
static bool sent(const struct action *a)
{
	int obj = obj_is(&a->rec->obj);
	struct object *o = &master.objs[obj];
	bool joins = a->kind == ACT_LINK && !knows(a->path, obj);

	switch (a->kind) {
	case ACT_PUT:
	case ACT_SYMLINK:
		if (o->names == 0)
			break;
		if (o->open) {
			if (has_others(obj, a->path))
				names_later(obj, a->path);
			break;
		}
		takes_name(obj, a->path);
		taken(obj, a->path, true);
		break;
	case ACT_LINK:
		plan_memory_linked(memory, &a->rec->obj);
		taken(obj, a->path2, joins);
		know(a->path, obj);
		know(a->path2, obj);
		break;
	case ACT_NAME:
		names_later(obj, a->path);
		break;
	case ACT_RENAME:
		links_move(links, a->path, a->path2);
		break;
	case ACT_EXCHANGE:
		links_swap(links, a->path, a->path2);
		break;
	case ACT_UNLINK:
		links_del(links, a->path);
		break;
	case ACT_RMDIR:
		links_del_tree(links, a->path);
		break;
	default:
		break;
	}
	return joins;
}

static struct tree to_copy; /* names: what was sent to another one */

/* copy_later - as step_link_names, where there are no links. */
static void copy_later(int obj, const char *path, const char *path2)
{
	char **names;
	unsigned n = nolinks ? others(obj, path, &names) : 0;

	for (unsigned i = 0; i < n; i++)
		if (!path2 || strcmp(names[i], path2) != 0)
			set(&to_copy, names[i], 0);
	gave_up |= n > 0; /* that comes after the plan */
	if (nolinks)
		links_copies_free(names, n);
}

#endif
