/* layer: sync */
#ifndef SYNC_TEXTSET_H
#define SYNC_TEXTSET_H

/*
 * Sets of texts, mostly paths, each with a number and perhaps an example: what a
 * connected replica remembers (engine.h). A set is its first element, or NULL.
 */

#include <uthash.h>

#include "sync/engine.h"

struct text_set {
	char *text;
	uint64_t n;
	char *example;
	struct failure why; /* of the failed ones */
	UT_hash_handle hh;
};

/* set_add - the one that is there, too; `text` is copied. */
struct text_set *set_add(struct text_set **set, const char *text);
void set_del(struct text_set **set, struct text_set *t);
void set_clear(struct text_set **set);
/* set_list - sorted, the texts and the array owned by the caller. `top`: without
 * those below another one. Returns how many. */
unsigned set_list(struct text_set *set, bool top, char ***ret);

#endif
