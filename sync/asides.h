/* layer: sync */
#ifndef SYNC_ASIDES_H
#define SYNC_ASIDES_H

/*
 * Asides: large files whose upload goes on while the cursor has moved past the
 * records that told of them (exec-aside.c). To the plan such an object is one
 * that is still being written: what is at its name stays, and when its upload
 * is complete it is published as if its SETTLE record came only now, at a name
 * that it has by then. So the names are followed here, by every record. In the
 * journal since the transaction that moved the cursor; after a lost connection
 * they are begun anew from there.
 *
 * And owed ones: what told of such a file is behind the cursor, too, and its
 * content was not sent, as it was being written again by then. Nothing is done
 * about it here, as the record that settles it will bring it: but until then it
 * has not arrived.
 */

#include <stdbool.h>
#include <stdint.h>

#include "memo.h"

struct asides;

/* asides_open - from the journal. `gone`: the last name of an object is gone.
 * Returns 0 or a negative errno. */
int asides_open(struct journal *j, int64_t replica,
		void (*gone)(void *arg, const struct fhandle *obj), void *arg,
		struct asides **ret);
void asides_close(struct asides *a);
bool asides_empty(const struct asides *a);

/* asides_each - each object by one of its names; `linked`: it has more. */
void asides_each(struct asides *a,
		 void (*fn)(void *arg, const struct aside_row *row,
			    bool linked),
		 void *arg);
/* asides_put - the object has gone aside, with this name only, which is
 * copied; perhaps once more. All records up to `as_of` are in what is being
 * sent. Or it is owed: by this name, too. */
void asides_put(struct asides *a, const struct aside_row *row, uint64_t as_of);
/* asides_record - follow the names. Each record, in order. */
void asides_record(struct asides *a, const struct record *r);
/* asides_since - what is at `path` is of before `seq`. */
void asides_since(struct asides *a, const char *path, uint64_t seq);
/* asides_tells - is what `r` tells of a content on its way already? */
bool asides_tells(const struct asides *a, const struct record *r);
/* asides_find - a name of the object (borrowed), or NULL. */
const char *asides_find(const struct asides *a, const struct fhandle *obj);
/* asides_is - is `path` a name of the object, which is aside? */
bool asides_is(const struct asides *a, const struct fhandle *obj,
	       const char *path);
/* asides_first - one of them; false: there is none. */
bool asides_first(const struct asides *a, struct fhandle *ret);
/* asides_end - its upload is not aside any more; `arrived`: it is on the replica.
 * Returns whether it was. */
bool asides_end(struct asides *a, const struct fhandle *obj, bool arrived);
/* asides_paid - nor is it owed. */
void asides_paid(struct asides *a, const struct fhandle *obj, bool arrived);
/* asides_idle - there is no record behind the cursor. What is owed, and was not
 * being written the last time, will not be brought by one: it was moved to where
 * the filter is, or was told by another one. Returns 1 when some
 * went, which is to be saved, 0, or a negative errno. */
int asides_idle(struct asides *a);
/* asides_save - within the caller's transaction. */
int asides_save(struct asides *a);

#endif
