#ifndef MIRRORFS_FS_CHANGE_H
#define MIRRORFS_FS_CHANGE_H

/*
 * Every change has the shape begin, act, end: the intent and the outcome go
 * into the shared ring. The one place of the overlay that knows shared.h.
 *
 *	order_lock(…);
 *	change_begin(&c);
 *	r = the one lower call;
 *	if (r < 0) change_cancel(&c); else change_end(&c, &st);
 *	order_unlock(…);
 *
 * The caller holds the order locks from begin to end. A `struct change` lives
 * on the stack of the thread that began it.
 */

#include <sys/stat.h>

#include "fs/inode.h"
#include "record.h"

struct shared;

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

void change_begin(struct change *c);
/* change_end - it happened: the record is put. `st`: attributes after the
 * change (NULL: unknown). */
void change_end(struct change *c, const struct stat *st);
void change_cancel(struct change *c);
/* change_append - a record without an intent. */
void change_append(struct change *c, const struct stat *st);

/* change_busy, change_idle - the content of `fh` begins to change / has
 * settled. Before the DIRTY and after the SETTLE record. */
void change_busy(const struct fhandle *fh);
void change_idle(const struct fhandle *fh);

#endif
