/* layer: sync */
#ifndef SYNC_SEED_H
#define SYNC_SEED_H

/*
 * First copies and comparisons: part of engine.h. Functions return as those
 * there do.
 */

#include "comparison.h"
#include "sync/engine.h"

/* ---- seed.c ---- */
/* seed_run - the first copy, or the comparison of everything; goes on where
 * one was cut off. -ECANCELED with e->refusal: it would delete too much. */
int seed_run(struct engine *e);
/* seed_part - a part of the tree, as the administrator asked; what has come of
 * it is in *c, and in the journal. */
int seed_part(struct engine *e, struct comparison *c);
/* seed_unsure - batch_redo of what is doubted after a bad end. What the master does
 * not have goes, if it is little; else -ESTALE: all is to be compared first. */
int seed_unsure(struct engine *e, const char *path, enum strictness strict,
		enum depth depth, uint64_t seq);
/* Reconcile tells it what it does; without a first copy or comparison under way
 * they do nothing. _is_new: no links are known but those of the walk. _passed:
 * was all in this folder done in an earlier connection? _saw: an entry of the
 * master; _found: so many in that folder of the replica. _mark: all that is
 * directly in this folder was pushed. _spares: 1 when what is at `path` on the
 * replica, and not on the master, is to stay for now; -ESTALE: until all is compared (told.h).
 * _differs: something was pushed for `path`;
 * _relinks: that is nothing but a name of what may be linked there already.
 * _sends: a file will be sent. _tick: time passes. _met: in a first
 * copy, what is there has more names than here, and may be what was left alone
 * at another one. */
bool seed_is_new(const struct engine *e);
bool seed_passed(const struct engine *e, const char *path);
void seed_saw(struct engine *e, const char *path, const struct stat *st);
void seed_found(struct engine *e, const char *path, unsigned n);
void seed_differs(struct engine *e, const char *path);
void seed_relinks(struct engine *e);
void seed_sends(struct engine *e, const struct stat *st);
bool seed_met(struct engine *e, const struct stat *st,
	      const struct remote_attr *a);
void seed_tick(struct engine *e);
int seed_mark(struct engine *e, const char *path);
int seed_spares(struct engine *e, const char *path,
		const struct remote_attr *a);
/* seed_count - *n grows by what goes when `path` is removed from the replica. 1 when
 * it stays, as something in it is excluded; 0, or -ENOTCONN. */
int seed_count(struct engine *e, const char *path, mode_t mode, uint64_t *n);

/* ---- verify.c ---- */
/* While e->verify is set, contents are compared where all else is equal. */
struct verify *verify_new(void);
void verify_free(struct verify *v);
/* verify_add - this file, at the next verify_run, which pushes what differs;
 * verify_room - before it: for one more. */
int verify_room(struct engine *e);
int verify_add(struct engine *e, const char *path, const struct stat *st,
	       const struct fhandle *obj, const struct remote_attr *there);
int verify_run(struct engine *e);
/* verify_read - bytes that were read back. */
uint64_t verify_read(const struct verify *v);

#endif
