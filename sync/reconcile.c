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
#include "clock.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/attr.h"
#include "sync/engine.h"
#include "sync/lower.h"

/* A folder that is to be walked after what is beside it: lists of names are
 * large, so one is held at a time. */
struct descent {
	char *name;	       /* NULL: no folder, or not to be walked */
	bool fresh;	       /* the replica has nothing in it */
	enum depth depth;      /* of its entries */
	struct fhandle *moved; /* itself, when the replica may have another
				* folder there; else NULL */
};

static bool is_special(mode_t mode)
{
	return !S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode);
}

static const char *special_kind(mode_t mode)
{
	return S_ISLNK(mode)	? "symlink"
	       : S_ISFIFO(mode) ? "fifo"
	       : S_ISSOCK(mode) ? "socket"
				: "device";
}

/* unseen - the master could not be asked what is at `path`. That it is gone is
 * an answer: a later record knows. Anything else, such as a lack of
 * descriptors, is a failure, or what the replica has would be taken for
 * foreign, and removed. */
static void unseen(struct engine *e, const char *path, int error)
{
	if (error != -ENOENT && error != -ESTALE && error != -ENOTDIR &&
	    error != -ELOOP)
		engine_fail(e, path, 0, error);
}

/* ---- comparing one entry ---- */

static bool same_attributes(const struct engine *e, const struct stat *st,
			    const struct remote_attr *a)
{
	const bool *can = e->can.can;
	bool link = S_ISLNK(st->st_mode);
	uint32_t uid, gid;

	if (link && !can[CAN_LSETSTAT])
		return true;
	if (!link && can[CAN_MODE] &&
	    ((attr_mode(e->owners, &e->can, st->st_mode) ^ a->mode) & 07777))
		return false;
	if (owners_map(e->owners, st->st_uid, st->st_gid, &uid, &gid) &&
	    (uid != a->uid || gid != a->gid))
		return false;
	return S_ISDIR(st->st_mode) || !can[CAN_TIMES] ||
	       (uint32_t)st->st_mtim.tv_sec == a->mtime;
}

int reconcile_attributes(struct engine *e, const char *path,
			 const struct stat *st, const struct fhandle *obj,
			 const struct remote_attr *a)
{
	if (same_attributes(e, st, a))
		return 0;
	return engine_push(e, STEP_SETATTR, path, NULL, obj, NULL);
}

/*
 * link_name - an object with several names gets one more there. Returns 1
 * when a step was pushed that makes it so; 0 when the content must be looked
 * at: *ret_other says whether the replica has another name of it.
 */
static int link_name(struct engine *e, const char *path, const struct stat *st,
		     const struct fhandle *obj, bool may_link, bool *ret_other)
{
	const char **names = NULL;

	/* overlayfs has made it a file of its own, which on the replica is
	 * still one with its other names */
	bool apart = fhandle_is_number(obj, NULL) &&
		     links_has(e->links, path) &&
		     !links_is(e->links, path, obj);

	*ret_other = apart;
	if (st->st_nlink == 1)
		links_del(e->links, path);
	if (st->st_nlink == 1 || links_is(e->links, path, obj))
		return 0;
	unsigned n = links_other(e->links, obj, path, UINT64_MAX, &names);
	CLEANUP_FREE char *first = n ? strdup(names[0]) : NULL;
	free(names);
	links_del(e->links, path);
	links_add(e->links, obj, path, exec_next(e->exec));
	if (!e->can.can[CAN_HARDLINK]) { /* a copy, like any other file */
		engine_count(e, "hard-link", path);
		return 0;
	}
	*ret_other = first || apart;
	if (!first || !may_link)
		return 0;
	engine_touch_parent(e, path);
	int r = engine_push(e, STEP_LINK, first, path, obj, NULL);
	/* nobody has compared them at that name */
	if (r == 0 && !seed_is_new(e) &&
	    (!S_ISLNK(st->st_mode) || e->can.can[CAN_LSETSTAT]))
		r = engine_push(e, STEP_SETATTR, path, NULL, obj, NULL);
	return r < 0 ? r : 1;
}

static uint64_t ctime_ns(const struct stat *st)
{
	int64_t ns = clock_ctime_ns(st);

	return ns > 0 ? (uint64_t)ns : 0;
}

static int put_file(struct engine *e, const char *path, const struct stat *st,
		    const struct fhandle *obj, const struct remote_attr *a,
		    enum strictness strict)
{
	/* each name has a content of its own, and one of them was sent */
	bool copies = strict == STRICT_NEWS && st->st_nlink > 1 &&
		      !e->can.can[CAN_HARDLINK];
	/* never change another object's inode, by whatever name */
	bool doubt = strict >= STRICT_FULL || copies ||
		     stale_has(e->stale, obj) ||
		     ctime_ns(st) >= e->changed_ns ||
		     links_is_other(e->links, path, obj);
	bool same = !doubt && a && a->size == (uint64_t)st->st_size &&
		    (strict == STRICT_ATTR ||
		     a->mtime == (uint32_t)st->st_mtim.tv_sec);
	bool other;
	int r = link_name(e, path, st, obj, !doubt, &other);

	if (r > 0 && same) /* SFTP does not tell whether it is one already */
		seed_relinks(e);
	if (r != 0)
		return r < 0 ? r : 0;
	if (same && !other && e->verify)
		return verify_add(e, path, st, obj, a);
	if (same && !other)
		return reconcile_attributes(e, path, st, obj, a);
	if (st->st_nlink == 1 && !e->seeding && aside_comes(e, path, obj))
		return 0;
	seed_sends(e, st);
	engine_touch_parent(e, path);
	return engine_push(e, STEP_PUT, path, NULL, obj, NULL);
}

static int put_symlink(struct engine *e, const char *path,
		       const struct stat *st, const struct fhandle *obj,
		       const struct remote_attr *a)
{
	CLEANUP_FREE char *want = NULL;
	CLEANUP_FREE char *have = NULL;
	bool other;
	/* what it points to never changes: a link is as good as new */
	int r = link_name(e, path, st, obj, true, &other);

	if (r != 0)
		return r < 0 ? r : 0;
	if (a) {
		r = remote_readlink(e->remote, path, &have);
		if (r == -ENOTCONN)
			return r;
		if (lower_readlink(e->cfg->lower_fd, obj, path, &want) == 0 &&
		    have && strcmp(want, have) == 0)
			return reconcile_attributes(e, path, st, obj, a);
	}
	engine_touch_parent(e, path);
	return engine_push(e, STEP_SYMLINK, path, NULL, obj, NULL);
}

static struct fhandle *handle_copy(const struct fhandle *obj)
{
	struct fhandle *copy = malloc(sizeof(*copy));

	if (!copy)
		abort();
	*copy = *obj;
	return copy;
}

static int put_dir(struct engine *e, const char *path, const struct stat *st,
		   const struct fhandle *obj, const struct remote_attr *a,
		   enum depth depth, struct descent *ret)
{
	int r;

	if (a) {
		r = reconcile_attributes(e, path, st, obj, a);
	} else {
		engine_touch_parent(e, path);
		r = engine_push(e, STEP_MKDIR, path, NULL, obj, NULL);
	}
	engine_touch(e, path);
	if (!a)
		depth = DEPTH_ALL;
	if (r == 0 && a && seed_passed(e, path))
		stale_published(e->stale, obj);
	if (r < 0 || depth == DEPTH_ONE || (a && seed_passed(e, path)))
		return r;
	bool moved = stale_has(e->stale, obj);
	if (moved)
		depth = DEPTH_ALL;
	if (!seed_is_new(e))
		links_doubt(e->links, path);
	/* the walk learns them anew, and links them again; a first copy began
	 * with none, and goes on with those of an earlier connection */
	if (depth == DEPTH_ENTRIES)
		links_del_entries(e->links, path);
	else if (!seed_is_new(e))
		links_del_tree(e->links, path);
	*ret = (struct descent){.name = strdup(path_name(path)),
				.fresh = !a,
				.depth = depth == DEPTH_ALL ? DEPTH_ALL
							    : DEPTH_ONE,
				.moved = moved ? handle_copy(obj) : NULL};
	return 0;
}

/* put_entry - `fd` is the lower object (O_PATH); `a` what the replica has at
 * `path`, or NULL. */
static int put_entry(struct engine *e, int fd, const char *path,
		     const struct remote_attr *a, enum strictness strict,
		     enum depth depth, struct descent *ret)
{
	struct stat st;
	struct fhandle obj;
	int r = lower_look_fd(fd, &st, &obj);

	bool bare = r == -EOPNOTSUPP; /* another file system, without handles */

	if (r < 0 && !bare) {
		unseen(e, path, r);
		return 0;
	}
	if (bare || lower_is_apart(e->cfg->lower_fd, fd, &st)) {
		/* the overlay does not enter it; what the replica has stays */
		engine_count(e, "subvolume", path);
		return 0;
	}
	if (filter_excludes(e->filter, path, S_ISDIR(st.st_mode)))
		/* neither sent nor removed, unless it is of another kind */
		return a && !filter_excludes(e->filter, path, S_ISDIR(a->mode))
			       ? remove_foreign(e, path, a)
			       : 0;
	seed_saw(e, &st);
	if (is_special(st.st_mode) ||
	    (S_ISLNK(st.st_mode) && !e->can.can[CAN_SYMLINK])) {
		engine_count(e, special_kind(st.st_mode), path);
		return a && !is_special(a->mode) ? remove_foreign(e, path, a)
						 : 0;
	}
	if (path_is_long(path)) { /* and perhaps deeper than our stack */
		engine_fail(e, path, st.st_mode, -EINVAL);
		return 0;
	}
	r = engine_owner(e, st.st_uid, st.st_gid, path);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		links_del(e->links, path);
	if (a && ((a->mode ^ st.st_mode) & S_IFMT) != 0) {
		if (S_ISDIR(a->mode) && (r = seed_spares(e, path, a)) != 0)
			return r < 0 ? r : 0;
		r = remove_aside(e, path, a->mode);
		if (r > 0)
			return 0;
		if (r == 0 && S_ISDIR(st.st_mode) && !S_ISDIR(a->mode))
			r = remove_tree(e, path, a->mode);
		if (r < 0)
			return r;
		a = NULL;
	}
	if (S_ISDIR(st.st_mode))
		return put_dir(e, path, &st, &obj, a, depth, ret);
	if (S_ISLNK(st.st_mode))
		return put_symlink(e, path, &st, &obj, a);
	return put_file(e, path, &st, &obj, a, strict);
}

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

	if (pathset_cover(&e->parked_paths, child) && !e->reconciling)
		return strict == STRICT_TREE ? unsure_at(e, child) : 0;
	struct remote_entry *a = entry_find(f->there, f->n_there, name);
	CLEANUP_CLOSE int fd =
		openat(f->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : 0;
	if (a && r != -ENOENT)
		a->attr.flags |= 1u << 31; /* it is there below, too */
	if (r < 0) {
		unseen(e, child, r);
		return 0;
	}
	r = verify_room(e);
	uint64_t next = exec_next(e->exec);
	if (r == 0)
		r = put_entry(e, fd, child, a ? &a->attr : NULL, strict, depth,
			      &below);
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
		unseen(e, f->path, n);
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
	unseen(e, child, -errno);
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
	unseen(e, f->path, f->fd < 0 ? f->fd : -errno);
	if (f->fd >= 0)
		close(f->fd);
	return 0;
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
		seed_found(e, f.n_there);
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
	struct remote_attr a;
	struct stat st;
	struct fhandle obj;
	int r = remote_lstat(e->remote, path, &a);

	if (r == -ENOTCONN)
		return r;
	if (r < 0 || !S_ISDIR(a.mode))
		return 0;
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
	bool there = r == 0;
	struct descent below = {0};
	CLEANUP_CLOSE int fd = lower_open_path(e->cfg->lower_fd, path, O_PATH);
	if (fd >= 0) {
		uint64_t next = exec_next(e->exec);
		r = put_entry(e, fd, path, there ? &a : NULL, strict, depth,
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
		r = engine_fence(e, top, shared_settled_seq(e->shared));
	return r;
}
