/* What a caller may do counts in the first user namespace only. */
#include "confdefs.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/caller.h"

#define ALL "0 0 4294967295"

static int map(pid_t pid, const char *which)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
	int fd = open(path, O_WRONLY);
	int r = write(fd, ALL, strlen(ALL)) < 0 ? -1 : 0;
	close(fd);
	return r;
}

/* A process that is root in a namespace where all ids are what they are. */
static pid_t other_root(void)
{
	int ready[2];
	char c;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) == 0)
			(void)!write(ready[1], "x", 1);
		close(ready[1]);
		pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		skip();
	close(ready[0]);
	return pid;
}

static void another_namespace_counts_for_nothing(void **state)
{
	pid_t pid = other_root();
	int r = map(pid, "uid_map") | map(pid, "gid_map");
	bool has = caller_has_capability(pid, CAP_FSETID);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(r, 0);
	assert_false(has);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_namespace_counts_for_nothing),
	};
	/* not root, or in a container */
	if (!caller_has_capability(getpid(), CAP_FSETID))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
