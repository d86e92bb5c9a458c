/* layer: sync */
#ifndef SYNC_FRESH_H
#define SYNC_FRESH_H

/*
 * Fresh: objects that the replica has as of a record that is still to come. An
 * upload carries the content of the moment at which it is made, so of the
 * records of a long backlog the first one that tells of an object brings the
 * newest content, and the others have nothing to add. So it is with attributes
 * that are sent alone. In memory only; losing
 * it costs work, not correctness.
 */

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct fresh; /* NULL: empty */

/* fresh_put - `obj` was published with content and attributes as of `seq`, in
 * the batch that is numbered by the cursor from which it started. */
void fresh_put(struct fresh **f, const struct fhandle *obj, uint64_t seq,
	       uint64_t batch);
/* fresh_put_attrs - it was given the attributes that it had as of `seq`. */
void fresh_put_attrs(struct fresh **f, const struct fhandle *obj, uint64_t seq,
		     uint64_t batch);
/* fresh_tells - is all that `r` changed of its object there already? */
bool fresh_tells(const struct fresh *f, const struct record *r);
/* fresh_drop - the records up to `seq` are dealt with. */
void fresh_drop(struct fresh **f, uint64_t seq);
void fresh_clear(struct fresh **f);

#endif
