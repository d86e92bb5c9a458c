/* Looking things up and forgetting them; links and the file system. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs/folder.h"
#include "fs/kept.h"
#include "fs/lower.h"
#include "fs/ops.h"

static int lookup(struct inode *dir, const char *name,
		  struct fuse_entry_param *e)
{
	if (!dir)
		return -ESTALE;
	if (op_reserved(dir, name))
		return -ENOENT;
	CLEANUP_FOLDER int dirfd = folder_open(dir);
	if (dirfd < 0)
		return dirfd;
	return op_lookup_child(dirfd, dir, name, e);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {.entry_timeout = OP_TIMEOUT};
	int r = lookup(inode_get(parent), name, &e);
	/* "not there" may be kept, too: number 0 says so */
	op_reply_entry(req, r == -ENOENT ? 0 : r, &e);
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	inode_forget_next(&flight_now()->forgetting, ino, nlookup);
	inodes_trim();
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		inode_forget_next(&flight_now()->forgetting, forgets[i].ino,
				  forgets[i].nlookup);
	inodes_trim();
	fuse_reply_none(req);
}

static int readlink_inode(struct inode *i, char *out, size_t size)
{
	if (!i)
		return -ESTALE;
	CLEANUP_CLOSE int fd = inode_open(i, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	ssize_t n = readlinkat(fd, "", out, size - 1);
	if (n < 0)
		return lower_errno();
	out[n] = '\0';
	return 0;
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[PATH_MAX + 1];
	int r = readlink_inode(inode_get(ino), target, sizeof(target));
	if (r < 0)
		op_reply(req, r);
	else
		fuse_reply_readlink(req, target);
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;
	if (fstatvfs(lower_root_fd(), &st) < 0) {
		op_reply(req, lower_errno());
		return;
	}
	if (st.f_namemax > NAME_MAX)
		st.f_namemax = NAME_MAX;
	fuse_reply_statfs(req, &st);
}
