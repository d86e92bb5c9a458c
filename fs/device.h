#ifndef MIRRORFS_FS_DEVICE_H
#define MIRRORFS_FS_DEVICE_H

/*
 * libfuse's session over a /dev/fuse that may have had another worker before.
 * A request is read right into the memory that outlives us (kept.h); nothing
 * is read that was not asked for.
 */

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>

struct flight;

/* device_open - over a duplicate of `fuse_fd`. Returns 0, or a negative
 * errno. */
int device_open(int fuse_fd, unsigned features_without,
		struct fuse_session **ret);
/*
 * device_resume - if an earlier worker came to an agreement with the kernel,
 * come to the same, without the kernel. Before anything is served.
 * Returns 0, or a negative errno: -EPROTO (logged) when this program would
 * have answered otherwise.
 */
int device_resume(struct fuse_session *se);

/* device_read - the next request. Returns its bytes, 0: unmounted, or a
 * negative errno: -EAGAIN, -EINTR, -ECONNABORTED. */
int device_read(struct fuse_session *se, struct flight *f);
/* device_serve - answer the request of `bytes` in `f`. */
void device_serve(struct fuse_session *se, struct flight *f, size_t bytes);

/* device_is_owed - the kernel waits for the answer to request `number`. */
bool device_is_owed(struct fuse_session *se, uint64_t number);
/* device_refuse - answer it with an error. */
void device_refuse(struct fuse_session *se, uint64_t number, int error);

#endif
