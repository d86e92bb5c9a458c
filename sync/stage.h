/* layer: sync */
#ifndef SYNC_STAGE_H
#define SYNC_STAGE_H

/*
 * What mirrorfs keeps on a replica: the stage, and the state file, which names
 * the journal and the newest record of the newest batch.
 */

#include <stdbool.h>
#include <stdint.h>

#include "abilities.h"
#include "remote.h"
#include "sync/visit.h"

struct engine;

/* The newest writing of the state file. */
struct state_write {
	uint64_t seq;
	int status;
	bool busy, written; /* … to the stage */
	bool filled;	    /* its text was sent */
	bool go;	    /* it may get its name */
	bool early;	    /* it did, and then a step was done over */
	unsigned pending;   /* requests behind that */
	/* the next one is being opened, is open: on a long line, in advance */
	bool asked;
	struct remote_handle next;
	/* the folder that its name is in, to be fsynced: is being opened, is
	 * open; wanted: as soon as it is */
	bool base_asked, base_wanted;
	struct remote_handle base;
	/* the one that is there, as the server told when it had got its name;
	 * mtime 0: not known */
	uint32_t mtime;
	uint64_t size;
	/* it was another one, and yet the same when it was read: the server does
	 * not tell what it told before. Kept for the next connection */
	bool suspect, vague;
};

struct stage_state {
	bool exists; /* the state file */
	char uuid[40];
	uint64_t seq, turn; /* turn 0: not told */
	int64_t replica;    /* whose it is; 0: not told */
};
/* stage_state_parse - 0, or -EBADMSG when that is no state file, or not as it was
 * written. One of an older release has no checksum, and is believed. */
int stage_state_parse(const char *text, struct stage_state *ret);
/* stage_state_text - how it is written, but for `exists` and the uuid of `s`;
 * returns its length. */
#define STATE_TEXT_MAX 192
size_t stage_state_text(const struct stage_state *s, const char *uuid,
			char out[STATE_TEXT_MAX]);
/* stage_check - is the folder there, ours, empty? `known`: it was ours before,
 * and stays that without a state file. Changes nothing. */
int stage_check(struct remote *r, const char *url, const char *uuid, bool adopt,
		bool known, struct stage_state *ret, struct remote_error *err);
/* stage_prepare - begin the visit (visit.h: only_look, keep, stage); probe what
 * works (probe.h: had). */
int stage_prepare(struct remote *r, const char *url, bool only_look,
		  struct partials *keep, const struct abilities *had,
		  char stage[VISIT_STAGE_MAX], struct abilities *ret,
		  struct remote_error *err);
/* stage_write - the state file: `seq` has been reached. _begin: it will be,
 * _publish: all that is needed for that was sent; nothing waits but _end. With
 * e->durable its name is on the disk as well. _ahead: open the next one.
 * _first: nothing is seen on the replica before it. */
void stage_write_begin(struct engine *e, uint64_t seq);
void stage_write_publish(struct engine *e);
void stage_write_first(struct engine *e, uint64_t seq);
int stage_write_end(struct engine *e);
int stage_write(struct engine *e, uint64_t seq);
/* stage_turn - the replica has got what its number, which stays at `seq`, does
 * not tell; a copy of it from before is recognised by its turn. _begin: beside
 * what is still to be waited for, _end: that is there. _keep: within the caller's
 * transaction, when it has been written. _load: that of the journal, or what the
 * replica has, if that is newer; *ret_older: it is older. Return 0, or as
 * engine.h has it. */
int stage_turn_begin(struct engine *e, uint64_t seq);
int stage_turn_end(struct engine *e);
int stage_turn_keep(struct engine *e);
int stage_turn_load(struct engine *e, const struct stage_state *state,
		    bool *ret_older);
void stage_write_ahead(struct engine *e);

#endif
