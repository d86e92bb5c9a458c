/*
 * Reading directories. A handle has one stream over the lower directory; the
 * positions that the kernel gets are those of the lower file system, so any
 * of them can be gone back to.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs/handle.h"
#include "fs/kept.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/pins.h"
#include "fs/touch.h"

static int open_dir(struct inode *i, struct fuse_file_info *fi)
{
	if (!i)
		return -ESTALE;
	int fd = inode_open(i, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	struct handle *h;
	int r = handle_new(i, fd, O_RDONLY | O_DIRECTORY, &h);
	if (r < 0)
		return r;
	h->dir = fdopendir(fd);
	if (!h->dir) {
		handle_free(h);
		return -ENOMEM;
	}
	h->dir_off = 0;
	fi->fh = h->id;
	return 0;
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int r = open_dir(inode_get(ino), fi);
	if (r < 0)
		op_reply(req, r);
	else if (fuse_reply_open(req, fi) < 0)
		handle_free(handle_get(fi->fh));
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *h = handle_get(fi->fh);
	if (h)
		handle_free(h);
	op_reply(req, h || flight_again() ? 0 : -EBADF);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi)
{
	struct handle *h = handle_get(fi->fh);
	op_reply(req, h ? touch_sync(h->fd, datasync) : -EBADF);
}

/* Room that the entry takes; 0 when it does not fit into `left` bytes. */
static size_t add_plain(fuse_req_t req, char *at, size_t left,
			const struct dirent *d)
{
	struct stat st = {
		.st_ino = d->d_ino,
		.st_mode = DTTOIF(d->d_type),
	};
	size_t n = fuse_add_direntry(req, at, left, d->d_name, &st, d->d_off);
	return n <= left ? n : 0;
}

/* The same with attributes. The kernel keeps what it got, so an entry counts
 * as looked up, and only what fits may be looked up. What cannot be looked
 * up is listed without, and looked up on its own when somebody wants it. */
static size_t add_plus(fuse_req_t req, char *at, size_t left,
		       const struct handle *h, const struct dirent *d)
{
	struct fuse_entry_param e = {0};
	size_t n =
		fuse_add_direntry_plus(req, NULL, 0, d->d_name, &e, d->d_off);
	if (n > left)
		return 0;
	bool dots = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
	if (dots || pins_crowded() || op_lookup_child(h->fd, h->inode, d->d_name, &e) < 0) {
		e.ino = 0;
		e.attr.st_ino = d->d_ino;
		e.attr.st_mode = DTTOIF(d->d_type);
	}
	return fuse_add_direntry_plus(req, at, left, d->d_name, &e, d->d_off);
}

/* Fills `out` from position `off` on; returns bytes, or a negative errno. */
static ssize_t read_dir_locked(fuse_req_t req, struct handle *h, char *out,
			       size_t size, off_t off, bool plus)
{
	size_t used = 0;
	/* from the beginning also what was made since it was opened */
	if (h->dir_off != off || off == 0)
		seekdir(h->dir, off);
	for (;;) {
		h->dir_off = -1;
		errno = 0;
		const struct dirent *d = readdir(h->dir);
		if (!d)
			return errno && !used ? lower_errno() : (ssize_t)used;
		if (!op_reserved(h->inode, d->d_name)) {
			size_t n = plus ? add_plus(req, out + used, size - used,
						   h, d)
					: add_plain(req, out + used,
						    size - used, d);
			if (!n)
				return (ssize_t)used;
			used += n;
		}
		h->dir_off = d->d_off;
	}
}

static void read_dir(fuse_req_t req, size_t size, off_t off,
		     struct fuse_file_info *fi, bool plus)
{
	struct handle *h = handle_get(fi->fh);
	if (!h || !h->dir) {
		op_reply(req, -EBADF);
		return;
	}
	char *out = op_scratch(size);
	ssize_t n = -ENOMEM;
	if (out) {
		pthread_mutex_lock(&h->lock);
		n = read_dir_locked(req, h, out, size, off, plus);
		pthread_mutex_unlock(&h->lock);
	}
	if (n < 0)
		op_reply(req, (int)n);
	else
		fuse_reply_buf(req, out, (size_t)n);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	read_dir(req, size, off, fi, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	read_dir(req, size, off, fi, true);
}
