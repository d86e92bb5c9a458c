/* One request a connection; see control.h. */
#include "confdefs.h"

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
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
	[CONTROL_UPGRADE] = "upgrade ",
};

static bool word_is(enum control_verb verb, const char *line)
{
	const char *word = control_words[verb];
	if (verb == CONTROL_UPGRADE)
		return strncmp(line, word, strlen(word)) == 0;
	return strcmp(line, word) == 0;
}

int control_accept(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -1;
	struct timeval second = {.tv_sec = 1};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	return fd;
}

/* Who has given up was told that nothing is changed. One that only says that
 * no more comes (a shutdown for writing) still waits. */
static bool has_left(int fd)
{
	struct pollfd p = {.fd = fd};
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

enum control_verb control_read(int fd, char text[CONTROL_TEXT])
{
	char line[CONTROL_TEXT + 16] = "";
	size_t n = 0;
	while (n < CONTROL_TEXT - 1 && !strchr(line, '\n')) {
		ssize_t m = read(fd, line + n, CONTROL_TEXT - 1 - n);
		if (m <= 0)
			break;
		n += (size_t)m;
		line[n] = 0;
	}
	for (int verb = CONTROL_STATUS; verb <= CONTROL_UPGRADE; verb++) {
		if (word_is((enum control_verb)verb, line)) {
			line[strcspn(line, "\n")] = '\0';
			const char *blank = strchr(line, ' ');
			strcpy(text, blank ? blank + 1 : "");
			if (verb < CONTROL_STOP || !has_left(fd))
				return (enum control_verb)verb;
			close(fd);
			return CONTROL_NONE;
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
