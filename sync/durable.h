/* layer: sync */
#ifndef SYNC_DURABLE_H
#define SYNC_DURABLE_H

/*
 * What the replica got is on its disk before the cursor says so: durable.c.
 */

#include "sync/engine.h"

#define DURABLE_MAX 16 /* folders; of more none is fsynced */
/* durable_answered - to an fsync. Unless the server cannot do it at all, or the
 * connection is gone, a refusal says that what is there is not sure; to ask again
 * would not help, as a disk tells of what it has lost once. */
void durable_answered(struct exec *x, int status, const char *path);
/* durable_commit - all that was published is on the replica's disk when this
 * returns 1; 0: not all, see durable_note; nothing to do unless e->durable. */
int durable_commit(struct engine *e);
/* durable_note - in the transaction that moves the cursor, or notes. Unless it is
 * `safe`, what came behind the old one (e->beside: at all) may be lost with the
 * power. */
int durable_note(struct engine *e, bool safe);
/* durable_resume - after a connection, and durable_ahead - before something is
 * sent as it was compared: what of that is not on the disk when it is cut off is
 * taken for equal by the next one, which does not send it again. */
int durable_resume(struct engine *e);
int durable_ahead(struct engine *e);
/* durable_found - it is equal. Nothing to do unless e->doubt_disk. */
void durable_found(struct engine *e, const char *path);
/* durable_review - now and then: by now it is, unless an fsync was refused. */
int durable_review(struct engine *e);
/* durable_back - at the start: the cursor goes back to what is sure. */
int durable_back(struct engine *e);

#endif
