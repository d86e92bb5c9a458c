/* layer: journal, private */
#ifndef MIRRORFS_JOURNAL_ACTIVITY_PRIVATE_H
#define MIRRORFS_JOURNAL_ACTIVITY_PRIVATE_H

/* The log of a running worker: activity.c marks, lift.c lifts. */

#include <pthread.h>
#include <stdatomic.h>

#include "lib/journal/activity-file.h"
#include "shared.h"

#define ACTIVITY_HOT 65536u /* a power of two */

struct activity_slot {
	struct mark mark; /* MARK_NONE: unused, or not readable */
	uint32_t gen;	  /* last used in; 0: free */
	unsigned pins;
	bool stayed; /* one of them is activity_stayed's */
	uint64_t ticket; /* of its newest write */
	int next;	 /* same bucket, or next free one; -1: end */
};

struct activity {
	char *state_dir;	  /* constant */
	int fd;			  /* owned */
	int lower_fd;		  /* borrowed; of the supervisor, too */
	int tree_fd;		  /* owned: the same, for this process alone */
	struct journal_writer *w; /* borrowed */
	int64_t lift_ns;	  /* constant */
	uint64_t seed;		  /* constant */

	/* What is known to be covered: a hash of object and generation. */
	_Atomic uint64_t hot[ACTIVITY_HOT];
	_Atomic uint32_t gen; /* stored under LOCK_activity */
	_Atomic bool all;     /* nothing is marked: the header says so;
			       * stored under LOCK_activity */
	struct {
		/* generation of the change that this thread is in, or 0 */
		_Alignas(64) _Atomic uint32_t gen;
	} threads[SHARED_THREADS];

	pthread_mutex_t lock; /* LOCK_activity: all below; a leaf */
	pthread_cond_t changed;
	struct activity_head head;
	struct activity_slot *slots; /* head.slots of them */
	int *buckets;		     /* head.slots of them */
	int free;		     /* first free slot, or -1 */
	unsigned used;
	uint32_t before; /* began with the last cycle that ended well */
	uint64_t written, synced; /* tickets */
	bool syncing;
	unsigned unpinned; /* pins of what has no slot: it is "everything" */
	unsigned waiting;  /* threads that need a free slot */
	bool said;	  /* that it does not work */
	bool owed;	  /* the tree says it, too: owed.h */

	pthread_mutex_t cycle; /* one lifting cycle at a time; before lock */
	bool asked;	       /* under `cycle`: lower_fd tells of no error */
	pthread_t lifter;
	bool stop;
	int64_t offset_ns; /* owned by the lifter: wall clock - monotonic */
};

/* activity_free_slot_locked - and empty it on the disk, some time. */
void activity_free_slot_locked(struct activity *a, int slot);
/* activity_fail_locked - no more marks: the header says "everything". */
void activity_fail_locked(struct activity *a, const char *what, int error);
/* activity_everything_locked - the header says so, and nobody waits any more. */
void activity_everything_locked(struct activity *a);

/* lift.c */
int lifter_start(struct activity *a);
void lifter_stop(struct activity *a);

#endif
