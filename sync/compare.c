/* One entry of the tree beside what the replica has there: the steps that make
 * it equal. */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/attr.h"
#include "sync/begun.h"
#include "sync/compare.h"
#include "sync/durable.h"
#include "sync/filters.h"
#include "sync/learn.h"
#include "sync/lower.h"

static bool is_special(mode_t mode)
{
	return !S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode);
}

static const char *special_kind(mode_t mode)
{
	return S_ISFIFO(mode) ? "fifo" : S_ISSOCK(mode) ? "socket" : "device";
}

/* That it is gone is an answer: a later record knows. Anything else, such as a
 * lack of descriptors, is a failure, or what the replica has would be taken for
 * foreign, and removed. */
void compare_unseen(struct engine *e, const char *path, int error)
{
	if (error != -ENOENT && error != -ESTALE && error != -ENOTDIR &&
	    error != -ELOOP)
		engine_fail(e, path, 0, error);
}

static bool same_attributes(const struct engine *e, const struct stat *st,
			    const struct remote_attr *a)
{
	const bool *can = e->can.can;
	bool link = S_ISLNK(st->st_mode);
	uint32_t uid, gid;

	if (link && !can[CAN_LSETSTAT])
		return true;
	if (!link && can[CAN_MODE] &&
	    ((attr_mode(e->owners, &e->can, st) ^ a->mode) & 07777))
		return false;
	if (owners_map(e->owners, st->st_uid, st->st_gid, &uid, &gid) &&
	    (uid != a->uid || gid != a->gid))
		return false;
	return S_ISDIR(st->st_mode) || !can[CAN_TIMES] ||
	       attr_time(st->st_mtim.tv_sec) == a->mtime;
}

int compare_attributes(struct engine *e, const char *path,
		       const struct stat *st, const struct fhandle *obj,
		       const struct remote_attr *a)
{
	if (same_attributes(e, st, a)) {
		durable_found(e, path);
		return 0;
	}
	return engine_push(e, STEP_SETATTR, path, NULL, obj, NULL);
}

/* surely_named - one of the object's names that nothing else has on the replica
 * until an upload comes there; or NULL. */
static const char *surely_named(const struct engine *e,
				const struct fhandle *obj,
				const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!links_is_other(e->links, names[i], obj))
			return names[i];
	}
	return NULL;
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
	if (st->st_nlink == 1) {
		links_single(e->links, path, obj, exec_next(e->exec));
		return 0;
	}
	links_keep(e->links, path, obj);
	if (links_is(e->links, path, obj))
		return 0;
	unsigned n = links_other(e->links, obj, path, UINT64_MAX, &names);
	const char *sure = surely_named(e, obj, names, n);
	CLEANUP_FREE char *first = sure ? strdup(sure) : NULL;
	free(names);
	links_del(e->links, path);
	links_add(e->links, obj, path, exec_next(e->exec));
	if (!e->can.can[CAN_HARDLINK]) { /* a copy, like any other file */
		engine_count(e, "hard-link", path);
		return 0;
	}
	*ret_other = n > 0 || apart;
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

/* was_untold - it may have been changed by what the replica was not told. */
static bool was_untold(const struct engine *e, const char *path,
		       const struct stat *st)
{
	if (ctime_ns(st) >= e->changed_ns)
		return true;
	/* what is parked was left out when everything was compared */
	return (!e->seeded || e->reconciling) && filters_hid(e, path);
}

/* is_in_doubt - and it has not been sent since by a try before this one. */
static bool is_in_doubt(const struct engine *e, const char *path,
			const struct stat *st)
{
	return was_untold(e, path, st) &&
	       !(e->reconciling && pathset_at(&e->resent, path) == ctime_ns(st));
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
		     is_in_doubt(e, path, st) ||
		     links_is_other(e->links, path, obj);
	bool same = !doubt && a && a->size == (uint64_t)st->st_size &&
		    (strict == STRICT_ATTR ||
		     a->mtime == attr_time(st->st_mtim.tv_sec));
	bool known = links_is(e->links, path, obj), other;
	int r = link_name(e, path, st, obj, !doubt, &other);

	if (r > 0 && same) /* SFTP does not tell whether it is one already */
		seed_relinks(e);
	if (r != 0)
		return r < 0 ? r : 0;
	/* what this one gets, another one would get, now or later */
	if (same && !other && !known && seed_met(e, st, a))
		other = true;
	if (same && !other && e->verify)
		return verify_add(e, path, st, obj, a);
	if (same && !other)
		return compare_attributes(e, path, st, obj, a);
	if (st->st_nlink == 1 && !e->seeding && aside_comes(e, path, obj))
		return 0;
	seed_sends(e, st);
	engine_touch_parent(e, path);
	/* should that fail, its content is stale (step_finished) */
	if (e->reconciling && was_untold(e, path, st))
		pathset_put(&e->resent, path, ctime_ns(st));
	return engine_push(e, STEP_PUT, path, NULL, obj, NULL);
}

/* same_target - the replica's link points there, too. Returns 1, 0, -ENOTCONN, or
 * why the master's cannot be read. */
static int same_target(struct engine *e, const char *path,
		       const struct fhandle *obj)
{
	CLEANUP_FREE char *want = NULL;
	CLEANUP_FREE char *have = NULL;
	int r = remote_readlink(e->remote, path, &have);

	if (r == -ENOTCONN)
		return r;
	r = lower_readlink(e->cfg->lower_fd, obj, path, &want);
	return r < 0 ? r : have && strcmp(want, have) == 0;
}

/* keep_symlink - the server makes none: one that is right stays as it is, as far
 * as it can. */
static int keep_symlink(struct engine *e, const char *path,
			const struct stat *st, const struct fhandle *obj,
			const struct remote_attr *a)
{
	int same = a && S_ISLNK(a->mode) ? same_target(e, path, obj) : 0;

	if (same == -ENOTCONN)
		return same;
	if (same < 0) {
		compare_unseen(e, path, same);
		return 0;
	}
	if (same == 0) {
		engine_count(e, "symlink", path);
		return a && !is_special(a->mode) ? remove_foreign(e, path, a)
						 : 0;
	}
	/* never change another one's inode */
	if (links_is_other(e->links, path, obj))
		return 0;
	int r = engine_owner(e, st->st_uid, st->st_gid, path);
	if (r != 0)
		return r < 0 ? r : 0;
	return compare_attributes(e, path, st, obj, a);
}

static int put_symlink(struct engine *e, const char *path,
		       const struct stat *st, const struct fhandle *obj,
		       const struct remote_attr *a)
{
	bool known = links_is(e->links, path, obj), other;
	/* as of a file: another one's inode is never changed */
	bool doubt = links_is_other(e->links, path, obj);
	int same = a && !doubt ? same_target(e, path, obj) : 0;

	if (same == -ENOTCONN)
		return same;
	same = same > 0; /* else the step tells why */
	/* what it points to never changes: a link is as good as new */
	int r = link_name(e, path, st, obj, true, &other);

	if (r > 0 && same && same_attributes(e, st, a))
		seed_relinks(e);
	if (r != 0)
		return r < 0 ? r : 0;
	if (same && !other && (known || !seed_met(e, st, a)))
		return compare_attributes(e, path, st, obj, a);
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
		r = compare_attributes(e, path, st, obj, a);
	} else {
		engine_touch_parent(e, path);
		r = begun_note(e, path);
		if (r == 0)
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

int compare_entry(struct engine *e, int fd, const char *path,
		  const struct remote_attr *a, enum strictness strict,
		  enum depth depth, struct descent *ret)
{
	struct stat st;
	struct fhandle obj;
	int r = lower_look_fd(fd, &st, &obj);

	bool bare = r == -EOPNOTSUPP; /* another file system, without handles */

	if (r < 0 && !bare) {
		compare_unseen(e, path, r);
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
	seed_saw(e, path, &st);
	/* also of a folder that was moved before a connection was lost */
	if (!S_ISDIR(st.st_mode))
		links_del_below(e->links, path);
	if (S_ISLNK(st.st_mode) && !e->can.can[CAN_SYMLINK])
		return keep_symlink(e, path, &st, &obj, a);
	if (is_special(st.st_mode)) {
		links_del(e->links, path); /* nor a name that is to come */
		engine_count(e, special_kind(st.st_mode), path);
		return a && !is_special(a->mode) ? remove_foreign(e, path, a)
						 : 0;
	}
	if (path_is_long(path)) { /* and perhaps deeper than our stack */
		engine_fail(e, path, st.st_mode, -EINVAL);
		return 0;
	}
	r = engine_owner(e, st.st_uid, st.st_gid, path);
	if (r != 0)
		return r < 0 ? r : 0;
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
