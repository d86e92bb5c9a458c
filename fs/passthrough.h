#ifndef MIRRORFS_FS_PASSTHROUGH_H
#define MIRRORFS_FS_PASSTHROUGH_H

/*
 * How the kernel serves an open file, and passthrough: reads and mappings that
 * go to the lower file without us (Linux 6.9, libfuse 3.17).
 *
 * All handles of an inode are either page handles (the kernel's page cache for
 * us, or direct) or pass handles: the kernel refuses to mix them, and the
 * caches would not agree. The first to open decides:
 *
 *	            no handle      page handles    pass handles
 *	read        pass           page            pass
 *	write       page, direct   page, direct    pass, direct: all is seen
 *	read+write  page           page            pass, unseen
 *
 * "Unseen": what is written and stored there goes to the lower file and no
 * request tells. Such an inode counts as being written (content.h) until
 * nobody can store any more. A mapping outlives its descriptor, so a pass
 * inode becomes a page inode only when no file of anybody's refers to the
 * lower one; leases (fcntl(2)) tell both.
 *
 * Files of less than 1 MiB are left to the page cache: for them the way there
 * costs more than it saves. An inode that was opened for reading and writing
 * once is left to the page cache from then on: a data base is not to be unseen
 * for long.
 */

#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "fs/inode.h"

struct shared;

enum served { SERVED_PLAIN, SERVED_PAGE, SERVED_PASS };

/* passthrough_start - `wanted`: unless something speaks against it. `shared`
 * (borrowed, or NULL) is told what became of it. */
void passthrough_start(bool wanted, struct shared *shared);
/* passthrough_init - ask the kernel for it, in op_init. */
void passthrough_init(struct fuse_session *se, struct fuse_conn_info *conn);
/* passthrough_unmarked - there is no activity log, which keeps whose file is passed
 * through and can be written to when the mount ends: no more of them. */
void passthrough_unmarked(void);
/* passthrough_text - what is told in `status`: "on", or "off: " and why. */
const char *passthrough_text(const struct shared *shared);

/*
 * passthrough_open - how `i`, now opened as `fd` with fi->flags, is served:
 * fills direct_io, keep_cache and the backing file of `fi`. `created`: the
 * caller has just made it. *ret_unseen: see above. It counts until
 * passthrough_close, to be called when `fd` is closed.
 */
enum served passthrough_open(struct inode *i, int fd, struct fuse_file_info *fi,
			     bool created, bool *ret_unseen);
/* passthrough_refuses - such a handle cannot be: it may only append (chattr +a), and
 * others have the lower file, by which it could be stored into. */
bool passthrough_refuses(struct inode *i, int fd, int flags);
void passthrough_close(struct inode *i, enum served served);
/* passthrough_backing - the kernel's number of the lower file, which a pass
 * handle of `i` keeps; it belongs to the mount, not to this process.
 * passthrough_restore - such a handle of an earlier worker is open. */
int32_t passthrough_backing(struct inode *i);
void passthrough_restore(struct inode *i, enum served served, int32_t id);

/*
 * passthrough_stores - may somebody still change `i` unseen? Only when no
 * handle of ours that can write is open. True also when it cannot be told.
 */
bool passthrough_stores(struct inode *i);
/* passthrough_seen - it was unseen, and is no more: the kernel forgets the
 * attributes that it has. */
void passthrough_seen(struct inode *i);
/* passthrough_resume - somebody may, by a handle of a mount that is gone. */
void passthrough_resume(struct inode *i);

#endif
