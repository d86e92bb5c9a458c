/* See lower.h. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "sync/lower.h"

struct handle_room {
	struct file_handle h;
	unsigned char bytes[FHANDLE_MAX];
};

int lower_open_object(int root_fd, const struct fhandle *obj, int flags)
{
	struct handle_room room;

	room.h.handle_bytes = obj->len;
	room.h.handle_type = obj->type;
	memcpy(room.h.f_handle, obj->bytes, obj->len);
	int fd = open_by_handle_at(root_fd, &room.h, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int lower_open_path(int root_fd, const char *path, int flags)
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

int lower_look_fd(int fd, struct stat *ret_st, struct fhandle *ret_obj)
{
	struct handle_room room = {.h.handle_bytes = FHANDLE_MAX};
	int mount_id;

	if (fstat(fd, ret_st) < 0)
		return -errno;
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

int lower_readlink(int root_fd, const struct fhandle *obj, char **ret)
{
	char target[PATH_MAX];
	CLEANUP_CLOSE int fd = lower_open_object(root_fd, obj, O_PATH);
	if (fd < 0)
		return fd;
	ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = 0;
	*ret = strdup(target);
	return *ret ? 0 : -ENOMEM;
}
