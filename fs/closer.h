#ifndef MIRRORFS_FS_CLOSER_H
#define MIRRORFS_FS_CLOSER_H

/*
 * The last descriptor of a file without a link: the file system below frees its
 * blocks within close(2), which takes a minute when there are many extents.
 */

#include <stdbool.h>

/* closer_is_slow - to close it may take long. */
bool closer_is_slow(int fd);
/* closer_close - close it; what may take long is done behind our back. Any
 * thread, without a lock that others wait for. */
void closer_close(int fd);

#endif
