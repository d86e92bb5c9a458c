#ifndef MIRRORFS_CLI_HOLDERS_H
#define MIRRORFS_CLI_HOLDERS_H

#include <sys/types.h>

/*
 * holders_of - the processes that have a file open, or their working folder,
 * below `root`: "bash (123), vsftpd (456)"; `except` are not looked at (our
 * own hold the tree below, which has the same path). NULL when none was
 * found. Owned by the caller.
 */
char *holders_of(const char *root, const pid_t *except, unsigned n_except);

#endif
