/* layer: sync */
#ifndef SYNC_FATES_H
#define SYNC_FATES_H

/*
 * What became of what was at a path, as the records of names tell. Pure: no
 * I/O, no lock; one thread at a time. Records are added in their order; of what
 * was before the first of them, and of content, nothing is known.
 */

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct fates_path;

struct fates {
	struct fates_path *paths;
	unsigned n; /* events */
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

enum fate {
	FATE_THERE,	    /* at *ret */
	FATE_REMOVED,	    /* or replaced */
	FATE_REMOVED_ABOVE, /* its folder, which must have been empty */
	FATE_UNTOLD,	    /* something came where it was, or above it */
};

/* fates_follow - what was at `path` behind record `seq`. *ret: where it was last;
 * owned by the caller. */
enum fate fates_follow(const struct fates *f, const char *path, uint64_t seq,
		       char **ret);

/* A replica has something of that type at `path`, which the master has not. */
struct fates_question {
	const char *path;
	uint32_t type;	/* S_IFMT */
	uint64_t since; /* it has all records up to this one, and perhaps more */
	bool partly;	/* not all behind it are known */
	uint64_t epoch; /* in which all that goes has a record */
	/* what the master has at a path: S_IFMT, 0 when nothing */
	uint32_t (*type_at)(void *arg, const char *path);
	void *arg;
};

/* fates_explain - do records tell why the master has not got it? 1, 0, or -EAGAIN
 * when it was moved to where nothing of that type is. What has come to the path
 * itself and is missing there counts, if it is of that type: the newest. Else any
 * of what may have been there: what came with a folder above it, or was there
 * before. */
int fates_explain(const struct fates *f, const struct fates_question *q);

#endif
