/* layer: sync */
#ifndef SYNC_UNSURE_H
#define SYNC_UNSURE_H

/*
 * Of what it is not known whether the replica has it, however equal it looks:
 * what a power cut left in doubt, what came after the last record that the
 * replica has, and what was moved by records that were not replayed. Functions
 * return 0 or a negative errno, as in engine.h.
 */

#include <stdint.h>

#include "record.h"

struct action;
struct engine;
struct parked;

/* unsure_run - a record that names an object (RF_OBJECT). */
int unsure_run(struct engine *e, const struct record *r, uint64_t seq);
/* unsure_all - before everything is compared: the replica has what was recorded
 * up to `after` (0: nothing); what came then, and what the records behind it say
 * of contents that are not known, makes e->changed_ns. */
int unsure_all(struct engine *e, uint64_t after);
/* unsure_inherit - behind unsure_all: what is there was brought for `replica`,
 * which was removed (0, or a negative errno of the journal). */
int unsure_inherit(struct engine *e, int64_t replica);
/* unsure_below - the same, of a folder that is parked: the replica was told of
 * nothing in it since. */
int unsure_below(struct engine *e, const struct parked *p);
/* unsure_moved - by `r`, a rename that the replica did not see (moves.h).
 * _parked: by those of a batch, and links, that led to where something is parked:
 * when it has been run, as it may have sent what they moved to another name.
 * _moves: those that it misses. _at: what is at `path`. */
int unsure_moved(struct engine *e, const struct record *r);
int unsure_parked(struct engine *e, const struct record *records, unsigned n);
int unsure_moves(struct engine *e);
int unsure_at(struct engine *e, const char *path);

/* unsure_sweep - nothing is parked, and all is done: so what could not be read
 * was met, and has come. What seemed gone since the last time, is. */
void unsure_sweep(struct engine *e);

/* unsure_name - `path` is to become a name of the file `obj`, by an upload that
 * may come later (links_keep): also the next connection must not take for it
 * what the replica has there until then, if that may have names elsewhere. */
void unsure_name(struct engine *e, const char *path, const struct fhandle *obj);

/* object_names - what the replica has of the object of `a`, but for its path, to
 * be freed by links_copies_free: reconcile changes the set that they belong to.
 * Where none is known, and the record names none that is one still, they are
 * looked for (former.c). Returns how many. */
int object_names(struct engine *e, const struct action *a, char ***ret);

#endif
