/* Reading and changing the content of open files. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/content.h"
#include "fs/handle.h"
#include "fs/kept.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/pages.h"
#include "fs/touch.h"

/* One call must not hold a thread for long; who wants more asks again. */
#define COPY_BYTES (64u << 20)

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	     struct fuse_file_info *fi)
{
	struct handle *h = handle_get(fi->fh);
	char *out = op_scratch(size);
	size_t done = 0;
	if (!h || !out) {
		op_reply(req, h ? -ENOMEM : -EBADF);
		return;
	}
	pages_read(h->inode, fi);
	while (done < size) {
		ssize_t n = pread(h->fd, out + done, size - done,
				  off + (off_t)done);
		if (n < 0) {
			op_reply(req, lower_errno());
			return;
		}
		if (n == 0)
			break;
		done += (size_t)n;
	}
	fuse_reply_buf(req, out, done);
}

/* The caller changes what `h` has open. */
static int become_changer(fuse_req_t req, struct handle *h)
{
	int r = handle_writes(h);
	return r < 0 ? r : op_become_changer(req, inode_had_setid(h->inode));
}

/* The kernel's write-back has no caller: whoever opened the file is bound. A
 * store into a mapping clears no set-id bits, nowhere. */
static int become_writer(fuse_req_t req, struct handle *h,
			 const struct fuse_file_info *fi)
{
	if (!fi->writepage)
		return become_changer(req, h);
	int r = handle_writes(h);
	return r < 0 ? r : caller_become(h->uid, h->gid, CALLER_KEEPS_SETID);
}

/* A single write that asks for more than `h` was opened with: RWF_DSYNC of
 * pwritev2(2). */
static int sync_of(const struct handle *h, const struct fuse_file_info *fi)
{
	int more = fi->flags & ~h->flags;
	if (more & O_SYNC & ~O_DSYNC)
		return RWF_SYNC;
	return more & O_DSYNC ? RWF_DSYNC : 0;
}

static ssize_t write_once(int fd, const char *data, size_t size, off_t off,
			  int sync)
{
	struct iovec v = {(char *)data, size};
	return sync ? pwritev2(fd, &v, 1, off, sync)
		    : pwrite(fd, data, size, off);
}

/* How much of it is there already. What is open for appending (chattr +a) takes
 * all at its end, wherever that is by now; `off` is where it was. */
static size_t appended(int fd, size_t size, off_t off)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || !(flags & O_APPEND) || fstat(fd, &st) < 0 ||
	    st.st_size <= off)
		return 0;
	size_t more = (size_t)(st.st_size - off);
	return more < size ? more : size;
}

/* As much as can be written; a negative errno only when nothing could. `again`:
 * it may have been, by a worker before us or a moment ago. */
static ssize_t write_all(int fd, const char *data, size_t size, off_t off,
			 int sync, bool again)
{
	size_t done = again ? appended(fd, size, off) : 0;
	while (done < size) {
		ssize_t n = write_once(fd, data + done, size - done,
				       off + (off_t)done, sync);
		if (n < 0 && done == 0)
			return lower_errno();
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
	      off_t off, struct fuse_file_info *fi)
{
	struct handle *h = handle_get(fi->fh);
	struct pages_write w;
	struct who who;
	if (!h || !h->writable) {
		op_reply(req, -EBADF);
		return;
	}
	ssize_t n = become_writer(req, h, fi);
	if (n == 0) {
		op_who(req, &who);
		content_begin(h->inode, &who, h->fd, (uint64_t)off);
		pages_write_begin(&w, h->inode, fi, off, size);
		size_t fits = pages_write_fits(&w, h->fd);
		bool again = flight_again();
		do {
			n = write_all(h->fd, data, fits, off, sync_of(h, fi),
				      again);
			again = true;
		} while (pages_write_again(&w));
		pages_write_end(&w);
		if (n == (ssize_t)fits)
			n = (ssize_t)size;
		/* what stopped a part of it is not known: all is meant */
		content_end(h->inode, h->fd, (uint64_t)off,
			    n > 0 ? size : content_changed(n, size));
		op_setid_check(h->inode, h->fd);
	}
	if (n < 0)
		op_reply(req, (int)n);
	else
		fuse_reply_write(req, (size_t)n);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi)
{
	struct handle *h = handle_get(fi->fh);
	op_reply(req, h ? touch_sync(h->fd, datasync) : -EBADF);
}

/* It failed, and a part of it may have been done: the kernel takes it for
 * nothing. */
static void look_anew(struct handle *h, int mode, int r)
{
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) &&
	    content_changed(r, 1))
		pages_changed(h->inode);
	op_forget_attributes(h->inode);
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
		  off_t len, struct fuse_file_info *fi)
{
	struct handle *h = handle_get(fi->fh);
	struct who who;
	if (!h || !h->writable) {
		op_reply(req, -EBADF);
		return;
	}
	int r = become_changer(req, h);
	if (r == 0) {
		/* these two move all that lies behind */
		bool moves = mode & (FALLOC_FL_COLLAPSE_RANGE |
				     FALLOC_FL_INSERT_RANGE);
		struct stat st = {0};
		fstat(h->fd, &st);
		uint64_t n = (uint64_t)len;
		if (moves)
			n += (uint64_t)(st.st_size > off ? st.st_size - off
							 : 0);
		op_who(req, &who);
		content_begin(h->inode, &who, h->fd, (uint64_t)off);
		if (fallocate(h->fd, mode, off, len) < 0)
			r = lower_errno();
		content_end(h->inode, h->fd, (uint64_t)off,
			    r < 0 ? content_changed(r, n) : n);
		if (r < 0)
			look_anew(h, mode, r);
		op_setid_check(h->inode, h->fd);
	}
	op_reply(req, r);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out,
			off_t off_out, struct fuse_file_info *fi_out,
			size_t len, int flags)
{
	struct handle *in = handle_get(fi_in->fh);
	struct handle *out = handle_get(fi_out->fh);
	struct who who;
	if (!in || !out || !out->writable) {
		op_reply(req, -EBADF);
		return;
	}
	ssize_t n = become_changer(req, out);
	if (n == 0) {
		uint64_t at = (uint64_t)off_out;
		op_who(req, &who);
		content_begin(out->inode, &who, out->fd, at);
		if (len > COPY_BYTES)
			len = COPY_BYTES;
		n = copy_file_range(in->fd, &off_in, out->fd, &off_out, len,
				    (unsigned)flags);
		if (n < 0)
			n = lower_errno();
		content_end(out->inode, out->fd, at, content_changed(n, len));
		if (n < 0)
			op_forget_attributes(out->inode);
		op_setid_check(out->inode, out->fd);
	}
	if (n < 0)
		op_reply(req, (int)n);
	else
		fuse_reply_write(req, (size_t)n);
}

/* Holes are for the lower file system to tell, but what was stored by mappings
 * may still be in the kernel's pages: a writer that is mapped keeps its handle.
 * Then the kernel writes them first, or all counts as data, which is always
 * allowed. Returns a position, or a negative errno. */
static off_t seek(struct handle *h, off_t off, int whence)
{
	struct stat st;
	bool told = !content_is_open(h->inode) || pages_written(h->inode);
	off_t at = told ? lseek(h->fd, off, whence) : 0;
	if (!told && fstat(h->fd, &st) == 0) {
		if (off >= st.st_size)
			return -ENXIO;
		return whence == SEEK_HOLE ? st.st_size : off;
	}
	return at < 0 ? lower_errno() : at;
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	      struct fuse_file_info *fi)
{
	struct handle *h = handle_get(fi->fh);
	off_t at = h ? seek(h, off, whence) : -EBADF;
	if (at < 0)
		op_reply(req, (int)at);
	else
		fuse_reply_lseek(req, at);
}
