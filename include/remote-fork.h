/* layer: remote */
#ifndef MIRRORFS_REMOTE_FORK_H
#define MIRRORFS_REMOTE_FORK_H

/*
 * A connection that was made in one process, and with which another one, a
 * fork of it, goes on. Not for local replicas.
 */

#include "remote.h"

/* remote_fd - what the fork must inherit. */
int remote_fd(const struct remote *r);
/* remote_set_stop - `stop_fd` of remote_config is another one from here on. */
void remote_set_stop(struct remote *r, int stop_fd);
/* remote_forget - as remote_close, in the process that does not go on with it:
 * nothing is said to the server. */
void remote_forget(struct remote *r);

#endif
