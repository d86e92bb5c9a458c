/*
 * Extended attributes, ACLs and inode flags. There are no *at() calls for
 * extended attributes: they go through /proc/self/fd, which leads to the
 * object itself and opens nothing.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs/change.h"
#include "fs/folder.h"
#include "fs/handle.h"
#include "fs/kept.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/order.h"
#include "fs/told.h"
#include "fs/touch.h"
#include "owed.h"
#include "privileges.h"

#define XATTR_BYTES 65536u
#define ACL_ACCESS  "system.posix_acl_access"

/* An object and the record of what is done to it. */
struct target {
	struct inode *inode;
	int fd; /* O_PATH, owned; or a handle's */
	char path[LOWER_LINK_BYTES];
};

static int target_open(struct target *t, fuse_ino_t ino)
{
	t->inode = inode_get(ino);
	t->fd = t->inode ? inode_open(t->inode, O_PATH | O_NOFOLLOW) : -ESTALE;
	if (t->fd >= 0)
		lower_link_path(t->fd, t->path);
	return t->fd;
}

/* A record of `op`, unless the object has no name any more. */
struct recording {
	struct order order;
	mode_t mode; /* before, if it had a set-id bit; else 0 */
	struct change change;
};

static void recording_begin(struct recording *rec, fuse_req_t req,
			    const struct inode *i, int fd, enum record_op op,
			    const char *path2)
{
	struct who who;
	struct stat st;
	op_who(req, &who);
	touch_attr(i, fd);
	rec->mode = inode_had_setid(i) && fstat(fd, &st) == 0 ? st.st_mode : 0;
	rec->order = (struct order)ORDER_INIT;
	order_add(&rec->order, inode_hash(i));
	order_lock(&rec->order, ORDER_SHARED);
	change_init(&rec->change, op, &who, NULL, path2 ? strdup(path2) : NULL);
	change_object(&rec->change, i);
	change_begin(&rec->change);
}

/* `r` is what the lower call said; returns it. */
static int recording_end(struct recording *rec, struct inode *i, int fd, int r)
{
	struct change *c = &rec->change;
	struct stat st;
	bool acl = c->r.path2 && strcmp(c->r.path2, ACL_ACCESS) == 0;
	bool mode = acl || c->r.op == OP_SETATTR;
	bool lost = false;
	struct who who = c->r.who;
	if (r < 0 || inode_is_gone(i)) {
		change_cancel(c);
	} else {
		const struct stat *now = fstat(fd, &st) < 0 ? NULL : &st;
		change_end(c, now);
		lost = rec->mode && now && now->st_mode != rec->mode;
		if (acl || lost) { /* the mode has changed with it */
			change_init(c, OP_SETATTR, &who, NULL, NULL);
			change_object(c, i);
			c->r.flags |= RF_MODE;
			change_append(c, now);
		}
	}
	if (r == 0 && (mode || lost)) /* who may open it: whatever it costs */
		op_forget_attributes(i);
	else if (r == 0)
		told_changed(i);
	order_unlock(&rec->order);
	return r;
}

static bool is_acl(const char *name)
{
	return strncmp(name, "system.posix_acl_", 17) == 0;
}

/* Whoever copies attributes from one tree to another (rsync -X) shall neither
 * take ours along nor away. */
static bool is_ours(const char *name)
{
	return strncmp(name, OWED_PREFIX, sizeof(OWED_PREFIX) - 1) == 0;
}

/* The worker has no CAP_SYS_ADMIN but for the moment in which it is needed:
 * these attributes have been asked for by somebody who may. */
static bool begin_admin(const char *name)
{
	return (strncmp(name, "trusted.", 8) == 0 ||
		strncmp(name, "security.", 9) == 0) &&
	       privileges_raise(CAP_SYS_ADMIN) == 0;
}

static void end_admin(bool raised)
{
	if (raised)
		privileges_lower(CAP_SYS_ADMIN);
}

static bool has_xattr(const struct target *t, const char *name)
{
	return getxattr(t->path, name, NULL, 0) >= 0;
}

/* Was it there before? A worker that takes the request over knows from the one
 * that began it. */
static bool had_xattr(const struct target *t, const char *name)
{
	struct flight *f = flight_now();
	if (f && change_past() != CHANGE_NEW)
		return f->before;
	bool had = has_xattr(t, name);
	if (f)
		f->before = had;
	return had;
}

/* An ACL that says no more than the mode is not kept by the file system:
 * cp -a and tar set such ones everywhere. What remains is a chmod. */
static void recording_trivial(struct recording *rec)
{
	struct record *r = &rec->change.r;
	free(r->path2);
	r->path2 = NULL;
	r->op = OP_SETATTR;
	r->flags |= RF_MODE;
}

/* An ACL changes the mode, and a caller from another group loses the set-gid
 * bit, as with chmod; on tmpfs also when it is removed. Only here the kernel
 * leaves it to us. */
static int become_for_acl(fuse_req_t req, int fd, const char *name)
{
	struct stat st;
	if (strcmp(name, ACL_ACCESS) != 0 || fstat(fd, &st) < 0 ||
	    !(st.st_mode & S_ISGID))
		return op_become(req, CALLER_KEEPS_SETID);
	return op_become_changer(req, true);
}

static int set_xattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		     const char *value, size_t size, int flags)
{
	struct target t;
	struct recording rec;
	CLEANUP_CLOSE int fd = is_ours(name) ? -EPERM : target_open(&t, ino);
	if (fd < 0)
		return fd;
	int r = become_for_acl(req, fd, name);
	if (r < 0)
		return r;
	bool again = change_past() != CHANGE_NEW;
	bool admin = begin_admin(name);
	bool had =
		(is_acl(name) || (flags & XATTR_CREATE)) && had_xattr(&t, name);
	recording_begin(&rec, req, t.inode, fd, OP_XATTR, name);
	if (setxattr(t.path, name, value, size, flags) < 0 &&
	    !(again && errno == EEXIST && !had))
		r = lower_errno();
	end_admin(admin);
	if (r == 0 && is_acl(name) && !had && !has_xattr(&t, name))
		recording_trivial(&rec);
	return recording_end(&rec, t.inode, fd, r);
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags)
{
	op_reply(req, set_xattr(req, ino, name, value, size, flags));
}

static int remove_xattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct target t;
	struct recording rec;
	CLEANUP_CLOSE int fd = is_ours(name) ? -EPERM : target_open(&t, ino);
	if (fd < 0)
		return fd;
	int r = become_for_acl(req, fd, name);
	if (r < 0)
		return r;
	bool again = change_past() != CHANGE_NEW;
	bool admin = begin_admin(name);
	bool had = had_xattr(&t, name);
	recording_begin(&rec, req, t.inode, fd, OP_XATTR, name);
	if (removexattr(t.path, name) < 0 &&
	    !(again && errno == ENODATA && had))
		r = lower_errno();
	end_admin(admin);
	if (r == 0 && is_acl(name) && !had)
		recording_trivial(&rec);
	return recording_end(&rec, t.inode, fd, r);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	op_reply(req, remove_xattr(req, ino, name));
}

/* `data` has `n` bytes, or n is a negative errno. The caller asked for the
 * size only (0), or has room for `size` bytes. */
static void reply_xattr(fuse_req_t req, const char *data, ssize_t n,
			size_t size)
{
	if (n < 0)
		op_reply(req, (int)n);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)n);
	else if ((size_t)n > size)
		op_reply(req, -ERANGE);
	else
		fuse_reply_buf(req, data, (size_t)n);
}

static ssize_t get_xattr(fuse_ino_t ino, const char *name, char *data,
			 size_t size)
{
	struct target t;
	CLEANUP_CLOSE int fd = target_open(&t, ino);
	if (fd < 0)
		return fd;
	if (!data)
		return -ENOMEM;
	bool admin = begin_admin(name);
	ssize_t n = getxattr(t.path, name, data, size);
	int error = errno;
	end_admin(admin);
	if (n >= 0)
		return n;
	errno = error;
	/* the kernel asks for ACLs even where the lower file system has none,
	 * and would take this for a failure */
	if (errno == EOPNOTSUPP && is_acl(name))
		return -ENODATA;
	return lower_errno();
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	char *data = op_scratch(XATTR_BYTES);
	if (size > XATTR_BYTES)
		size = XATTR_BYTES;
	reply_xattr(req, data, get_xattr(ino, name, data, size), size);
}

/* We see "trusted." attributes; not every caller does, and nobody ours. */
static size_t hide_trusted(char *list, size_t n, bool all)
{
	size_t kept = 0;
	for (size_t at = 0; at < n;) {
		size_t len = strnlen(list + at, n - at - 1) + 1;
		bool hide = all ? strncmp(list + at, "trusted.", 8) == 0
				: is_ours(list + at);
		if (!hide) {
			memmove(list + kept, list + at, len);
			kept += len;
		}
		at += len;
	}
	return kept;
}

static ssize_t list_xattr(fuse_req_t req, fuse_ino_t ino, char *list)
{
	struct target t;
	CLEANUP_CLOSE int fd = target_open(&t, ino);
	if (fd < 0 || !list)
		return fd < 0 ? fd : -ENOMEM;
	bool admin = begin_admin("trusted.");
	ssize_t n = listxattr(t.path, list, XATTR_BYTES);
	int error = errno;
	end_admin(admin);
	errno = error;
	if (n < 0)
		return lower_errno();
	if (memmem(list, (size_t)n, "trusted.", 8))
		n = (ssize_t)hide_trusted(
			list, (size_t)n,
			!op_has_capability(req, CAP_SYS_ADMIN));
	return n;
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	char *list = op_scratch(XATTR_BYTES);
	reply_xattr(req, list, list_xattr(req, ino, list), size);
}

static bool ioctl_sets(unsigned cmd)
{
	return cmd == FS_IOC_SETFLAGS || cmd == FS_IOC_FSSETXATTR;
}

/* Only these are answered: the kernel asks for them by itself, and has
 * checked that the caller may. */
static bool ioctl_is_known(unsigned cmd, size_t *ret_size)
{
	switch (cmd) {
	case FS_IOC_GETFLAGS:
	case FS_IOC_SETFLAGS:
		*ret_size = sizeof(int); /* whatever the number says */
		return true;
	case FS_IOC_FSGETXATTR:
	case FS_IOC_FSSETXATTR:
		*ret_size = sizeof(struct fsxattr);
		return true;
	default:
		return false;
	}
}

static int run_ioctl(fuse_req_t req, struct handle *h, unsigned cmd,
		     const void *in_buf, size_t in_size, void *data,
		     size_t *ret_size)
{
	struct recording rec;
	bool sets = ioctl_sets(cmd);
	if (!h)
		return -EBADF;
	if (!ioctl_is_known(cmd, ret_size))
		return -ENOTTY;
	if (sets && in_size < *ret_size)
		return -EINVAL;
	if (!sets)
		return ioctl(h->fd, cmd, data) < 0 ? lower_errno() : 0;
	memcpy(data, in_buf, *ret_size);
	if (cmd == FS_IOC_SETFLAGS && *(int *)data & FS_CASEFOLD_FL &&
	    !folder_ignores_case(h->fd))
		return -EOPNOTSUPP; /* see op_lookup_child */
	/* xfs takes the bits from a file whose flags somebody sets who may not */
	int r = op_become_changer(req, inode_had_setid(h->inode));
	if (r < 0)
		return r;
	recording_begin(&rec, req, h->inode, h->fd, OP_FLAGS, NULL);
	r = ioctl(h->fd, cmd, data) < 0 ? lower_errno() : 0;
	op_setid_check(h->inode, h->fd);
	op_forget_attributes(h->inode); /* the kernel does not know of a ctime */
	return recording_end(&rec, h->inode, h->fd, r);
}

void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in_buf,
	      size_t in_size, size_t out_size)
{
	union {
		long flags;
		struct fsxattr fsx;
	} data = {0};
	size_t size = 0;
	/* Its own requests have no address. One that has is a user's call as it
	 * was made, of which nothing was checked: Linux 6.17 hands it on when
	 * the file system below does not have one of the flags. */
	int r = arg && ioctl_sets(cmd)
			? -ENOTTY
			: run_ioctl(req, handle_get(fi->fh), cmd, in_buf,
				    in_size, &data, &size);
	if (r < 0)
		op_reply(req, r);
	else
		fuse_reply_ioctl(req, 0, &data,
				 size < out_size ? size : out_size);
}
