/*
 * fscheck - does a folder behave as a local file system?
 *
 *	fscheck DIR [CASE...]
 *
 * Each case runs in an empty folder below DIR. Run on a plain folder it shows
 * that the cases are right, on a mount that the mount is. Prints what did not
 * pass, why and after how long; exit status 1 when one failed.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fscheck.h"

int file_make(const char *path, size_t n)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char block[4096];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)('a' + i % 26);
	while (fd >= 0 && n) {
		size_t now = n < sizeof(block) ? n : sizeof(block);

		CHECK(write(fd, block, now) == (ssize_t)now);
		n -= now;
	}
	return fd;
}

int file_is(const char *path, const char *text)
{
	char got[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got));

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) && !memcmp(got, text, (size_t)n);
}

int as_child(unsigned int uid, unsigned int group, void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		gid_t groups[1] = {group};

		if (uid && (setgroups(group ? 1 : 0, groups) || setgid(uid) ||
			    setuid(uid)))
			_exit(SKIPPED);
		fn();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return 255;
	return WEXITSTATUS(status);
}

static int run_case(int dir, const struct fscase *c)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		umask(022);
		alarm(120);
		CHECK(!fchdir(dir));
		CHECK(!mkdir(c->name, 0755));
		CHECK(!chdir(c->name));
		c->run();
		fflush(NULL);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 1;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	printf("    ended by signal %d\n", WTERMSIG(status));
	return 128;
}

/* What passed is not worth a line: only the end of a long log gets shown. */
static bool passes(int dir, const struct fscase *c)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	int r = run_case(dir, c);
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (r == SKIPPED)
		printf("skip %s\n", c->name);
	else if (r)
		printf("FAIL %s, after %ld s\n", c->name,
		       (long)(to.tv_sec - from.tv_sec));
	return r == 0 || r == SKIPPED;
}

static bool wanted(const char *name, char **list, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return true;
	return n == 0;
}

int main(int argc, char **argv)
{
	static const struct fscase *const tables[] = {
		cases_data, cases_names, cases_access, cases_nameless,
		cases_dirs, cases_acl,	 cases_locks,  cases_late,
	};
	int dir, failed = 0, run = 0;

	if (argc < 2) {
		fputs("usage: fscheck DIR [CASE...]\n", stderr);
		return 2;
	}
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		perror(argv[1]);
		return 2;
	}
	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct fscase *c = tables[t]; c->name; c++) {
			if (!wanted(c->name, argv + 2, argc - 2) ||
			    (c->root && geteuid() != 0))
				continue;
			failed += !passes(dir, c);
			run++;
		}
	printf("fscheck: %d cases, %d failed\n", run, failed);
	return failed || !run;
}
