/* layer: journal */
#ifndef MIRRORFS_ACTIVITY_H
#define MIRRORFS_ACTIVITY_H

/*
 * The activity log, against power cuts: STATE/activity, a file of fixed size
 * whose slots name what is being changed. Before something changes, a mark on
 * the disk says so; later changes there are free for as long as the mark
 * stays. A mark is lifted when journal and tree are on the disk. After a power
 * cut, or when all processes were killed, what was marked is compared with the
 * replicas, and only that.
 *
 * Generations: a change is covered by a mark of the generation in which it
 * began. A lifting cycle starts the next one, waits for the changes that began
 * in the last, syncs journal and tree, and frees the marks that were not used
 * since. So between activity_touch and activity_done lies the whole change:
 * the lower call, and the record in the ring.
 *
 * No error of it stops a user: when the file cannot be written, or is full and
 * cannot be lifted, it says "everything" until it works again, and then is no
 * help, as before it was there.
 */

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct journal;

#define ACTIVITY_SLOTS 4096u /* 2 MiB */

enum mark_kind {
	MARK_NONE,
	MARK_DIR,     /* the entries of `obj`, which is in `dir`, and what it is
		       * itself */
	MARK_TREE,    /* … and all below: it is being moved */
	MARK_FILE,    /* the content of `obj`, an entry of `dir` */
	MARK_NEW_DIR, /* `name` in `dir` and all below: it is being made */
};

struct mark {
	enum mark_kind kind;
	struct fhandle obj; /* NEW_DIR: none */
	struct fhandle dir; /* DIR, of the root, and FILE: may be none */
	char name[256];	    /* NEW_DIR */
	bool stays; /* FILE: it may change unseen, even when the mount is gone */
};

/* ---- the fs worker ---- */

struct activity;
struct journal_writer;

/* journal_writer_sync - what was put into the ring before is on the disk. The
 * callers of one moment share the cost. A negative errno when the database
 * cannot be written. */
int journal_writer_sync(struct journal_writer *w);
/* The same in two halves, to do something else in between; who waits for a disk
 * that hangs gives up after some seconds (-ETIMEDOUT), and others at once. */
uint64_t journal_writer_sync_begin(struct journal_writer *w);
int journal_writer_sync_end(struct journal_writer *w, uint64_t ticket);
/* journal_writer_last - shared_last_seq of its ring. */
uint64_t journal_writer_last(const struct journal_writer *w);
/* journal_writer_lost - shared_lost of its database. */
bool journal_writer_lost(const struct journal_writer *w);

/*
 * activity_start - take the log into use, with the marks that a former worker
 * has left. lower_fd (no O_PATH) and `w` are borrowed; lift_ns: how often
 * marks are lifted (0: when most slots are taken). Returns 0 and a log, which
 * is NULL when it is switched off or cannot be opened (logged), or a negative
 * errno: there can be no thread.
 */
int activity_start(const char *state_dir, int lower_fd,
		   struct journal_writer *w, int64_t lift_ns,
		   struct activity **ret);
void activity_stop(struct activity *a);

/*
 * activity_touch - the marks are on the disk when it returns: what they
 * name may be changed until activity_done. `thread` < SHARED_THREADS is the
 * caller's; a second call ends the change of the first. No lock is held: it
 * may wait for the disk, and for a lifting cycle when all slots are taken.
 * All of these do nothing when `a` is NULL.
 */
void activity_touch(struct activity *a, unsigned thread,
		    const struct mark *marks, unsigned n);
void activity_done(struct activity *a, unsigned thread);

/* activity_place - as activity_touch, for the mark of a file that is pinned, or
 * about to be: it is there, whatever covers the file, and says this `dir`. No
 * touch changes that while it is pinned. */
void activity_place(struct activity *a, unsigned thread, const struct mark *m);

/* activity_covered - `obj` was made within this change: the marks of its
 * directory cover it, too, in this generation. */
void activity_covered(struct activity *a, unsigned thread,
		      const struct fhandle *obj);

/* activity_pin - the content of `obj`, which was placed, may change unseen
 * until activity_unpin: its mark stays. */
void activity_pin(struct activity *a, const struct fhandle *obj);
void activity_unpin(struct activity *a, const struct fhandle *obj);

/* activity_stayed - the next mark that says so (stays) and is of a time before
 * activity_start, perhaps of another mount: each once. It is pinned, to be
 * unpinned by the caller. False: there are no more. */
bool activity_stayed(struct activity *a, struct mark *ret);

/* activity_sync_begin, _end - who syncs a file wants its record to be on the
 * disk as well; the mark is there already. Both syncs go on at once. */
uint64_t activity_sync_begin(struct activity *a);
void activity_sync_end(struct activity *a, uint64_t ticket);

/* activity_lift - one lifting cycle, now. Returns 0, or a negative errno: the
 * journal or the tree cannot be synced. */
int activity_lift(struct activity *a);

/* ---- the supervisor ---- */

enum past_verdict {
	PAST_MARKS, /* what changed is among the marks */
	PAST_OFF,   /* it was switched off */
	PAST_DOUBT, /* it is not there, damaged, another journal's, or says
		     * "everything": see why */
};

struct activity_past {
	enum past_verdict verdict;
	const char *why;    /* DOUBT: static */
	int64_t since_ns;   /* what was changed has no older ctime; DOUBT:
			     * 0, not known */
	struct mark *marks; /* owned */
	unsigned n;
};

/* activity_load - what the file says of the time before. `epoch` is the last
 * one of the journal. Never fails: what cannot be read is PAST_DOUBT. */
void activity_load(const char *state_dir, const char *uuid, uint64_t epoch,
		   struct activity_past *ret);
void activity_past_done(struct activity_past *p);

/* activity_synced - the newest record of which the file of the journal `uuid` says
 * that it is on the disk; 0: none. A database that ends before it is an older copy.
 * activity_set_synced - at a clean end; lift.c does so at work. */
uint64_t activity_synced(const char *state_dir, const char *uuid);
int activity_set_synced(const char *state_dir, uint64_t seq);

/* activity_has_lost - a sync has failed since then: what is on the disks is not
 * known, though later ones succeeded. */
bool activity_has_lost(const char *state_dir);
/* activity_lose - note that, durably. */
int activity_lose(const char *state_dir);
/* activity_reset - a log for a new epoch, made if there is none; on the disk
 * when it returns. It is empty, but for what stays. slots 0: ACTIVITY_SLOTS. */
int activity_reset(const char *state_dir, const char *uuid, uint64_t epoch,
		   unsigned slots);
/* activity_disable - nothing is marked in this epoch. */
int activity_disable(const char *state_dir);

/* journal_rescan_next - the next epoch begins with a GAP: everything is
 * compared, and files with a ctime from `since_ns` on (0: since the newest
 * record) are sent. Durable. Negative: it does not, after all. */
int journal_rescan_next(struct journal *j, int64_t since_ns);

/* journal_ended - 1: the newest record is the end of the last run, and all was
 * on the disk; 0: it did not end well, or has not ended. */
int journal_ended(struct journal *j);

/* journal_dirty_since - what was being written when nobody was left to tell
 * how: its content has no older ctime, though the clock was set back. */
int journal_dirty_since(struct journal *j, int64_t *ret_ns);

#endif
