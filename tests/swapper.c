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
 * nothing may happen in OUTSIDE; the caller looks. Prints how often each
 * operation succeeded and fails when nearly none did.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
	N_OPS
};

static const char *const names[N_OPS] = {
	"create", "write",	"truncate", "chmod", "chown", "times",
	"xattr",  "link",	"rename",   "out",   "unlink", "mkdir",
	"rmdir",  "symlink",	"mkfifo",   "replace"};

/* An open that no symbolic link can lead astray, or any. */
static int open_at(int at, const char *path, int flags, int safe)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & O_CREAT ? 0644 : 0,
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

static int set_xattr(int at, const char *path, int safe)
{
	int fd = open_at(at, path, O_RDONLY, safe), r;

	if (fd < 0)
		return -1;
	r = fsetxattr(fd, "user.x", "y", 1, 0);
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

/* By path: "dir/NAME" at the root; by descriptor: NAME at an opened "dir". */
static int run(int op, int at, const char *prefix, int root, int safe)
{
	char f[32], g[32], d[32], s[32], p[32];

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
		return set_xattr(at, f, safe);
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
		return symlinkat("x", at, s) && unlinkat(at, s, 0) ? -1 : 0;
	case MKFIFO:
		return mkfifoat(at, p, 0644) && unlinkat(at, p, 0) ? -1 : 0;
	default: /* write a new one, rename it over the old */
		return write_file(at, g, O_CREAT | O_TRUNC, safe) ||
				       renameat(at, g, at, f)
			       ? -1
			       : 0;
	}
}

static void work(int root, long *done, int safe)
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
			done[op]++;
		if (safe)
			close(at);
	}
}

static void swap(int root, long *done)
{
	for (;;) {
		if (renameat2(root, "dir", root, "link", RENAME_EXCHANGE) == 0)
			(*done)++;
		sched_yield();
	}
}

static int report(const long *done, long swaps)
{
	long by_path = 0, by_fd = 0;

	printf("%ld swaps", swaps);
	for (int i = 0; i < N_OPS; i++) {
		printf(", %s %ld+%ld", names[i], done[i], done[N_OPS + i]);
		by_path += done[i];
		by_fd += done[N_OPS + i];
	}
	printf("\n");
	return swaps < 10 || by_path < 10 || by_fd < 10;
}

int main(int argc, char **argv)
{
	pid_t pids[3];
	long *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int root = argc == 5 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;
	uid_t uid = argc == 5 ? (uid_t)atoi(argv[4]) : 0;

	if (argc == 3)
		return renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2],
				 RENAME_EXCHANGE) != 0;
	if (root < 0 || done == MAP_FAILED || fchdir(root) ||
	    symlinkat(argv[2], root, "link") || mkdirat(root, "dir", 0755) ||
	    fchownat(root, "dir", uid, uid, 0) || fchmod(root, 01777)) {
		perror("swapper");
		return 2;
	}
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		if (i == 1 && (setgroups(0, NULL) || setgid(uid) ||
			       setuid(uid)))
			_exit(1);
		if (i == 0)
			swap(root, &done[2 * N_OPS]);
		work(root, done + (i - 1) * N_OPS, i == 2);
	}
	nanosleep(&(struct timespec){atoi(argv[3]), 0}, NULL);
	for (int i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	return report(done, done[2 * N_OPS]);
}
