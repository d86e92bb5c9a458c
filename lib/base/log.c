/*
 * Each message is one write(2), so that lines of several threads and of the
 * three processes that share a log file do not mix.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "paths.h"

static const char *log_ident = "mirrorfs";
static int log_fd = STDERR_FILENO;
static enum log_level log_level = LL_INFO;

int log_open(const char *ident, const char *path)
{
	log_ident = ident;
	if (!path)
		return 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (log_fd != STDERR_FILENO)
		close(log_fd);
	log_fd = fd;
	return 0;
}

void log_close(void)
{
	if (log_fd != STDERR_FILENO)
		close(log_fd);
	log_fd = STDERR_FILENO;
}

void log_set_level(enum log_level level)
{
	log_level = level;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	static const char *const words[] = {"error", "warning", "notice",
					    "info", "debug"};
	if (level > log_level)
		return;
	int saved = errno;
	char when[32];
	clock_format(clock_wall_ns(), when, sizeof(when));
	char text[2048], line[4096];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* a file may be called as a user likes; a message stays one line */
	char *safe = text_printable(text);
	int n = snprintf(line, sizeof(line) - 1, "%s %s %s[%d]: %s", when,
			 words[level], log_ident, (int)getpid(), safe);
	free(safe);
	size_t len = n < 0 ? 0 : (size_t)n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	ssize_t done = write(log_fd, line, len);
	(void)done; /* nowhere left to complain */
	errno = saved;
}
