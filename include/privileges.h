/* layer: base */
#ifndef MIRRORFS_PRIVILEGES_H
#define MIRRORFS_PRIVILEGES_H

/*
 * What a process of ours may do besides being root: the capabilities that it
 * keeps. The rest goes for good, also for the programs that it starts
 * (permitted, inheritable, ambient, bounding; no new privileges by exec).
 * Nobody may look into it or trace it but who has CAP_SYS_PTRACE.
 */

#include <stdbool.h>

enum privileges_of { SUPERVISOR, FS_WORKER, SYNC };

/*
 * privileges_drop - once, before there are threads; logs one line that names
 * what is kept, in the children by the thread of log_start. What this process
 * does not have to begin with it cannot keep.
 * Returns 0, or a negative errno: -EPERM.
 */
int privileges_drop(enum privileges_of who);

/*
 * privileges_raise - this thread needs a capability that its process keeps but
 * does not have in effect, for the next call; privileges_lower gives it back.
 * Both return 0, or a negative errno: -EPERM when it is not kept.
 */
int privileges_raise(int cap);
int privileges_lower(int cap);
/* privileges_have - it is in effect for this thread. */
bool privileges_have(int cap);

#endif
