#ifndef MIRRORFS_FS_CALLER_H
#define MIRRORFS_FS_CALLER_H

/*
 * Acting for somebody else. The kernel has checked what the caller may do
 * (default_permissions); the worker then acts with the caller's file system
 * ids, so that what is made belongs to the caller and reserved blocks and
 * quotas bind the caller, but keeps its capabilities. One of them, CAP_FSETID,
 * must go when an unprivileged user changes content: only then does the lower
 * file system clear set-id bits.
 *
 * All of this belongs to one thread and stays until the next call: who does
 * something where ownership matters calls caller_become first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* caller_process_start - before there are threads: give up what no worker
 * needs, keep capabilities across changes of id. Returns 0, or a negative
 * errno. */
int caller_process_start(void);
/* caller_thread_start - an own umask for this thread; 0 or negative errno. */
int caller_thread_start(void);

enum caller_setid {
	CALLER_KEEPS_SETID,  /* the kernel has dealt with set-id bits */
	CALLER_CLEARS_SETID, /* what is changed loses them, by the rules that
			      * bind somebody without CAP_FSETID */
};

/* caller_become - in this thread. An unknown id (-1) is taken as root's.
 * Returns 0, or a negative errno: then nothing may be done for them. */
int caller_become(uid_t uid, gid_t gid, enum caller_setid setid);
/* caller_groups - supplementary groups for this thread, until it becomes
 * somebody else: they decide about the set-gid bit of a file that its group
 * may not execute. Returns 0, or a negative errno. */
int caller_groups(const gid_t *groups, size_t n);
void caller_umask(mode_t mask);

/* caller_has_capability - the thread `tid` (0: unknown) has it in effect, in
 * the first user namespace. When in doubt it has not. */
bool caller_has_capability(pid_t tid, int cap);

#endif
