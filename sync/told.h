/* layer: sync */
#ifndef SYNC_TOLD_H
#define SYNC_TOLD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "record.h"
#include "remote.h"
#include "sync/fates.h"

struct engine;

#define TOLD_FREE 100 /* so few may always go */

/* What users have removed and moved, as the records tell from behind `from` up to
 * `upto`; or from the last moment on at which there may have been more than they
 * tell. */
struct told {
	struct fates fates;
	uint64_t from, upto; /* upto = 0: nothing is known yet */
	bool partly;	     /* … or not of all records behind `from` */
	int64_t learned_ns;
	int64_t untold;	     /* so much went; less than 0: has been counted */
	bool counted;	/* so has all that goes now */
	bool doubting;	/* what is compared now may have changed untold */
};

/* told_record - the next one. told_forget - all of them, as they take memory. */
void told_record(struct told *t, const struct record *r);
void told_forget(struct told *t);
void told_done(struct told *t);

/* told_removed - the master does not have what the replica has at `path`, of that
 * type: do records behind `since` tell that users have removed it, or moved it to
 * where the master has it? 1, 0, or a negative errno. */
int told_removed(struct engine *e, const char *path, mode_t mode,
		 uint64_t since);

/* told_asks - the master does not have what the replica has at `path`. 0: it
 * may go; -ESTALE: it is much, and no record tells why, so everything is to be
 * compared first, which asks. */
int told_asks(struct engine *e, const char *path, const struct remote_attr *a);

#endif
