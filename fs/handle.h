#ifndef MIRRORFS_FS_HANDLE_H
#define MIRRORFS_FS_HANDLE_H

/*
 * Open files and directories, by number (FUSE's fh). A handle owns one lower
 * descriptor and keeps its inode. The kernel sends nothing for a handle after
 * its release, so no reference is needed to use one.
 */

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/inode.h"
#include "fs/passthrough.h"

struct handle {
	uint64_t id;
	struct inode *inode;
	int fd;
	bool writable; /* content_open was called */
	bool unseen;   /* what it writes is not told: passthrough.h */
	enum served served;
	uid_t uid;     /* who opened it */
	gid_t gid;
	DIR *dir;	      /* directories: owns fd */
	pthread_mutex_t lock; /* LOCK_handle: dir and dir_off */
	off_t dir_off;	      /* where `dir` stands, -1: unknown */
};

/* handles_start - users may have `max_fd` descriptors open; the rest up to
 * the limit of this process is for what it does itself. */
void handles_start(int max_fd);
/* handle_fits - may `fd` be kept for long? */
bool handle_fits(int fd);
/* handles_stop - closes what the kernel did not release: at umount it does not
 * wait for the release of the last descriptor. */
void handles_stop(void);
/* handle_new - takes `fd` over, and closes it when it fails.
 * Returns 0, or a negative errno: -ENFILE when too many are open, -ENOMEM. */
int handle_new(struct inode *i, int fd, struct handle **ret);
/* handle_get - NULL when there is none. */
struct handle *handle_get(uint64_t id);
/* handle_free - of a writable one, what was written is settled first. */
void handle_free(struct handle *h);

#endif
