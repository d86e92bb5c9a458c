/*
 * wrongclock - a library to be preloaded into a server whose clock is wrong
 *
 *	LD_PRELOAD=…/wrongclock.so CLOCK_STEP=…/file sftp-server
 *
 * What the kernel gives the present time because of the server is given another
 * one at once: ahead by the number of seconds that the first eight bytes of FILE
 * hold. Files that are made, cut or written, and folders whose entries come
 * and go. Times that are set stay as they are. (Change times are the kernel's;
 * SFTP does not tell them.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clockstep.h"

static int stamp(int dirfd, const char *path)
{
	struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}};
	if (!step)
		return 0;
	clock_gettime(CLOCK_REALTIME, &t[1]);
	t[1].tv_sec += *step;
	return (int)syscall(SYS_utimensat, dirfd, path, t,
			    path ? AT_SYMLINK_NOFOLLOW : 0);
}

static void stamp_file(int fd)
{
	struct stat st;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		stamp(fd, NULL);
}

static void stamp_folder_of(const char *path)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", path);
	char *folder = dirname(copy);
	/* as who opened it through a symbolic link */
	int fd = (int)syscall(SYS_openat, AT_FDCWD, folder, O_RDONLY);
	if (fd < 0)
		return;
	stamp(fd, NULL);
	syscall(SYS_close, fd);
}

/* stamp_new - what was just made, and the folder that it is in. */
static void stamp_new(const char *path)
{
	stamp(AT_FDCWD, path);
	stamp_folder_of(path);
}

#define REAL(name, ...)                                                        \
	static __typeof__(name) *real;                                         \
	if (!real)                                                             \
		*(void **)&real = dlsym(RTLD_NEXT, #name);                     \
	__typeof__(real(__VA_ARGS__)) r = real(__VA_ARGS__)

#define OPEN(name)                                                             \
	int name(const char *path, int flags, ...)                             \
	{                                                                      \
		va_list ap;                                                    \
		va_start(ap, flags);                                           \
		mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;        \
		va_end(ap);                                                    \
		int there = access(path, F_OK) == 0;                           \
		REAL(name, path, flags, mode);                                 \
		if (r >= 0 && (!there || flags & O_TRUNC))                     \
			stamp_file(r);                                         \
		if (r >= 0 && !there)                                          \
			stamp_folder_of(path);                                 \
		return r;                                                      \
	}
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *data, size_t n)
{
	REAL(write, fd, data, n);
	if (r > 0)
		stamp_file(fd);
	return r;
}

#define CUT(name)                                                              \
	int name(int fd, off_t size)                                           \
	{                                                                      \
		REAL(name, fd, size);                                          \
		if (r == 0)                                                    \
			stamp_file(fd);                                        \
		return r;                                                      \
	}
CUT(ftruncate)
CUT(ftruncate64)

int truncate(const char *path, off_t size)
{
	REAL(truncate, path, size);
	if (r == 0)
		stamp(AT_FDCWD, path);
	return r;
}

int mkdir(const char *path, mode_t mode)
{
	REAL(mkdir, path, mode);
	if (r == 0)
		stamp_new(path);
	return r;
}

int symlink(const char *target, const char *path)
{
	REAL(symlink, target, path);
	if (r == 0)
		stamp_new(path);
	return r;
}

int rename(const char *from, const char *to)
{
	REAL(rename, from, to);
	if (r == 0)
		stamp_folder_of(from);
	if (r == 0)
		stamp_folder_of(to);
	return r;
}

int link(const char *from, const char *to)
{
	REAL(link, from, to);
	if (r == 0)
		stamp_folder_of(to);
	return r;
}

#define ONE(name)                                                              \
	int name(const char *path)                                             \
	{                                                                      \
		REAL(name, path);                                              \
		if (r == 0)                                                    \
			stamp_folder_of(path);                                 \
		return r;                                                      \
	}
ONE(unlink)
ONE(rmdir)
