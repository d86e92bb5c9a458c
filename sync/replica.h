/* layer: sync */
#ifndef SYNC_REPLICA_H
#define SYNC_REPLICA_H

#include "journal.h"
#include "sync.h"

/*
 * One replica: a thread that connects, seeds, replays, and tries again, for
 * ever. The thread has its own journal connection and its own remote.
 */

struct replica;

/* replica_start - `row` is copied as far as needed; `ahead` (or NULL) is taken:
 * the first connection. NULL (logged) when no thread can be made. */
struct replica *replica_start(const struct sync_config *cfg,
			      const struct replica_row *row,
			      struct sync_ahead *ahead);
/* replica_wake - there are new records, or the administrator did something. */
void replica_wake(struct replica *r);
/* replica_quit - the thread is to end, in the middle of anything. */
void replica_quit(struct replica *r);
/* replica_stop - waits until it has; frees `r`. Not long, whatever the replica
 * does, as all others wait for that. */
void replica_stop(struct replica *r);
/* replica_is - started for the same name, url, keys and options? */
bool replica_is(const struct replica *r, const struct replica_row *row);
/* replica_id - row.id */
int64_t replica_id(const struct replica *r);

#endif
