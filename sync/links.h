/* layer: sync */
#ifndef SYNC_LINKS_H
#define SYNC_LINKS_H

/*
 * The names that multi-linked objects have on a replica, as of its cursor. In
 * memory, and in the journal as soon as links_save is called (inside the
 * transaction that moves the cursor).
 */

#include <stdbool.h>
#include <stdint.h>

#include "memo.h"

struct links;

int links_open(struct journal *j, int64_t replica, struct links **ret);
void links_close(struct links *l);
/* links_add - `path` is a name of `obj` from step `since` of the executor on
 * (0: it is already): reconcile knows names before the replica has them. */
void links_add(struct links *l, const struct fhandle *obj, const char *path,
	       uint64_t since);
/* links_has - `path` is known as a name of something. */
bool links_has(const struct links *l, const char *path);
/* links_was - or it is doubted or kept as one: what the replica has there may have
 * another name. */
bool links_was(const struct links *l, const char *path);
/* links_del - `path` is not a name of it any more. */
void links_del(struct links *l, const char *path);
/* links_del_tree - nothing at `path` or below it is known any more. */
void links_del_tree(struct links *l, const char *path);
/* links_del_object - all names of `obj`. */
void links_del_object(struct links *l, const struct fhandle *obj);
/* links_del_entries - nothing just below `path` is known any more. */
void links_del_entries(struct links *l, const char *path);
/* links_del_below - nor further down: it is no folder any more. */
void links_del_below(struct links *l, const char *path);
/* links_doubt - before they are deleted: what `path` and those below it are names
 * of is remembered until links_trust. */
void links_doubt(struct links *l, const char *path);
void links_trust(struct links *l);
/* links_keep - `path` is to become a name of `obj`, by an upload that may come
 * to nothing: what it is a name of until then is remembered beyond links_trust,
 * until links_taken: a request has been sent that replaces it, or it is a name
 * of that one still. */
void links_keep(struct links *l, const char *path, const struct fhandle *obj);
void links_taken(struct links *l, const char *path);
/* links_single - as links_keep, where the master has no other name of `obj` any
 * more. From step `since` on it is one if it was, or if others are: records that
 * are still to come may tell of those, and what they bring is to reach it. */
void links_single(struct links *l, const char *path, const struct fhandle *obj,
		  uint64_t since);
/* links_is_other - `path` is, or was when it was doubted or kept, a name of
 * another object than `obj`: what the replica has there may have names
 * elsewhere. */
bool links_is_other(const struct links *l, const char *path,
		    const struct fhandle *obj);
/* links_move - `from` was renamed to `to`, with all below it. */
void links_move(struct links *l, const char *from, const char *to);
void links_swap(struct links *l, const char *a, const char *b);
/* links_clear - nothing is known any more; what the names were is kept. */
void links_clear(struct links *l);
/* links_is - is `path` known as a name of `obj`? */
bool links_is(const struct links *l, const char *path,
	      const struct fhandle *obj);
/* links_other - the names of `obj` but for `path` that are names at step `at`
 * (UINT64_MAX: all); array of borrowed strings owned by the caller. Returns
 * how many. */
unsigned links_other(const struct links *l, const struct fhandle *obj,
		     const char *path, uint64_t at, const char ***ret);
/* links_has_other - are there any, at whatever step? */
bool links_has_other(const struct links *l, const struct fhandle *obj,
		     const char *path);
/* links_copies - the same, all of them, to be changed meanwhile: owned by the
 * caller. links_copies_free - NULL is fine. */
unsigned links_copies(const struct links *l, const struct fhandle *obj,
		      const char *path, char ***ret);
void links_copies_free(char **names, unsigned n);
int links_save(struct links *l);

#endif
