/*
 * churn - random changes of a tree by several processes at once
 *
 * Every operation that users make: create, write, overwrite, append,
 * truncate, rename (over, exchange), unlink, rmdir, rm -r, mkdir, symlink,
 * hard link, chmod, chown, utimes, stores through a mapping (not into the page
 * with the end of the file: docs/CONFORMANCE.md, "What can be told"), writing
 * to what was renamed or unlinked meanwhile, save by rename. Names come from a
 * small pool, so that the processes meet each other all the time. What one process
 * does follows from the seed; how the processes mix does not.
 *
 * An error that a local file system would not give (EIO, ESTALE, …) ends it
 * with status 1 and a line that says what was tried. With --outage FILE
 * (outage.h) the mount may be gone: each goes on when it is back; with --full
 * FILE its disk may be full.
 */
#include "confdefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "outage.h"

#define NAME_POOL 9   /* names in a directory */
#define DEPTH 4       /* of paths */
#define KEPT 6        /* descriptors kept open by each process */

static uint64_t state;
static bool is_root;
static const char *root;
static int kept[KEPT];
static unsigned long done, refused;

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 24) % below;
}

static void some_path(char *ret, size_t size)
{
	unsigned int depth = 1 + rnd(DEPTH), n = 0;

	/* directories are "d…", files "f…", mostly: kinds meet at times */
	while (--depth && n < size)
		n += (unsigned int)snprintf(ret + n, size - n, "d%u/",
					    rnd(NAME_POOL) / 2);
	snprintf(ret + n, size - n, "%c%u", rnd(8) ? 'f' : 'd',
		 rnd(NAME_POOL));
}

static void some_dir(char *ret, size_t size)
{
	unsigned int depth = 1 + rnd(DEPTH - 1), n = 0;

	while (depth-- && n < size)
		n += (unsigned int)snprintf(ret + n, size - n, "%sd%u",
					    n ? "/" : "", rnd(NAME_POOL) / 2);
}

/* Errors that any local file system gives to such a crowd. */
static void judge(int r, const char *what, const char *path)
{
	static const int fair[] = {
		ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL, ELOOP,
		EBUSY, EMLINK, ENAMETOOLONG, EACCES, EPERM,
	};

	if (r >= 0) {
		done++;
		return;
	}
	refused++;
	for (size_t i = 0; i < sizeof(fair) / sizeof(*fair); i++)
		if (errno == fair[i] &&
		    !(is_root && errno == EACCES))
			return;
	if (outage_explains(errno))
		return;
	fprintf(stderr, "churn: %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

static size_t some_size(void)
{
	switch (rnd(12)) {
	case 0:
		return 0;
	case 1:
		return 200000 + rnd(900000);
	case 2:
	case 3:
		return 4096u * rnd(16);
	default:
		return rnd(9000);
	}
}

static const char *some_data(void)
{
	static char data[1200000];
	uint32_t base = rnd(251);

	if (!data[1])
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (char)(i * 7 + i / 4096);
	data[0] = (char)base;
	return data + base % 64 * 64;
}

static void write_some(int fd, const char *path, bool pieces)
{
	size_t left = some_size();
	const char *p = some_data();

	while (left) {
		size_t n = pieces && left > 3000 ? 1 + rnd(3000) : left;
		ssize_t r = write(fd, p, n);

		judge((int)r, "write", path);
		if (r <= 0)
			return;
		p += r;
		left -= (size_t)r;
	}
}

static void op_create(void)
{
	static const int flags[] = {
		O_WRONLY | O_CREAT | O_EXCL, O_WRONLY | O_CREAT | O_TRUNC,
		O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_APPEND,
	};
	char path[256];
	CLEANUP_CLOSE int fd = -1;

	some_path(path, sizeof(path));
	fd = open(path, flags[rnd(4)] | O_CLOEXEC, 0600 + rnd(0200));
	judge(fd, "create", path);
	if (fd >= 0)
		write_some(fd, path, rnd(2));
}

static void op_overwrite(void)
{
	char path[256];
	CLEANUP_CLOSE int fd = -1;

	some_path(path, sizeof(path));
	fd = open(path, (rnd(2) ? O_RDWR : O_WRONLY) | O_CLOEXEC);
	judge(fd, "open", path);
	if (fd < 0)
		return;
	for (unsigned int i = 0; i < 1 + rnd(4); i++)
		judge((int)pwrite(fd, some_data(), 1 + rnd(5000),
				  rnd(100000)), "pwrite", path);
}

static void op_truncate(void)
{
	char path[256];

	some_path(path, sizeof(path));
	judge(truncate(path, (off_t)rnd(60000)), "truncate", path);
}

static sigjmp_buf beyond_end;

static void on_sigbus(int sig)
{
	siglongjmp(beyond_end, sig);
}

static void op_mmap(void)
{
	char path[256], *map;
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	some_path(path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	judge(fd, "open", path);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	st.st_size -= st.st_size % 4096;
	if (!st.st_size)
		return;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE,
		   MAP_SHARED, fd, 0);
	judge(map == MAP_FAILED ? -1 : 0, "mmap", path);
	if (map == MAP_FAILED)
		return;
	if (!sigsetjmp(beyond_end, 1)) { /* another one may cut the file */
		for (unsigned int i = 0; i < 1 + rnd(5); i++)
			map[rnd((uint32_t)st.st_size)] = (char)rnd(256);
		if (rnd(2))
			msync(map, (size_t)st.st_size, MS_SYNC);
	}
	munmap(map, (size_t)st.st_size);
}

/* A file stays open while its names come and go. */
static void op_keep(void)
{
	char path[256];
	int *slot = &kept[rnd(KEPT)];

	if (*slot < 0) {
		some_path(path, sizeof(path));
		*slot = open(path, O_RDWR | (rnd(2) ? O_CREAT : 0) | O_CLOEXEC,
			     0640);
		judge(*slot, "open", path);
	} else if (rnd(3)) {
		if (rnd(2))
			lseek(*slot, (off_t)rnd(20000), SEEK_SET);
		write_some(*slot, "kept file", rnd(2));
	} else if (rnd(3)) {
		judge(ftruncate(*slot, (off_t)rnd(30000)), "ftruncate",
		      "kept file");
	} else {
		judge(close(*slot), "close", "kept file");
		*slot = -1;
	}
}

/* How editors and CMS save. */
static void op_save(void)
{
	char path[256], tmp[300];
	int fd;

	some_path(path, sizeof(path));
	snprintf(tmp, sizeof(tmp), "%s.tmp%u", path, rnd(100));
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	judge(fd, "create", tmp);
	if (fd < 0)
		return;
	write_some(fd, tmp, false);
	if (rnd(3) == 0)
		judge(fsync(fd), "fsync", tmp);
	judge(close(fd), "close", tmp);
	if (rename(tmp, path)) {
		judge(-1, "rename", tmp);
		judge(unlink(tmp), "unlink", tmp);
	}
}

static void op_rename(void)
{
	char a[256], b[256];
	static const unsigned int flags[] = {0, 0, 0, RENAME_NOREPLACE,
					     RENAME_EXCHANGE};

	if (rnd(3)) {
		some_path(a, sizeof(a));
		some_path(b, sizeof(b));
	} else {
		some_dir(a, sizeof(a));
		some_dir(b, sizeof(b));
	}
	judge(renameat2(AT_FDCWD, a, AT_FDCWD, b, flags[rnd(5)]), "rename", a);
}

static void op_link(void)
{
	char a[256], b[256];

	some_path(a, sizeof(a));
	some_path(b, sizeof(b));
	judge(link(a, b), "link", b);
}

static void op_symlink(void)
{
	char a[256], b[256];

	some_path(a, sizeof(a));
	some_path(b, sizeof(b));
	judge(symlink(a, b), "symlink", b);
}

static void op_unlink(void)
{
	char path[256];

	some_path(path, sizeof(path));
	judge(unlink(path), "unlink", path);
}

static void op_mkdir(void)
{
	char path[256];

	some_dir(path, sizeof(path));
	judge(mkdir(path, 0700 + rnd(0100)), "mkdir", path);
}

static void op_rmdir(void)
{
	char path[256];

	some_dir(path, sizeof(path));
	judge(rmdir(path), "rmdir", path);
}

static void remove_tree(const char *path)
{
	CLEANUP_CLOSEDIR DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		char below[600];

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%.300s/%.255s", path,
			 e->d_name);
		if (unlink(below) && errno == EISDIR)
			remove_tree(below);
	}
	judge(rmdir(path), "rmdir", path);
}

static void op_remove_tree(void)
{
	char path[256];

	some_dir(path, sizeof(path));
	remove_tree(path);
}

static void op_chmod(void)
{
	char path[256];

	some_path(path, sizeof(path));
	judge(chmod(path, 0400 + rnd(0400)), "chmod", path);
}

static void op_chown(void)
{
	char path[256];

	some_path(path, sizeof(path));
	judge(lchown(path, is_root ? 1000 + rnd(4) : (uid_t)-1,
		     is_root ? 1000 + rnd(4) : (gid_t)-1), "chown", path);
}

static void op_utimes(void)
{
	char path[256];
	struct timespec t[2] = {{0, 0}, {0, 0}};

	some_path(path, sizeof(path));
	t[0].tv_sec = 1000000000 + rnd(700000000);
	t[1].tv_sec = 1000000000 + rnd(700000000);
	judge(utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW), "utimes",
	      path);
}

/* What was open is dead, and so is the working directory. */
static void come_back(void)
{
	for (size_t i = 0; i < KEPT; i++) {
		if (kept[i] >= 0)
			close(kept[i]);
		kept[i] = -1;
	}
	judge(chdir(root), "chdir", root);
}

static const struct {
	unsigned int weight;
	void (*run)(void);
} ops[] = {
	{24, op_create},  {12, op_overwrite}, {6, op_truncate},
	{6, op_mmap},     {14, op_keep},      {10, op_save},
	{12, op_rename},  {6, op_link},       {4, op_symlink},
	{8, op_unlink},   {10, op_mkdir},     {4, op_rmdir},
	{1, op_remove_tree}, {5, op_chmod},   {4, op_chown},
	{4, op_utimes},
};

static void churn(uint64_t seed, unsigned long n)
{
	unsigned int total = 0;

	state = seed * 0x9e3779b97f4a7c15ULL + 88172645463325252ULL;
	signal(SIGBUS, on_sigbus);
	umask(0);
	for (size_t i = 0; i < KEPT; i++)
		kept[i] = -1;
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		total += ops[i].weight;
	while (n--) {
		unsigned int pick = rnd(total), i = 0;

		if (outage_begin())
			come_back();
		while (pick >= ops[i].weight)
			pick -= ops[i++].weight;
		ops[i].run();
	}
	for (size_t i = 0; i < KEPT; i++)
		if (kept[i] >= 0)
			judge(close(kept[i]), "close", "kept file");
	printf("churn: pid %d: %lu done, %lu refused\n", getpid(), done,
	       refused);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (!*text || *end) {
		fprintf(stderr, "churn: not a number: %s\n", text);
		exit(2);
	}
	return v;
}

/* Returns how many of the processes failed. */
static int run_all(uint64_t seed, unsigned long n, unsigned long procs)
{
	int status, failed = 0;

	for (unsigned long i = 0; i < procs; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("churn: fork");
			return 1;
		}
		if (pid == 0) {
			churn(seed + i, n / procs);
			fflush(NULL);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		failed += !WIFEXITED(status) || WEXITSTATUS(status);
	return failed;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'},
		{"ops", required_argument, NULL, 'n'},
		{"procs", required_argument, NULL, 'p'},
		{"outage", required_argument, NULL, 'o'},
		{"full", required_argument, NULL, 'f'},
		{NULL, 0, NULL, 0},
	};
	unsigned long seed = (unsigned long)time(NULL), n = 1000, procs = 4;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			seed = number(optarg);
		else if (c == 'n')
			n = number(optarg);
		else if (c == 'p')
			procs = number(optarg);
		else if (c == 'o')
			outage_file = optarg;
		else if (c == 'f')
			full_file = optarg;
		else
			return 2;
	}
	if (argc - optind != 1 || !procs) {
		fputs("usage: churn [--seed N] [--ops N] [--procs N] "
		      "[--outage FILE] [--full FILE] DIR\n",
		      stderr);
		return 2;
	}
	root = argv[optind];
	if (chdir(root)) {
		perror(root);
		return 2;
	}
	is_root = geteuid() == 0;
	printf("churn: seed %lu, %lu operations, %lu processes\n", seed, n,
	       procs);
	fflush(stdout);
	return run_all(seed, n, procs) != 0;
}
