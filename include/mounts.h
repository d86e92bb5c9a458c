/* layer: base */
#ifndef MIRRORFS_MOUNTS_H
#define MIRRORFS_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

/* The mount table (/proc/self/mountinfo), read as text: nothing here asks a file
 * system, so a hanging mount cannot hang us. Paths are normalised. */

/* mount_is_mirrorfs - the topmost mount at `path` is one of ours. */
bool mount_is_mirrorfs(const char *path);

/* mount_device - the device number of the topmost mount at `path`; false when
 * that is none of ours. */
bool mount_device(const char *path, dev_t *ret);

/* mount_number - the number of that mount, as long as it is there; or -1.
 * mount_is_at - is it one of ours, and at `path`, whatever lies over it? 1, 0, or a
 * negative errno: the mount table cannot be read. */
int mount_number(const char *path);
int mount_is_at(int id, const char *path);

/* mount_covered_by - the type of what somebody has mounted over one of ours at `path`,
 * owned by the caller; or NULL. */
char *mount_covered_by(const char *path);

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

/* mount_tree_path - where `fd` is below what `root_fd` is open on, as a tree path
 * (paths.h) owned by the caller. NULL: it is not, or the kernel does not know. */
char *mount_tree_path(int fd, int root_fd);

/*
 * mount_may_go - may the mount `id` be unmounted at `path`? Nothing but that mount
 * would be taken away then, or cut off, in this mount namespace.
 * Returns 0, or a negative errno: -ENOENT when it is gone; -EBUSY when not, and
 * *ret_why says why, and what to do (owned by the caller).
 */
int mount_may_go(int id, const char *path, char **ret_why);

/*
 * mounts_around - other mounts by which one can write to what lies below the
 * mirrorfs at `root`: bind mounts that were made before it, or the device mounted
 * once more. Only those of this mount namespace; not of nfs, which does not tell.
 * Returns how many, *ret is an array for mounts_around_free.
 */
struct mount_around {
	char *at;   /* there … */
	char *what; /* … one gets at this, the root or something in it */
	bool whole; /* it shows more than the tree */
};
unsigned mounts_around(const char *root, struct mount_around **ret);
void mounts_around_free(struct mount_around *list, unsigned n);

/* mount_below - a mount point strictly below `path`, owned by the caller, or
 * NULL. */
char *mount_below(const char *path);

/* mount_all_below - all of them as one text, "a, b", or NULL likewise. */
char *mount_all_below(const char *path);

#endif
