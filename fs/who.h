#ifndef MIRRORFS_FS_WHO_H
#define MIRRORFS_FS_WHO_H

/*
 * Who a process is, for the journal: program and title from /proc. Kept for
 * some milliseconds by pid, no longer: an FTP daemon changes its title with
 * each command, and a shell's child becomes another program. Any thread.
 */

#include "record.h"

/* who_get - fill *ret. A process that is gone has no program or title;
 * pid 0 (the kernel) is not looked up. */
void who_get(uid_t uid, gid_t gid, pid_t pid, struct who *ret);

#endif
