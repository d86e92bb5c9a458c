#ifndef MIRRORFS_FS_PINS_H
#define MIRRORFS_FS_PINS_H

/*
 * What names a lower object where the file system has no file handles (an
 * overlayfs without nfs_export): an O_PATH descriptor that pins it, found by
 * device and inode number, which nothing else has as long as it is pinned.
 * Behind lower.h; these are for the table of inodes and the thread loop.
 *
 * Inside the worker the object has a handle of the type PIN_TYPE, with a
 * number that is never used twice. Outside, in the journal and for sync, it
 * has fhandle_by_number of what fstat(2) says at that moment.
 *
 * Device and inode number are not for ever: overlayfs gives a file others when
 * it copies it up, before its first change. Who is about to cause that says so
 * by pins_touch, or opens it for writing; until the end of the request the
 * object is looked at again whenever something unknown is met.
 *
 * A request uses what it identified or touched until pins_request_done; an
 * inode holds it by pins_hold. Any thread. When nothing was started, all of
 * this does nothing.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include "record.h"

struct shared;

#define PIN_TYPE 0x70696e /* no file system's */

/* pins_start - `root_fd` and `shared` (told how many there are; may be NULL)
 * are borrowed; at most `max` descriptors are kept. Returns 0, or a negative
 * errno. */
int pins_start(int root_fd, unsigned max, struct shared *shared,
	       struct fhandle *ret_root);
void pins_stop(void);
bool pins_used(void);

/* pins_identify, pins_open - as lower_identify, lower_open. */
int pins_identify(int dirfd, const char *name, struct fhandle *ret_fh,
		  struct stat *ret_st);
int pins_open(const struct fhandle *fh, int flags);

/* pins_hold - an inode was made of what this request has identified;
 * pins_drop - it is forgotten. */
void pins_hold(const struct fhandle *fh);
void pins_drop(const struct fhandle *fh);

void pins_touch(const struct fhandle *fh);
/* pins_copy_up - a change of its content must not give `fh` another number
 * while it is under way: let it happen now. No order lock is held. */
void pins_copy_up(const struct fhandle *fh);
/* pins_request_done - this thread has ended a request. */
void pins_request_done(void);

/* pins_public - what `fh` is called outside. */
void pins_public(const struct fhandle *fh, struct fhandle *ret);
/* pins_busy_name, pins_idle_name - the same when its content begins to change
 * and has settled: the second gives what the first gave. */
void pins_busy_name(const struct fhandle *fh, struct fhandle *ret);
void pins_idle_name(const struct fhandle *fh, struct fhandle *ret);

/* pins_crowded - so many are pinned that the kernel should forget some.
 * pins_wait_crowded - sleep until then; false when all shall end.
 * pins_oldest - the one that was pinned first, which becomes the newest; false
 * when it is not crowded any more. */
bool pins_crowded(void);
bool pins_wait_crowded(void);
bool pins_oldest(struct fhandle *ret);
void pins_wake_all(void);

#endif
