/*
 * One look at each request before libfuse sees it, so that no operation can
 * forget to ask. Which ones change the tree is known to tbl/fsops.h: an
 * operation that is new there does not compile here until its opcode is.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "fs/gate.h"

#ifndef FUSE_WRITE_CACHE
#define FUSE_WRITE_CACHE (1 << 0)
#endif

enum {
	OPCODE_setattr = FUSE_SETATTR,
	OPCODE_mknod = FUSE_MKNOD,
	OPCODE_mkdir = FUSE_MKDIR,
	OPCODE_unlink = FUSE_UNLINK,
	OPCODE_rmdir = FUSE_RMDIR,
	OPCODE_symlink = FUSE_SYMLINK,
	OPCODE_rename = FUSE_RENAME,
	OPCODE_link = FUSE_LINK,
	OPCODE_open = FUSE_OPEN,
	OPCODE_write = FUSE_WRITE,
	OPCODE_release = FUSE_RELEASE,
	OPCODE_setxattr = FUSE_SETXATTR,
	OPCODE_removexattr = FUSE_REMOVEXATTR,
	OPCODE_create = FUSE_CREATE,
	OPCODE_ioctl = FUSE_IOCTL,
	OPCODE_fallocate = FUSE_FALLOCATE,
	OPCODE_copy_file_range = FUSE_COPY_FILE_RANGE,
};

#define OPCODES 64
static const bool changes[OPCODES] = {
	[FUSE_RENAME2] = true, /* also op_rename */
#define RECORDED(member, function) [OPCODE_##member] = true,
#define PASSED(member, function)
#define REFUSED(member)
#include "tbl/fsops.h"
#undef RECORDED
#undef PASSED
#undef REFUSED
};

/* may_change - some of them only sometimes do. */
static bool may_change(const struct fuse_in_header *in, const void *arg,
		       size_t size)
{
	if (in->opcode >= OPCODES || !changes[in->opcode])
		return false;
	switch (in->opcode) {
	case FUSE_RELEASE:
		return false;
	case FUSE_OPEN:
		return size >= sizeof(struct fuse_open_in) &&
		       ((const struct fuse_open_in *)arg)->flags & O_TRUNC;
	case FUSE_WRITE:
		return size < sizeof(struct fuse_write_in) ||
		       !(((const struct fuse_write_in *)arg)->write_flags &
			 FUSE_WRITE_CACHE);
	case FUSE_IOCTL:
		if (size < sizeof(struct fuse_ioctl_in))
			return false;
		switch (((const struct fuse_ioctl_in *)arg)->cmd) {
		case FS_IOC_SETFLAGS:
		case FS_IOC_FSSETXATTR:
			return true;
		}
		return false;
	default:
		return true;
	}
}

int gate_check(struct shared *s, const struct fuse_buf *buf)
{
	const struct fuse_in_header *in = buf->mem;
	int64_t since;
	if (!shared_required(s))
		return 0;
	int error = shared_journal(s, &since);
	if (buf->flags & FUSE_BUF_IS_FD || buf->size < sizeof(*in) ||
	    !may_change(in, in + 1, buf->size - sizeof(*in)))
		return 0;
	/* a disk that hangs says nothing */
	if (error == 0)
		return shared_has_room(s) ? 0 : -EIO;
	return error == -ENOSPC || error == -EROFS ? error : -EIO;
}

void gate_refuse(int fuse_fd, const struct fuse_buf *buf, int error)
{
	const struct fuse_in_header *in = buf->mem;
	const struct fuse_out_header out = {
		.len = sizeof(out), .error = error, .unique = in->unique};
	(void)!write(fuse_fd, &out, sizeof(out));
}
