#ifndef MIRRORFS_FS_VICTIM_H
#define MIRRORFS_FS_VICTIM_H

/*
 * What a name stands for, found out before the name goes away: unlink, rmdir
 * and rename need to know whom they hit. It is held by an O_PATH descriptor:
 * it can be pinned when it was the last name, and what a large file takes up
 * is freed in victim_done, under no lock.
 */

#include "fs/inode.h"

struct victim {
	struct fhandle fh;
	struct stat st;	     /* before */
	struct inode *inode; /* a reference; NULL: not known to the kernel */
	int fd;		     /* or -1: there was none to be had */
};

#define VICTIM_INIT                                                            \
	{                                                                      \
		.fd = -1                                                       \
	}

/* victim_find - fill `v`. Returns 0, or a negative errno: -ENOENT. */
int victim_find(struct victim *v, int dirfd, const char *name);
/* victim_know - the same without a descriptor: it stays. */
int victim_know(struct victim *v, int dirfd, const char *name);
/* victim_is_last - the name is its only one. */
bool victim_is_last(const struct victim *v);
/* victim_hold - it is about to go: see inode_hold. */
void victim_hold(const struct victim *v);
/* victim_gone - it is called `name` in `dir` no more. Under the order locks. */
void victim_gone(struct victim *v, struct inode *dir, const char *name);
/* victim_look_again - in doubt whether it is: what has the name now is called so,
 * and the kernel asks again. Under the order locks. */
void victim_look_again(const struct victim *v, int dirfd, struct inode *dir,
		       const char *name);
void victim_done(struct victim *v);

#endif
