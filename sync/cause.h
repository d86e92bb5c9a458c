/* layer: sync */
#ifndef SYNC_CAUSE_H
#define SYNC_CAUSE_H

/*
 * Why a step failed. SFTP says "failure" for nearly everything, so the replica
 * is looked at afterwards: what is at the path and above it, and what its file
 * system has left. The judgement is pure, and the table of tests is its
 * specification.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "causes.h"
#include "sync/exec.h"

struct evidence {
	enum step_kind kind;
	int error;	   /* as the step had it, a negative errno */
	uint64_t need;	   /* bytes that it wants to write */
	bool may_fill;	   /* the login may use what is kept for root */
	mode_t want;	   /* type of what is to be there, 0: nothing */
	unsigned names;	   /* hard links on the master, 0: not known; MKDIR: of
			    * the folder above, one for each folder in it */
	unsigned name_len; /* longest name in the path, bytes */
	/* looked up */
	bool missing;  /* a folder above it is not there */
	bool blocked;  /* … or it is no folder */
	mode_t have;   /* what is at the path; 0: nothing */
	bool measured; /* space is known */
	struct remote_space space;
	bool other_fs; /* than the stage */
	bool tried;    /* to make a folder in the stage, */
	bool works;    /* … and that is possible */
};

enum cause cause_judge(const struct evidence *e);
/* cause_room - what `e` may still write, bytes. */
uint64_t cause_room(const struct evidence *e);
/* cause_no_room - by what was measured that is not enough. */
bool cause_no_room(const struct evidence *e);

/*
 * cause_look - fill in what can be looked up, or tried in `stage` (NULL: nothing
 * is tried), in one round trip. Returns 0 or -ENOTCONN.
 */
int cause_look(struct remote *r, const char *path, const char *stage,
	       struct evidence *e);

#endif
