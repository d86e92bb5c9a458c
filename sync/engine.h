/* layer: sync */
#ifndef SYNC_ENGINE_H
#define SYNC_ENGINE_H

/*
 * What a replica's thread has in its hands while it is connected: the
 * connection, its journal, what it remembers of the replica, and the executor.
 * Functions return 0, or -ENOTCONN or -ECANCELED, upon which everything is to be
 * closed, or another negative errno when the journal cannot be used.
 */

#include <stdbool.h>
#include <stdint.h>

#include "abilities.h"
#include "filter.h"
#include "journal.h"
#include "memo.h"
#include "remote.h"
#include "sync.h"
#include "sync/asides.h"
#include "sync/exec.h"
#include "sync/fresh.h"
#include "sync/links.h"
#include "sync/partial.h"
#include "sync/pathset.h"
#include "sync/plan.h"
#include "sync/stage.h"
#include "sync/stale.h"
#include "sync/told.h"
#include "sync/unsure.h"
#include "sync/visit.h"

/* How a step failed that had to do with a path. */
struct failure {
	enum step_kind kind;
	int error;     /* negative errno */
	uint64_t need; /* bytes of the file */
	mode_t want;   /* type on the master, 0: not known */
};

struct engine {
	const struct sync_config *cfg;
	struct shared *shared;
	struct journal *journal;
	struct replica_row row; /* as it was at the start of the thread */
	int stop_fd, wake_fd;
	uint64_t cursor, inflight, turn, turn_written, turn_kept; /* stage.h */
	bool seeded, swept; /* swept: see unsure_sweep */
	struct remote *remote;
	char stage[VISIT_STAGE_MAX]; /* of this visit */
	struct exec *exec;
	struct partials partials; /* from earlier connections */
	struct abilities can;
	struct owners *owners;
	int64_t unsafe_ns; /* when it last got what the journal's mark is for … */
	int64_t unsafe_next_ns; /* … and what came since then; 0: nothing */
	uint64_t unsafe_next;	/* the mark for that */
	bool durable, unsynced, ahead; /* it fsyncs; what a connection left is not;
				* durable_ahead has put a mark */
	bool beside; /* what is sent, or that, is of records behind the cursor */

	struct links *links;
	struct stale *stale;
	struct fresh *fresh;
	struct asides *asides;
	const struct plan *plan; /* under way, or NULL */
	struct pathset fences, met; /* met: seed_met */
	struct parked *parked;
	unsigned n_parked, parked_turn; /* … whose it is to be tried */
	int64_t parked_rest_ns;		/* none is before; monotonic */
	struct pathset parked_paths; /* of parked, with their seq and 1 */
	struct pathset resent; /* by retries: what ctime it had (compare.c) */
	struct plan_memory *memory;
	struct text_set *touched; /* directories whose times must be set */
	struct text_set *recent;  /* those that were set since it had all: on
				   * the master another may have been there */
	struct text_set *changed; /* what durable_commit has to see to */
	struct text_set *failed;  /* paths of steps that failed */
	struct text_set *taken;	  /* those that were taken last */
	struct text_set *counts;  /* kinds that were not carried */
	struct text_set *begun;	  /* begun.h */
	struct catch_up {	  /* since it fell behind */
		uint64_t records, actions, uploads;
		int64_t since_ns; /* monotonic; 0: it has not */
	} behind;
	uint64_t changed_ns;   /* ctime; UINT64_MAX: none counts */
	struct filter *filter; /* filters.c; what it does not get */
	char *rules;	       /* the same as text */
	struct filter **former; /* what it did not get before (filters.h) */
	unsigned n_former;
	uint64_t rate;	       /* of bwlimit, at present */
	int64_t rate_next_ns;
	struct seeding *seeding, *progress; /* a walk; … also while it waits */
	struct verify *verify;	  /* NULL: contents are not compared */
	struct second *second;	  /* NULL: never */
	struct told told;
	char refusal[512];	  /* why it waits for the administrator */
	struct state_write state; /* the newest one of the state file */
	bool lull;	  /* what there was to read gave nothing to do */
	bool reconciling; /* what is parked is tried again */
	bool try_cut, doubt_disk; /* … as that may have been cut: parked.c */
};

/* ---- engine.c ---- */
/* engine_touch - if `path` is a folder, its times are to be set. */
void engine_touch(struct engine *e, const char *path);
void engine_touch_parent(struct engine *e, const char *path);
/* engine_changed - it is for durable_commit, and nothing else. */
void engine_changed(struct engine *e, const char *path);
int engine_push(struct engine *e, enum step_kind kind, const char *path,
		const char *path2, const struct fhandle *obj, void *tag);
void engine_count(struct engine *e, const char *kind, const char *path);
int engine_start(struct engine *e);
void engine_stop(struct engine *e);
/* engine_push_times - of folders, behind what was pushed; _dir_times waits, and
 * forgets what failed: all else must have been taken. */
int engine_push_times(struct engine *e);
int engine_dir_times(struct engine *e);
/* engine_flush - links, asides, absent objects, counts: into the journal, in its
 * transaction. engine_note - after what is not a batch, as batch_commit. */
int engine_flush(struct engine *e);
int engine_note(struct engine *e);
int engine_fence(struct engine *e, const char *path, uint64_t seq);
/* engine_moved - a tree was renamed: what is parked in it, and folders whose
 * times are still to be set, move along. */
int engine_moved(struct engine *e, const char *from, const char *to);
int engine_swapped(struct engine *e, const char *a, const char *b);
/* engine_settled - the replica has all that has happened on the master.
 * engine_recall - the times of `path` were set by an earlier connection. */
void engine_recall(struct engine *e, const char *path);
void engine_settled(struct engine *e);
/* engine_fail - `path` could not be looked at, here or there: that counts as a
 * step that failed. `want`: its type on the master; 0: not known. */
void engine_fail(struct engine *e, const char *path, mode_t want, int error);
/* engine_take_failed - the failed paths, sorted, each owned by the caller; the
 * set is empty afterwards. `top`: without those below another one. */
unsigned engine_take_failed(struct engine *e, bool top, char ***ret);
/* engine_take_changed - folders whose entries changed since the last call, and
 * files that were given attributes by path; as above. */
unsigned engine_take_changed(struct engine *e, char ***ret);
/* engine_end - for ever: that set outlives a connection. */
void engine_end(struct engine *e);
/* engine_failure - how it went wrong at `path`, which was taken last, or below
 * it: where (borrowed), or NULL. */
const char *engine_failure(const struct engine *e, const char *path,
			   struct failure *ret);

/* ---- absent.c ---- */
/* absent_load - into e->memory. absent_save - within the caller's transaction. */
int absent_load(struct engine *e);
int absent_save(struct engine *e);

/* ---- parked.c ---- */
int engine_parked_load(struct engine *e);
/* engine_park - hold `path` back, with the cause of its failure. */
int engine_park(struct engine *e, const char *path, uint64_t seq);
/* engine_park_for_now - the same, untried, as many failed. It is due at once. */
int engine_park_for_now(struct engine *e, const char *path, uint64_t seq);
/* engine_parked_renamed - what the replica has of a parked file goes with it. */
int engine_parked_renamed(struct engine *e, const struct record *list, unsigned n);
/* engine_parked_carry - behind the plan: what was held back by the path that it
 * had is held back by the one that it has got. */
int engine_parked_carry(struct engine *e, const struct record *list, unsigned n);
/* engine_is_parked - for records up to `seq`, or what it is in is. */
bool engine_is_parked(const struct engine *e, const char *path, uint64_t seq);
/* batch_parked - retry what is due, or asked for. *ret_more: others are to have
 * their turn first. */
int batch_parked(struct engine *e, bool *ret_more);

/* ---- reconcile.c ---- */
enum depth {
	DEPTH_ONE,     /* what is at the path */
	DEPTH_ALL,     /* … and all below */
	DEPTH_ENTRIES, /* … and its entries, but not what is in those folders
			* that the replica has */
};

/*
 * reconcile - make `path` on the replica equal to the lower tree; drains, and
 * puts a fence. What fails stays in e->failed. Files with a ctime from
 * e->changed_ns on are sent, however equal they look.
 */
int reconcile(struct engine *e, const char *path, enum strictness strict,
	      enum depth depth);

/* ---- remove.c ---- */
/* remove_tree - what is at `path`, of the type of `mode`, with all below it;
 * but for what the filter excludes. remove_foreign - what the master does not
 * have: not at once, while it is not known how much that is. remove_aside -
 * something of another kind is to be at `path`: if it is a folder, out of sight
 * first; 1: that stays, as the filter excludes something in it, which counts as
 * a step that failed. They push steps. */
int remove_tree(struct engine *e, const char *path, mode_t mode);
int remove_foreign(struct engine *e, const char *path,
		   const struct remote_attr *a);
int remove_aside(struct engine *e, const char *path, mode_t mode);
/* remove_keeps - ours, or the file system's, at the top of a replica. */
bool remove_keeps(const char *dir, const char *name);

/* ---- batch-aside.c ---- */
/* aside_may_leave - may the upload of this step be done later than all that is
 * behind it? (exec_config) */
bool aside_may_leave(void *arg, const struct step *s);
/* aside_left - it has; or is owed, as it is being written again. */
void aside_left(struct engine *e, const struct step *s);
/* aside_begin - after a connection: those that were under way. */
int aside_begin(struct engine *e);
/* aside_comes - is the object on its way to that very name? What is published
 * then is the content of then. */
bool aside_comes(struct engine *e, const char *path, const struct fhandle *obj);
/* aside_end_all - nothing is aside any more: all is compared, and records that
 * would tell of the names were dropped. */
void aside_end_all(struct engine *e);
/* batch_aside - publish what is complete. aside_idle - there is no record. */
int batch_aside(struct engine *e);
int aside_idle(struct engine *e);

/* ---- batch-redo.c ---- */
/* batch_redo - reconcile one path. What fails is tried again at once, as the
 * master goes on changing under our eyes; then it is parked, up to `seq`. */
int batch_redo(struct engine *e, const char *path, enum strictness strict,
	       enum depth depth, uint64_t seq);
/* batch_mend - what has failed so far is done over, or parked. */
int batch_mend(struct engine *e, uint64_t seq);
/* batch_each_failed - `fn` is told what has failed, until nothing has: in each
 * round the `i`th. `missing`: as a folder above it is missing on the replica,
 * which reconcile brings: so it is worth another try. */
struct mending {
	int try; /* the round, from 0 */
	unsigned i;
	bool missing;
};
typedef int mend_fn(struct engine *e, const char *failed,
		    const struct mending *m, void *arg);
int batch_each_failed(struct engine *e, mend_fn *fn, void *arg);
/* batch_redo_failed - what the steps of the plan could not do. */
int batch_redo_failed(struct engine *e, const struct plan *plan, uint64_t seq);

/* ---- batch.c ---- */
/* batch_sending - the action of this step is about to take effect on the
 * replica, or will by a later upload: the table of hard links follows. An upload
 * reaches the names that its object has now, not those of a later action. */
void batch_sending(struct engine *e, const struct step *s);
/* batch_run_plan - its actions; what fails is done over. */
int batch_run_plan(struct engine *e, const struct plan *plan, uint64_t seq);
/* batch_plan - `memory`: e->memory, or an empty one that it may spoil. */
void batch_plan(struct engine *e, const struct record *records, unsigned n,
		struct plan_memory *memory, struct plan *ret);
/* batch_run - the next records; *ret_some is false when there were none.
 * -ESTALE: everything is to be compared, by seed_run. */
int batch_run(struct engine *e, bool *ret_some);
/* batch_commit - the cursor is at `seq`: there, then in the journal.
 * batch_resume - after a connection: what was in flight. */
int batch_commit(struct engine *e, uint64_t seq, bool seeded);
int batch_resume(struct engine *e);

#include "sync/seed.h"

#endif
