/*
 * dud - a program that says it could serve a mount, and then does not
 *
 * For "mirrorfs upgrade --program": it answers --check with yes, and ends with
 * status 1 when it is to do the work; or never, when there is a file of its own
 * name with ".hang" behind it. When there is a fifo of its own name with
 * ".ask" behind it, it opens that for writing when it is asked, and answers only
 * when nobody reads it any more, with no.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* beside - open what has our name and `end` behind it. */
static int beside(const char *end, int flags)
{
	char path[PATH_MAX + 8];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	if (n <= 0)
		return -1;
	strcpy(path + n, end);
	return open(path, flags);
}

/* wait_told - true when there was something to wait for. */
static bool wait_told(void)
{
	int fd = beside(".ask", O_WRONLY);
	struct pollfd p = {.fd = fd};
	while (fd >= 0 && poll(&p, 1, -1) < 0)
		;
	return fd >= 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--check") == 0)
			return wait_told();
	}
	while (beside(".hang", O_RDONLY) >= 0)
		pause();
	return 1;
}
