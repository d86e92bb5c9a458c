/* layer: sync */
#ifndef SYNC_FATES_H
#define SYNC_FATES_H

/*
 * What became of what was at a path, as the records of names tell. Pure: no
 * I/O, no lock; one thread at a time. Records are added in their order; of what
 * was before the first of them, and of content, nothing is known.
 */

#include <stdint.h>

#include "record.h"

struct fates_path;

struct fates {
	struct fates_path *paths;
};

void fates_record(struct fates *f, const struct record *r);
void fates_done(struct fates *f);

enum fates_sight {
	SIGHT_ABOVE, /* a folder came that it is in: perhaps it with it */
	SIGHT_MAYBE, /* something came there, of a type that is not told */
	SIGHT_SURE,
};

/* fates_seen - the newest record behind `since` and before `before` that put
 * something of that type (S_IFMT) at `path`, or moved there what it is in; or
 * `since`. */
uint64_t fates_seen(const struct fates *f, const char *path, uint32_t type,
		    uint64_t before, uint64_t since, enum fates_sight *ret);

/* fates_follow - where that is now which was at `path` behind record `seq`; owned
 * by the caller. NULL: it was removed, or replaced. */
char *fates_follow(const struct fates *f, const char *path, uint64_t seq);

#endif
