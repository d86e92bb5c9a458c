#ifndef MIRRORFS_FS_CONTENT_H
#define MIRRORFS_FS_CONTENT_H

/*
 * The content of a file that is open for writing: clean, or dirty from the
 * DIRTY record (or the CREATE of an open file) before its first change to the
 * SETTLE record after its last writer closed it. A file that stays open is
 * settled when it was idle for long or dirty for too long; its next change
 * makes it dirty again.
 *
 *	content_open(…);                    a descriptor that can write
 *	content_begin(…); pwrite(…); content_end(…);     each change
 *	content_close(…);
 *
 * All take the object's order lock themselves, except the ones that end in
 * _locked. Objects without any link are left out: nobody can see them.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/change.h"
#include "fs/inode.h"
#include "record.h"

/* contents_start - ns as in struct worker_config. Returns 0, or a negative
 * errno: no thread can be made. */
int contents_start(int64_t settle_idle_ns, int64_t settle_age_ns);
/* contents_restore - what an earlier worker's handles and inodes say; before
 * contents_start, after handles_restore. contents_restored - there are no
 * requests of that time any more: what nobody writes to is settled. */
void contents_restore(void);
void contents_restored(void);
/* contents_leave - instead of contents_stop, for another worker: nothing is
 * settled. Before handles_stop. */
void contents_leave(void);
/* contents_stop - after handles_free, which settled all but what may be mapped
 * still. No other thread uses this module any more. */
void contents_stop(void);

/* content_open - `who` opened it for writing. Holds a reference on `i`.
 * `unseen`: see passthrough.h. */
void content_open(struct inode *i, const struct who *who, bool unseen);
/* content_created_locked - the same for a file that the caller has just made
 * and nobody else knows: change_busy is said here, its CREATE record counts as
 * DIRTY. */
void content_created_locked(struct inode *i, const struct who *who);
/* content_linked_locked - a file that had no link gets its first one. False:
 * nobody has it open for writing. Else its CREATE record counts as DIRTY, and
 * change_busy is said here; `size` bytes are there already. */
bool content_linked_locked(struct inode *i, uint64_t size);
void content_close(struct inode *i, int fd);

/* content_begin - before a change through `fd` of bytes from `from` on. A `who`
 * without a pid is the kernel's write-back: whoever wrote or opened last did
 * it. */
void content_begin(struct inode *i, const struct who *who, int fd,
		   uint64_t from);
/* content_end - bytes [off, off+len) may have changed; len 0: none. */
void content_end(struct inode *i, int fd, uint64_t off, uint64_t len);

/* content_changed - `len` for content_end: of a call that returned `r`, a count or
 * a negative errno, and was asked for `n` bytes. A disk that is full, too, says so
 * when a part is done, or all: with O_SYNC what was written stays in the page
 * cache. */
static inline uint64_t content_changed(ssize_t r, uint64_t n)
{
	if (r >= 0)
		return (uint64_t)r;
	bool full = r == -ENOSPC || r == -EDQUOT;
	return full || change_in_doubt((int)r) ? n : 0;
}

/* content_is_open_locked - somebody has it open for writing, so a change is
 * to be told by content_begin and content_end. */
bool content_is_open_locked(struct inode *i);
/* content_is_open - the same, at this moment. */
bool content_is_open(struct inode *i);
/* content_begin_locked - the caller holds tree and object. */
void content_begin_locked(struct inode *i, const struct who *who, int fd,
			  uint64_t from);

#endif
