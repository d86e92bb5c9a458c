/* layer: sync */
#ifndef SYNC_LOWER_H
#define SYNC_LOWER_H

/*
 * The lower tree, as sync sees it: objects by handle, entries by tree path.
 * Nothing follows a symbolic link, nothing leaves the tree. Every int function
 * returns ≥ 0, or a negative errno.
 */

#include <dirent.h>
#include <sys/stat.h>

#include "record.h"

/* lower_open_object - by handle; -ESTALE when it is gone. */
int lower_open_object(int root_fd, const struct fhandle *obj, int flags);
/* lower_open_path - "" is the root. -ENOENT, also for what lies behind
 * something that is not a directory. */
int lower_open_path(int root_fd, const char *path, int flags);
/* lower_look - attributes and handle of what is at `path`. */
int lower_look(int root_fd, const char *path, struct stat *ret_st,
	       struct fhandle *ret_obj);
/* lower_look_fd - the same of a descriptor (O_PATH will do). */
int lower_look_fd(int fd, struct stat *ret_st, struct fhandle *ret_obj);
/* lower_readlink - target of the object, owned by the caller. */
int lower_readlink(int root_fd, const struct fhandle *obj, char **ret);

#endif
