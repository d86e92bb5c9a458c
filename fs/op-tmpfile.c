/*
 * O_TMPFILE: a file that is made without a name and may get one by linkat(2).
 *
 * libfuse has an operation for it from 3.17 on; an older one answers for us
 * that there is none. The request has the form of a CREATE whose name is "/",
 * which no file can have. So with every libfuse it is passed on as a CREATE.
 *
 * While it has no link nobody finds the file by a path, and nothing of it is
 * recorded. Its first link is the CREATE record (op-node.c). Until then it
 * has a former name, as unlinked files do, for the intents of its changes.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/content.h"
#include "fs/folder.h"
#include "fs/handle.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/order.h"

void op_tmpfile_translate(struct fuse_buf *buf)
{
	struct fuse_in_header *in = buf->mem;
	if (!(buf->flags & FUSE_BUF_IS_FD) && buf->size >= sizeof(*in) &&
	    in->opcode == FUSE_TMPFILE)
		in->opcode = FUSE_CREATE;
}

bool op_tmpfile_is(const char *name)
{
	return strcmp(name, "/") == 0;
}

/* The kernel is about to be told of the file behind `fd`. */
static int learn(int fd, struct inode *dir, struct fuse_entry_param *e)
{
	struct order o = ORDER_INIT;
	struct fhandle fh;
	struct stat st;
	char name[32];
	int r = lower_identify(fd, "", &fh, &st);
	if (r < 0)
		return r;
	int pin_fd = lower_reopen(fd, O_PATH);
	if (pin_fd < 0)
		return pin_fd;
	if (!handle_fits(pin_fd)) {
		close(pin_fd);
		return -ENFILE;
	}
	snprintf(name, sizeof(name), "#%llu", (unsigned long long)st.st_ino);
	order_add(&o, inode_hash(dir));
	order_add(&o, fhandle_hash(&fh));
	order_lock(&o, ORDER_SHARED);
	r = op_entry(&fh, &st, dir, name, e);
	if (r == 0) {
		struct inode *i = inode_get(e->ino);
		inode_name_del(i, dir, name);
		inode_gone(i, pin_fd);
	} else {
		close(pin_fd);
	}
	order_unlock(&o);
	return r;
}

/* `fd` is taken over. */
static int made(fuse_req_t req, struct inode *dir, int fd,
		struct fuse_file_info *fi, struct fuse_entry_param *e)
{
	struct handle *h;
	struct who who;
	int r = learn(fd, dir, e);
	if (r < 0) {
		close(fd);
		return r;
	}
	struct inode *i = inode_get(e->ino);
	r = op_handle_new(req, i, fd, true, fi, &h);
	if (r < 0) {
		op_entry_cancel(e->ino);
		return r;
	}
	op_who(req, &who);
	content_open(i, &who, h->unseen);
	return 0;
}

int op_tmpfile(fuse_req_t req, struct inode *dir, mode_t mode,
	       struct fuse_file_info *fi, struct fuse_entry_param *e)
{
	CLEANUP_FOLDER int dirfd = folder_open(dir);
	if (dirfd < 0)
		return dirfd;
	int r = op_become_maker(req, mode);
	if (r < 0)
		return r;
	caller_umask(fuse_req_ctx(req)->umask);
	/* with O_EXCL it can never be linked: the kernel sees to it, and the
	 * lower file system may save something */
	int flags = fi->flags & (O_ACCMODE | O_EXCL | O_DSYNC | O_SYNC);
	int fd = openat(dirfd, ".", flags | O_TMPFILE | O_CLOEXEC, mode);
	return fd < 0 ? lower_errno() : made(req, dir, fd, fi, e);
}
