/* layer: sync */
#ifndef SYNC_STALE_H
#define SYNC_STALE_H

/*
 * Stale: objects whose content changed by a record that was read, and was not
 * published since. Size and time of such a file say nothing, however equal
 * they are: reconcile meets it at a name that the record did not tell (it was
 * renamed since) and has to send it. Mostly there are none between batches.
 */

#include <stdbool.h>

#include "memo.h"

struct stale;

/* stale_open - from the journal; a negative errno when that cannot be read. */
int stale_open(struct journal *j, int64_t replica, struct stale **ret);
void stale_close(struct stale *s);
/* stale_record - what `r` tells about the content of its object. */
void stale_record(struct stale *s, const struct record *r);
/* stale_published - its content is on the replica, or there is none more. */
void stale_published(struct stale *s, const struct fhandle *obj);
bool stale_has(const struct stale *s, const struct fhandle *obj);
/* stale_save - within the caller's transaction. */
int stale_save(struct stale *s);

#endif
