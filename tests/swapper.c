/*
 * swapper - a symbolic link is swapped in while somebody works.
 *
 *	swapper ROOT OUTSIDE SECONDS UID
 *	swapper A B - exchange them, once
 *
 * In ROOT there are the folder "dir" and "link", a symbolic link to OUTSIDE.
 * One process exchanges their names all the time. Two others do everything to
 * names below "dir": one as UID (which cannot enter OUTSIDE) by path, one as
 * root through descriptors that were opened without following a link. So
 * nothing may happen in OUTSIDE; the caller looks. A name with "secret" in it
 * is in no list of names, unless it came from there. After SECONDS, and when each operation
 * has succeeded in both ways, prints how often. Fails when one never does, but
 * for those that the file system does not have and devices by a user.
 */
#include "confdefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum {
	CREATE,
	WRITE,
	TRUNCATE,
	CHMOD,
	CHOWN,
	TIMES,
	XATTR,
	LINK,
	RENAME,
	RENAME_OUT,
	UNLINK,
	MKDIR,
	RMDIR,
	SYMLINK,
	MKFIFO,
	REPLACE,
	EXCHANGE,
	NAMELESS,
	ALLOCATE,
	COPY,
	FLAGS,
	ACL,
	DEVICE,
	LIST,
	N_OPS
};

#define PATIENCE 200 /* seconds for all to have succeeded */

static const char *const names[N_OPS] = {
	"create",   "write",   "truncate", "chmod",   "chown",	  "times",
	"xattr",    "link",    "rename",   "out",     "unlink",	  "mkdir",
	"rmdir",    "symlink", "mkfifo",   "replace", "exchange", "nameless",
	"allocate", "copy",    "flags",	   "acl",     "device",	  "list"};

/* What happened: by path, and by descriptor. */
struct seen {
	long done[2][N_OPS], lacks[2][N_OPS], swaps, secrets;
};
static struct seen *seen; /* shared */

/* An open that no symbolic link can lead astray, or any. */
static int open_at(int at, const char *path, int flags, int safe)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | O_TMPFILE) & ~O_DIRECTORY ? 0644 : 0,
		.resolve = safe ? RESOLVE_NO_SYMLINKS : 0,
	};

	return (int)syscall(SYS_openat2, at, path, &how, sizeof(how));
}

static int write_file(int at, const char *path, int flags, int safe)
{
	int fd = open_at(at, path, O_WRONLY | flags, safe), r;

	if (fd < 0)
		return -1;
	r = write(fd, "x", 1) == 1 ? 0 : -1;
	close(fd);
	return r;
}

static int put_xattr(int at, const char *path, const char *name,
		     const void *value, size_t n, int safe)
{
	int fd = open_at(at, path, O_RDONLY, safe), r;

	if (fd < 0)
		return -1;
	r = fsetxattr(fd, name, value, n, 0);
	close(fd);
	return r;
}

static int cut_file(int at, const char *path, int safe)
{
	int fd = open_at(at, path, O_WRONLY | O_TRUNC, safe);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int set_acl(int at, const char *path, int safe)
{
	static const uint16_t a[] = {
		2,    0,		 /* version */
		1,    6, 0xffff, 0xffff, /* user */
		2,    4, 1234,	 0,	 /* user 1234 */
		4,    4, 0xffff, 0xffff, /* group */
		0x10, 4, 0xffff, 0xffff, /* mask */
		0x20, 4, 0xffff, 0xffff, /* other */
	};
	static const char name[] = "system.posix_acl_access";

	return safe ? put_xattr(at, path, name, a, sizeof(a), safe)
		    /* the root is the working directory */
		    : setxattr(path, name, a, sizeof(a), 0);
}

static int set_flags(int at, const char *path, int safe)
{
	int fd = open_at(at, path, O_RDONLY, safe), flags = 0, r;

	if (fd < 0)
		return -1;
	r = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags ^= FS_NODUMP_FL;
	if (r == 0)
		r = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	return r;
}

static int allocate(int at, const char *path, int safe)
{
	int fd = open_at(at, path, O_WRONLY, safe), r;

	if (fd < 0)
		return -1;
	r = fallocate(fd, 0, 0, 10);
	close(fd);
	return r;
}

static int copy_file(int at, const char *from, const char *to, int safe)
{
	int in = open_at(at, from, O_RDONLY, safe);
	int out = open_at(at, to, O_WRONLY, safe), r = -1;

	if (in >= 0 && out >= 0 &&
	    copy_file_range(in, NULL, out, NULL, 1, 0) > 0)
		r = 0;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return r;
}

/* One without a name gets this one. */
static int name_it(int at, const char *dir, const char *path, int safe)
{
	int fd = open_at(at, dir, O_TMPFILE | O_WRONLY, safe), r;
	char self[40];

	if (fd < 0)
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	unlinkat(at, path, 0);
	r = linkat(AT_FDCWD, self, at, path, AT_SYMLINK_FOLLOW);
	close(fd);
	return r;
}

static int list(int at, const char *path, int safe)
{
	int fd = open_at(at, path, O_RDONLY | O_DIRECTORY, safe);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		return -1;
	while ((e = readdir(d)))
		if (strstr(e->d_name, "secret"))
			seen->secrets++;
	closedir(d);
	return 0;
}

static int run_more(int op, int at, const char *prefix, int safe)
{
	char f[32], g[32], n[32], p[32], d[32];

	snprintf(f, sizeof(f), "%sfile", prefix);
	snprintf(g, sizeof(g), "%sother", prefix);
	snprintf(n, sizeof(n), "%snameless", prefix);
	snprintf(p, sizeof(p), "%sdevice", prefix);
	snprintf(d, sizeof(d), "%s.", prefix);
	switch (op) {
	case EXCHANGE:
		return renameat2(at, f, at, g, RENAME_EXCHANGE);
	case NAMELESS:
		return name_it(at, d, n, safe);
	case ALLOCATE:
		return allocate(at, f, safe);
	case COPY:
		return copy_file(at, f, g, safe);
	case FLAGS:
		return set_flags(at, f, safe);
	case ACL:
		return set_acl(at, f, safe);
	case DEVICE:
		unlinkat(at, p, 0);
		return mknodat(at, p, S_IFCHR | 0644, makedev(1, 3));
	default:
		return list(at, d, safe);
	}
}

/* By path: "dir/NAME" at the root; by descriptor: NAME at an opened "dir". */
static int run(int op, int at, const char *prefix, int root, int safe)
{
	char f[32], g[32], d[32], s[32], p[32];

	if (op >= EXCHANGE)
		return run_more(op, at, prefix, safe);
	snprintf(f, sizeof(f), "%sfile", prefix);
	snprintf(g, sizeof(g), "%sother", prefix);
	snprintf(d, sizeof(d), "%sfolder", prefix);
	snprintf(s, sizeof(s), "%ssymlink", prefix);
	snprintf(p, sizeof(p), "%sfifo", prefix);
	switch (op) {
	case CREATE:
		return write_file(at, f, O_CREAT, safe);
	case WRITE:
		return write_file(at, f, 0, safe);
	case TRUNCATE:
		return cut_file(at, f, safe);
	case CHMOD:
		return fchmodat(at, f, 0640, 0);
	case CHOWN:
		return fchownat(at, f, (uid_t)-1, safe ? 0 : getgid(), 0);
	case TIMES:
		return utimensat(at, f, NULL, 0);
	case XATTR:
		return put_xattr(at, f, "user.x", "y", 1, safe);
	case LINK:
		return linkat(at, f, at, g, 0);
	case RENAME:
		return renameat(at, f, at, g);
	case RENAME_OUT:
		return renameat(at, g, root, "out");
	case UNLINK:
		return unlinkat(at, rand() % 2 ? f : g, 0);
	case MKDIR:
		return mkdirat(at, d, 0755);
	case RMDIR:
		return unlinkat(at, d, AT_REMOVEDIR);
	case SYMLINK:
		unlinkat(at, s, 0);
		return symlinkat("x", at, s);
	case MKFIFO:
		unlinkat(at, p, 0);
		return mkfifoat(at, p, 0644);
	default: /* write a new one, rename it over the old */
		return write_file(at, g, O_CREAT | O_TRUNC, safe) ||
				       renameat(at, g, at, f)
			       ? -1
			       : 0;
	}
}

static void work(int root, int safe)
{
	srand((unsigned)getpid());
	for (;;) {
		int op = rand() % N_OPS, at = root;

		if (safe) {
			at = openat(root, "dir",
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
			if (at < 0)
				continue;
		}
		if (run(op, at, safe ? "" : "dir/", root, safe) == 0)
			seen->done[safe][op]++;
		else if (errno == EOPNOTSUPP || errno == ENOTTY)
			seen->lacks[safe][op]++;
		if (safe)
			close(at);
	}
}

static void swap(int root)
{
	for (;;) {
		if (renameat2(root, "dir", root, "link", RENAME_EXCHANGE) == 0)
			seen->swaps++;
		sched_yield();
	}
}

/* How many operations have not succeeded though they can. */
static int missing(void)
{
	int n = seen->swaps < 10;

	for (int safe = 0; safe < 2; safe++)
		for (int op = 0; op < N_OPS; op++)
			n += !seen->done[safe][op] && !seen->lacks[safe][op] &&
			     (safe || op != DEVICE);
	return n;
}

static int report(void)
{
	printf("%ld swaps", seen->swaps);
	for (int i = 0; i < N_OPS; i++)
		printf(", %s %ld+%ld%s", names[i], seen->done[0][i],
		       seen->done[1][i], seen->lacks[1][i] ? " (none)" : "");
	printf("\n");
	if (missing())
		printf("%d operations never succeeded\n", missing());
	if (seen->secrets)
		printf("names from outside were listed\n");
	return missing() || seen->secrets;
}

int main(int argc, char **argv)
{
	pid_t pids[3];
	int root = argc == 5 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;
	uid_t uid = argc == 5 ? (uid_t)atoi(argv[4]) : 0;

	if (argc == 3)
		return renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2],
				 RENAME_EXCHANGE) != 0;
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (root < 0 || seen == MAP_FAILED || fchdir(root) ||
	    symlinkat(argv[2], root, "link") || mkdirat(root, "dir", 0755) ||
	    fchownat(root, "dir", uid, uid, 0) || fchmod(root, 01777)) {
		perror("swapper");
		return 2;
	}
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		if (i == 1 &&
		    (setgroups(0, NULL) || setgid(uid) || setuid(uid)))
			_exit(1);
		if (i == 0)
			swap(root);
		work(root, i == 2);
	}
	sleep((unsigned)atoi(argv[3]));
	for (int i = 0; i < PATIENCE && missing(); i++)
		sleep(1);
	for (int i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	return report();
}
