/*
 * dud - a program that says it could serve a mount, and then does not
 *
 * For "mirrorfs upgrade --program": it answers --check with yes, and ends with
 * status 1 when it is to do the work. When there is a fifo of its own name with
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

/* wait_told - true when there was something to wait for. */
static bool wait_told(void)
{
	char path[PATH_MAX + 8];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);
	if (n <= 0)
		return false;
	memcpy(path + n, ".ask", sizeof(".ask"));
	int fd = open(path, O_WRONLY);
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
	return 1;
}
