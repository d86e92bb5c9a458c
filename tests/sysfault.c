/*
 * sysfault - a library to be preloaded: system calls that fail on purpose
 *
 *	LD_PRELOAD=…/sysfault.so FAULTS=…/file program
 *
 * FILE holds one line and is read again whenever it has changed, so that a
 * running program can be made to fail, and to recover:
 *
 *	CALL NTH COUNT ERRNO PATTERN [PROCESS]
 *
 * From the NTH call on (counted since the line was read) of CALL on a file
 * whose path contains PATTERN (several: with | between them), COUNT calls fail
 * with ERRNO (a number; "short": half of it is written; "wait": it is done when
 * FILE has another line; of pwrite, ftruncate, renameat2 and unlinkat also "+" and
 * a number: it is done, and fails; "then": it is done, and returns when FILE has
 * another line; "hang": its thread waits for ever, as for a lock that nobody gives back).
 * CALL: open, pread, pwrite (and write), fsync (and fdatasync), ftruncate (and
 * truncate, fallocate), rename, unlink, mkdir, symlink, move_mount, syncfs,
 * handle (name_to_handle_at), close, fork (its path is "fork"),
 * group (getgrgid_r; "group"), or any, but pread, handle, close, fork and group. An empty file: nothing fails. PROCESS: only in those whose first argument
 * is that. What failed is counted in FILE.hits.
 *
 * SYMLINK_SWAPPED=1: symlink takes its arguments the other way round, by which an
 * SFTP server of OpenSSH has those of SYMLINK as the draft has them.
 *
 * REQUESTS=FILE: the name of each request that is read from /dev/fuse goes there, a
 * line each.
 *
 * CLOCK_STEP=FILE: the wall clock is ahead by the number of seconds that the
 * first eight bytes of FILE hold.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fuse.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clockstep.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct timespec seen; /* of the file, when it was read */
static char call[16], pattern[256];
static long nth, count, error, calls, hits;
enum { SHORT = -1, WAIT = -2, THEN = -3, HANG = -4,
       DONE = -1000 }; /* DONE - errno */
static __thread struct timespec planned; /* `seen`, for the call of this thread */

#define REAL(name) real_##name
#define FIND(name)                                                             \
	do {                                                                   \
		if (!REAL(name))                                               \
			*(void **)&REAL(name) = dlsym(RTLD_NEXT, #name);       \
	} while (0)

/* argument - the first one of this process. */
static const char *argument(void)
{
	static char line[256];
	if (*line)
		return line + strlen(line) + 1;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline",
			      O_RDONLY);
	if (fd < 0)
		return "";
	ssize_t n = syscall(SYS_read, fd, line, sizeof(line) - 2);
	syscall(SYS_close, fd);
	return n > 0 ? line + strlen(line) + 1 : "";
}

static void read_plan(void)
{
	const char *file = getenv("FAULTS");
	struct stat st;
	char text[512] = "", word[16] = "", process[32] = "";
	if (!file || stat(file, &st) < 0)
		return;
	if (st.st_mtim.tv_sec == seen.tv_sec &&
	    st.st_mtim.tv_nsec == seen.tv_nsec)
		return;
	seen = st.st_mtim;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);
	if (fd < 0)
		return;
	if (syscall(SYS_read, fd, text, sizeof(text) - 1) < 0)
		*text = 0;
	syscall(SYS_close, fd);
	calls = hits = 0;
	*call = 0;
	int n = sscanf(text, "%15s %ld %ld %15s %255s %31s", call, &nth, &count,
		       word, pattern, process);
	if (n == 5 || (n == 6 && strcmp(process, argument()) == 0))
		error = strcmp(word, "short") == 0  ? SHORT
			: strcmp(word, "wait") == 0 ? WAIT
			: strcmp(word, "then") == 0 ? THEN
			: strcmp(word, "hang") == 0 ? HANG
			: *word == '+'		    ? DONE - atol(word)
						    : atol(word);
	else
		*call = 0;
}

static void tell_hit(void)
{
	char path[512], text[32];
	snprintf(path, sizeof(path), "%s.hits", getenv("FAULTS"));
	int n = snprintf(text, sizeof(text), "%ld\n", ++hits);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
			      O_WRONLY | O_CREAT | O_TRUNC, 0600);
	syscall(SYS_write, fd, text, (size_t)n);
	syscall(SYS_close, fd);
}

static int taken; /* the lock of who hangs */

/* hold - until there is another plan than that of `when`, or none. */
static void hold(struct timespec when)
{
	bool same = true;
	while (same) {
		usleep(1000);
		pthread_mutex_lock(&lock);
		read_plan();
		same = seen.tv_sec == when.tv_sec &&
		       seen.tv_nsec == when.tv_nsec &&
		       access(getenv("FAULTS"), F_OK) == 0;
		pthread_mutex_unlock(&lock);
	}
}

/* path_is_meant - one of the patterns is in it. */
static bool path_is_meant(const char *path)
{
	char list[sizeof(pattern)], *rest = list, *one;
	memcpy(list, pattern, sizeof(list));
	while ((one = strsep(&rest, "|"))) {
		if (strstr(path, one))
			return true;
	}
	return false;
}

/* Is it this call's turn? 0: no; an errno; SHORT, or what `after` is for. */
static long fault(const char *name, const char *path)
{
	long r = 0;
	int saved = errno;
	pthread_mutex_lock(&lock);
	read_plan();
	if (*call && path && path_is_meant(path) &&
	    (strcmp(call, name) == 0 ||
	     (strcmp(call, "any") == 0 && strcmp(name, "pread") != 0 &&
	      strcmp(name, "handle") != 0 && strcmp(name, "close") != 0 &&
	      strcmp(name, "fork") != 0 && strcmp(name, "group") != 0))) {
		calls++;
		if (calls >= nth && calls < nth + count) {
			r = error;
			tell_hit();
		}
	}
	planned = seen;
	pthread_mutex_unlock(&lock);
	if (r == WAIT) {
		hold(planned);
		r = 0;
	}
	while (r == HANG)
		syscall(SYS_futex, &taken, FUTEX_WAIT, taken, NULL, NULL, 0);
	errno = saved;
	return r;
}

static long fault_fd(const char *name, int fd)
{
	char link[64], path[512];
	if (!getenv("FAULTS"))
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return 0;
	path[n] = 0;
	return fault(name, path);
}

/* fault_at - `path` as seen from the folder `dir`. */
static long fault_at(const char *name, int dir, const char *path)
{
	char link[64], whole[1024];
	if (!getenv("FAULTS") || *path == '/' || dir == AT_FDCWD)
		return fault(name, path);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	ssize_t n = readlink(link, whole, 512);
	if (n < 0)
		return 0;
	snprintf(whole + n, sizeof(whole) - (size_t)n, "/%s", path);
	return fault(name, whole);
}

static int fail(long e)
{
	errno = e > 0 ? (int)e : EIO;
	return -1;
}

/* after - the call was made, and returned r. */
static long after(long r, long e)
{
	int saved = errno;
	if (e == THEN)
		hold(planned);
	errno = saved;
	return e < DONE ? fail(DONE - e) : r;
}

/* ---- the calls ---- */

static int (*real_open)(const char *, int, ...);
static int (*real_open64)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_openat64)(int, const char *, int, ...);
static int (*real_rename)(const char *, const char *);
static int (*real_renameat)(int, const char *, int, const char *);
static int (*real_unlink)(const char *);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_pread64)(int, void *, size_t, off_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwrite64)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_syncfs)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_ftruncate64)(int, off_t);
static int (*real_fallocate)(int, int, off_t, off_t);
static int (*real_fallocate64)(int, int, off_t, off_t);
static int (*real_move_mount)(int, const char *, int, const char *, unsigned);

static mode_t mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name)                                                             \
	int name(const char *path, int flags, ...);                            \
	int name(const char *path, int flags, ...)                             \
	{                                                                      \
		va_list ap;                                                    \
		va_start(ap, flags);                                           \
		mode_t mode = mode_of(flags, ap);                              \
		va_end(ap);                                                    \
		FIND(name);                                                    \
		long e = fault("open", path);                                  \
		return e ? fail(e) : REAL(name)(path, flags, mode);            \
	}
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                           \
	int name(int dir, const char *path, int flags, ...);                   \
	int name(int dir, const char *path, int flags, ...)                    \
	{                                                                      \
		va_list ap;                                                    \
		va_start(ap, flags);                                           \
		mode_t mode = mode_of(flags, ap);                              \
		va_end(ap);                                                    \
		FIND(name);                                                    \
		long e = fault_at("open", dir, path);                          \
		return e ? fail(e) : REAL(name)(dir, path, flags, mode);       \
	}
OPENAT(openat)
OPENAT(openat64)

int rename(const char *from, const char *to)
{
	FIND(rename);
	long e = fault("rename", to);
	return e ? fail(e) : REAL(rename)(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	FIND(renameat);
	long e = fault_at("rename", to_dir, to);
	return e ? fail(e) : REAL(renameat)(from_dir, from, to_dir, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to,
	      unsigned flags)
{
	static int (*REAL(renameat2))(int, const char *, int, const char *,
				      unsigned);
	FIND(renameat2);
	long e = fault_at("rename", to_dir, to);
	return e > 0 ? fail(e)
		     : (int)after(REAL(renameat2)(from_dir, from, to_dir, to,
						  flags),
				  e);
}

int getgrgid_r(gid_t id, struct group *g, char *room, size_t size,
	       struct group **ret)
{
	static int (*REAL(getgrgid_r))(gid_t, struct group *, char *, size_t,
				       struct group **);
	FIND(getgrgid_r);
	long e = fault("group", "group");
	*ret = NULL;
	return e ? (int)e : REAL(getgrgid_r)(id, g, room, size, ret);
}

int mkdir(const char *path, mode_t mode)
{
	static int (*REAL(mkdir))(const char *, mode_t);
	FIND(mkdir);
	long e = fault("mkdir", path);
	return e ? fail(e) : REAL(mkdir)(path, mode);
}

int symlink(const char *target, const char *path)
{
	static int (*REAL(symlink))(const char *, const char *);
	FIND(symlink);
	if (getenv("SYMLINK_SWAPPED"))
		return REAL(symlink)(path, target);
	long e = fault("symlink", path);
	return e ? fail(e) : REAL(symlink)(target, path);
}

int unlink(const char *path)
{
	FIND(unlink);
	long e = fault("unlink", path);
	return e ? fail(e) : REAL(unlink)(path);
}

int unlinkat(int dir, const char *path, int flags)
{
	static int (*REAL(unlinkat))(int, const char *, int);
	FIND(unlinkat);
	long e = fault_at("unlink", dir, path);
	return e > 0 ? fail(e) : (int)after(REAL(unlinkat)(dir, path, flags), e);
}

#define PREAD(name)                                                            \
	ssize_t name(int fd, void *p, size_t n, off_t off);                    \
	ssize_t name(int fd, void *p, size_t n, off_t off)                     \
	{                                                                      \
		FIND(name);                                                    \
		long e = fault_fd("pread", fd);                                \
		return e ? fail(e) : REAL(name)(fd, p, n, off);                \
	}
PREAD(pread)
PREAD(pread64)

#define PWRITE(name)                                                           \
	ssize_t name(int fd, const void *p, size_t n, off_t off);              \
	ssize_t name(int fd, const void *p, size_t n, off_t off)               \
	{                                                                      \
		FIND(name);                                                    \
		long e = fault_fd("pwrite", fd);                               \
		if (e > 0)                                                     \
			return fail(e);                                        \
		n = e == SHORT && n > 1 ? n / 2 : n;                           \
		return after(REAL(name)(fd, p, n, off), e);                    \
	}
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void *p, size_t n);
ssize_t write(int fd, const void *p, size_t n)
{
	FIND(write);
	long e = fault_fd("pwrite", fd);
	if (e > 0)
		return fail(e);
	n = e == SHORT && n > 1 ? n / 2 : n;
	return after(REAL(write)(fd, p, n), e);
}

static void tell_request(int fd, unsigned opcode)
{
	static const char *const names[] = {
		[FUSE_LOOKUP] = "LOOKUP",     [FUSE_FORGET] = "FORGET",
		[FUSE_GETATTR] = "GETATTR",   [FUSE_SETATTR] = "SETATTR",
		[FUSE_UNLINK] = "UNLINK",     [FUSE_RENAME] = "RENAME",
		[FUSE_OPEN] = "OPEN",	      [FUSE_READ] = "READ",
		[FUSE_WRITE] = "WRITE",	      [FUSE_RELEASE] = "RELEASE",
		[FUSE_GETXATTR] = "GETXATTR", [FUSE_FLUSH] = "FLUSH",
		[FUSE_CREATE] = "CREATE",     [FUSE_BATCH_FORGET] = "FORGET",
		[FUSE_RENAME2] = "RENAME",
	};
	const char *known =
		opcode < sizeof(names) / sizeof(*names) ? names[opcode] : NULL;
	char link[64], path[32] = "", text[32];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0 ||
	    strcmp(path, "/dev/fuse") != 0)
		return;
	int n = known ? snprintf(text, sizeof(text), "%s\n", known)
		      : snprintf(text, sizeof(text), "%u\n", opcode);
	int out = (int)syscall(SYS_openat, AT_FDCWD, getenv("REQUESTS"),
			       O_WRONLY | O_CREAT | O_APPEND, 0600);
	syscall(SYS_write, out, text, (size_t)n);
	syscall(SYS_close, out);
}

ssize_t read(int fd, void *p, size_t n);
ssize_t read(int fd, void *p, size_t n)
{
	static ssize_t (*REAL(read))(int, void *, size_t);
	FIND(read);
	ssize_t r = REAL(read)(fd, p, n);
	int saved = errno;
	if (r >= (ssize_t)sizeof(struct fuse_in_header) && getenv("REQUESTS"))
		tell_request(fd, ((const struct fuse_in_header *)p)->opcode);
	errno = saved;
	return r;
}

#define SYNC(name, call)                                                       \
	int name(int fd);                                                      \
	int name(int fd)                                                       \
	{                                                                      \
		FIND(name);                                                    \
		long e = fault_fd(call, fd);                                   \
		return e ? fail(e) : REAL(name)(fd);                           \
	}
SYNC(fsync, "fsync")
SYNC(fdatasync, "fsync")
SYNC(syncfs, "syncfs")

#define TRUNCATE(name)                                                         \
	int name(int fd, off_t size);                                          \
	int name(int fd, off_t size)                                           \
	{                                                                      \
		FIND(name);                                                    \
		long e = fault_fd("ftruncate", fd);                            \
		return e > 0 ? fail(e) : (int)after(REAL(name)(fd, size), e);  \
	}
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

/* of /proc/self/fd/N */
#define TRUNCATE_AT(name)                                                      \
	int name(const char *path, off_t size);                                \
	int name(const char *path, off_t size)                                 \
	{                                                                      \
		static int (*REAL(name))(const char *, off_t);                 \
		FIND(name);                                                    \
		char whole[512] = "";                                          \
		long e = readlink(path, whole, sizeof(whole) - 1) > 0          \
				 ? fault("ftruncate", whole)                   \
				 : 0;                                          \
		return e > 0 ? fail(e)                                         \
			     : (int)after(REAL(name)(path, size), e);          \
	}
TRUNCATE_AT(truncate)
TRUNCATE_AT(truncate64)

#define FALLOCATE(name)                                                        \
	int name(int fd, int mode, off_t off, off_t len);                      \
	int name(int fd, int mode, off_t off, off_t len)                       \
	{                                                                      \
		FIND(name);                                                    \
		long e = fault_fd("ftruncate", fd);                            \
		return e > 0 ? fail(e)                                         \
			     : (int)after(REAL(name)(fd, mode, off, len), e);  \
	}
FALLOCATE(fallocate)
FALLOCATE(fallocate64)

int move_mount(int from, const char *from_path, int to, const char *to_path,
	       unsigned flags)
{
	FIND(move_mount);
	long e = fault_fd("move_mount", to);
	return e ? fail(e)
		 : REAL(move_mount)(from, from_path, to, to_path, flags);
}

int name_to_handle_at(int dir, const char *path, struct file_handle *h, int *id,
		      int flags)
{
	static int (*REAL(name_to_handle_at))(int, const char *,
					      struct file_handle *, int *, int);
	FIND(name_to_handle_at);
	long e = fault_at("handle", dir, path);
	return e ? fail(e) : REAL(name_to_handle_at)(dir, path, h, id, flags);
}

int close(int fd)
{
	static int (*REAL(close))(int);
	FIND(close);
	long e = fault_fd("close", fd);
	return e > 0 ? fail(e) : REAL(close)(fd);
}

pid_t fork(void)
{
	static pid_t (*REAL(fork))(void);
	FIND(fork);
	long e = fault("fork", "fork");
	return e ? fail(e) : REAL(fork)();
}

/* ---- the wall clock ---- */

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);
	if (r == 0 && step && id == CLOCK_REALTIME)
		ts->tv_sec += *step;
	return r;
}

time_t time(time_t *ret)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}
