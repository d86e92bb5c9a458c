/* layer: sync */
#ifndef SYNC_TOLD_H
#define SYNC_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "record.h"
#include "remote.h"
#include "sync/pathset.h"

struct engine;

#define TOLD_FREE 100 /* so few may always go */

/* What users have removed, as the records tell from behind `from` up to `upto`; or
 * from the last moment on at which there may have been more than they tell. */
struct told {
	struct pathset gone, made, moved; /* moved: there, with what is in it */
	uint64_t from, upto;
	int64_t untold; /* so much went; less than 0: has been counted */
	bool counted;	/* so has all that goes now */
	bool doubting;	/* what is compared now may have changed untold */
};

/* told_record - the next one. told_gone - is what was at `path` gone since, by
 * them? The newest that says so or the opposite counts. */
void told_record(struct told *t, const struct record *r);
bool told_gone(const struct told *t, const char *path);
void told_done(struct told *t);

/* told_removed - the master does not have it: do records behind `since` tell that
 * users have removed it? 1, 0, or a negative errno. */
int told_removed(struct engine *e, const char *path, uint64_t since);

/* told_asks - the master does not have what the replica has at `path`. 0: it
 * may go; -ESTALE: it is much, and no record tells why, so everything is to be
 * compared first, which asks. */
int told_asks(struct engine *e, const char *path, const struct remote_attr *a);

#endif
