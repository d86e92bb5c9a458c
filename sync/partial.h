/* layer: sync */
#ifndef SYNC_PARTIAL_H
#define SYNC_PARTIAL_H

/*
 * Partial: what a lost connection has left of the upload of a large file in the
 * stage. The next one does not send it again: it has the server copy it
 * (delta.c), and sends what was missing, and what changed since.
 *
 * Not into that file itself, to which the server of the old connection may have
 * requests still that it carries out whenever it likes (visit.c). So it takes
 * its room twice for a while; where there is none it is removed, and all is sent.
 *
 * The list is in memory, and belongs to the thread of a replica.
 */

#include <stdbool.h>
#include <stdint.h>

#include "memo.h"
#include "remote.h"

struct step;
struct exec;

#define PARTIAL_PATH_MAX 128
#define PARTIALS_MAX	 32

struct partial {
	struct fhandle obj;
	char path[PARTIAL_PATH_MAX]; /* on the replica */
	uint64_t size;	/* so many of its first bytes are sure to be there */
	uint64_t as_of; /* … and are what the object had as of this record */
};

/* Zeroed: none. */
struct partials {
	struct partial list[PARTIALS_MAX];
	unsigned n, named;
};

const struct partial *partials_find(const struct partials *p,
				    const struct fhandle *obj);
/* partials_move - a new visit has shut out the one that they are from: to
 * `stage`, its own. Those that are not there are forgotten. 0 or -ENOTCONN. */
int partials_move(struct partials *p, struct remote *r, const char *stage);
/* partials_drop - of this object, or all: on the replica, too. */
void partials_drop(struct partials *p, struct remote *r,
		   const struct fhandle *obj);
void partials_drop_all(struct partials *p, struct remote *r);

/* ---- exec-partial.c, for the executor ---- */

/* How much of an upload is sure to be in the stage. */
struct sure {
	uint64_t bytes;
	uint64_t asked; /* bytes of which that was asked; 0: it was not */
	int64_t asked_ns, next_ns;
	bool looked;   /* for what an earlier one has left, */
	uint64_t part; /* of which so many bytes are copied; */
	bool mixed;    /* so not all of it was read by now */
};

/* partial_start - an upload begins. partial_feed - before a piece of it is sent,
 * over the first connection or the other one; false: not now. partial_over - it
 * has ended: what was left of an earlier one goes. */
void partial_start(struct step *s);
bool partial_feed(struct step *s, bool first);
void partial_over(struct step *s);
/* partials_leave - the connection is to be given up. (NULL: nothing) */
void partials_leave(struct exec *x);

#endif
