#ifndef MIRRORFS_FS_GATE_H
#define MIRRORFS_FS_GATE_H

/*
 * The policy journal = required: while the journal's database cannot be
 * written, or has not been for so long that there is no memory for more
 * records, no change is begun. What was accepted before is in the ring and is
 * written when it can be. A close passes, and so do pages that were stored
 * through a mapping: refusing them would lose what the program believes to
 * have written.
 */

#include <fuse_lowlevel.h>

#include "shared.h"

/* gate_check - a request as read from /dev/fuse. Returns 0: it may be served;
 * or the negative errno to answer it with. */
int gate_check(struct shared *s, const struct fuse_buf *buf);

/* gate_refuse - answer it so. */
void gate_refuse(int fuse_fd, const struct fuse_buf *buf, int error);

#endif
