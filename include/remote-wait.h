/* layer: remote */
#ifndef MIRRORFS_REMOTE_WAIT_H
#define MIRRORFS_REMOTE_WAIT_H

/*
 * Requests that are sent and waited for, where speed does not matter: each
 * returns its status (remote.h). They pump, so they run done functions of
 * other requests, and may not be called from one.
 */

#include "remote.h"

/*
 * Requests that are under way together, as each round trip is a pause over a
 * long way: each has an answer, and all of them one number of those that are
 * missing. answer_got is their done function.
 */
struct answer {
	unsigned *pending;
	int status;
	struct remote_attr attr;
};
void answer_got(void *arg, const struct remote_reply *reply);
void answers_wait(struct remote *r, const unsigned *pending);

int remote_lstat(struct remote *r, const char *path, struct remote_attr *ret);
/* remote_is_folder - 1, 0 (also where that cannot be told), or -ENOTCONN */
int remote_is_folder(struct remote *r, const char *path);
int remote_rmdir(struct remote *r, const char *path);
int remote_remove(struct remote *r, const char *path);
int remote_rename(struct remote *r, const char *from, const char *to);
int remote_readlink(struct remote *r, const char *path, char **ret);
/* all entries but "." and ".."; each name owned by the caller. -EINVAL for a
 * path, -EFBIG for a folder that cannot be */
int remote_list(struct remote *r, const char *path,
		struct remote_entry **ret, unsigned *ret_n);
void remote_entries_free(struct remote_entry *entries, unsigned n);
/* a small file, whole; *ret has a NUL behind it; -EFBIG above 64 KiB */
int remote_read_file(struct remote *r, const char *path, char **ret,
		     size_t *ret_len);

#endif
