#ifndef MIRRORFS_FS_FOLDER_H
#define MIRRORFS_FS_FOLDER_H

/*
 * Folders, opened for *at() calls. A thread keeps the one that it used last:
 * three requests in a row, such as those of a rename, mostly ask for the same.
 */

#include <stdbool.h>

#include "fs/inode.h"

/* folder_open - a descriptor (O_PATH where it may not be read), to be given back
 * by folder_close, or a negative errno. The caller does not hold the order lock
 * of `dir`. */
int folder_open(struct inode *dir);
/* folder_ignores_case - names in it that differ in case only are one (chattr
 * +F). An O_PATH descriptor does not tell: false. */
bool folder_ignores_case(int fd);
/* folder_close - nothing where `fd` is negative. In the thread that opened. */
void folder_close(int fd);
/* folder_let_go - this thread may sleep or end: nothing of ours stays open that
 * the file system below would have to keep. */
void folder_let_go(void);

static inline void folder_cleanup(const int *fd)
{
	folder_close(*fd);
}

#define CLEANUP_FOLDER __attribute__((cleanup(folder_cleanup)))

#endif
