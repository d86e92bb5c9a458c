/*
 * What cannot be written where it belongs is noted in the tree: that is what
 * is being changed, so its disk works; and whoever moves the tree, or gives
 * it another state folder, moves the note, too. Only root sees it, asked for by
 * its name, and it costs nothing but the change time of the root.
 *
 * It says since when: "NUMBER open" while somebody may be changing the tree,
 * NUMBER when what was changed is on the disk, so that a power cut is known.
 */
#include "confdefs.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "owed.h"
#include "privileges.h"

#define OWED OWED_PREFIX "owed"
#define OPEN " open"

/* The worker has what it takes only for the moment. */
static bool admin_begin(void)
{
	return !privileges_have(CAP_SYS_ADMIN) &&
	       privileges_raise(CAP_SYS_ADMIN) == 0;
}

static void admin_end(bool raised)
{
	int saved = errno;
	if (raised)
		privileges_lower(CAP_SYS_ADMIN);
	errno = saved;
}

static int put(int lower_fd, int64_t since_ns, const char *state, int flags)
{
	char text[32];
	int len =
		snprintf(text, sizeof(text), "%" PRId64 "%s", since_ns, state);
	bool raised = admin_begin();
	int r = fsetxattr(lower_fd, OWED, text, (size_t)len, flags);
	admin_end(raised);
	if (r < 0 && errno != EEXIST)
		return -errno;
	return fsync(lower_fd) < 0 ? -errno : 0;
}

/* 1 and what it says, or 0. */
static int get(int lower_fd, int64_t *ret_since_ns, bool *ret_open)
{
	char text[32];
	bool raised = admin_begin();
	ssize_t n = fgetxattr(lower_fd, OWED, text, sizeof(text) - 1);
	admin_end(raised);
	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	text[n] = 0;
	int64_t since = strtoll(text, NULL, 10);
	*ret_since_ns = since > 0 ? since : 1;
	*ret_open = strstr(text, OPEN) != NULL;
	return 1;
}

int owed_note(int lower_fd, int64_t since_ns)
{
	return put(lower_fd, since_ns, OPEN, XATTR_CREATE);
}

int owed_read(int lower_fd, int64_t *ret_since_ns)
{
	bool open;
	return get(lower_fd, ret_since_ns, &open);
}

int owed_begin(int lower_fd)
{
	int64_t since;
	bool open;
	int r = get(lower_fd, &since, &open);
	if (r <= 0)
		return r;
	return put(lower_fd, open ? 1 : since, OPEN, XATTR_REPLACE);
}

int owed_put_away(int lower_fd)
{
	int64_t since;
	bool open;
	int r = get(lower_fd, &since, &open);
	return r <= 0 || !open ? r : put(lower_fd, since, "", XATTR_REPLACE);
}

int owed_clear(int lower_fd)
{
	int64_t since;
	if (owed_read(lower_fd, &since) <= 0)
		return 0;
	bool raised = admin_begin();
	int r = fremovexattr(lower_fd, OWED);
	admin_end(raised);
	if (r < 0)
		return errno != ENODATA ? -errno : 0;
	return fsync(lower_fd) < 0 ? -errno : 0;
}
