/* layer: sync */
#ifndef SYNC_EARLY_H
#define SYNC_EARLY_H

/* Contents of the next batch, uploaded in advance: batch-early.c. */

#include <stdint.h>

struct engine;

struct early {
	uint64_t after; /* records that early_look has not seen */
	unsigned tries; /* with the first of them */
};

/* early_begin - all of the batch that ends at `after` was pushed: until _end,
 * contents of what comes behind it are uploaded in advance, when the executor
 * is woken: _look. */
void early_begin(struct engine *e, uint64_t after);
void early_end(struct engine *e);
void early_look(struct engine *e);

#endif
