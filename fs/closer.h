#ifndef MIRRORFS_FS_CLOSER_H
#define MIRRORFS_FS_CLOSER_H

/*
 * The last descriptor of a file without a link: the file system below frees its
 * blocks within close(2), which takes a minute when there are many extents.
 */

/* closer_close - close it; what may take long is done behind our back. Any
 * thread, without a lock that others wait for. */
void closer_close(int fd);

#endif
