/* layer: sync */
#ifndef SYNC_PLAN_H
#define SYNC_PLAN_H

/*
 * The plan: records in, the fewest safe actions out. Pure: no I/O, no clock,
 * no lock.
 *
 * What it relies on: the actions are run in their order; each reads the
 * master when it is run, which is after all records of the batch, so an
 * upload carries every change of its object that the batch tells of. The
 * RECONCILE actions come last and may be run together.
 *
 * Renames of directories that have nothing to do with each other are a batch
 * of their own, and so is an exchange: within any other batch the directories
 * keep their paths.
 */

#include "sync/action.h"

struct absent_row; /* memo.h */
struct plan_memory;

/*
 * What outlives a batch: the objects that have a name on the master but
 * whose content never reached the replica (a file that is still being
 * written since it was made). One for each replica. To be kept beyond a
 * connection: without it the attributes of such an object go to what the
 * replica has at its name, which may have names elsewhere.
 */
struct plan_memory *plan_memory_new(void);
void plan_memory_free(struct plan_memory *m);
/* plan_memory_absent - an upload of `obj` (an `absent` action, or reconcile's)
 * was given up, because its content is changing again: its next SETTLE will
 * bring it. What is at its name is something older. `linked`: it has got more
 * than one name. */
void plan_memory_absent(struct plan_memory *m, const struct fhandle *obj,
			bool linked);
/* plan_memory_gone - such an upload came to nothing, as the object is gone: it
 * will get no other name, but records up to `until` may tell that it had one.
 * `shadow`: something older is at a name of it. plan_memory_forget - records up
 * to that one have been planned. */
void plan_memory_gone(struct plan_memory *m, const struct fhandle *obj,
		      bool shadow, uint64_t until);
void plan_memory_forget(struct plan_memory *m, uint64_t upto);
/* plan_memory_linked - it has got one more name: so it has if it is absent. */
void plan_memory_linked(struct plan_memory *m, const struct fhandle *obj);
/* plan_memory_present - it has reached the replica after all. */
void plan_memory_present(struct plan_memory *m, const struct fhandle *obj);
/* plan_memory_clear - all has reached it, or is compared. */
void plan_memory_clear(struct plan_memory *m);
/* plan_memory_restore - as it was kept; `epoch`: of the newest record that was
 * planned. What a later one begins with is settled, but for what
 * plan_memory_absent tells meanwhile: an upload that goes on. */
void plan_memory_restore(struct plan_memory *m, uint64_t epoch,
			 const struct absent_row *rows, unsigned n);
/* plan_memory_save - what is not so any more as it was kept goes to `put` and
 * `del`; returns the first negative number from them, or 0. */
int plan_memory_save(struct plan_memory *m,
		     int (*put)(void *arg, const struct absent_row *row),
		     int (*del)(void *arg, const struct fhandle *obj),
		     void *arg);

enum plan_held {
	HELD_NO,
	HELD_HERE,  /* parked is the path or something above it */
	HELD_BELOW, /* something below the path is parked */
};

/* What the plan asks about the replica. */
struct plan_view {
	/* must a record of this number be applied by state at this path? */
	bool (*by_state)(void *arg, const char *path, uint64_t seq);
	/* is the path parked? `seq` is of the record that asks. */
	enum plan_held (*held)(void *arg, const char *path, uint64_t seq);
	/* has it already what `r` made of the content and attributes of its
	 * object? NULL: no. Not asked where it is applied by state. */
	bool (*has)(void *arg, const struct record *r);
	/* does the replica not get this path? NULL: it gets all. */
	bool (*excluded)(void *arg, const char *path, bool is_dir);
	/* may that change for what is in a folder that is renamed? */
	bool (*moves_change)(void *arg, const char *path, const char *path2);
	void *arg;
};

/* Things that SFTP cannot carry, counted by kind. */
struct plan_count {
	const char *kind; /* static */
	uint64_t n;
	const char *example; /* borrowed from a record */
};
#define PLAN_KINDS 8
#define PLAN_MOVES_MAX 512 /* directories renamed in one batch */

struct plan {
	struct action *actions; /* none is ACT_NONE */
	unsigned n;
	unsigned used; /* records that it covers, from the first */
	struct plan_count counts[PLAN_KINDS];
	unsigned n_counts;
	struct fhandle *gone; /* versions that were replaced: never sent */
	unsigned n_gone;
};

/*
 * plan_build - actions for `records` (n ≥ 1, in order). The actions borrow
 * from the records, which must stay until plan_done. Covers all records, or
 * those before the first one that must be alone, or that one (those, when they
 * are renames of directories).
 */
void plan_build(const struct record *records, unsigned n,
		const struct plan_view *view, struct plan_memory *memory,
		struct plan *ret);
void plan_done(struct plan *plan);

/* plan_taint - `bad` has the paths that FAILED: those that are in doubt by them
 * are added. The paths that later actions share with a failed one, or that are
 * below it. Folders above it, too, but not what else is in them: a file that is
 * refused must not have those beside it sent again. */
enum plan_doubt { TAINTED = 1, FAILED, DONE_OVER };
struct pathset;
void plan_taint(const struct plan *plan, struct pathset *bad);

#endif
