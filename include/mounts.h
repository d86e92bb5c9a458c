/* layer: base */
#ifndef MIRRORFS_MOUNTS_H
#define MIRRORFS_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

/* The mount table (/proc/self/mountinfo), read as text: nothing here touches
 * a path, so a hanging mount cannot hang us. Paths are normalised. */

/* mount_is_mirrorfs - the topmost mount at `path` is one of ours. */
bool mount_is_mirrorfs(const char *path);

/* mount_device - the device number of the topmost mount at `path`; false when
 * that is none of ours. */
bool mount_device(const char *path, dev_t *ret);

/* mount_listed - is what `fd` is on (-1: not known), or something with the device
 * `dev`, in the mount table of `task` (a folder of /proc; "self")? Ours: a mirrorfs
 * at `path`, not only the topmost. A table that cannot be read has all others. */
enum mount_listed { MOUNT_NOT_LISTED, MOUNT_OURS, MOUNT_OTHER };
enum mount_listed mount_listed(const char *task, int fd, dev_t dev,
			       const char *path);

/* mount_count - how many of ours are at `path`, one over the other. */
unsigned mount_count(const char *path);

/* mount_is_ours - `fd` (O_PATH will do) is on the topmost mount at `path`, which
 * is one of ours, and *ret, if it is not NULL, its device number; false when
 * that one has been taken away. */
bool mount_is_ours(int fd, const char *path, dev_t *ret);

/* mount_fd_is_at - `fd` is what `path` leads to, without a symbolic link: 0,
 * -ELOOP, or another negative errno. */
int mount_fd_is_at(int fd, const char *path);

/* mount_below - a mount point strictly below `path`, owned by the caller, or
 * NULL. */
char *mount_below(const char *path);

/* mount_all_below - all of them as one text, "a, b", or NULL likewise. */
char *mount_all_below(const char *path);

#endif
