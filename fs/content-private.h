#ifndef MIRRORFS_FS_CONTENT_PRIVATE_H
#define MIRRORFS_FS_CONTENT_PRIVATE_H

/* For content.c and settle.c only: see content.h. */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "fs/content.h"
#include "fs/order.h"

struct content {
	struct inode *inode; /* a reference */
	unsigned writers;    /* order lock of the object, as all below */
	unsigned writing;
	bool dirty;
	_Atomic bool overdue;	  /* settle as soon as nothing is under way */
	bool unseen, stays;	  /* touch_stays was called */
	_Atomic bool alone;	  /* unseen, and no writer is open any more */
	_Atomic bool rests;	  /* unseen, and clean */
	_Atomic int64_t alone_ns; /* since when */
	int64_t looked_ns;	  /* LOCK_dirty */
	uint32_t told;		  /* LOCK_dirty: as of which doubt */
	struct who who;		  /* the last one to write, or to open */
	bool all; /* a worker before us wrote to it, nobody knows where */
	uint64_t low; /* nothing below is written, as DIRTY says; 0: perhaps */
	int64_t held_until_ns; /* monotonic; 0: it is not held */
	uint32_t n_ranges;
	struct range ranges[RECORD_RANGES_MAX];
	_Atomic int64_t first_ns, last_ns; /* changes since it is dirty */
	TAILQ_ENTRY(content) link;	   /* LOCK_dirty */
	TAILQ_ENTRY(content) unseen_link;  /* LOCK_dirty */
};

TAILQ_HEAD(content_list, content);

/* Those that owe a SETTLE, and those that may change unseen. */
struct contents {
	pthread_mutex_t lock; /* LOCK_dirty */
	struct content_list dirty, unseen; /* LOCK_dirty */
};
extern struct contents contents;

/* content_lock - the order lock of the object, with the tree's shared. */
void content_lock(struct order *o, const struct inode *i);
/* content_review - settle what is due, forget what nobody uses. `fd` is the
 * object, or -1. content_dirty_all - all of it may be something else now. The
 * order lock is held. */
void content_review(struct content *c, int fd);
void content_dirty_all(struct content *c);
/* content_tell - the journal once more that it is dirty. */
void content_tell(struct content *c);

/* settle.c: the thread that settles what was idle, or dirty, for as long as
 * contents_start says. Returns 0, or a negative errno. */
int settle_start(int64_t idle_ns, int64_t age_ns);
void settle_stop(void);
/* settle_look_again - at one that may change unseen; takes the reference. */
void settle_look_again(struct inode *i);
/* settle_soon - somebody is alone with it: it is looked at within moments. */
void settle_soon(void);

#endif
