/* layer: journal */
#ifndef MIRRORFS_RESERVE_H
#define MIRRORFS_RESERVE_H

/*
 * STATE/reserve: room on the disk for what a mount has to write. _use: give it
 * up if the disk is full. _keep: have it, if as much is free, and `beside` as
 * well; on a disk that is full it becomes what there is. No error: then it is
 * not there.
 */

#include <stdint.h>

#define JOURNAL_RESERVE (UINT64_C(4) << 20)

void journal_reserve_use(const char *state_dir);
void journal_reserve_keep(const char *state_dir, uint64_t beside);

#endif
