/* layer: sync */
#ifndef SYNC_BEGUN_H
#define SYNC_BEGUN_H

/*
 * Folders that the replica lacked, and that are being copied with all that is
 * in them, of which nobody may have asked for more than one file: begun.c. The
 * functions return as those of engine.h do.
 */

#include "sync/engine.h"

/* begun_note - before `path` is made there. */
int begun_note(struct engine *e, const char *path);
/* begun_over - within the transaction of a commit: all of them are complete, or
 * what is not was parked by itself. */
int begun_over(struct engine *e);

#endif
