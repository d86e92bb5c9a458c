/*
 * Other mounts than the one of the tree: those that are in its way when it is to
 * be unmounted, and those that show what lies below it.
 *
 * What a mount shows of its file system, and where it is mounted, is a pair of
 * paths; so each place of a file system has a path by which it can be told that two
 * mounts show the same. For btrfs that path begins with the subvolume. nfs tells
 * "/" for all of its mounts: about them nothing is said.
 *
 * With shared mounts, as systemd makes all, a mount is also made, and taken away,
 * at the same place of the peers of the mount that it is made on
 * (mount_namespaces(7)). Such a one is no obstacle, and what it covers is covered.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "lib/base/mounts-private.h"
#include "mounts.h"
#include "paths.h"

/* is_within - absolute paths, "/" as well. */
static bool is_within(const char *path, const char *dir)
{
	return path_is_below(path, strcmp(dir, "/") == 0 ? "" : dir);
}

/* moved - `path`, which is within `from`, as it is within `to`. */
static char *moved(const char *path, const char *from, const char *to)
{
	CLEANUP_FREE char *rest = path_rebase(path, from, "");
	CLEANUP_FREE char *all = NULL;
	if (asprintf(&all, "%s/%s", to, rest) < 0)
		abort();
	return path_normalise(all, "/");
}

/* ---- what is in the way ---- */

static char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *text(const char *fmt, ...)
{
	CLEANUP_FREE char *raw = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&raw, fmt, ap) < 0)
		abort();
	va_end(ap);
	return text_printable(raw);
}

/* hidden - its path leads to another mount, or nowhere. */
static char *hidden(const struct mount_table *t, const struct mount *ours)
{
	CLEANUP_CLOSE int fd =
		open(ours->point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int id = fd < 0 ? -1 : mount_id(fd);
	if (id == ours->id)
		return NULL;
	const struct mount *over = mount_by_id(t, id);
	return over ? text("%s is mounted over it, at %s: unmount that first",
			   over->type, over->point)
		    : text("something is mounted over a folder above it: "
			   "unmount that first");
}

/* gets_mounts_of - that are made on what is shared in `group`: it is of the group,
 * or a slave of it, or a slave of such a slave. No, where that leads through another
 * mount namespace. */
static bool gets_mounts_of(const struct mount_table *t, const struct mount *m,
			   unsigned group)
{
	const struct mount *above = m;
	for (unsigned n = 0; above && n <= t->n; n++) {
		if (above->shared == group || above->master == group)
			return true;
		unsigned master = above->master;
		above = NULL;
		for (unsigned i = 0; master && !above && i < t->n; i++)
			above = t->all[i].shared == master ? &t->all[i] : NULL;
	}
	return false;
}

/* goes_along - `other` is there, and goes, because `ours` does. */
static bool goes_along(const struct mount_table *t, const struct mount *ours,
		       const struct mount *other)
{
	const struct mount *a = mount_by_id(t, ours->parent);
	const struct mount *b = mount_by_id(t, other->parent);
	if (!a || !b || a == b || a->dev != b->dev || !a->shared ||
	    !gets_mounts_of(t, b, a->shared) ||
	    !is_within(ours->point, a->point) ||
	    !is_within(other->point, b->point))
		return false;
	CLEANUP_FREE char *one = moved(ours->point, a->point, a->root);
	CLEANUP_FREE char *two = moved(other->point, b->point, b->root);
	return strcmp(one, two) == 0;
}

static char *obstacle(const struct mount_table *t, const struct mount *ours)
{
	CLEANUP_FREE char *inside = NULL;
	CLEANUP_FREE char *copies = NULL;
	char *why = hidden(t, ours);
	if (why)
		return why;
	for (unsigned i = 0; i < t->n; i++) {
		const struct mount *m = &t->all[i];
		if (m->parent == ours->id)
			mount_list(&inside, m->point);
		else if (m->dev == ours->dev && m->id != ours->id &&
			 !goes_along(t, ours, m))
			mount_list(&copies, m->point);
	}
	if (inside)
		return text("mounted inside: %s: unmount that first", inside);
	return copies ? text("bind mounted elsewhere, which would be cut off: "
			     "%s: unmount that first",
			     copies)
		      : NULL;
}

int mount_may_go(int id, const char *path, char **ret_why)
{
	CLEANUP_MOUNTS struct mount_table t;
	int r = mount_table_read(&t);
	if (r < 0)
		return r;
	const struct mount *ours = mount_by_id(&t, id);
	if (!ours || !mount_type_ours(ours))
		return -ENOENT;
	char *why = strcmp(ours->point, path) == 0
			    ? obstacle(&t, ours)
			    : text("it was moved to %s: move it back first",
				   ours->point);
	*ret_why = why;
	return why ? -EBUSY : 0;
}

/* ---- what shows the tree below ---- */

/* ours_at - the mirrorfs at `root`, also under what was mounted over it. */
static const struct mount *ours_at(const struct mount_table *t,
				   const char *root)
{
	const struct mount *ours = NULL;
	for (unsigned i = 0; i < t->n; i++) {
		if (mount_type_ours(&t->all[i]) &&
		    strcmp(t->all[i].point, root) == 0)
			ours = &t->all[i];
	}
	return ours;
}

/* lower_of - what it was mounted on; there may be dead ones in between. */
static const struct mount *lower_of(const struct mount_table *t,
				    const struct mount *m)
{
	for (unsigned i = 0; m && mount_type_ours(m) && i < t->n; i++)
		m = mount_by_id(t, m->parent);
	return m && !mount_type_ours(m) ? m : NULL;
}

/* is_hidden - something is mounted on `m` over `place`, or over a folder above. */
static bool is_hidden(const struct mount_table *t, const struct mount *m,
		      const char *place)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (t->all[i].parent == m->id && t->all[i].id != m->id &&
		    is_within(place, t->all[i].point))
			return true;
	}
	return false;
}

static bool is_gone(const char *path)
{
	static const char end[] = "//deleted";
	size_t n = strlen(path), k = sizeof(end) - 1;
	return n > k && strcmp(path + n - k, end) == 0;
}

/* shows - does `m` show what lies below `root`, which is `tree` of its file
 * system? */
static bool shows(const struct mount_table *t, const struct mount *m,
		  const char *root, const char *tree, struct mount_around *ret)
{
	bool whole = !is_within(m->root, tree);
	if (m->read_only || is_gone(m->root) ||
	    (whole && !is_within(tree, m->root)))
		return false;
	CLEANUP_FREE char *at =
		whole ? moved(tree, m->root, m->point) : strdup(m->point);
	if (is_within(at, root) || is_hidden(t, m, at))
		return false;
	ret->whole = whole;
	ret->what = whole ? strdup(root) : moved(m->root, tree, root);
	ret->at = at;
	at = NULL;
	return true;
}

unsigned mounts_around(const char *root, struct mount_around **ret)
{
	CLEANUP_MOUNTS struct mount_table t;
	mount_table_read(&t);
	const struct mount *ours = ours_at(&t, root);
	const struct mount *lower = lower_of(&t, ours);
	unsigned n = 0;
	*ret = NULL;
	if (!lower || !is_within(root, lower->point) ||
	    strncmp(lower->type, "nfs", 3) == 0)
		return 0;
	CLEANUP_FREE char *tree = moved(root, lower->point, lower->root);
	for (unsigned i = 0; i < t.n; i++) {
		struct mount_around one;
		if (t.all[i].dev != lower->dev || t.all[i].id == lower->id ||
		    !shows(&t, &t.all[i], root, tree, &one))
			continue;
		*ret = reallocarray(*ret, n + 1, sizeof(one));
		if (!*ret)
			abort();
		(*ret)[n++] = one;
	}
	return n;
}

void mounts_around_free(struct mount_around *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		free(list[i].at);
		free(list[i].what);
	}
	free(list);
}
