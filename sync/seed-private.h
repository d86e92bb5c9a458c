/* layer: sync, private */
#ifndef SYNC_SEED_PRIVATE_H
#define SYNC_SEED_PRIVATE_H

#include "sync/seed.h"

#define EXTRA_LISTED 200

/* One comparison: how far it is, and what it has found. */
struct seeding {
	struct seed s;
	bool part;	     /* of the tree: it is not in the table */
	bool ours;	     /* what is there was sent, once */
	bool asked;	     /* by the administrator */
	bool relinks;	     /* what is pushed now makes no difference */
	struct comparison c; /* … what was asked, and what came of it */
	/* bytes, at the start of the connection: sent and read back before,
	 * and what remote_written said */
	uint64_t sent, read, written;
	uint64_t queued;  /* bytes of files that are to be sent … */
	uint64_t settled; /* … beyond what was written by then */
	uint64_t leave;	  /* so many may go: it was said of an earlier count */
	char *passed;	  /* all up to it was done in an earlier connection */
	int64_t next_ns, tick_ns;
	char **known; /* what earlier connections have listed as extra, */
	unsigned n_known;
	unsigned n_listed;	   /* … and all that are listed */
	char *extra[EXTRA_LISTED]; /* those that the journal has not yet */
	unsigned n_extra;
};

#endif
