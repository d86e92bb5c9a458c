/* layer: sync */
#ifndef SYNC_MOVES_H
#define SYNC_MOVES_H

/*
 * What was moved by records that a replica will not see replayed: parked, or
 * let go because it was away for too long. It is stale (stale.h), as the
 * replica has something else at that name, perhaps of the same size and second.
 * Functions return 0 or a negative errno.
 */

#include <stdint.h>

#include "record.h"
#include "sync/stale.h"

struct moves {
	struct journal *journal;
	int64_t replica;
	int lower_fd;
	struct stale *stale; /* of the connection, which saves it; NULL: it is
			      * saved at once */
};

/* moves_note - what `r`, a rename, moved. */
int moves_note(const struct moves *m, const struct record *r);
/* moves_note_all - what renames of folders behind `after` moved (0: nothing).
 * Of files the ctime tells. */
int moves_note_all(const struct moves *m, uint64_t after);
/* moves_note_at - what is at `path`. */
int moves_note_at(const struct moves *m, const char *path);

#endif
