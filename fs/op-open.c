/*
 * Opening, creating and releasing files.
 *
 * How the kernel caches: who only writes goes straight to us, where that is
 * safe (a cached write costs one more round trip, for security.capability).
 * Who reads, or reads and writes, uses the page cache, which is kept from one
 * open to the next, as all changes come through here; so all of them may map
 * the file. Who reads may go to the lower file instead: passthrough.h.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs/change.h"
#include "fs/content.h"
#include "fs/folder.h"
#include "fs/handle.h"
#include "fs/kept.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/order.h"
#include "fs/pages.h"
#include "fs/told.h"
#include "fs/touch.h"

/* What of the caller's flags is for the lower file. The kernel gives an
 * offset with each write, also for O_APPEND; its memory is not ours, so no
 * O_DIRECT; the rest was dealt with. */
static int lower_flags(int flags)
{
	return (flags & (O_ACCMODE | O_DSYNC | O_SYNC | O_NOATIME)) |
	       O_NOFOLLOW;
}

static bool wants_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static int open_lower(struct inode *i, int flags)
{
	int fd = inode_open(i, lower_flags(flags));
	/* a file that can only be appended to (chattr +a) */
	if (fd == -EPERM && (flags & O_APPEND))
		fd = inode_open(i, lower_flags(flags) | O_APPEND);
	return fd;
}

int op_handle_new(fuse_req_t req, struct inode *i, int fd, bool created,
		  struct fuse_file_info *fi, struct handle **ret)
{
	struct handle *h;
	if (passthrough_refuses(i, fd, fi->flags)) {
		close(fd);
		return -ETXTBSY;
	}
	int r = handle_new(i, fd, lower_flags(fi->flags), &h);
	if (r < 0)
		return r;
	h->uid = fuse_req_ctx(req)->uid;
	h->gid = fuse_req_ctx(req)->gid;
	h->writable = wants_write(fi->flags);
	fi->fh = h->id;
	h->served = passthrough_open(i, fd, fi, created, &h->unseen);
	h->backing_id = passthrough_backing(i);
	*ret = h;
	return 0;
}

/* An open again, where it was one for reading: a truncation by a path lets what
 * is empty already keep its times and, on xfs, its set-id bits. */
static int cut_to_nothing(const struct handle *h)
{
	if (h->writable)
		return ftruncate(h->fd, 0) < 0 ? lower_errno() : 0;
	CLEANUP_CLOSE int fd = lower_reopen(h->fd, O_RDONLY | O_TRUNC);
	return fd < 0 ? fd : 0;
}

/* Cut to nothing by O_TRUNC. The kernel has checked the permission, even for
 * somebody who opens for reading only; then no content is open. */
static int truncate_opened(fuse_req_t req, struct handle *h,
			   const struct who *who)
{
	struct pages_cut cut;
	struct stat st;
	int r = op_become_changer(req, inode_had_setid(h->inode));
	if (r < 0)
		return r;
	if (fstat(h->fd, &st) < 0)
		return lower_errno();
	if (!h->writable)
		inode_copy_up(h->inode);
	content_begin(h->inode, who, h->fd, 0);
	pages_cut_begin(&cut, h->inode);
	r = cut_to_nothing(h);
	pages_cut_end(&cut);
	uint64_t had = (uint64_t)st.st_size;
	content_end(h->inode, h->fd, 0, r < 0 ? content_changed(r, had) : had);
	if (r < 0)
		op_forget_attributes(h->inode);
	op_setid_check(h->inode, h->fd);
	return r;
}

static int open_file(fuse_req_t req, struct inode *i, struct fuse_file_info *fi)
{
	struct handle *h;
	struct who who;
	if (!i)
		return -ESTALE;
	if (inode_type(i) != S_IFREG)
		return inode_type(i) == S_IFLNK ? -ELOOP : -ENXIO;
	int fd = open_lower(i, fi->flags);
	if (fd < 0)
		return fd;
	int r = op_handle_new(req, i, fd, false, fi, &h);
	if (r < 0)
		return r;
	bool cuts = fi->flags & O_TRUNC;
	if (h->writable || cuts)
		op_who(req, &who);
	if (h->writable)
		content_open(i, &who, h->unseen);
	if (cuts)
		r = truncate_opened(req, h, &who);
	if (r < 0)
		handle_free(h);
	return r;
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int r = open_file(req, inode_get(ino), fi);
	if (r < 0)
		op_reply(req, r);
	else if (fuse_reply_open(req, fi) < 0)
		handle_free(handle_get(fi->fh));
}

/* The file was made as `fd`, which is taken over; the lock is held. */
static int created_locked(fuse_req_t req, struct change *c, int dirfd,
			  struct inode *dir, const char *name, int fd,
			  struct fuse_file_info *fi, struct fuse_entry_param *e)
{
	struct handle *h = NULL;
	struct stat st;
	int r = lower_identify(fd, "", &c->r.obj, &st);
	if (r == 0) {
		touch_made(&c->r.obj);
		r = op_entry(&c->r.obj, &st, dir, name, e);
	}
	if (r < 0) {
		close(fd);
		op_unmake(c, NULL, dirfd, dir, name, NULL);
		return r;
	}
	struct inode *i = inode_get(e->ino);
	r = op_handle_new(req, i, fd, true, fi, &h);
	if (r < 0) {
		op_unmake(c, i, dirfd, dir, name, &st);
		op_entry_cancel(e->ino);
		return r;
	}
	if (h->writable) {
		c->r.flags |= RF_OPEN;
		content_created_locked(i, &c->r.who);
	}
	change_end(c, &st);
	return 0;
}

/* -EEXIST: there is one already. */
static int create_new(fuse_req_t req, int dirfd, struct inode *dir,
		      const char *name, mode_t mode, struct fuse_file_info *fi,
		      struct fuse_entry_param *e)
{
	struct order o = ORDER_INIT;
	struct change c;
	struct who who;
	int r = op_become_maker(req, mode);
	if (r < 0)
		return r;
	caller_umask(fuse_req_ctx(req)->umask);
	op_who(req, &who);
	touch_dir(dir);
	order_add(&o, inode_hash(dir));
	order_lock(&o, ORDER_SHARED);
	change_init(&c, OP_CREATE, &who, inode_path_of(dir, name), NULL);
	change_begin(&c);
	int flags = lower_flags(fi->flags) | O_CLOEXEC;
	int fd = openat(dirfd, name, flags | O_CREAT | O_EXCL, mode);
	/* a worker before us made it, and died */
	if (fd < 0 && errno == EEXIST && change_past() != CHANGE_NEW)
		fd = openat(dirfd, name, flags);
	if (fd < 0) {
		r = lower_errno();
		if (change_failed(&c, r))
			op_forget_attributes(dir);
	} else {
		r = created_locked(req, &c, dirfd, dir, name, fd, fi, e);
	}
	if (r == 0)
		told_changed(dir);
	order_unlock(&o);
	return r;
}

static int create_file(fuse_req_t req, struct inode *dir, const char *name,
		       mode_t mode, struct fuse_file_info *fi,
		       struct fuse_entry_param *e)
{
	if (!dir)
		return -ESTALE;
	if (op_tmpfile_is(name))
		return op_tmpfile(req, dir, mode, fi, e);
	if (op_reserved(dir, name))
		return -EACCES;
	CLEANUP_FOLDER int dirfd = folder_open(dir);
	if (dirfd < 0)
		return dirfd;
	int r = create_new(req, dirfd, dir, name, mode, fi, e);
	/* To the kernel the name is free, so it has not asked whether the caller
	 * may open what is there (made around the mount). Now it looks again:
	 * path_openat with LOOKUP_REVAL, as for any file system. */
	return r == -EEXIST && !(fi->flags & O_EXCL) ? -ESTALE : r;
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	int r = create_file(req, inode_get(parent), name, mode, fi, &e);
	if (r < 0) {
		op_reply(req, r);
	} else if (fuse_reply_create(req, &e, fi) < 0) {
		handle_free(handle_get(fi->fh));
		op_entry_cancel(e.ino);
	}
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *h = handle_get(fi->fh);
	if (h)
		handle_free(h);
	op_reply(req, h || flight_again() ? 0 : -EBADF);
}
