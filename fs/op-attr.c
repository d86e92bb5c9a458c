/* Attributes. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs/change.h"
#include "fs/content.h"
#include "fs/folder.h"
#include "fs/handle.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/order.h"
#include "fs/told.h"
#include "fs/touch.h"

static int look(int fd, struct stat *ret)
{
	return fd < 0 ? fd : fstat(fd, ret) < 0 ? lower_errno() : 0;
}

static int getattr(struct inode *i, const struct handle *h, struct stat *ret)
{
	if (h)
		return look(h->fd, ret);
	if (inode_type(i) == S_IFDIR) {
		CLEANUP_FOLDER int fd = folder_open(i);
		return look(fd, ret);
	}
	CLEANUP_CLOSE int fd = inode_open(i, O_PATH | O_NOFOLLOW);
	return look(fd, ret);
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *h = fi ? handle_get(fi->fh) : NULL;
	struct inode *i = inode_get(ino);
	struct stat st;
	if (i)
		told_note(i);
	int r = i ? getattr(i, h, &st) : -ESTALE;
	if (r < 0) {
		op_reply(req, r);
		return;
	}
	inode_saw(i, &st);
	lower_number(&st);
	fuse_reply_attr(req, &st, op_timeout(i));
}

/* What is to be set. One request may carry several: the size (with the
 * time, or the mode without its set-id bits), the owner (also with the mode),
 * the times. Each is one lower call. */
struct setattr {
	struct inode *inode;
	int fd;		/* O_PATH, or the handle's */
	bool fd_writes; /* it is a handle's that may write */
	const struct stat *attr;
	int set;       /* FUSE_SET_ATTR_* */
	uint32_t done; /* RF_* of what took effect */
	struct stat before, after;
};

#define SET_OWNER  (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)
#define SET_TIMES  (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)
#define SET_OTHERS (SET_OWNER | FUSE_SET_ATTR_MODE | SET_TIMES)

/* With a new size or owner the kernel tells us which set-id bits go, but not
 * by all rules of the file system below. That one takes them away by itself
 * when this thread is as the caller is. */
static void leave_setid_to_lower(struct setattr *sa)
{
	struct stat st;
	if (!(sa->set & FUSE_SET_ATTR_MODE) ||
	    !(sa->set & (FUSE_SET_ATTR_SIZE | SET_OWNER)) ||
	    fstat(sa->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    ((st.st_mode ^ sa->attr->st_mode) & 01777))
		return;
	sa->set &= ~FUSE_SET_ATTR_MODE;
	if (sa->set & SET_OWNER)
		sa->done |= RF_MODE;
}

static int set_owner(struct setattr *sa)
{
	uid_t uid = sa->set & FUSE_SET_ATTR_UID ? sa->attr->st_uid : (uid_t)-1;
	gid_t gid = sa->set & FUSE_SET_ATTR_GID ? sa->attr->st_gid : (gid_t)-1;
	if (fchownat(sa->fd, "", uid, gid, AT_EMPTY_PATH) < 0)
		return lower_errno();
	sa->done |= RF_OWNER;
	return 0;
}

/* After the owner: chown clears bits that the kernel wants kept. */
static int set_mode(struct setattr *sa)
{
	char path[LOWER_LINK_BYTES];
	if (chmod(lower_link_path(sa->fd, path), sa->attr->st_mode & 07777) < 0)
		return lower_errno();
	sa->done |= RF_MODE;
	return 0;
}

static void choose_time(struct timespec *ts, int set, int to_value, int to_now,
			struct timespec value)
{
	*ts = (struct timespec){0, UTIME_OMIT};
	if (set & to_now)
		ts->tv_nsec = UTIME_NOW;
	else if (set & to_value)
		*ts = value;
}

static int set_times(struct setattr *sa)
{
	char path[LOWER_LINK_BYTES];
	struct timespec ts[2];
	choose_time(&ts[0], sa->set, FUSE_SET_ATTR_ATIME,
		    FUSE_SET_ATTR_ATIME_NOW, sa->attr->st_atim);
	choose_time(&ts[1], sa->set, FUSE_SET_ATTR_MTIME,
		    FUSE_SET_ATTR_MTIME_NOW, sa->attr->st_mtim);
	if (utimensat(AT_FDCWD, lower_link_path(sa->fd, path), ts, 0) < 0)
		return lower_errno();
	sa->done |= RF_TIMES;
	return 0;
}

static int set_others(struct setattr *sa)
{
	int r = 0;
	if (sa->set & SET_OWNER)
		r = set_owner(sa);
	if (r == 0 && (sa->set & FUSE_SET_ATTR_MODE))
		r = set_mode(sa);
	if (r == 0 && (sa->set & SET_TIMES))
		r = set_times(sa);
	return r;
}

static int cut(struct setattr *sa)
{
	char path[LOWER_LINK_BYTES];
	int r = sa->fd_writes ? ftruncate(sa->fd, sa->attr->st_size)
			      : truncate(lower_link_path(sa->fd, path),
					 sa->attr->st_size);
	return r < 0 ? lower_errno() : 0;
}

/* Bytes from the smaller to the larger size are other bytes now, or none. */
static void cut_range(const struct setattr *sa, uint64_t *ret_off,
		      uint64_t *ret_len)
{
	uint64_t a = (uint64_t)sa->before.st_size;
	uint64_t b = (uint64_t)sa->attr->st_size;
	*ret_off = a < b ? a : b;
	*ret_len = a < b ? b - a : a - b;
}

/* Nobody has it open for writing: one TRUNC record. The lock is held. */
static void closed_begin_locked(struct setattr *sa, const struct who *who,
				struct change *c)
{
	change_init(c, OP_TRUNC, who, NULL, NULL);
	change_object(c, sa->inode);
	c->r.ranges = c->ranges;
	cut_range(sa, &c->ranges[0].off, &c->ranges[0].len);
	/* a worker that died has cut it, perhaps: what was there it has noted */
	if (change_past() != CHANGE_NEW && change_past_record()->n_ranges)
		c->ranges[0] = change_past_record()->ranges[0];
	c->r.n_ranges = c->ranges[0].len > 0;
	change_busy(&c->r.obj);
	change_begin(c);
}

/* To cut a large file takes time, and no lock was held. The kernel keeps away
 * whatever else is done to the file, but not to the folders above it. */
static void closed_end(struct setattr *sa, struct change *c, int r)
{
	struct order o = ORDER_INIT;
	struct fhandle fh = c->r.obj;
	order_add(&o, inode_hash(sa->inode));
	order_lock(&o, ORDER_SHARED);
	free(c->r.path);
	c->r.flags &= ~RF_LAST;
	change_object(c, sa->inode);
	if (r < 0 && !content_changed(r, 1))
		change_cancel(c);
	else
		change_end(c,
			   fstat(sa->fd, &sa->after) < 0 ? NULL : &sa->after);
	change_idle(&fh);
	order_unlock(&o);
}

/* is_open_locked - whoever changes it tells by DIRTY and SETTLE. Not if nobody had
 * it open when a worker before us began: only its intent tells what was there. */
static bool is_open_locked(struct inode *i)
{
	bool closed = change_past() != CHANGE_NEW &&
		      change_past_record()->op == OP_TRUNC;
	return !closed && content_is_open_locked(i);
}

static int set_size(fuse_req_t req, struct setattr *sa, const struct who *who)
{
	struct order o = ORDER_INIT;
	struct change c;
	uint64_t off, len;
	int r = op_become_changer(req, inode_had_setid(sa->inode));
	if (r < 0)
		return r;
	touch_file(sa->inode);
	if (!sa->fd_writes)
		inode_copy_up(sa->inode);
	order_add(&o, inode_hash(sa->inode));
	order_lock(&o, ORDER_SHARED);
	if (fstat(sa->fd, &sa->before) < 0)
		r = lower_errno();
	bool open = is_open_locked(sa->inode);
	bool closed = !open && !inode_is_gone(sa->inode);
	cut_range(sa, &off, &len);
	if (r == 0 && open)
		content_begin_locked(sa->inode, who, sa->fd, off);
	else if (r == 0 && closed)
		closed_begin_locked(sa, who, &c);
	order_unlock(&o);
	if (r < 0)
		return r;
	r = cut(sa);
	if (open)
		content_end(sa->inode, sa->fd, off,
			    r < 0 ? content_changed(r, len) : len);
	else if (closed)
		closed_end(sa, &c, r);
	return r;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* btrfs says that a quota is used up after the inode has changed. */
static void look_at_failed(struct setattr *sa)
{
	const struct stat *b = &sa->before;
	struct stat st;
	if (fstat(sa->fd, &st) < 0 ||
	    (same_time(st.st_ctim, b->st_ctim) &&
	     same_time(st.st_mtim, b->st_mtim) && st.st_mode == b->st_mode &&
	     st.st_uid == b->st_uid && st.st_gid == b->st_gid))
		return;
	sa->done |= sa->set & SET_OWNER ? RF_OWNER : 0;
	sa->done |= sa->set & FUSE_SET_ATTR_MODE ? RF_MODE : 0;
	sa->done |= sa->set & SET_TIMES ? RF_TIMES : 0;
}

static int set_and_record(struct setattr *sa, const struct who *who)
{
	struct order o = ORDER_INIT;
	struct change c;
	touch_attr(sa->inode, sa->fd);
	order_add(&o, inode_hash(sa->inode));
	order_lock(&o, ORDER_SHARED);
	int seen = fstat(sa->fd, &sa->before);
	change_init(&c, OP_SETATTR, who, NULL, NULL);
	change_object(&c, sa->inode);
	change_begin(&c);
	int r = set_others(sa);
	if (r < 0 && seen == 0)
		look_at_failed(sa);
	c.r.flags |= sa->done;
	if (sa->done && !inode_is_gone(sa->inode))
		change_end(&c,
			   fstat(sa->fd, &sa->after) < 0 ? NULL : &sa->after);
	else
		change_cancel(&c);
	order_unlock(&o);
	return r;
}

static int setattr(fuse_req_t req, struct setattr *sa)
{
	struct who who;
	int r = 0;
	op_who(req, &who);
	leave_setid_to_lower(sa);
	if (sa->set & FUSE_SET_ATTR_SIZE)
		r = set_size(req, sa, &who);
	if (r == 0 && (sa->set & SET_OTHERS))
		r = sa->set & SET_OWNER
			    ? op_become_changer(req, inode_had_setid(sa->inode))
			    : op_become(req, CALLER_KEEPS_SETID);
	if (r == 0 && (sa->set & SET_OTHERS))
		r = set_and_record(sa, &who);
	if (r == 0 && fstat(sa->fd, &sa->after) < 0)
		r = lower_errno();
	return r;
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct handle *h = fi ? handle_get(fi->fh) : NULL;
	struct inode *i = inode_get(ino);
	CLEANUP_CLOSE int path_fd = -1;
	if (i && !h)
		path_fd = inode_open(i, O_PATH | O_NOFOLLOW);
	struct setattr sa = {
		.inode = i,
		.fd = h ? h->fd : path_fd,
		.fd_writes = h && h->writable && handle_writes(h) == 0,
		.attr = attr,
		.set = to_set,
	};
	int r = i ? sa.fd : -ESTALE;
	if (r >= 0 && (r = setattr(req, &sa)) < 0)
		op_forget_attributes(i); /* a part of it may have been done */
	if (r < 0) {
		op_reply(req, r);
		return;
	}
	inode_saw(i, &sa.after);
	lower_number(&sa.after);
	fuse_reply_attr(req, &sa.after, op_timeout(i));
}
