/* layer: sync */
#ifndef SYNC_TRUST_H
#define SYNC_TRUST_H

/*
 * Is a replica, as we connect to it, what the journal says that it is? If not, all
 * of it is compared, and that is noted before anything is brought: the connection
 * may be lost before the comparison is complete, and the next one would know
 * nothing of it.
 */

#include "sync/engine.h"

/* trust_is_other - what was brought so far is to be brought otherwise: why (not to
 * be freed), or NULL. */
const char *trust_is_other(const struct engine *e,
			   const struct stage_state *state);
/* trust - `older`: than a turn that it had. `other`: as trust_is_other tells. Says
 * in the log why not, unless it is known that it is not complete. */
bool trust(const struct engine *e, const struct stage_state *state, bool older,
	   const char *other);
/* trust_doubt - it is not complete, and from e->changed_ns on contents may be
 * others, also for the next connection. `anew`: so is what an earlier one has
 * compared already. Negative errno of the journal. */
int trust_doubt(struct engine *e, bool anew);

#endif
