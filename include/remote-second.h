/* layer: remote */
#ifndef MIRRORFS_REMOTE_SECOND_H
#define MIRRORFS_REMOTE_SECOND_H

/*
 * Two connections to one server that one thread serves as one.
 */

#include "remote.h"

/*
 * remote_join - `second`, made with the same configuration, belongs to `r` from
 * now on: its tree paths are those of r, remote_pump and remote_close of r see
 * to both, remote_pending and remote_written count both, and when one ends, the
 * other one does, too. There is no order between them: what was sent on one may
 * be done before or after what was sent on the other, until that is answered.
 * NULL: hang up the one that there is; nothing may be under way there.
 */
void remote_join(struct remote *r, struct remote *second);
/* remote_second - it, or NULL. */
struct remote *remote_second(const struct remote *r);
/* remote_second_lost - was it that one, and not r, that ended both? */
bool remote_second_lost(const struct remote *r);

#endif
