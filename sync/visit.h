/* layer: sync */
#ifndef SYNC_VISIT_H
#define SYNC_VISIT_H

/*
 * A visit is the stay of one connection on a replica. What an earlier one
 * left under way there cannot do harm any more; its own uploads have a folder
 * for themselves. See visit.c for how.
 *
 * A file of the mirrored tree that is open for writing is not shut out: who
 * writes into one in place must see to it that after a lost connection the
 * name gets a new file, as all does that a batch in flight names.
 */

#include <stdbool.h>
#include <stddef.h>

#include "remote.h"
#include "sync/partial.h"

#define VISIT_STAGE_MAX 64

/*
 * visit_begin - earlier visits are shut out, and what they left is removed; a
 * folder for this one is made (without room for it: one of theirs is taken over),
 * the tree path of which is written to `stage` (VISIT_STAGE_MAX bytes). Paths of
 * `r` go through it from here on.
 * `only_look`: others are left alone. `keep` (or NULL): is in the new one then.
 * Returns 0, or a negative errno: -ENOTCONN, -ENOTDIR when .mirrorfs is no
 * folder, or what the server says.
 */
int visit_begin(struct remote *r, bool only_look, struct partials *keep,
		char *stage, size_t size);
/* visit_shut_path - of what an earlier visit had at `path`, a path in its stage,
 * now that it is shut out. */
void visit_shut_path(const char *path, char *ret, size_t size);
/* visit_end - away with the folder, which must be empty; "": there is none.
 * `all`: with what it is in, if nobody else has something there. */
void visit_end(struct remote *r, const char *stage, bool all);
/* visit_is_over - has somebody else shut us out, or is the replica's folder
 * gone? Then the connection counts as lost. */
bool visit_is_over(struct remote *r);

#endif
