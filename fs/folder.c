/*
 * To open a folder by its handle and to close it costs 3 us (Linux 6.18,
 * tmpfs), more than most of what is done in it. So the last one is kept, and
 * lent to who asks for it next.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fs/folder.h"
#include "fs/pins.h"

static __thread struct {
	int fd; /* -1: none */
	bool lent;
	struct fhandle fh;
} last = {.fd = -1};

void folder_let_go(void)
{
	if (last.fd >= 0)
		close(last.fd);
	last.fd = -1;
}

int folder_open(struct inode *dir)
{
	struct fhandle fh;
	bool keep = !last.lent && !pins_used() && !inode_is_gone(dir);
	if (keep) {
		inode_handle(dir, &fh);
		last.lent = last.fd >= 0 && fhandle_equal(&last.fh, &fh);
		if (last.lent)
			return last.fd;
	}
	int fd = inode_open(dir, O_RDONLY | O_DIRECTORY);
	if (fd == -EACCES) /* root may not read everything everywhere (NFS) */
		fd = inode_open(dir, O_PATH | O_DIRECTORY);
	if (keep && fd >= 0) {
		folder_let_go();
		last.fd = fd;
		last.fh = fh;
		last.lent = true;
	}
	return fd;
}

bool folder_ignores_case(int fd)
{
	int flags;
	return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
	       flags & FS_CASEFOLD_FL;
}

void folder_close(int fd)
{
	if (fd < 0)
		return;
	if (last.lent && fd == last.fd)
		last.lent = false;
	else
		close(fd);
}
