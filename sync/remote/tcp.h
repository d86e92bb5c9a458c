/* layer: remote */
#ifndef MIRRORFS_REMOTE_TCP_H
#define MIRRORFS_REMOTE_TCP_H

#include "remote.h"

/*
 * tcp_connect - a TCP connection to the host of `url`, whatever address of
 * its name answers, within `timeout_ms`, the look-up of the name included.
 * The socket does not block, sends at once, and is given up by the kernel
 * when the peer acknowledges nothing for `timeout_ms`. Ends early when
 * `stop_fd` (> 0) is readable.
 * Returns a descriptor, or -1 with *err filled (REMOTE_UNREACHABLE).
 */
int tcp_connect(const struct remote_url *url, int timeout_ms, int stop_fd,
		struct remote_error *err);

#endif
