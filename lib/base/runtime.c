/*
 * Socket paths may be longer than sockaddr_un holds (108 bytes), as names are
 * made from paths: so they are bound and reached through /proc/self/fd.
 */
#include "confdefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "runtime.h"

#define RUNTIME_DIR "/run/mirrorfs"

static int runtime_dir(const char *name, bool make)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", RUNTIME_DIR, name);
	if (make) {
		if (mkdir(RUNTIME_DIR, 0755) < 0 && errno != EEXIST)
			return -errno;
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* lock_is_current - who withdraws removes the lock while others may wait for
 * it: the lock of a file that is not there any more keeps nobody out. */
static bool lock_is_current(int dir, int fd)
{
	struct stat mine, now;
	return fstat(fd, &mine) == 0 && fstatat(dir, "lock", &now, 0) == 0 &&
	       mine.st_dev == now.st_dev && mine.st_ino == now.st_ino;
}

/* Returns the lock, or a negative errno: -EWOULDBLOCK when it cannot be had at
 * this moment. */
static int claim_now(const char *name)
{
	CLEANUP_CLOSE int dir = runtime_dir(name, true);
	if (dir < 0)
		return dir;
	CLEANUP_CLOSE int fd =
		openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) /* ENOENT: the folder was just withdrawn */
		return errno == ENOENT ? -EWOULDBLOCK : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	if (!lock_is_current(dir, fd))
		return -EWOULDBLOCK;
	int r = fd;
	fd = -1;
	return r;
}

int runtime_claim(const char *name)
{
	int r = -EWOULDBLOCK;
	/* runtime_list holds it for a moment to see whether it is free */
	for (int tries = 0; r == -EWOULDBLOCK && tries < 20; tries++) {
		if (tries)
			usleep(10000);
		r = claim_now(name);
	}
	return r == -EWOULDBLOCK ? -EBUSY : r;
}

int runtime_publish(const char *name, const char *root, const char *state_dir)
{
	CLEANUP_CLOSE int dir = runtime_dir(name, true);
	if (dir < 0)
		return dir;
	int fd = openat(dir, "info", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			0600);
	if (fd < 0)
		return -errno;
	CLEANUP_FCLOSE FILE *f = fdopen(fd, "w");
	if (!f)
		return -ENOMEM;
	fprintf(f, "%d\n%s\n%s\n", (int)getpid(), root, state_dir);
	return fflush(f) == 0 ? 0 : -errno;
}

static void runtime_address(int dir, struct sockaddr_un *sa)
{
	sa->sun_family = AF_UNIX;
	snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/control",
		 dir);
}

int runtime_listen(const char *name)
{
	CLEANUP_CLOSE int dir = runtime_dir(name, true);
	if (dir < 0)
		return dir;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	struct sockaddr_un sa = {0};
	runtime_address(dir, &sa);
	unlinkat(dir, "control", 0);
	mode_t old = umask(0177);
	int r = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	umask(old);
	if (r < 0 || listen(fd, 64) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

char *runtime_log(const char *name)
{
	char *path;
	if (asprintf(&path, "%s/%s/log", RUNTIME_DIR, name) < 0)
		abort();
	return path;
}

void runtime_withdraw(const char *name)
{
	CLEANUP_CLOSE int dir = runtime_dir(name, false);
	if (dir < 0)
		return;
	unlinkat(dir, "control", 0);
	unlinkat(dir, "info", 0);
	unlinkat(dir, "lock", 0);
	unlinkat(dir, "log", 0);
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", RUNTIME_DIR, name);
	rmdir(path);
}

/* A queue that is full keeps connect waiting, too. */
static int runtime_connect(const char *name, int limit_ms)
{
	CLEANUP_CLOSE int dir = runtime_dir(name, false);
	if (dir < 0)
		return -ENOTCONN;
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	struct timeval limit = {.tv_sec = limit_ms / 1000,
				.tv_usec = limit_ms % 1000 * 1000};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	struct sockaddr_un sa = {0};
	runtime_address(dir, &sa);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return errno == EAGAIN			   ? -ETIMEDOUT
		       : errno == EACCES || errno == EPERM ? -errno
							   : -ENOTCONN;
	int r = fd;
	fd = -1;
	return r;
}

/* runtime_read_some - one piece. Returns as read(2), or -ETIMEDOUT. */
static ssize_t runtime_read_some(int fd, char *to, size_t size, int64_t end_ns)
{
	for (;;) {
		int64_t left_ns = end_ns - clock_mono_ns();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int n = left_ns <= 0
				? 0
				: poll(&p, 1, (int)(left_ns / NS_PER_MS) + 1);
		ssize_t m = n > 0 ? read(fd, to, size) : -1;
		if (n == 0)
			return -ETIMEDOUT;
		if (m >= 0 || errno != EINTR)
			return m;
	}
}

int runtime_ask(const char *name, const char *line, int limit_ms, char **ret)
{
	int64_t end_ns = clock_mono_ns() + limit_ms * NS_PER_MS;
	CLEANUP_CLOSE int fd = runtime_connect(name, limit_ms);
	if (fd < 0)
		return fd;
	if (dprintf(fd, "%s\n", line) < 0)
		return -ENOTCONN;
	char answer[4096];
	size_t n = 0;
	while (n < sizeof(answer) - 1) {
		ssize_t m = runtime_read_some(fd, answer + n,
					      sizeof(answer) - 1 - n, end_ns);
		if (m == -ETIMEDOUT)
			return -ETIMEDOUT;
		if (m <= 0)
			break;
		n += (size_t)m;
	}
	if (n == 0 || answer[n - 1] != '\n')
		return -ENOTCONN;
	answer[n - 1] = 0;
	*ret = strdup(answer);
	return *ret ? 0 : -ENOMEM;
}

void runtime_info_done(struct runtime_info *info)
{
	free(info->name);
	free(info->root);
	free(info->state_dir);
}

/* read_line - without its end; owned by the caller. NULL: it is not all there
 * yet, as somebody is writing it. */
static char *read_line(FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n = getline(&line, &size, f);
	if (n > 0 && line[n - 1] == '\n') {
		line[n - 1] = 0;
		return line;
	}
	free(line); /* getline makes one at the end of a file, too */
	return NULL;
}

/* runtime_read - what the folder of `name` says; false when it is not one. */
static bool runtime_read(const char *name, struct runtime_info *info)
{
	CLEANUP_CLOSE int dir = runtime_dir(name, false);
	if (dir < 0)
		return false;
	int fd = openat(dir, "info", O_RDONLY | O_CLOEXEC);
	CLEANUP_FCLOSE FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	if (!f)
		return false;
	char *lines[3];
	for (int i = 0; i < 3; i++)
		lines[i] = read_line(f);
	*info = (struct runtime_info){.name = strdup(name),
				      .root = lines[1],
				      .state_dir = lines[2],
				      .pid = lines[0] ? atoi(lines[0]) : 0};
	free(lines[0]);
	CLEANUP_CLOSE int lock = openat(dir, "lock", O_RDWR | O_CLOEXEC);
	info->alive = lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) < 0;
	if (info->root && info->state_dir)
		return true;
	runtime_info_done(info);
	return false;
}

int runtime_list(struct runtime_info **ret, unsigned *ret_n)
{
	*ret = NULL;
	*ret_n = 0;
	CLEANUP_CLOSEDIR DIR *d = opendir(RUNTIME_DIR);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	struct dirent *de;
	while ((de = readdir(d))) {
		struct runtime_info info;
		if (de->d_name[0] == '.' || !runtime_read(de->d_name, &info))
			continue;
		*ret = realloc(*ret, (*ret_n + 1) * sizeof(**ret));
		if (!*ret)
			abort();
		(*ret)[(*ret_n)++] = info;
	}
	return 0;
}
