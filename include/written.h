/* layer: journal */
#ifndef MIRRORFS_WRITTEN_H
#define MIRRORFS_WRITTEN_H

/*
 * What the journal knows of the content of one file: whether it is being
 * written, and which of its bytes were. Complete only up to journal_last_seq.
 */

#include "journal.h"

/* journal_is_dirty - an unsettled DIRTY or CREATE of `obj`: 1 and its seq,
 * else 0. One that is in doubt (shared_told) does not count. */
int journal_is_dirty(struct journal *j, const struct fhandle *obj,
		     uint64_t *ret_seq);

/* journal_ranges - what was changed in the content of `obj` by records with
 * seq > `after`, merged; `out` has room for RECORD_RANGES_MAX. -ENODATA: that
 * is not known, also as records are gone. */
int journal_ranges(struct journal *j, const struct fhandle *obj,
		   uint64_t after, struct range *out, uint32_t *ret_n);

/* journal_settled - the last SETTLE of `obj` with seq > `after`: 1, its seq and
 * the size of the file then; 0: there is none. */
int journal_settled(struct journal *j, const struct fhandle *obj,
		    uint64_t after, uint64_t *ret_seq, uint64_t *ret_size);
/* journal_is_overtaken - a record with `after` < seq <= `upto` may tell of a later
 * content of `obj`: 1, also when some of these are gone. */
int journal_is_overtaken(struct journal *j, const struct fhandle *obj,
			 uint64_t after, uint64_t upto);
/* journal_is_kept - of `obj`, which was settled as of `after`: 1 if no later
 * record says that one of its first `size` bytes may have been written. */
int journal_is_kept(struct journal *j, const struct fhandle *obj,
		    uint64_t after, uint64_t size);

#endif
