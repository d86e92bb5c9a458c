/* layer: remote */
#ifndef MIRRORFS_REMOTE_STATUS_H
#define MIRRORFS_REMOTE_STATUS_H

/* Foreign errors in our terms: the one place that knows both sides. */

#include <stdint.h>

#include "remote.h"

/* status_to_errno - 0, or a negative errno, of an SSH_FX code. */
int status_to_errno(uint32_t code);

/* status_fail - fill `err`; control characters, which a server may have put
 * into a message, become \xNN. Returns -1. */
int status_fail(struct remote_error *err, enum remote_failure kind,
		const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
