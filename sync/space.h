/* layer: sync */
#ifndef SYNC_SPACE_H
#define SYNC_SPACE_H

/* Room on the replica: space.c, for the executor (exec.h, which includes this). */

/* space_need - of a file, bytes. */
uint64_t space_need(const struct stat *st);
/* space_room - what may still be written, bytes; `may_fill`: by who may use what
 * is kept for root. */
uint64_t space_room(const struct remote_space *now, bool may_fill);
/* space_begin - may this upload begin? It waits, or fails with -ENOSPC.
 * space_sent - `n` bytes are on their way. */
void space_begin(struct step *s);
void space_sent(struct exec *x, uint64_t n);

#endif
