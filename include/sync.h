/* layer: sync */
#ifndef MIRRORFS_SYNC_H
#define MIRRORFS_SYNC_H

/*
 * The sync process: brings the tree to its replicas, one thread for each.
 */

#include <stdbool.h>
#include <stdint.h>

#include "remote.h"

struct sync_ahead;

struct sync_config {
	const char *state_dir;
	int lower_fd;  /* root of the lower tree: a directory, not O_PATH */
	int shared_fd; /* struct shared */
	int wake_fd;   /* eventfd: written after each commit, and when the list
			* of replicas has changed */
	uint64_t delta_above; /* of larger files only what changed travels,
			       * bytes; UINT64_MAX: never */
	struct sync_ahead *ahead; /* taken; NULL: none */
};

/* sync_main - runs until SIGTERM. Returns the exit status of the process. */
int sync_main(const struct sync_config *cfg);

/*
 * sync_probe - can this replica be used? Connects, logs in, looks whether the
 * path is there, writable, and empty, ours (`uuid`, NULL for a journal that
 * does not exist yet) or to be adopted. Leaves nothing behind; but with `keep`,
 * where all is well and nothing of ours was there before, the connection may
 * stay open, in that list, for a sync process that is a fork of this one.
 * Returns 0, or -1 with *err filled.
 */
int sync_probe(const struct remote_config *cfg, const char *uuid, bool adopt,
	       struct sync_ahead **keep, struct remote_error *err);

#define SYNC_AHEAD_MAX 16
/* sync_ahead_fds - the descriptors of those connections; returns how many. */
unsigned sync_ahead_fds(const struct sync_ahead *list, int fds[SYNC_AHEAD_MAX]);
/* sync_ahead_end - nobody wants them: they leave nothing behind. Both take NULL
 * and free the list. */
void sync_ahead_end(struct sync_ahead *list);
/* sync_ahead_forget - the sync process has them. */
void sync_ahead_forget(struct sync_ahead *list);

#endif
