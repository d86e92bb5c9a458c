/*
 * Other mounts than the one of the tree: those that are in its way when it is to
 * be unmounted.
 *
 * With shared mounts, as systemd makes all, a mount is also made, and taken away,
 * at the same place of the peers of the mount that it is made on
 * (mount_namespaces(7)). Such a one is no obstacle.
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

/* goes_along - `other` is there, and goes, because `ours` does. */
static bool goes_along(const struct mount_table *t, const struct mount *ours,
		       const struct mount *other)
{
	const struct mount *a = mount_by_id(t, ours->parent);
	const struct mount *b = mount_by_id(t, other->parent);
	if (!a || !b || a == b || a->dev != b->dev || !a->shared ||
	    (b->shared != a->shared && b->master != a->shared) ||
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
	mount_table_read(&t);
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
