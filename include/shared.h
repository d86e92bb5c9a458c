/* layer: journal */
#ifndef MIRRORFS_SHARED_H
#define MIRRORFS_SHARED_H

/*
 * The memory that outlives the fs worker: a memfd, made by the supervisor and
 * mapped by it, the worker and the sync process. It holds
 *
 * - the ring: records that are not in SQLite yet. Many threads of the worker
 *   put, one writer takes. What was put survives the worker.
 * - the intents: for each worker thread the one change it is about to make.
 *   Left behind by a killed worker, an intent becomes an UNSURE record.
 * - the busy table: which objects have unsettled content, by a hash of their
 *   handle, so that sync never publishes what is being written.
 *
 * All functions may be called by any thread unless they say otherwise.
 */

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct shared;

#define SYNC_THREAD    "replica" /* the thread of one: no other has this name */
#define WRITER_THREAD  "journal" /* journal_writer_start's: likewise */
#define SHARED_THREADS 64 /* worker threads, hence intents, at most */

/*
 * shared_create - make the memory; *ret_fd is a memfd with FD_CLOEXEC. The
 * first record will get `first_seq`.
 * Returns 0, or a negative errno: what memfd_create, ftruncate say.
 */
int shared_create(uint64_t first_seq, int *ret_fd);
/* shared_map - Returns 0, or a negative errno: -EPROTO when it has another layout,
 * -EOPNOTSUPP when the program that made it knows another format of the journal
 * than this one, so that one of them could not open it. */
int shared_map(int fd, struct shared **ret);
void shared_unmap(struct shared *s);

/*
 * A change has the shape begin, act, end (or cancel when the act failed).
 * `thread` (< SHARED_THREADS) belongs to the calling thread alone.
 * shared_begin sleeps while the ring is nearly full, at most 10 s and only
 * while the writer may still move; shared_end and _cancel never do.
 * `intent` needs op, path, path2, obj; it is copied.
 */
void shared_begin(struct shared *s, unsigned thread,
		  const struct record *intent);
/* shared_end - append `r` and clear the intent. Sets r->seq, and r->time_ns
 * when it is 0. Returns the seq. The caller holds the order locks. */
uint64_t shared_end(struct shared *s, unsigned thread, struct record *r);
void shared_cancel(struct shared *s, unsigned thread);

/*
 * What a thread was about is tagged with the number of the request that asked
 * for it, so that a worker which takes the request over from a dead one can
 * tell how far that was.
 *
 * shared_tag - what `thread` begins from now on belongs to the request `tag`.
 * shared_past - how far it got, and what the intent said: *ret is the caller's
 * to record_done, unless it is PAST_NONE. A record with op UNSURE stands for
 * an intent that was too long to be kept.
 */
enum shared_past {
	PAST_NONE,     /* nothing has begun */
	PAST_BEGUN,    /* the change may have been made; there is no record */
	PAST_RECORDED, /* it was made, and the record was put */
};
void shared_tag(struct shared *s, unsigned thread, uint64_t tag);
enum shared_past shared_past(struct shared *s, unsigned thread, uint64_t tag,
			     struct record *ret);
/* shared_leftover - what `thread` has begun came to no end: *ret is an UNSURE record,
 * to be record_done'd. False: there is nothing. */
bool shared_leftover(struct shared *s, unsigned thread, struct record *ret);
/* shared_untag - the requests of before are not asked for again, and others may
 * get their numbers. Only when no worker runs. */
void shared_untag(struct shared *s);

/* shared_append - a record that needs no intent (SETTLE, DIRTY: the caller
 * makes it before it acts). May sleep like shared_begin. */
uint64_t shared_append(struct shared *s, struct record *r);

/* shared_last_seq - seq of the newest record that was put, SQLite or not;
 * of the GAP to come when records had to be dropped. */
uint64_t shared_last_seq(const struct shared *s);
/* shared_epoch - that of this mount. */
uint64_t shared_epoch(const struct shared *s);

/*
 * shared_settled_seq - a number at or behind that of every change whose effect
 * could be seen before the call: a change is recorded just after it was made,
 * so the newest record alone does not tell. Waits for changes under way
 * (microseconds).
 */
uint64_t shared_settled_seq(const struct shared *s);
/* shared_fence_seq - the same, and where a change is under way for longer than two
 * seconds (a disk that does not answer, a worker that died), a number that its
 * record will not be behind either, unless 4,096 others come before it. */
uint64_t shared_fence_seq(const struct shared *s);

/*
 * Busy: the worker says so before the DIRTY record and after the SETTLE
 * record of an object.
 */
void shared_busy_begin(struct shared *s, const struct fhandle *obj);
void shared_busy_end(struct shared *s, const struct fhandle *obj);
/* shared_busy_restore - a new worker: these are being written, no others. */
void shared_busy_restore(struct shared *s, const struct fhandle *objs,
			 unsigned n);
/*
 * shared_busy_mark - a number that has changed when the content of `obj` was
 * touched since the last call. *ret_busy: it is (or a hash twin is) being
 * written at this moment. Compare marks from before and after reading.
 */
uint64_t shared_busy_mark(const struct shared *s, const struct fhandle *obj,
			  bool *ret_busy);

/*
 * Wanted: what sync reads of an object is overtaken by its writers each time,
 * so the worker is to hold these for a moment when it settles next. Of so many
 * objects at once, by whoever wants it first.
 *
 * shared_want - returns the place that shared_unwant gives back, or -1: none is
 * free. shared_want_nothing - by a sync process that begins, before its threads.
 */
#define SHARED_WANTS 16
int shared_want(struct shared *s, const struct fhandle *obj);
void shared_unwant(struct shared *s, int place);
void shared_want_nothing(struct shared *s);
bool shared_is_wanted(const struct shared *s, const struct fhandle *obj);

/*
 * In doubt: after a GAP, or in a new database, the journal does not know what is
 * being written. The worker tells it again, by DIRTY records.
 *
 * shared_doubts - how often there was doubt. shared_set_told - the worker's: all
 * that was dirty when it was that number has a newer record. shared_told - 0: it
 * is not told yet; else a number that is another one after the next doubt:
 * SHARED_SURE as long as there was none.
 */
#define SHARED_SURE 1
uint32_t shared_doubts(const struct shared *s);
void shared_set_told(struct shared *s, uint32_t doubts);
uint32_t shared_told(const struct shared *s);

/* shared_passthrough - a number that the worker set, 0 at first; what it means
 * is known to fs/passthrough.c. */
void shared_set_passthrough(struct shared *s, unsigned state);
unsigned shared_passthrough(const struct shared *s);

/*
 * The database that takes the records. The writer says what the last commit
 * came to: 0, or a negative errno, with the time since when it fails.
 * `required` is set before the worker starts: while the database fails no
 * change is accepted.
 */
void shared_set_journal(struct shared *s, int error);
int shared_journal(const struct shared *s, int64_t *ret_since_ns);
/* shared_journal_damaged - somebody found the database damaged, or gone. From
 * then on shared_journal says -EUCLEAN, and everybody closes it, so that the
 * writer can replace it: shared_journal_mended. */
void shared_journal_damaged(struct shared *s);
void shared_journal_mended(struct shared *s);
/* shared_set_lost - a sync of it has failed: what was written before may be lost,
 * though later ones succeed, as Linux tells of that once. It stays so, whoever
 * dies. journal_tell_lost does it for a connection. */
void shared_set_lost(struct shared *s);
bool shared_lost(const struct shared *s);
/* shared_set_late - the database is not to be touched before an epoch has begun
 * in it; the error that keeps it from that, negative. 0: it has. */
void shared_set_late(struct shared *s, int error);
int shared_late(const struct shared *s);
void shared_set_required(struct shared *s, bool required);
bool shared_required(const struct shared *s);
/* shared_has_room - for the record of one more change; waits for it as a change
 * does. False: it would be dropped. */
bool shared_has_room(struct shared *s);
/* shared_pinned - 0: objects are named by their file handles. Else the file
 * system below has none (or they are not to be used), and one less objects are
 * pinned by a descriptor. Set before worker and sync start. */
void shared_set_pinned(struct shared *s, unsigned n);
unsigned shared_pinned(const struct shared *s);

/* ---- the taking side: lib/journal's writer and nobody else ---- */

/*
 * shared_take - move up to `max` records out of the ring into `out`; they
 * stay in the ring until shared_taken, so a writer that dies loses none.
 * Returns how many (0: none), each to be record_done'd. *ret_overflow is set
 * when records had to be dropped since the last call: then call shared_taken
 * even after 0 records, it puts the GAP.
 */
unsigned shared_take(struct shared *s, struct record *out, unsigned max,
		     bool *ret_overflow);
/* shared_taken - what the last shared_take returned is safe in SQLite. */
void shared_taken(struct shared *s);
/* shared_wait - sleep until a record is put, at most `timeout_ms`. */
void shared_wait(struct shared *s, int timeout_ms);
/* shared_leftovers - intents of a dead worker, as UNSURE records, each with the
 * seq of the newest record when it began, and to be record_done'd; up to
 * SHARED_THREADS. Only when no worker runs. */
unsigned shared_leftovers(struct shared *s, struct record *out);

#endif
