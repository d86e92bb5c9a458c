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

/* mount_has_device - one of ours at `path`, not only the topmost, has it. */
bool mount_has_device(const char *path, dev_t dev);

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
