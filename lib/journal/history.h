/* layer: journal, private */
#ifndef MIRRORFS_JOURNAL_HISTORY_H
#define MIRRORFS_JOURNAL_HISTORY_H

/*
 * When did a record reach each replica? A record has arrived with the batch
 * that contains it, unless its path was parked then: it arrived when the path
 * was not parked any more. Ask in the order of seq: answers are remembered
 * for the records that follow.
 */

#include "lib/journal/db.h"

struct arrival_path { /* parked, or arrived late: for from < seq ≤ to */
	char *path;
	uint64_t from, to;
	int64_t time_ns;    /* 0: parked; -1: it is aside */
	struct fhandle obj; /* then: by whatever name it was told of */
};

struct arrival { /* one replica */
	int64_t id;
	char *name;
	bool removed;
	uint64_t cursor;
	uint64_t from, to; /* the batch that was found last … */
	int64_t time_ns;   /* … and its time, 0: none */
	struct arrival_path *paths;
	unsigned n_paths;
};

struct arrivals {
	struct journal *j;
	const char *only; /* name of a replica, or NULL: all */
	struct arrival *list;
	unsigned n_list;
	struct delivery *deliveries; /* of the record of arrivals_find */
	unsigned n;
};

/* arrivals_refresh - look at replicas and parked paths anew. */
int arrivals_refresh(struct arrivals *a);
/* arrivals_find - fill a->deliveries for `r`. */
int arrivals_find(struct arrivals *a, const struct record *r);
void arrivals_done(struct arrivals *a);

#endif
