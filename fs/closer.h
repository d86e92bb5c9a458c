#ifndef MIRRORFS_FS_CLOSER_H
#define MIRRORFS_FS_CLOSER_H

/*
 * The last descriptor of a file without a link: the file system below frees its
 * blocks within close(2), which takes a minute when there are many extents.
 */

/* closer_close - close it; what may take long is done behind our back. A small
 * one is closed here: whoever comes next, to the lock that the caller may hold,
 * finds its room. Any thread. */
void closer_close(int fd);
/* closer_wait - until all is closed: the file system below can be unmounted then.
 * The log tells when that takes long. */
void closer_wait(void);

#endif
