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

/*
 * What the replica has of such an object is an older content, mostly a known
 * one: as of `since`, a record, so that only what changed from then on need
 * travel. Where it was written in place since then that is part of it, and
 * `size` is how long the file was before, else 0. A new connection knows
 * nothing of that: what the old one has sent may still be on its way.
 */
struct stale_content {
	uint64_t since; /* 0: not known */
	uint64_t size;
};

struct stale;

/* stale_open - from the journal; a negative errno when that cannot be read. */
int stale_open(struct journal *j, int64_t replica, struct stale **ret);
void stale_close(struct stale *s);
/* stale_inherit - what a replica that was removed has left. */
int stale_inherit(struct stale *s, int64_t replica);
/* stale_record - what `r` tells about the content of its object; what the
 * replica has, if that was up to date, is as of `since`; 0: not known. */
void stale_record(struct stale *s, const struct record *r, uint64_t since);
/* stale_add - and nothing is known of what the replica has. */
void stale_add(struct stale *s, const struct fhandle *obj);
/* stale_in_place - all that changed up to `is.since` was written into the
 * replica's file, and then something changed again. */
void stale_in_place(struct stale *s, const struct fhandle *obj,
		    struct stale_content is);
/* stale_get - false, and *ret stays, when it is not stale. */
bool stale_get(const struct stale *s, const struct fhandle *obj,
	       struct stale_content *ret);
/* stale_published - its content is on the replica, or there is none more. */
void stale_published(struct stale *s, const struct fhandle *obj);
bool stale_has(const struct stale *s, const struct fhandle *obj);
/* stale_sweep - what is gone from the lower tree is none any more; of what a
 * number names that cannot be told. */
void stale_sweep(struct stale *s, int lower_fd);
/* stale_sought - its names are looked for: were they before, as long as it has
 * been stale, and since the connection? */
bool stale_sought(struct stale *s, const struct fhandle *obj);
/* stale_save - within the caller's transaction. */
int stale_save(struct stale *s);

#endif
