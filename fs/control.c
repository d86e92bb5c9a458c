/* One request a connection; see control.h. */
#include "confdefs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fs/control.h"

static const char *const control_words[] = {
	[CONTROL_STATUS] = "status\n",
	[CONTROL_WAKE] = "wake\n",
	[CONTROL_STOP] = "stop\n",
};

enum control_verb control_accept(int listen_fd, int *ret_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return CONTROL_NONE;
	struct timeval second = {.tv_sec = 1};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));

	char line[64] = "";
	size_t n = 0;
	while (n < sizeof(line) - 1 && !strchr(line, '\n')) {
		ssize_t m = read(fd, line + n, sizeof(line) - 1 - n);
		if (m <= 0)
			break;
		n += (size_t)m;
		line[n] = 0;
	}
	for (int verb = CONTROL_STATUS; verb <= CONTROL_STOP; verb++) {
		if (strcmp(line, control_words[verb]) == 0) {
			*ret_fd = fd;
			return (enum control_verb)verb;
		}
	}
	control_answer(fd, "error: unknown request");
	return CONTROL_NONE;
}

void control_answer(int fd, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	(void)!send(fd, line, (size_t)n, MSG_NOSIGNAL);
	close(fd);
}
