/* layer: sync */
#ifndef SYNC_SECOND_H
#define SYNC_SECOND_H

/*
 * The second connection to a replica: when there is one. What travels over it:
 * exec-second.c.
 */

#include "remote.h"

struct second;

/* second_new - of a connection that is made with `cfg`, whose strings are
 * borrowed. */
struct second *second_new(const struct remote_config *cfg);
/* second_wish - `r` is to have one, some time: it is made in the background.
 * Returns at once; to be called again as long as it is wanted. */
void second_wish(struct second *s, struct remote *r);
/* second_review - hang up what has not been wanted for long. */
void second_review(struct second *s, struct remote *r);
/* second_stop - before `r`, which may be NULL, is closed. */
void second_stop(struct second *s, struct remote *r);
void second_free(struct second *s);

#endif
