#ifndef MIRRORFS_FS_PAGES_H
#define MIRRORFS_FS_PAGES_H

/*
 * The kernel's pages of a file, which must not stay older than the file below.
 *
 * Before a write that goes past its pages (direct I/O) the kernel drops those
 * that it goes to, and then sends it to us. Who reads them in between reads the
 * old bytes into new pages, and these stay where the kernel does not drop them
 * again afterwards (Linux 6.18.44 does). So when such a write is done, and
 * something was read since the one before it, we have them dropped, before it
 * is answered.
 *
 * What was stored into such a page by a mapping makes it worse: the kernel
 * writes the whole page back, with old bytes in the place of those that were
 * just written. This is seen, and the write is done once more.
 *
 * What is stored by a mapping must not be written back behind a file that was cut
 * by an open: the kernel cuts its pages when that is answered. What is on its way
 * until then would make the file longer again. Nothing else that is written back
 * does: the kernel makes a file longer only when we have. So it is dropped.
 *
 * To drop a page is to wait for whoever has it locked, and that may be a
 * request that no thread has read yet. So one thread stays free: if it would
 * be the last one, or there are no others yet, or no more, a thread that serves
 * no requests drops the pages a moment later; if need be, that of the next
 * worker.
 */

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "fs/inode.h"

/* One request to write, as long as it is being served. */
struct pages_write {
	struct inode *inode;
	enum pages_way {
		PAGES_THROUGH, /* write(2) into pages */
		PAGES_PAST,    /* direct I/O, as mirrorfs chose it */
		PAGES_BACK     /* pages that are written back */
	} way;
	bool overrun; /* LOCK_pages: something was written back meanwhile */
	unsigned tries;
	uint64_t from, to;	       /* [from, to) */
	TAILQ_ENTRY(pages_write) link; /* LOCK_pages */
};

/* pages_start - for op_init's session; what an earlier worker owes is known
 * then. pages_serve - now that `threads` serve; who comes before waits for it.
 * Returns 0, or a negative errno. pages_stop - they are about to end, but serve
 * still: nothing waits for a page when it returns, and nothing will. */
void pages_start(struct fuse_session *se);
int pages_serve(unsigned threads);
void pages_stop(void);

/* One cut of a file, the same. */
struct pages_cut {
	struct inode *inode;
	TAILQ_ENTRY(pages_cut) link; /* LOCK_pages */
};

/* pages_read - the lower file of `i` is about to be read for `fi`. */
void pages_read(struct inode *i, const struct fuse_file_info *fi);
/*
 * pages_write_begin - before a lower write of `len` bytes for the request of
 * `fi`. pages_write_again - it is done; true: do it again. pages_write_end -
 * before it is answered. No lock is held.
 */
void pages_write_begin(struct pages_write *w, struct inode *i,
		       const struct fuse_file_info *fi, off_t off, size_t len);
/* pages_write_fits - how much of it is to be written to `fd`, its lower file:
 * of what is written back no more than there is room in the file. */
size_t pages_write_fits(const struct pages_write *w, int fd);
bool pages_write_again(struct pages_write *w);
void pages_write_end(struct pages_write *w);

/* pages_cut_begin, pages_cut_end - around the lower call for an open that cuts `i`:
 * nothing is written back meanwhile. No lock is held. */
void pages_cut_begin(struct pages_cut *c, struct inode *i);
void pages_cut_end(struct pages_cut *c);

/*
 * pages_written - the kernel writes back what was stored into its pages of `i`
 * by mappings, and drops them. False: not now, as one thread must stay
 * free. Not while the kernel may hold pages for this request.
 */
bool pages_written(struct inode *i);
/* pages_changed - the lower file has changed, and the kernel is told that it
 * has not: it drops its pages of `i`, now or a moment later. The rest as for
 * pages_written. */
void pages_changed(struct inode *i);

#endif
