/* See lower.h. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "paths.h"
#include "privileges.h"
#include "sync/lower.h"

#define OVERLAYFS_MAGIC 0x794c7630

struct handle_room {
	struct file_handle h;
	unsigned char bytes[FHANDLE_MAX];
};

static bool without_handles; /* constant once threads run */

void lower_without_handles(void)
{
	without_handles = true;
}

/* By handle, or by name where that is NULL. */
static int open_once(int fd, struct file_handle *h, const char *name, int flags)
{
	int r = h ? open_by_handle_at(fd, h, flags | O_CLOEXEC)
		  : openat(fd, name, flags | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

/* Users' programs look at access times, so ours leave none. That is for the
 * owner, or for CAP_FOWNER, which is kept for it; without both it is as well
 * to read as not to. */
static int open_quietly(int fd, struct file_handle *h, const char *name,
			int flags)
{
	if (flags & O_PATH)
		return open_once(fd, h, name, flags);
	int r = open_once(fd, h, name, flags | O_NOATIME);
	if (r == -EPERM && privileges_raise(CAP_FOWNER) == 0) {
		r = open_once(fd, h, name, flags | O_NOATIME);
		privileges_lower(CAP_FOWNER);
	}
	return r == -EPERM ? open_once(fd, h, name, flags) : r;
}

/* What is at `path` now, if it is of this type. */
static int open_there(int root_fd, const char *path, uint32_t type, int flags)
{
	struct stat st;
	int fd = lower_open_path(root_fd, path, O_PATH);
	if (fd == -ENOENT)
		return -ESTALE;
	if (fd < 0)
		return fd;
	int r = fstat(fd, &st) < 0		? -errno
		: (st.st_mode & S_IFMT) != type ? -ESTALE
						: 0;
	if (r == 0 && flags & O_PATH)
		return fd;
	if (r == 0) {
		char link[32];
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		r = open_quietly(AT_FDCWD, NULL, link, flags);
	}
	close(fd);
	return r;
}

/* The kernel says ESTALE of what cannot be read, too, whatever the cause: a name
 * that is there tells the difference. */
static int why_stale(int root_fd, const struct fhandle *obj, const char *path)
{
	struct fhandle now;
	struct stat st;
	int r = lower_look(root_fd, path, &st, &now);

	if (r < 0)
		return r == -ENOENT ? -ESTALE : r;
	return fhandle_equal(&now, obj) ? -EIO : -ESTALE;
}

int lower_open_object(int root_fd, const struct fhandle *obj, const char *path,
		      int flags)
{
	struct handle_room room;
	uint32_t type;

	if (fhandle_is_number(obj, &type))
		return path ? open_there(root_fd, path, type, flags) : -ESTALE;
	room.h.handle_bytes = obj->len;
	room.h.handle_type = obj->type;
	memcpy(room.h.f_handle, obj->bytes, obj->len);
	int fd = open_quietly(root_fd, &room.h, NULL, flags);
	return fd == -ESTALE && path ? why_stale(root_fd, obj, path) : fd;
}

bool lower_is_gone(int root_fd, const struct fhandle *obj, const char *path)
{
	CLEANUP_CLOSE int fd = lower_open_object(root_fd, obj, path, O_PATH);

	return fd == -ESTALE || fd == -ENOENT;
}

bool lower_is_nameless(int root_fd, const struct fhandle *obj)
{
	struct stat st;
	CLEANUP_CLOSE int fd = lower_open_object(root_fd, obj, NULL, O_PATH);

	if (fd < 0)
		return fd == -ESTALE || fd == -ENOENT;
	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

int lower_open_folder(int dir_fd, const char *name)
{
	return open_quietly(dir_fd, NULL, name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

static int open_beneath(int root_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, root_fd, *path ? path : ".", &how,
			      sizeof(how));
	if (fd >= 0)
		return fd;
	return errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
}

int lower_open_path(int root_fd, const char *path, int flags)
{
	const char *slash;

	if (!path_is_long(path))
		return open_beneath(root_fd, path, flags);
	slash = memrchr(path, '/', PATH_LONG - 1);
	CLEANUP_FREE char *first = slash ? strndup(path, slash - path) : NULL;
	if (!first)
		return -ENOENT; /* no name is so long */
	CLEANUP_CLOSE int fd = open_beneath(root_fd, first, O_PATH);
	return fd < 0 ? fd : lower_open_path(fd, slash + 1, flags);
}

int lower_look_fd(int fd, struct stat *ret_st, struct fhandle *ret_obj)
{
	struct handle_room room = {.h.handle_bytes = FHANDLE_MAX};
	int mount_id;

	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (without_handles) {
		fhandle_by_number(ret_st->st_dev, ret_st->st_ino,
				  ret_st->st_mode & S_IFMT, ret_obj);
		return 0;
	}
	if (name_to_handle_at(fd, "", &room.h, &mount_id, AT_EMPTY_PATH) < 0)
		return -errno;
	*ret_obj = (struct fhandle){.len = room.h.handle_bytes,
				    .type = room.h.handle_type};
	memcpy(ret_obj->bytes, room.h.f_handle, ret_obj->len);
	return 0;
}

int lower_look(int root_fd, const char *path, struct stat *ret_st,
	       struct fhandle *ret_obj)
{
	CLEANUP_CLOSE int fd = lower_open_path(root_fd, path, O_PATH);
	return fd < 0 ? fd : lower_look_fd(fd, ret_st, ret_obj);
}

/* -1: this kernel does not tell. */
static int64_t mount_of(int fd)
{
	struct statx stx;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 ||
	    !(stx.stx_mask & STATX_MNT_ID))
		return -1;
	return (int64_t)stx.stx_mnt_id;
}

bool lower_same_content(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool lower_is_apart(int root_fd, int fd, const struct stat *st)
{
	struct stat root;
	struct statfs fs;
	/* its layers may be several devices */
	if (fstatfs(root_fd, &fs) == 0 && fs.f_type == OVERLAYFS_MAGIC)
		return mount_of(fd) != mount_of(root_fd);
	return fstat(root_fd, &root) == 0 && st->st_dev != root.st_dev;
}

int lower_readlink(int root_fd, const struct fhandle *obj, const char *path,
		   char **ret)
{
	char target[PATH_MAX];
	CLEANUP_CLOSE int fd = lower_open_object(root_fd, obj, path, O_PATH);
	if (fd < 0)
		return fd;
	ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	*ret = strdup(target);
	return *ret ? 0 : -ENOMEM;
}

static int name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int lower_read_names(DIR *d, const char *path, char ***ret)
{
	struct dirent *de;
	char **list = NULL;
	unsigned n = 0, kept = 0;

	while (errno = 0, (de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
		    (!*path && !strcmp(de->d_name, RESERVED_NAME)))
			continue;
		if ((n & (n - 1)) == 0)
			list = reallocarray(list, n ? (size_t)n * 2 : 1,
					    sizeof(*list));
		if (!list || !(list[n++] = strdup(de->d_name)))
			abort();
	}
	int error = errno;
	if (n)
		qsort(list, n, sizeof(*list), name_order);
	for (unsigned i = 0; i < n; i++) {
		if (error || (kept && !strcmp(list[i], list[kept - 1])))
			free(list[i]);
		else
			list[kept++] = list[i];
	}
	*ret = list;
	return error ? -error : (int)kept;
}
