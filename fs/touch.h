#ifndef MIRRORFS_FS_TOUCH_H
#define MIRRORFS_FS_TOUCH_H

/*
 * Marks in the activity log, before a change: the one place of the overlay
 * that knows activity.h. Each may wait for the disk, so no order lock is held.
 * What a request has touched is covered until touch_end, which the worker
 * calls after each request; one that changes twice touches twice.
 */

#include "fs/inode.h"

struct activity;

/* touches_start - `a` is borrowed; NULL: nothing is marked. */
void touches_start(struct activity *a);
/* touch_thread_start - `slot` < SHARED_THREADS is this thread's alone. */
void touch_thread_start(unsigned slot);
void touch_end(void);

/* touch_dir - entries of `dir` come and go. */
void touch_dir(const struct inode *dir);
/* touch_new_dir - `name` will be a directory. */
void touch_new_dir(const struct inode *dir, const char *name);
/* touch_made - the object was made by this request, where it had touched. */
void touch_made(const struct fhandle *obj);
/* touch_file - the content of a file. */
void touch_file(const struct inode *i);
/* touch_attr - what belongs to an object, but is not its content. `fd` is open
 * on it. */
void touch_attr(const struct inode *i, int fd);
/* touch_link - `i` gets one more name, in `dir`. */
void touch_link(const struct inode *dir, const struct inode *i);

/* touch_rename - something moves from one directory to another. */
struct touch_rename {
	const struct inode *from, *to;
	const struct fhandle *trees[2]; /* directories that change their
					 * place, or NULL */
};
void touch_rename(const struct touch_rename *t);

/* touch_sync - fsync(2) of `fd`, or fdatasync(2); the records of what was
 * changed are on the disk as well, if the journal works. Returns 0, or a negative errno. */
int touch_sync(int fd, bool datasync);

/* touch_unseen - nothing, but of a file that may change without a request
 * (inode_is_unseen): it is marked, and where it is now. For whoever made it
 * unseen, before and after touch_stays, and then for whoever has changed its
 * names. `i` may be NULL. */
void touch_unseen(const struct inode *i);

/* touch_stays - its content may change without a request until
 * touch_stays_not. False: there is no need, it has no name. These two may be
 * called under locks. */
bool touch_stays(const struct inode *i);
void touch_stays_not(const struct inode *i);

/* touch_stayed - the next mark of what could be changed so before this worker came,
 * each once; it stays until touch_stayed_not. False: there are no more. */
struct mark;
bool touch_stayed(struct mark *ret);
void touch_stayed_not(const struct mark *m);

#endif
