/*
 * File handles, as in open_by_handle_at(2): they carry the generation of the
 * inode, survive renames, and opening one costs what opening a path costs.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fs.h"
#include "fs/lower.h"
#include "fs/pins.h"

#define FUSE_MAGIC	0x65735546 /* virtiofs, too */
#define MSDOS_MAGIC	0x4d44
#define EXFAT_MAGIC	0x2011bab0
#define DEVICES		64
#define DEVICE_SHIFT	56 /* inode numbers of overlayfs need less */

static int root_fd = -1;  /* constant after lower_start */
static int root_mount_id; /* constant after lower_start */
static dev_t root_dev;	  /* constant after lower_start */
static long root_type;	  /* constant after lower_start: statfs(2) */
static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;
static dev_t devices[DEVICES]; /* LOCK_devices: a leaf */
static unsigned n_devices;     /* LOCK_devices */

union handle_space {
	struct file_handle handle;
	char bytes[sizeof(struct file_handle) + FHANDLE_MAX];
};

int lower_errno(void)
{
	/* our table is full, not the caller's */
	return errno == EMFILE ? -ENFILE : -errno;
}

static int lower_handle(int dirfd, const char *name, struct fhandle *ret_fh,
			int *ret_mount_id)
{
	union handle_space space;
	space.handle.handle_bytes = FHANDLE_MAX;
	if (name_to_handle_at(dirfd, name, &space.handle, ret_mount_id,
			      *name ? 0 : AT_EMPTY_PATH) < 0)
		return lower_errno();
	ret_fh->len = space.handle.handle_bytes;
	ret_fh->type = space.handle.handle_type;
	memcpy(ret_fh->bytes, space.handle.f_handle, ret_fh->len);
	return 0;
}

/* forgets_handles - it gives handles, but they hold only until the kernel lets
 * go of the inode: it finds those in its memory alone. (FUSE may do better,
 * which cannot be told; vfat only mounted read-only, with nfs=nostale_ro.) */
static bool forgets_handles(int fd)
{
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return true;
	switch ((uint32_t)fs.f_type) {
	case FUSE_MAGIC:
	case MSDOS_MAGIC:
	case EXFAT_MAGIC:
		return true;
	default:
		return false;
	}
}

bool lower_has_handles(int fd)
{
	struct fhandle fh;
	int mount_id;
	if (forgets_handles(fd))
		return false;
	return lower_handle(fd, "", &fh, &mount_id) >= 0;
}

bool lower_is(long type)
{
	return root_type == type;
}

static bool layers(void)
{
	return lower_is(OVERLAYFS_SUPER_MAGIC);
}

static int root_look(int fd, struct stat *ret_st)
{
	struct statfs fs;
	if (fstat(fd, ret_st) < 0 || fstatfs(fd, &fs) < 0)
		return lower_errno();
	root_fd = fd;
	root_dev = ret_st->st_dev;
	root_type = (long)fs.f_type;
	devices[0] = root_dev;
	n_devices = 1;
	return 0;
}

int lower_start_pinned(int fd, unsigned max_pins, struct shared *shared,
		       struct fhandle *ret_root)
{
	struct stat st;
	int r = root_look(fd, &st);
	return r < 0 ? r : pins_start(fd, max_pins, shared, ret_root);
}

int lower_start(int fd, struct fhandle *ret_root, struct stat *ret_st)
{
	int r = root_look(fd, ret_st);
	if (r < 0)
		return r;
	r = lower_handle(fd, "", ret_root, &root_mount_id);
	if (r < 0)
		return r;
	int again = lower_open(ret_root, O_PATH);
	if (again < 0)
		return again;
	close(again);
	return 0;
}

void lower_stop(void)
{
	pins_stop();
}

int lower_root_fd(void)
{
	return root_fd;
}

int lower_identify(int dirfd, const char *name, struct fhandle *ret_fh,
		   struct stat *ret_st)
{
	if (pins_used())
		return pins_identify(dirfd, name, ret_fh, ret_st);
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	if (fstatat(dirfd, name, ret_st, *name ? flags : AT_EMPTY_PATH) < 0)
		return lower_errno();
	if (ret_st->st_dev != root_dev && !layers())
		return -EXDEV;
	int mount_id;
	int r = lower_handle(dirfd, name, ret_fh, &mount_id);
	if (r < 0)
		return r;
	return mount_id == root_mount_id ? 0 : -EXDEV;
}

void lower_number(struct stat *st)
{
	unsigned i = 0;
	if (!layers() || st->st_dev == root_dev)
		return;
	pthread_mutex_lock(&devices_lock);
	while (i < n_devices && devices[i] != st->st_dev)
		i++;
	if (i == n_devices && n_devices < DEVICES)
		devices[n_devices++] = st->st_dev;
	pthread_mutex_unlock(&devices_lock);
	st->st_ino ^= (ino_t)i << DEVICE_SHIFT;
}

int lower_open(const struct fhandle *fh, int flags)
{
	union handle_space space;
	if (pins_used())
		return pins_open(fh, flags);
	space.handle.handle_bytes = fh->len;
	space.handle.handle_type = fh->type;
	memcpy(space.handle.f_handle, fh->bytes, fh->len);
	int fd = open_by_handle_at(root_fd, &space.handle, flags | O_CLOEXEC);
	return fd < 0 ? lower_errno() : fd;
}

int lower_duplicate(int fd)
{
	int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return again < 0 ? lower_errno() : again;
}

const char *lower_link_path(int fd, char out[LOWER_LINK_BYTES])
{
	snprintf(out, LOWER_LINK_BYTES, "/proc/self/fd/%d", fd);
	return out;
}

int lower_reopen(int fd, int flags)
{
	char path[LOWER_LINK_BYTES];
	/* the link itself is what must be followed */
	int again = open(lower_link_path(fd, path),
			 (flags & ~O_NOFOLLOW) | O_CLOEXEC);
	return again < 0 ? lower_errno() : again;
}
