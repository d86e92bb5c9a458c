/* layer: sync */
#ifndef SYNC_FILTERS_H
#define SYNC_FILTERS_H

/*
 * The filter of a replica: the rules of its own, those for all replicas, those
 * of its file. The journal keeps the text by which the replica was compared
 * last; when that is another one, everything is compared again. What was sent
 * and is excluded now stays on the replica, as with rsync(1).
 *
 * What was excluded and is not any more may be there since before, of the same
 * size and second as now, and yet with another content: no record of it was
 * sent. So the rules of before are kept, too, until a comparison by the new ones
 * is complete, and what they excluded is sent, however equal it looks.
 */

#include "sync/engine.h"

/* filters_load - what the replica is to get, from its options. A negative errno
 * comes with a line for the administrator in *ret_why, owned by the caller. */
int filters_load(struct engine *e, char **ret_why);
void filters_done(struct engine *e);
/* filters_apply - before engine_start: another filter, and it is not seeded. */
int filters_apply(struct engine *e);
/* filters_inherit - what is there was brought for `replica`, which was removed. */
int filters_inherit(struct engine *e, int64_t replica);
/* filters_hid - it was excluded before, or may have been. */
bool filters_hid(const struct engine *e, const char *path);
/* filters_settle - within the caller's transaction: everything was compared. Should
 * that fail, filters_apply knows them again. */
int filters_settle(struct engine *e);

#endif
