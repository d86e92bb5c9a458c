/* layer: journal */
#ifndef MIRRORFS_MEMO_H
#define MIRRORFS_MEMO_H

/*
 * What the journal remembers of a replica besides its cursor (journal.h has
 * the rest). _load: arrays owned by the caller, free with the _free of the
 * same kind. All return ≥ 0, or a negative errno; nothing is added for a
 * replica that was removed: -ENOENT.
 */

#include "abilities.h"
#include "causes.h"
#include "journal.h"

struct link_name { /* a name that a multi-linked object has on a replica */
	struct fhandle obj;
	char *path;
};
struct fence { /* up to `seq`, what concerns `path` is applied by state */
	char *path;
	uint64_t seq;
};
struct parked {
	char *path;
	uint64_t seq;      /* of the newest record that it holds back */
	enum cause cause;
	char *error;       /* one line: the cause with what is known of it */
	unsigned tries;
	int64_t first_ns, next_ns; /* wall clock; next 0: asked for */
	uint64_t gone; /* not on the master any more, as of that record */
	bool unsynced; /* a try that was cut off may have made it equal */
};

int journal_links_load(struct journal *j, int64_t id, struct link_name **ret,
		       unsigned *ret_n);
int journal_link_add(struct journal *j, int64_t id, const struct fhandle *obj,
		     const char *path);
int journal_link_del(struct journal *j, int64_t id, const char *path);
int journal_links_clear(struct journal *j, int64_t id);
void links_free(struct link_name *links, unsigned n);

/* Objects whose content on the replica is older than its cursor. _load: one
 * array, free it with free. */
int journal_stale_load(struct journal *j, int64_t id, struct fhandle **ret,
		       unsigned *ret_n);
int journal_stale_add(struct journal *j, int64_t id, const struct fhandle *obj);
int journal_stale_del(struct journal *j, int64_t id, const struct fhandle *obj);
/* Objects that have a name, and of which the replica has nothing as of its
 * cursor. _load: one array, free it with free. */
struct absent_row {
	struct fhandle obj;
	bool shadow; /* something older may be at its name there */
	bool linked; /* it has more than one name */
};
int journal_absent_load(struct journal *j, int64_t id, struct absent_row **ret,
			unsigned *ret_n);
int journal_absent_put(struct journal *j, int64_t id,
		       const struct absent_row *row);
int journal_absent_del(struct journal *j, int64_t id,
		       const struct fhandle *obj);
int journal_absent_clear(struct journal *j, int64_t id);
/* journal_read_moves - as journal_read, of renames that move a folder, or may. */
int journal_read_moves(struct journal *j, uint64_t after, struct record *out,
		       unsigned max);

/* A file that is still on its way although the cursor has moved on: a large one,
 * or one that is owed. One row for each name that it has as of the cursor. */
struct aside_row {
	struct fhandle obj;
	char *path;
	uint64_t from_seq, seq; /* what told of it is behind, up to */
	int64_t time_ns;        /* wall clock: when that was */
	uint64_t size;          /* bytes */
	bool absent;            /* the replica has nothing of it */
	bool owed; /* nothing is being sent: a record to come will bring it */
};
int journal_aside_load(struct journal *j, int64_t id, struct aside_row **ret,
		       unsigned *ret_n);
int journal_aside_add(struct journal *j, int64_t id,
		      const struct aside_row *row);
int journal_aside_clear(struct journal *j, int64_t id);
/* journal_aside_arrived - note for the history that it arrived now. */
int journal_aside_arrived(struct journal *j, int64_t id,
			  const struct aside_row *row);
void asides_free(struct aside_row *rows, unsigned n);

int journal_fences_load(struct journal *j, int64_t id, struct fence **ret,
			unsigned *ret_n);
int journal_fence_put(struct journal *j, int64_t id, const char *path,
		      uint64_t seq);
/* journal_fences_drop - those with seq ≤ `upto`. */
int journal_fences_drop(struct journal *j, int64_t id, uint64_t upto);
void fences_free(struct fence *fences, unsigned n);

int journal_parked_load(struct journal *j, int64_t id, struct parked **ret,
			unsigned *ret_n);
/* journal_parked_since - *seq, or less: where the first began that is parked
 * there, or above. */
int journal_parked_since(struct journal *j, int64_t id, const char *path,
			 uint64_t *seq);
int journal_parked_put(struct journal *j, int64_t id, const struct parked *p);
/* journal_parked_move - it was renamed, or a folder above it was: what it
 * holds back is still on its way. */
int journal_parked_move(struct journal *j, int64_t id, const char *from,
			const char *to);
/* journal_parked_carry - the record `seq` has renamed `path`, which is held back
 * as `over` is parked, at it or above it, to a place that `over2` holds back: so
 * does that now with what was told of `path`. */
struct parked_rename {
	uint64_t seq;
	const char *path, *over, *over2;
};
int journal_parked_carry(struct journal *j, int64_t id,
			 const struct parked_rename *p);
/* journal_parked_del - and note for the history that the records that it
 * held back arrived now. */
int journal_parked_del(struct journal *j, int64_t id, const char *path);
/* journal_parked_due - it is to be tried now. _asked - 1 when some are to be. */
int journal_parked_due(struct journal *j, int64_t id, const char *path);
int journal_parked_asked(struct journal *j, int64_t id);
void parked_free(struct parked *parked, unsigned n);

/* A first copy, or a comparison of everything, that is under way. */
struct seed {
	uint64_t seq;	/* what happened after it is replayed behind it */
	char *path;	/* the walk is done with all up to it; NULL: nothing */
	int64_t started_ns, updated_ns; /* wall clock */
	uint64_t entries, bytes; /* that are equal, or were sent */
	uint64_t sent;		 /* bytes of files that were sent */
	uint64_t all_entries, all_bytes; /* how many there are; 0: not known */
	uint64_t there, extra; /* on the replica; not on the master */
	bool listed;	       /* _extras are all of them */
	bool walked;	       /* they are to go now */
	bool allowed;	       /* however many they are; not for _put */
};
/* _begin - at the newest record; *ret starts at zero. -ENOENT: no such
 * replica. _get: -ENOENT when none is under way; seed_done. */
int journal_seed_begin(struct journal *j, int64_t id, struct seed *ret);
int journal_seed_get(struct journal *j, int64_t id, struct seed *ret);
int journal_seed_put(struct journal *j, int64_t id, const struct seed *s);
int journal_seed_end(struct journal *j, int64_t id);
/* _tick - how much was done, but nothing that an interruption would go on
 * with. */
int journal_seed_tick(struct journal *j, int64_t id, const struct seed *s);
void seed_done(struct seed *s);
/* _extra - one more path that is to go; _extras - all of them, an array of
 * texts, owned by the caller like each of them. */
int journal_seed_extra(struct journal *j, int64_t id, const char *path);
int journal_seed_extras(struct journal *j, int64_t id, char ***ret,
			unsigned *ret_n);
/* _allow - the administrator has seen how much is to go, and wants it. */
int journal_seed_allow(struct journal *j, int64_t id);

/* What its server can do, and the option `owner` that was in force: as of the
 * newest connection. _load: 1, or 0 when there was none; *ret_owners is owned
 * by the caller, NULL if not known. */
int journal_abilities_put(struct journal *j, int64_t id,
			  const struct abilities *a, const char *owners);
int journal_abilities_load(struct journal *j, int64_t id,
			   struct abilities *ret, char **ret_owners);

/* Kinds of things that SFTP cannot carry ("xattr", "acl", "device", "fifo",
 * "socket", "nanoseconds", "owner", …): counted by kind, with one example. */
struct uncarried {
	char *kind;
	uint64_t count;
	char *example; /* tree path */
};
/* _count - *ret_first: this kind was not seen before on this replica. */
int journal_uncarried_count(struct journal *j, int64_t id, const char *kind,
			    uint64_t n, const char *example, bool *ret_first);
int journal_uncarried_load(struct journal *j, int64_t id,
			   struct uncarried **ret, unsigned *ret_n);
void uncarried_free(struct uncarried *u, unsigned n);

/* journal_unsafe_put - what the replica gets after `seq` may not be on its disk
 * yet (0: all of it); of two marks the earlier one counts. _set: from there on only.
 * _get: 1 and the mark, or 0. */
int journal_unsafe_put(struct journal *j, int64_t id, uint64_t seq);
int journal_unsafe_set(struct journal *j, int64_t id, uint64_t seq);
int journal_unsafe_get(struct journal *j, int64_t id, uint64_t *ret_seq);
/* _back - the cursor goes back to the mark, if there is one; what lies between
 * is in flight. Where records behind the mark are gone, all is to be compared. */
int journal_unsafe_back(struct journal *j, int64_t id);
int journal_unsafe_clear(struct journal *j, int64_t id);

/* journal_forgotten_since - what journal_replica_drop, or the loss of a journal, let
 * go: files may have been changed from then on (a ctime, ns); UINT64_MAX: nothing
 * was since the replica had everything. */
#define CTIME_SLACK_NS (2 * NS_PER_S) /* ctimes lag behind the clock */
int journal_forgotten_since(struct journal *j, int64_t id, uint64_t *ret_ns);
/* journal_left_since - the same, of what was parked when everything was compared
 * since; INT64_MAX: nothing. */
int journal_left_since(struct journal *j, int64_t id, int64_t *ret_ns);
/* journal_replica_doubt - all of it is to be compared, though its records are there:
 * it is not complete until then, and what was changed from since_ns on
 * (UINT64_MAX: nothing) is to be sent. */
int journal_replica_doubt(struct journal *j, int64_t id, uint64_t since_ns);
/* journal_changed_since - what was changed by records with seq > `after` has no
 * older ctime, though the clock was set back; INT64_MAX: there are none. */
int journal_changed_since(struct journal *j, uint64_t after, int64_t *ret_ns);
/* journal_doubts_since - the same, as their GAP and UNSURE say: what those of one
 * file do not tell (unsure_all). */
int journal_doubts_since(struct journal *j, uint64_t after, int64_t *ret_ns);

#endif
