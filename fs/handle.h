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

/* Kept for the next worker (kept.h), but for what is marked "own". */
struct handle {
	uint64_t id;	/* stored last: 0 while it is being made */
	uint64_t maker; /* the request that made it, by number */
	uint64_t inode_id;
	struct inode *inode; /* own */
	int fd;		     /* own; -EBADF: it could not be opened again */
	int flags;	     /* by which the lower file was opened */
	int32_t backing_id;  /* of a pass handle: passthrough.h */
	uid_t uid;	     /* who opened it */
	gid_t gid;
	bool writable; /* content_open was called */
	bool reads_only; /* own; handle_writes knows; LOCK_handle */
	bool unseen;   /* what it writes is not told: passthrough.h */
	bool is_dir;
	enum served served;
	DIR *dir;	      /* own; directories: owns fd */
	pthread_mutex_t lock; /* own; LOCK_handle: dir and dir_off */
	off_t dir_off;	      /* own; where `dir` stands, -1: unknown */
};

/* handles_start - users may have `max_fd` descriptors open; the rest up to
 * the limit of this process is for what it does itself. What an earlier worker
 * left is known, but not open yet. Returns 0, or a negative errno. */
int handles_start(int max_fd);
/* handles_restore - open again what an earlier worker left; before content.c
 * and passthrough.c are asked about them. What was made for the request
 * `makers[…]`, which nobody was told of, goes. */
void handles_restore(const uint64_t *makers, unsigned n);
/* handles_each - nobody else uses them meanwhile; `fn` may free it. */
void handles_each(void (*fn)(struct handle *h));
/* handle_fits - may `fd` be kept for long? */
bool handle_fits(int fd);
/* handles_free - closes what the kernel did not release: at umount it does not
 * wait for the release of the last descriptor. */
void handles_free(void);
/* handles_stop - without that they stay for another worker. */
void handles_stop(void);
/* handle_new - takes `fd` over, and closes it when it fails. `flags`: by which
 * it was opened. Returns 0, or a negative errno: -ENFILE when too many are
 * open, -ENOMEM. */
int handle_new(struct inode *i, int fd, int flags, struct handle **ret);
/* handle_get - NULL when there is none. */
struct handle *handle_get(uint64_t id);
/* handle_writes - may h->fd be written to, of a writable one? What was made
 * immutable (chattr +i) while it was open, or whose file system became
 * read-only, can only be opened for reading by the next worker. Returns 0, or a
 * negative errno: -EPERM or -EROFS, it still is. */
int handle_writes(struct handle *h);
/* handle_free - of a writable one, what was written is settled first. */
void handle_free(struct handle *h);

#endif
