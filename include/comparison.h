/* layer: journal */
#ifndef MIRRORFS_COMPARISON_H
#define MIRRORFS_COMPARISON_H

/*
 * Comparisons that the administrator has asked for (mirrorfs reconcile): rows
 * that the command line puts and the thread of the replica works off. One that
 * has ended stays for who waits for it, and goes after a day. All return ≥ 0,
 * or a negative errno.
 */

#include <stdbool.h>
#include <stdint.h>

#include "journal.h"

struct comparison {
	int64_t id;
	char *path;	/* of the tree; "": all of it */
	bool checksum;	/* contents, too, not only size and time */
	bool allowed;	/* whatever is only on the replica may go */
	uint64_t seq;	/* not before the replica has all records up to it */
	int64_t begun_ns, ended_ns; /* wall clock; 0: not yet */
	uint64_t entries, differed; /* looked at; and made equal */
	uint64_t read;	/* bytes that were read back */
	char *error;	/* why it was not made equal, one line; or NULL */
};

/* _ask - for replica `id`; *ret_id names it. -ENOENT: no such replica. */
int journal_comparison_ask(struct journal *j, int64_t id,
			   const struct comparison *c, int64_t *ret_id);
/* _next - the oldest that has not ended, and may begin when the cursor is at
 * `cursor`: 1, or 0 when there is none. comparison_done. */
int journal_comparison_next(struct journal *j, int64_t id, uint64_t cursor,
			    struct comparison *ret);
/* _get - by its id; -ENOENT. */
int journal_comparison_get(struct journal *j, int64_t comparison,
			   struct comparison *ret);
/* _put - what has come of it so far, and begun_ns, ended_ns, error. */
int journal_comparison_put(struct journal *j, const struct comparison *c);

/*
 * All those of the whole tree: one walk answers them. _begin_all - it begins;
 * *ret is what they ask for together, and how far an earlier walk of them was;
 * its seq is that of the newest by which what is only there may go. 1, or 0 when
 * there are none. _put_all - with the counts of `c`, and ended when `c` has ended.
 */
int journal_comparison_begin_all(struct journal *j, int64_t id, bool anew,
				 struct comparison *ret);
int journal_comparison_put_all(struct journal *j, int64_t id,
			       const struct comparison *c);
void comparison_done(struct comparison *c);

#endif
