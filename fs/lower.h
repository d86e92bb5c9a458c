#ifndef MIRRORFS_FS_LOWER_H
#define MIRRORFS_FS_LOWER_H

/*
 * The lower tree: what an object is named by (its file handle) and how it is
 * opened again. Nothing here knows paths; no descriptor is kept, unless there
 * are no handles (pins.h). One lower tree a process; all functions may be
 * called by any thread.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include "record.h"

struct shared;

/*
 * lower_start - remember the root (borrowed) and try its handle. Returns 0, or
 * a negative errno: -EOPNOTSUPP when there are none, -EPERM when this process
 * may not open by handle.
 */
int lower_start(int root_fd, struct fhandle *ret_root, struct stat *ret_st);
/* lower_start_pinned - the same without handles: as pins_start. */
int lower_start_pinned(int root_fd, unsigned max_pins, struct shared *shared,
		       struct fhandle *ret_root);
/* lower_stop - the inodes are gone. */
void lower_stop(void);
int lower_root_fd(void);

/*
 * lower_identify - handle and attributes of `name` in `dirfd`, or of `dirfd`
 * itself when `name` is "". A symlink is not followed.
 * Returns 0, or a negative errno: -ENOENT, -EXDEV when it is on another mount
 * or device than the root.
 */
int lower_identify(int dirfd, const char *name, struct fhandle *ret_fh,
		   struct stat *ret_st);

/* lower_is - below the root: a number of <linux/magic.h>. */
bool lower_is(long type);
/* lower_number - the layers of an overlayfs may be several devices: make the
 * inode number one that is unique in the mount. */
void lower_number(struct stat *st);

/* lower_open - flags as for open(2). Returns a descriptor (close-on-exec),
 * or a negative errno: -ESTALE when it is gone, -ENFILE when this process has
 * too many files open. */
int lower_open(const struct fhandle *fh, int flags);
/* lower_duplicate - of a descriptor; errors as for lower_open. */
int lower_duplicate(int fd);
/* lower_reopen - the object behind `fd` (which may be O_PATH) once more. */
int lower_reopen(int fd, int flags);

/* lower_link_path - "/proc/self/fd/N" for calls that take no O_PATH
 * descriptor; it is followed to the object itself, even to a symlink. */
#define LOWER_LINK_BYTES 32
const char *lower_link_path(int fd, char out[LOWER_LINK_BYTES]);

/* lower_errno - the errno of the last failed call, negative; what means
 * something else to our callers is translated. */
int lower_errno(void);

#endif
