/* layer: sync */
#ifndef SYNC_STALE_H
#define SYNC_STALE_H

/*
 * Stale: objects whose content changed by a record that was read, and was not
 * published since. Size and time of such a file say nothing, however equal
 * they are: reconcile meets it at a name that the record did not tell (it was
 * renamed since) and has to send it. Mostly there are none between batches.
 *
 * So it is with what got its name by a rename that the replica has not seen:
 * there it has another one. Of a folder that means all files below it.
 */

#include <stdbool.h>

#include "memo.h"

struct stale;

/* stale_open - from the journal; a negative errno when that cannot be read. */
int stale_open(struct journal *j, int64_t replica, struct stale **ret);
void stale_close(struct stale *s);
/* stale_record - what `r` tells about the content of its object. */
void stale_record(struct stale *s, const struct record *r);
void stale_add(struct stale *s, const struct fhandle *obj);
/* stale_published - its content is on the replica, or there is none more. */
void stale_published(struct stale *s, const struct fhandle *obj);
bool stale_has(const struct stale *s, const struct fhandle *obj);
/* stale_save - within the caller's transaction. */
int stale_save(struct stale *s);

#endif
