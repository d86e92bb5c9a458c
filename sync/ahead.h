/* layer: sync */
#ifndef SYNC_AHEAD_H
#define SYNC_AHEAD_H

/*
 * Connections that were made before the sync process was there: see ahead.c.
 */

#include "abilities.h"
#include "journal.h"
#include "remote.h"
#include "sync.h"
#include "sync/visit.h"

/* ahead_take - the connection to this replica, as it is configured now, out of
 * the list; NULL: there is none. Owned by the caller. */
struct sync_ahead *ahead_take(struct sync_ahead **list,
			      const struct replica_row *row);
/* ahead_open - `a`, taken, as connecting and looking would have it: the visit
 * has begun, and there is no state file. */
struct remote *ahead_open(struct sync_ahead *a, int stop_fd,
			  char stage[VISIT_STAGE_MAX], struct abilities *ret);

#endif
