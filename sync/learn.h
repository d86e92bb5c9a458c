/* layer: sync */
#ifndef SYNC_LEARN_H
#define SYNC_LEARN_H

#include <stdint.h>

#include "record.h"

struct engine;

/* engine_owner - learn how to map it, before something of theirs is sent at `path`;
 * 1: that cannot be now. engine_owners - also those of records that are a part of
 * the action of another one. */
int engine_owner(struct engine *e, uint32_t uid, uint32_t gid,
		 const char *path);
int engine_owners(struct engine *e, const struct record *records, unsigned n);

#endif
