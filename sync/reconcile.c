/*
 * Reconcile: compare the lower tree with the replica and push the steps that
 * make the replica equal. It looks at the replica with the requests that
 * wait, while its steps run pipelined behind; what it looks at is never what
 * its own steps are changing: a folder that it makes is not listed.
 */
#include "confdefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/compare.h"
#include "sync/lower.h"

/* ---- walking ---- */

static struct remote_entry *entry_find(struct remote_entry *list, unsigned n,
				       const char *name)
{
	/* sorted by name */
	unsigned low = 0, high = n;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		int c = strcmp(name, list[mid].name);
		if (c == 0)
			return &list[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct remote_entry *)a)->name,
		      ((const struct remote_entry *)b)->name);
}

/* A folder and what is directly in it. */
struct folder {
	const char *path;
	int fd;
	struct remote_entry *there; /* sorted */
	unsigned n_there;
	struct descent *below;
	unsigned n_below;
};

static int walk_name(struct engine *e, struct folder *f, const char *name,
		     enum strictness strict, enum depth depth)
{
	CLEANUP_FREE char *child = path_join(f->path, name);
	struct descent below = {0};

	struct remote_entry *a = entry_find(f->there, f->n_there, name);
	CLEANUP_CLOSE int fd =
		openat(f->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;
	if (a && r != -ENOENT)
		a->attr.flags |= 1u << 31; /* it is there below, too */
	if (pathset_cover(&e->parked_paths, child) && !e->reconciling)
		return strict == STRICT_TREE ? unsure_at(e, child) : 0;
	if (r < 0) {
		compare_unseen(e, child, r);
		return 0;
	}
	r = verify_room(e);
	uint64_t next = exec_next(e->exec);
	if (r == 0)
		r = compare_entry(e, fd, child, a ? &a->attr : NULL, strict,
				  depth, &below);
	if (exec_next(e->exec) != next)
		seed_differs(e, child);
	if (!below.name)
		return r;
	unsigned n = f->n_below++;
	if ((n & (n - 1)) == 0)
		f->below = reallocarray(f->below, n ? (size_t)n * 2 : 1,
					sizeof(below));
	if (!f->below)
		abort();
	f->below[n] = below;
	return r;
}

/* walk_entries - what is directly in it, on either side. */
static int walk_entries(struct engine *e, struct folder *f, DIR *d,
			enum strictness strict, enum depth depth)
{
	char **names;
	int n = lower_read_names(d, f->path, &names);
	int r = 0;

	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = walk_name(e, f, names[i], strict, depth);
		free(names[i]);
	}
	free(names);
	if (n < 0) {
		compare_unseen(e, f->path, n);
		return 0;
	}
	if (r == 0)
		r = verify_run(e);
	for (unsigned i = 0; r == 0 && i < f->n_there; i++) {
		struct remote_entry *a = &f->there[i];
		if (a->attr.flags & 1u << 31 || remove_keeps(f->path, a->name))
			continue;
		CLEANUP_FREE char *child = path_join(f->path, a->name);
		if (!filter_excludes(e->filter, child, S_ISDIR(a->attr.mode)))
			r = remove_foreign(e, child, &a->attr);
	}
	return r;
}

static int walk_dir(struct engine *e, int path_fd, const char *path, bool fresh,
		    enum strictness strict, enum depth depth);

/* walk_descent - into the folder `path`. */
static int walk_descent(struct engine *e, int fd, const char *path,
			const struct descent *b, enum strictness strict)
{
	int r = walk_dir(e, fd, path, b->fresh, b->moved ? STRICT_TREE : strict,
			 b->depth);

	if (r == 0 && b->moved)
		stale_published(e->stale, b->moved);
	return r;
}

/* walk_below - the folder `b`, which is in `f`. */
static int walk_below(struct engine *e, const struct folder *f,
		      const struct descent *b, enum strictness strict)
{
	CLEANUP_FREE char *child = path_join(f->path, b->name);

	CLEANUP_CLOSE int sub = openat(
		f->fd, b->name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);

	if (sub >= 0)
		return walk_descent(e, sub, child, b, strict);
	compare_unseen(e, child, -errno);
	return 0;
}

/* open_folder - on both sides. Returns 1, 0 when that was not possible, or
 * -ENOTCONN. */
static int open_folder(struct engine *e, int path_fd, struct folder *f,
		       bool fresh, DIR **ret)
{
	int r = fresh ? 0
		      : remote_list(e->remote, f->path, &f->there, &f->n_there);

	if (r == -ENOTCONN)
		return r;
	if (r < 0) {
		engine_fail(e, f->path, S_IFDIR, r);
		return 0;
	}
	f->fd = lower_open_folder(path_fd, ".");
	*ret = f->fd < 0 ? NULL : fdopendir(f->fd);
	if (*ret)
		return 1;
	compare_unseen(e, f->path, f->fd < 0 ? f->fd : -errno);
	if (f->fd >= 0)
		close(f->fd);
	return 0;
}

/* own_entries - how many there are on the replica, but for what is kept. */
static unsigned own_entries(const struct folder *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->n_there; i++)
		n += !remove_keeps(f->path, f->there[i].name);
	return n;
}

/* walk_dir - `depth` is that of the entries. */
static int walk_dir(struct engine *e, int path_fd, const char *path, bool fresh,
		    enum strictness strict, enum depth depth)
{
	struct folder f = {.path = path};
	CLEANUP_CLOSEDIR DIR *d = NULL;
	int r = open_folder(e, path_fd, &f, fresh, &d);

	if (r > 0) {
		if (f.n_there)
			qsort(f.there, f.n_there, sizeof(*f.there), by_name);
		seed_found(e, path, own_entries(&f));
		r = walk_entries(e, &f, d, strict, depth);
	} else if (r == 0 && strict == STRICT_TREE)
		r = unsure_at(e, path); /* as it is done over */
	remote_entries_free(f.there, f.n_there);
	if (r == 0)
		r = seed_mark(e, path);
	for (unsigned i = 0; i < f.n_below; i++) {
		if (r == 0)
			r = walk_below(e, &f, &f.below[i], strict);
		free(f.below[i].name);
		free(f.below[i].moved);
	}
	free(f.below);
	return r;
}

/* ---- the entry point ---- */

/* is_folder - 1 when `path` is one on both sides, 0, or a negative errno when
 * that cannot be told. */
static int is_folder(struct engine *e, const char *path)
{
	struct stat st;
	struct fhandle obj;
	int r = remote_is_folder(e->remote, path);

	if (r <= 0)
		return r;
	r = lower_look(e->cfg->lower_fd, path, &st, &obj);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return S_ISDIR(st.st_mode);
}

/* reconcile_top - the highest path that must be looked at: the parents of
 * `path` must be directories on both sides, all of them, or a link on the
 * replica would lead us out of it. Owned by the caller. */
static int reconcile_top(struct engine *e, const char *path, char **ret,
			 bool *ret_raised)
{
	CLEANUP_FREE char *top = strdup(path);
	int r = *top ? is_folder(e, "") : 1;

	*ret_raised = false;
	if (r == 0)
		*top = 0;
	for (char *p = top; r > 0 && (p = strchr(p, '/')); p++) {
		*p = 0;
		r = is_folder(e, top);
		if (r > 0)
			*p = '/';
	}
	if (r < 0)
		return r;
	*ret_raised = r == 0;
	*ret = top;
	top = NULL;
	return 0;
}

static int reconcile_at(struct engine *e, const char *path,
			enum strictness strict, enum depth depth)
{
	struct remote_attr a;
	int r = remote_lstat(e->remote, path, &a);

	if (r == -ENOTCONN)
		return r;
	/* nothing has a name that is none to the server */
	if (r < 0 && r != -ENOENT && r != -EINVAL) {
		engine_fail(e, path, 0, r);
		return 0;
	}
	bool there = r == 0;
	struct descent below = {0};
	CLEANUP_CLOSE int fd = lower_open_path(e->cfg->lower_fd, path, O_PATH);
	if (fd >= 0) {
		uint64_t next = exec_next(e->exec);
		r = compare_entry(e, fd, path, there ? &a : NULL, strict, depth,
				  &below);
		if (exec_next(e->exec) != next)
			seed_differs(e, path);
		if (r == 0)
			r = verify_run(e);
		/* below the path itself, equal size and time is equal
		 * content */
		if (r == 0 && below.name)
			r = walk_descent(e, fd, path, &below,
					 strict == STRICT_FULL ? STRICT_DATA
							       : strict);
		free(below.name);
		free(below.moved);
		return r;
	}
	if (fd != -ENOENT || !*path) {
		engine_fail(e, path, 0, fd);
		return 0;
	}
	if (there && filter_excludes(e->filter, path, S_ISDIR(a.mode)))
		return 0;
	links_del_tree(e->links, path);
	return there ? remove_foreign(e, path, &a) : 0;
}

int reconcile(struct engine *e, const char *path, enum strictness strict,
	      enum depth depth)
{
	CLEANUP_FREE char *top = NULL;
	bool raised;

	if (path_is_reserved(path))
		return 0;
	int r = reconcile_top(e, path, &top, &raised);
	if (r < 0 && r != -ENOTCONN) {
		engine_fail(e, path, 0, r);
		return 0;
	}
	if (r == 0)
		r = reconcile_at(e, top, strict, raised ? DEPTH_ALL : depth);
	if (r == 0)
		r = exec_drain(e->exec);
	links_trust(e->links);
	if (r == 0)
		r = engine_fence(e, top, shared_fence_seq(e->shared));
	return r;
}
