/* layer: journal */
#ifndef MIRRORFS_JOURNAL_H
#define MIRRORFS_JOURNAL_H

/*
 * The journal: a SQLite database STATE/journal.db in WAL mode. It holds the
 * records, who made them, the replicas with their cursors, what was delivered
 * when, and what is parked. It is the only thing between the overlay and the
 * replicas: the fs worker appends, each sync thread reads and moves its own
 * cursor, the command line asks.
 *
 * A `struct journal` is one connection: one thread at a time. Each process
 * and each sync thread opens its own. Every int function returns 0 (or what
 * it says), or a negative errno: -EBUSY when the database stayed locked for
 * 10 s, -ENOSPC, -EIO, -EUCLEAN when it is damaged, -ESTALE when a connection
 * that only reads has one that was replaced, -ENOENT when there is no
 * journal or no such replica, -EOPNOTSUPP when a newer program made it, or it
 * is to be written and an older one did.
 * journal_error() has the words, with NULL those of the last journal_open that
 * failed in this thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "record.h"
#include "replica-options.h"
#include "shared.h"

struct journal;

enum journal_mode {
	JOURNAL_READ,   /* must exist; queries only */
	JOURNAL_WRITE,  /* must exist */
	JOURNAL_CREATE, /* made if missing (folder mode 0700), and an older one
			 * is brought up to date: for a mount that begins */
};

int journal_open(const char *state_dir, enum journal_mode mode,
		 struct journal **ret);
void journal_close(struct journal *j);
const char *journal_error(const struct journal *j);
/* journal_replaced - another file is where its database was; the writer looks, too. */
bool journal_replaced(const struct journal *j);
/* journal_tell_lost - a sync of it that fails from now on, or has failed, is told
 * to `s` (borrowed until it is closed): shared_set_lost. */
void journal_tell_lost(struct journal *j, struct shared *s);

/*
 * A database that is damaged (-EUCLEAN) or gone (-ENOENT, although there is an
 * identity) is set aside by journal_rescue, as JOURNAL_DAMAGED and a time, and
 * never removed. A new one takes its place, with the uuid, the epoch and the
 * replicas of STATE/identity; all of these are then to be compared as a whole.
 * -EBUSY: somebody has it open for writing. -ENODATA: there is no identity,
 * or that is damaged, too: nothing was done, or with `anyway` it was set aside.
 * *ret_text, owned by the caller: what was done, in words.
 */
#define JOURNAL_DAMAGED "journal.db.damaged-"
int journal_rescue(const char *state_dir, bool anyway, char **ret_text);

/* journal_check - is it whole? 0, or -EUCLEAN. A large one is not looked at. */
int journal_check(struct journal *j);

/* journal_identity - what STATE/identity says; -ENODATA as above. */
struct journal_identity {
	char uuid[37];
	uint64_t epoch;
	char *root; /* owned; NULL: not known */
};
int journal_identity(const char *state_dir, struct journal_identity *ret);

/* journal_uuid - names this journal for ever; replicas keep it. 36 chars. */
const char *journal_uuid(const struct journal *j);

/* journal_meta_get, _set - small named texts: "root", "name", … ; *ret is
 * owned by the caller, NULL when unset. */
int journal_meta_get(struct journal *j, const char *key, char **ret);
int journal_meta_set(struct journal *j, const char *key, const char *value);

/*
 * journal_epoch_begin - a new epoch, durable (fsync) when it returns, with an
 * empty activity log (activity.h). What the last run left dirty becomes SETTLE
 * records. When STOP was not its last record, what was marked becomes UNSURE
 * records; when the marks are no help, there is a GAP. *ret_first_seq is for
 * shared_create.
 */
int journal_epoch_begin(struct journal *j, uint64_t *ret_first_seq);

/* ---- appending: the fs worker, or the supervisor after its death ---- */

struct journal_writer;

/*
 * journal_writer_start - a thread that moves records from `s` into the
 * database, in batches as they come, and writes 1 to the eventfd `wake_fd`
 * after each commit. While the database cannot be written it retries each
 * second and says so once in the log. Prunes history older than `history_ns`
 * that every replica has (0: never).
 */
int journal_writer_start(const char *state_dir, struct shared *s, int wake_fd,
			 int64_t history_ns, struct journal_writer **ret);
/* journal_writer_stop - takes what is left in the ring, then ends. */
void journal_writer_stop(struct journal_writer *w);

/* journal_drain - after the worker died: ring and leftover intents into the
 * database, durably. Returns how many records, or a negative errno. */
int journal_drain(struct journal *j, struct shared *s);

/* ---- reading ---- */

/* journal_last_seq - all records up to it are in the database: that of the
 * newest one, or the beginning of the epoch; 0 when there is neither. */
int journal_last_seq(struct journal *j, uint64_t *ret_seq);

/* journal_read - up to `max` records with seq > `after`, fewer if they are
 * huge, in order, with who; each to be record_done'd. Returns how many. */
int journal_read(struct journal *j, uint64_t after, struct record *out,
		 unsigned max);

/* journal_tail - *after, or more: behind it are no more than the newest `n`. */
int journal_tail(struct journal *j, unsigned n, uint64_t *after);

/* journal_read_doubts - the same, of UNSURE and GAP alone. */
int journal_read_doubts(struct journal *j, uint64_t after, struct record *out,
			unsigned max);

/* ---- replicas ---- */

enum replica_state {
	REPLICA_CONNECTING, /* trying, never seen yet in this run */
	REPLICA_COPYING,    /* first copy or full comparison under way */
	REPLICA_REPLAYING,  /* records are on their way */
	REPLICA_SYNCED,     /* has all that is in the journal */
	REPLICA_OFFLINE,    /* not reachable, tried again with back-off */
	REPLICA_REFUSED,    /* needs the administrator: see error */
	REPLICA_PAUSED,	    /* and nothing is under way */
	REPLICA_STOPPED,    /* nothing is mounted */
	REPLICA_STALE,	    /* away for too long: compared when it returns */
};
const char *replica_state_word(enum replica_state state);

struct replica_row {
	int64_t id;
	char *name;       /* unique */
	char *url;
	char *identity;   /* file or NULL */
	char *known_hosts;/* file or NULL */
	bool accept_new;  /* take an unknown host key at first contact */
	bool adopt;       /* may take over a folder that is not empty */
	bool paused;
	bool from_config; /* else: added on the living mount, stays */
	struct replica_given given; /* options given for this replica */
	/* filled when read: what is in force, as texts and parsed */
	struct replica_given in_force;
	struct replica_options options;
	enum replica_state state;
	char *error;      /* newest, one line; NULL when all is well */
	int64_t error_ns;
	uint64_t cursor;  /* all records up to here were dealt with */
	uint64_t inflight;/* records up to here may have been applied in part */
	bool seeded;      /* the first copy, or the last one of all, is complete */
	bool seeding;     /* a first copy is under way, or was cut off */
	/* filled by journal_replica_list: */
	uint64_t lag_records, lag_bytes;
	int64_t lag_ns;
	uint64_t parked;  /* how many paths */
};

void replica_row_done(struct replica_row *row);

/* journal_replica_list - all, by name; *ret is an array of *ret_n, each to be
 * replica_row_done'd, then free'd. */
int journal_replica_list(struct journal *j, struct replica_row **ret,
			 unsigned *ret_n);
/* journal_replica_get - by name; -ENOENT. */
int journal_replica_get(struct journal *j, const char *name,
			struct replica_row *ret);
/* journal_replica_put - add, or change identity, known_hosts, flags, options
 * and origin of the one with that name; one that is paused stays paused. A
 * changed url starts over (cursor 0, not seeded) under a new id; calls with the
 * old one then give -ENOENT. Sets row->id. */
int journal_replica_put(struct journal *j, struct replica_row *row);
/* journal_replica_remove - with its cursor, parked paths, links and fences;
 * deliveries stay for the history, stale for who adds it again. -ENOENT. */
int journal_replica_remove(struct journal *j, const char *name);
int journal_replica_pause(struct journal *j, const char *name, bool paused);
/* journal_replica_set - exactly these options are given for it. -ENOENT. */
int journal_replica_set(struct journal *j, const char *name,
			const struct replica_given *given);
/* journal_replica_defaults - … and these for all replicas. */
int journal_replica_defaults(struct journal *j,
			     const struct replica_given *given);
/* journal_replica_overdue - 1: more is waiting for it than its options allow,
 * and *ret_records is how much; else 0. `row` as it was read; only its options
 * and id count. */
int journal_replica_overdue(struct journal *j, const struct replica_row *row,
			    uint64_t *ret_records);
/* journal_replica_drop - forget what it misses: not seeded, no first copy
 * under way, no record kept for it. */
int journal_replica_drop(struct journal *j, int64_t id);
/* journal_replica_taken - sync goes by the options of `row`: wait asks for it. */
int journal_replica_taken(struct journal *j, const struct replica_row *row);
/* journal_replica_report - state and newest error (NULL: none). */
int journal_replica_report(struct journal *j, int64_t id,
			   enum replica_state state, const char *error);

/*
 * Moving a cursor. Between _begin(inflight) and _end(cursor) the replica may
 * have any part of what lies between; after a crash all of it is applied by
 * state, not by operation.
 */
int journal_batch_begin(struct journal *j, int64_t id, uint64_t inflight);

/* journal_batch_end - in one transaction: the new cursor, a delivery row for
 * (old cursor, cursor], seeded. */
int journal_batch_end(struct journal *j, int64_t id, uint64_t cursor,
		      bool seeded);

/* journal_transaction - around several of the calls above; they may nest. _close: rolls
 * all back if what came of these is an error, and returns it; else commits: 0 or errno. */
int journal_transaction_begin(struct journal *j);
int journal_transaction_close(struct journal *j, int result);

/* ---- questions of the command line ---- */

struct history_filter {
	const char *path;    /* tree path: it, above it (renames) or below it */
	int64_t since_ns, until_ns; /* 0: open */
	const char *user;    /* name or number; also found in the title */
	int op;              /* enum record_op, 0: any */
	const char *replica; /* only delivery to this one is told */
	uint64_t after_seq;  /* for --follow */
	unsigned limit;      /* newest so many; 0: all */
};
struct delivery {
	const char *replica;
	int64_t time_ns;  /* 0: not yet */
	bool parked;
};
/* fn: record and its deliveries are borrowed; non-zero stops. */
typedef int history_fn(void *arg, const struct record *r,
		       const struct delivery *deliveries, unsigned n);
int journal_history(struct journal *j, const struct history_filter *f,
		    history_fn *fn, void *arg);

/*
 * journal_wait_target - the seq that a replica's cursor must reach so that
 * all that was recorded up to `seq` for `path` (NULL: everything) is there.
 * Returns 0; -EAGAIN while a file of it is still being written (its path in
 * *ret_busy, owned by the caller): ask again. -ENODATA when the database does
 * not hold all up to `seq` yet: ask again.
 */
int journal_wait_target(struct journal *j, uint64_t seq, const char *path,
			uint64_t *ret_target, char **ret_busy);
/* journal_wait_done - 1 when `replica` has `target` and no parked path up to
 * it concerns `path`; else 0. */
int journal_wait_done(struct journal *j, const char *replica, uint64_t target,
		      const char *path);

#endif
