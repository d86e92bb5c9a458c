/* layer: journal */
#ifndef MIRRORFS_STAMPS_H
#define MIRRORFS_STAMPS_H

/*
 * Stamps: the ctimes, at a clean unmount, of what the journal knows: the
 * objects of its newest records, the directories above these, and the root.
 * What has another one at the next mount was changed in between. They stay
 * until they were all looked at. fs/lookback.c takes and compares them.
 */

#include "journal.h"

#define STAMPS_PATHS 4096u /* of the newest records */

struct stamp {
	struct fhandle obj;
	struct fhandle dir; /* where it was; a directory's: none */
	int64_t ctime_ns;
};

/* journal_recent_paths - the newest STAMPS_PATHS paths, newest first, each
 * once, whether there is something or not. Non-zero of `fn` ends it and is
 * returned. `fn` may write to the journal. */
int journal_recent_paths(struct journal *j,
			 int (*fn)(void *arg, const char *path), void *arg);

/* journal_known_ns - what has a newer ctime was changed by nobody whose record is
 * older than `before`: the newest time of the last of these (the clock may have
 * been set back), or what _keep has kept. 0: there are none. */
int journal_known_ns(struct journal *j, uint64_t before, int64_t *ret);
/* journal_known_keep - until journal_stamps_done. An epoch that begins after a bad
 * end keeps what was known then. */
int journal_known_keep(struct journal *j, int64_t ns);

/* journal_stamp_put - 1: it is new; 0: the object has one, which stays. */
int journal_stamp_put(struct journal *j, const struct stamp *s);
/* journal_stamps_since - what is changed from now on has no older ctime. If
 * there are stamps that nobody has looked at, their time stays. */
int journal_stamps_since(struct journal *j, int64_t since_ns);
/* journal_stamps_load - *ret is an array of *ret_n, to be free'd. */
int journal_stamps_load(struct journal *j, struct stamp **ret, unsigned *ret_n,
			int64_t *ret_since_ns);
/* journal_stamps_done - they were looked at, or what is behind that which was
 * known, and so many differed. -EAGAIN: the records that tell of them, up to
 * `upto`, are not in the database yet. */
int journal_stamps_done(struct journal *j, uint64_t upto, unsigned differed);
/* journal_stamps_noticed - how many did at the last mount. */
int journal_stamps_noticed(struct journal *j, unsigned *ret);

#endif
