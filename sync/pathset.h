/* layer: sync */
#ifndef SYNC_PATHSET_H
#define SYNC_PATHSET_H

/*
 * A set of tree paths, each with a number ≥ 1, that answers "what do you have
 * at, above or below this path?" in time proportional to the path's depth.
 * Pure: no I/O, no lock; one thread at a time. Paths are copied.
 */

#include <stdint.h>

struct pathset_node;

struct pathset {
	struct pathset_node *nodes;
};

void pathset_done(struct pathset *s);

/* pathset_put - add `path`; a number that is there already only grows. */
void pathset_put(struct pathset *s, const char *path, uint64_t number);

/* pathset_at - the number of `path` itself, 0 when it is not in the set. */
uint64_t pathset_at(const struct pathset *s, const char *path);

/* pathset_cover - the largest number at `path` or above it, or 0. */
uint64_t pathset_cover(const struct pathset *s, const char *path);

/* pathset_below - the largest number strictly below `path`, or 0. */
uint64_t pathset_below(const struct pathset *s, const char *path);

/* pathset_related - the larger of the two. */
uint64_t pathset_related(const struct pathset *s, const char *path);

/* pathset_drop - forget all whose number is ≤ `upto`. */
void pathset_drop(struct pathset *s, uint64_t upto);

#endif
