/* layer: sync */
#ifndef SYNC_LOWER_H
#define SYNC_LOWER_H

/*
 * The lower tree, as sync sees it: objects by handle, entries by tree path.
 * Where there are no handles, an object is named by number (fhandle_by_number),
 * and found by the path that it had: what is there now, if it is of the same
 * kind, else it is gone.
 * Nothing follows a symbolic link, nothing leaves the tree. What is opened for
 * reading keeps its access time. Every int function returns ≥ 0, or a negative
 * errno.
 */

#include <dirent.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "record.h"

/* lower_without_handles - there are none, or they are not to be used. Before
 * any thread starts. */
void lower_without_handles(void);

/* lower_open_object - by handle; `path` is where it was, or NULL. -ESTALE when
 * it is gone; without a path also when it cannot be read. */
int lower_open_object(int root_fd, const struct fhandle *obj, const char *path,
		      int flags);
/* lower_is_gone - so it would say. */
bool lower_is_gone(int root_fd, const struct fhandle *obj, const char *path);
/* lower_is_nameless - or it is open somewhere, and has no name. */
bool lower_is_nameless(int root_fd, const struct fhandle *obj);
/* lower_open_folder - for reading: `name` in the folder `dir_fd`, which may be
 * an O_PATH descriptor, or ".". */
int lower_open_folder(int dir_fd, const char *name);
/* lower_open_path - "" is the root; any length will do. -ENOENT, also for what
 * lies behind something that is not a directory. */
int lower_open_path(int root_fd, const char *path, int flags);
/* lower_look - attributes and handle of what is at `path`. */
int lower_look(int root_fd, const char *path, struct stat *ret_st,
	       struct fhandle *ret_obj);
/* lower_look_fd - the same of a descriptor (O_PATH will do). */
int lower_look_fd(int fd, struct stat *ret_st, struct fhandle *ret_obj);
/* lower_same_content - of one object, as far as size and time tell. */
bool lower_same_content(const struct stat *a, const struct stat *b);
/* lower_is_apart - `fd` with `st` lies on another file system than the root:
 * the overlay does not enter it. */
bool lower_is_apart(int root_fd, int fd, const struct stat *st);
/* lower_readlink - target of the object, owned by the caller. */
int lower_readlink(int root_fd, const struct fhandle *obj, const char *path,
		   char **ret);
/* lower_read_names - of the folder `path`, sorted, so that a walk that was cut
 * off can go on where it was. While names are renamed to and fro, readdir may
 * tell one twice: once is enough. Returns how many; the caller owns the list
 * and each name. */
int lower_read_names(DIR *d, const char *path, char ***ret);

#endif
