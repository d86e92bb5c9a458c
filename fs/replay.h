#ifndef MIRRORFS_FS_REPLAY_H
#define MIRRORFS_FS_REPLAY_H

/*
 * What a dead worker was serving, and the kernel still waits for. One thread,
 * before others serve, but for replay_later.
 */

#include <fuse_lowlevel.h>
#include <stdint.h>

#include "shared.h"

/* replay_find - forget the requests that were answered; returns how many
 * remain, with their numbers in `ret`. */
unsigned replay_find(struct fuse_session *se, uint64_t ret[SHARED_THREADS]);
/* replay_forgets - what the kernel had given back, when inodes are there and
 * before any of them is used. */
void replay_forgets(void);
/* replay_all - answer them, but for what replay_later may answer in the first
 * `threads` of them. The thread is as those that serve. `killed`: the worker
 * before did not end by itself. */
void replay_all(struct fuse_session *se, unsigned threads, bool killed);
/* replay_later - by each thread, before it serves anything else. */
void replay_later(struct fuse_session *se, unsigned thread, bool killed);

#endif
