/* Error spaces of SFTP and of people. */
#include "confdefs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "paths.h"
#include "sync/remote/status.h"

enum status_code {
	FX_OK = 0,
	FX_EOF = 1,
	FX_NO_SUCH_FILE = 2,
	FX_PERMISSION_DENIED = 3,
	FX_FAILURE = 4,
	FX_BAD_MESSAGE = 5,
	FX_NO_CONNECTION = 6,
	FX_CONNECTION_LOST = 7,
	FX_OP_UNSUPPORTED = 8,
};

int status_to_errno(uint32_t code)
{
	switch (code) {
	case FX_OK:
		return 0;
	case FX_EOF:
		return -ENODATA;
	case FX_NO_SUCH_FILE:
		return -ENOENT;
	case FX_PERMISSION_DENIED:
		return -EACCES;
	case FX_BAD_MESSAGE:
		return -EINVAL;
	case FX_OP_UNSUPPORTED:
		return -EOPNOTSUPP;
	default:
		/* 6 and 7 are for a client's own use: no server may make us
		 * believe that the connection is gone */
		return -EREMOTEIO;
	}
}

int status_fail(struct remote_error *err, enum remote_failure kind,
		const char *fmt, ...)
{
	CLEANUP_FREE char *raw = NULL;
	va_list ap;
	va_start(ap, fmt);
	int n = vasprintf(&raw, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	CLEANUP_FREE char *clean = text_printable(raw);
	err->kind = kind;
	snprintf(err->text, sizeof(err->text), "%s", clean);
	return -1;
}
