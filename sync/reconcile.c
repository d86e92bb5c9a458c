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
#include <uthash.h>

#include "cleanup.h"
#include "clock.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/engine.h"
#include "sync/lower.h"

struct seen {
	char *name;
	UT_hash_handle hh;
};

static int walk_dir(struct engine *e, int fd, const char *path, bool fresh,
		    enum strictness strict, enum depth depth);

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

/* kept_name - ours, or the file system's, at the top of a replica. */
static bool kept_name(const char *dir, const char *name)
{
	return !*dir && (strcmp(name, RESERVED_NAME) == 0 ||
			 strcmp(name, "lost+found") == 0);
}

/* ---- removing ---- */

static int remove_tree(struct engine *e, const char *path, mode_t mode)
{
	struct remote_entry *list = NULL;
	unsigned n = 0;
	int r = 0;

	engine_touch_parent(e, path);
	if (!S_ISDIR(mode)) {
		links_del(e->links, path);
		return engine_push(e, STEP_REMOVE, path, NULL, NULL, NULL);
	}
	/* names that never came to be are not in the listing */
	links_del_tree(e->links, path);
	r = remote_list(e->remote, path, &list, &n);
	for (unsigned i = 0; r == 0 && i < n; i++) {
		CLEANUP_FREE char *child = path_join(path, list[i].name);
		r = remove_tree(e, child, list[i].attr.mode);
	}
	remote_entries_free(list, n);
	if (r == -ENOTCONN || r == -ECANCELED)
		return r;
	return engine_push(e, STEP_RMDIR, path, NULL, NULL, NULL);
}

/* make_way - something of another kind is at `path`: out of sight first. */
static int make_way(struct engine *e, const char *path, mode_t mode)
{
	CLEANUP_FREE char *aside = NULL;
	int r;

	if (!S_ISDIR(mode))
		return 0; /* files and links are replaced by rename */
	aside = exec_stage_name(e->exec);
	links_del_tree(e->links, path);
	r = engine_push(e, STEP_RENAME, path, aside, NULL, NULL);
	if (r == 0)
		r = exec_drain(e->exec);
	return r == 0 ? remove_tree(e, aside, mode) : r;
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

static int put_attributes(struct engine *e, const char *path,
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
	return r < 0 ? r : 1;
}

static uint64_t ctime_ns(const struct stat *st)
{
	int64_t ns = st->st_ctim.tv_sec * NS_PER_S + st->st_ctim.tv_nsec;

	return ns > 0 ? (uint64_t)ns : 0;
}

static int put_file(struct engine *e, const char *path, const struct stat *st,
		    const struct fhandle *obj, const struct remote_attr *a,
		    enum strictness strict)
{
	/* never change another object's inode, by whatever name */
	if (stale_has(e->stale, obj) || ctime_ns(st) >= e->changed_ns ||
	    links_is_other(e->links, path, obj))
		strict = STRICT_FULL;
	bool same = a && a->size == (uint64_t)st->st_size &&
		    (strict == STRICT_ATTR ||
		     (strict != STRICT_FULL &&
		      a->mtime == (uint32_t)st->st_mtim.tv_sec));
	bool other;
	int r = link_name(e, path, st, obj, strict != STRICT_FULL, &other);

	if (r != 0)
		return r < 0 ? r : 0;
	if (same && !other)
		return put_attributes(e, path, st, obj, a);
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
			return put_attributes(e, path, st, obj, a);
	}
	engine_touch_parent(e, path);
	return engine_push(e, STEP_SYMLINK, path, NULL, obj, NULL);
}

static int put_dir(struct engine *e, int fd, const char *path,
		   const struct stat *st, const struct fhandle *obj,
		   const struct remote_attr *a, enum strictness strict,
		   enum depth depth)
{
	int r;

	if (a) {
		r = put_attributes(e, path, st, obj, a);
	} else {
		engine_touch_parent(e, path);
		r = engine_push(e, STEP_MKDIR, path, NULL, obj, NULL);
	}
	engine_touch(e, path);
	if (!a)
		depth = DEPTH_ALL;
	if (r < 0 || depth == DEPTH_ONE)
		return r;
	/* the walk learns them anew, and links them again */
	links_doubt(e->links, path);
	if (depth == DEPTH_ALL)
		links_del_tree(e->links, path);
	else
		links_del_entries(e->links, path);
	/* below the path itself, equal size and time is equal content */
	return walk_dir(e, fd, path, !a,
			strict == STRICT_FULL ? STRICT_DATA : strict,
			depth == DEPTH_ALL ? DEPTH_ALL : DEPTH_ONE);
}

/* put_entry - `fd` is the lower object (O_PATH); `a` what the replica has at
 * `path`, or NULL. */
static int put_entry(struct engine *e, int fd, const char *path,
		     const struct remote_attr *a, enum strictness strict,
		     enum depth depth)
{
	struct stat st;
	struct fhandle obj;
	int r = lower_look_fd(fd, &st, &obj);

	if (r < 0)
		return 0; /* vanished: a later record knows */
	if (lower_is_apart(e->cfg->lower_fd, fd, &st)) {
		/* the overlay does not enter it; what the replica has stays */
		engine_count(e, "subvolume", path);
		return 0;
	}
	if (is_special(st.st_mode) ||
	    (S_ISLNK(st.st_mode) && !e->can.can[CAN_SYMLINK])) {
		engine_count(e, special_kind(st.st_mode), path);
		return a && !is_special(a->mode) ? remove_tree(e, path, a->mode)
						 : 0;
	}
	r = engine_owner(e, st.st_uid, st.st_gid, path);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		links_del(e->links, path);
	if (a && ((a->mode ^ st.st_mode) & S_IFMT) != 0) {
		r = make_way(e, path, a->mode);
		if (r == 0 && S_ISDIR(st.st_mode) && !S_ISDIR(a->mode))
			r = remove_tree(e, path, a->mode);
		if (r < 0)
			return r;
		a = NULL;
	}
	if (S_ISDIR(st.st_mode))
		return put_dir(e, fd, path, &st, &obj, a, strict, depth);
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

/* seen_before - while names are renamed to and fro, readdir may tell one twice.
 * By then the name may be another kind of thing: what is pushed for it would
 * meet what was pushed before, not what the listing had. */
static bool seen_before(struct seen **seen, const char *name)
{
	struct seen *s;

	HASH_FIND_STR(*seen, name, s);
	if (s)
		return true;
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->name = strdup(name);
	HASH_ADD_KEYPTR(hh, *seen, s->name, strlen(s->name), s);
	return false;
}

static void seen_free(struct seen *seen)
{
	struct seen *s, *tmp;

	HASH_ITER(hh, seen, s, tmp)
	{
		HASH_DEL(seen, s);
		free(s->name);
		free(s);
	}
}

static int walk_entries(struct engine *e, DIR *d, const char *path,
			struct remote_entry *list, unsigned n,
			enum strictness strict, enum depth depth)
{
	struct seen *seen = NULL;
	struct dirent *de;
	int r = 0;

	while (r == 0 && (de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
		    (!*path && !strcmp(de->d_name, RESERVED_NAME)))
			continue;
		CLEANUP_FREE char *child = path_join(path, de->d_name);
		if (pathset_cover(&e->parked_paths, child) && !e->reconciling)
			continue;
		if (seen_before(&seen, de->d_name))
			continue;
		struct remote_entry *a = entry_find(list, n, de->d_name);
		CLEANUP_CLOSE int fd = openat(dirfd(d), de->d_name,
					      O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (a)
			a->attr.flags |= 1u << 31; /* it is there below, too */
		r = put_entry(e, fd, child, a ? &a->attr : NULL, strict, depth);
	}
	seen_free(seen);
	return r;
}

/* walk_dir - `depth` is that of the entries. */
static int walk_dir(struct engine *e, int path_fd, const char *path, bool fresh,
		    enum strictness strict, enum depth depth)
{
	struct remote_entry *list = NULL;
	unsigned n = 0;
	int r = fresh ? 0 : remote_list(e->remote, path, &list, &n);
	int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (r == -ENOTCONN)
		return r;
	if (!d || r < 0) {
		if (!d && fd >= 0)
			close(fd);
		return 0; /* steps below will fail and tell */
	}
	if (n)
		qsort(list, n, sizeof(*list), by_name);
	r = walk_entries(e, d, path, list, n, strict, depth);
	for (unsigned i = 0; r == 0 && i < n; i++) {
		if (list[i].attr.flags & 1u << 31 ||
		    kept_name(path, list[i].name))
			continue;
		CLEANUP_FREE char *child = path_join(path, list[i].name);
		r = remove_tree(e, child, list[i].attr.mode);
	}
	remote_entries_free(list, n);
	return r;
}

/* ---- the entry point ---- */

/* is_folder - 1 when `path` is one on both sides, 0, or a negative errno:
 * -ENOTCONN. */
static int is_folder(struct engine *e, const char *path)
{
	struct remote_attr a;
	struct stat st;
	struct fhandle obj;
	int r = remote_lstat(e->remote, path, &a);

	if (r == -ENOTCONN)
		return r;
	return r == 0 && S_ISDIR(a.mode) &&
	       lower_look(e->cfg->lower_fd, path, &st, &obj) == 0 &&
	       S_ISDIR(st.st_mode);
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
	CLEANUP_CLOSE int fd = lower_open_path(e->cfg->lower_fd, path, O_PATH);
	if (fd >= 0)
		return put_entry(e, fd, path, there ? &a : NULL, strict, depth);
	links_del_tree(e->links, path);
	return there ? remove_tree(e, path, a.mode) : 0;
}

int reconcile(struct engine *e, const char *path, enum strictness strict,
	      enum depth depth)
{
	CLEANUP_FREE char *top = NULL;
	bool raised;

	if (path_is_reserved(path))
		return 0;
	int r = reconcile_top(e, path, &top, &raised);
	if (r == 0)
		r = reconcile_at(e, top, strict, raised ? DEPTH_ALL : depth);
	if (r == 0)
		r = exec_drain(e->exec);
	links_trust(e->links);
	if (r == 0)
		r = engine_fence(e, top, shared_settled_seq(e->shared));
	return r;
}
