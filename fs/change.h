#ifndef MIRRORFS_FS_CHANGE_H
#define MIRRORFS_FS_CHANGE_H

/*
 * Every change has the shape begin, act, end: the intent and the outcome go
 * into the shared ring. The one place of the overlay that knows shared.h.
 *
 *	order_lock(…);
 *	change_begin(&c);
 *	r = the one lower call;
 *	if (r < 0) change_failed(&c, r); else change_end(&c, &st);
 *	order_unlock(…);
 *
 * The caller holds the order locks from begin to end. A `struct change` lives
 * on the stack of the thread that began it.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fs/inode.h"
#include "record.h"

struct shared;

/* change_in_doubt - what failed with `r`, a negative errno, may have been done for
 * all that, or a part of it: a disk breaks, a connection is cut. (ext4 says that its
 * own structures are damaged, or that it has become read-only, when a file has its
 * new size, or a folder its new names.) */
static inline bool change_in_doubt(int r)
{
	return r == -EIO || r == -EUCLEAN || r == -EBADMSG || r == -EROFS ||
	       r == -EINTR || r == -ETIMEDOUT || r == -ECONNABORTED;
}

struct change {
	struct record r; /* path, path2: owned until end or cancel */
	struct range ranges[RECORD_RANGES_MAX]; /* r.ranges, where used */
};

void changes_start(struct shared *s);
/* change_thread_start - `slot` < SHARED_THREADS is this thread's alone. */
void change_thread_start(unsigned slot);

/* change_init - what is about to happen; `path` and `path2` (or NULL) are
 * taken over. `who` is copied. obj is set through c->r.obj. */
void change_init(struct change *c, enum record_op op, const struct who *who,
		 char *path, char *path2);
/* change_object - that it happens to `i`: obj and path. */
void change_object(struct change *c, const struct inode *i);

/* change_attr - attributes that are known before; with them the intent says
 * all that the record will. NULL: nothing. */
void change_attr(struct change *c, const struct stat *st);

void change_begin(struct change *c);
/* change_end - it happened: the record is put. `st`: attributes after the
 * change (NULL: unknown). */
void change_end(struct change *c, const struct stat *st);
void change_cancel(struct change *c);
/* change_failed - the lower call said `r`, a negative errno: nothing is recorded;
 * or, in doubt, that somebody looks. Returns whether it is. */
bool change_failed(struct change *c, int r);
/* change_append - a record without an intent. */
void change_append(struct change *c, const struct stat *st);

/* changes_doubts, changes_told - shared_doubts, shared_set_told; *ret: there is
 * something to be told. */
bool changes_doubts(uint32_t *ret_doubts);
void changes_told(uint32_t doubts);

/* change_busy, change_idle - the content of `fh` begins to change / has
 * settled. Before the DIRTY and after the SETTLE record. */
void change_busy(const struct fhandle *fh);
void change_idle(const struct fhandle *fh);
/* change_wanted - sync wants the content of `fh` to stay as it is for a moment:
 * shared_is_wanted. */
bool change_wanted(const struct fhandle *fh);
/* changes_restore_busy - a new worker: these change, no others. */
void changes_restore_busy(const struct fhandle *objs, unsigned n);

/*
 * A request that was begun by a worker which died is served again by the next
 * one. Most requests do the same again. What cannot be done twice asks how far
 * it got:
 *
 *	CHANGE_NEW       nothing was changed
 *	CHANGE_BEGUN     perhaps: if the tree is as it would be, it was us, as
 *	                 nobody else changes it and the kernel lets nobody at
 *	                 these names until we answer
 *	CHANGE_RECORDED  it was changed and recorded: change_begin and
 *	                 change_end do nothing then
 *
 * It counts for the first change of the request, then it is CHANGE_NEW.
 */
enum change_past { CHANGE_NEW, CHANGE_BEGUN, CHANGE_RECORDED };

/* change_request - this thread serves the request `number` now; `again`: it
 * was another worker's before. */
void change_request(uint64_t number, bool again);
enum change_past change_past(void);
/* change_past_record - what the intent said; not for CHANGE_NEW. Borrowed. */
const struct record *change_past_record(void);
/* change_finish - it was made: the record is put unless it is there. */
void change_finish(void);
/* change_was_begun - by the thread of `slot`, for that request. */
bool change_was_begun(unsigned slot, uint64_t number);
/* change_left - it was served again, or refused. If its change came to no end (a
 * folder could not be opened, say), it was made, perhaps: somebody looks. */
void change_left(void);

#endif
