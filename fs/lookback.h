#ifndef MIRRORFS_FS_LOOKBACK_H
#define MIRRORFS_FS_LOOKBACK_H

/*
 * What is noticed of changes that were made while nothing was mounted; see
 * lookback.c. For the supervisor and a child of it, where nothing else uses
 * lower.h, and only on a file system that has handles.
 */

#include "journal.h"

/* stamps_take - the tree is as replicas will have it, but for what has changed
 * since the mount went away (ns, wall clock). Takes 2 s at most. Returns 0, or a
 * negative errno: nothing will be noticed. */
int stamps_take(struct journal *j, int lower_fd, int64_t gone_ns);

struct stamps_mount { /* what was so at the mount; ns, wall clock */
	int64_t root_ctime_ns, mounted_ns;
};

/* stamps_look - compare with what stamps_take has left, put records for what
 * differs, forget it. Returns 0, or a negative errno: the next one does. */
int stamps_look(struct journal *j, struct shared *s, int lower_fd,
		const struct stamps_mount *at);

#endif
