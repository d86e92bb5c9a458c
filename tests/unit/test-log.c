/*
 * A log that takes nothing holds up nobody: who logs goes on, also when there is
 * no room left. When it takes lines again they come in their order, and where
 * some are missing it says how many. A child of fork(2) writes its own.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "cleanup.h"
#include "log.h"

#define LINES 4000u

static FILE *far_end; /* of the pipe that is the log */

static int begin(void **state)
{
	char dir[] = "/tmp/test-log.XXXXXX", path[64];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(log_open("test", path), 0);
	fcntl(fd, F_SETFL, 0);
	fcntl(fd, F_SETPIPE_SZ, 4096);
	far_end = fdopen(fd, "r");
	unlink(path);
	rmdir(dir);
	return 0;
}

/* next_line - its text. */
static const char *next_line(void)
{
	static char line[8192];
	assert_non_null(fgets(line, sizeof(line), far_end));
	line[strcspn(line, "\n")] = 0;
	const char *text = strstr(line, "]: ");
	assert_non_null(text);
	return text + 3;
}

/* check_child - nobody writes for it, and nothing is left of ours. */
static void check_child(void)
{
	int fds[2];
	char line[256] = "";
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		log_close();
		log_info("child");
		log_flush();
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(read(fds[0], line, sizeof(line) - 1) > 0);
	close(fds[0]);
	assert_non_null(strstr(line, "]: child\n"));
}

static void test_stuck(void **state)
{
	unsigned n, seen = 0, missing = 0;
	alarm(120); /* it would wait for ever */
	log_start();
	for (unsigned i = 0; i < LINES; i++)
		log_info("line %u", i);
	check_child();
	while (!missing) {
		const char *text = next_line();
		if (sscanf(text, "line %u", &n) == 1)
			assert_int_equal(n, seen++);
		else
			assert_int_equal(sscanf(text,
						"the log could not be "
						"written: %u",
						&missing),
					 1);
	}
	assert_int_equal(seen + missing, LINES);
	log_info("again");
	assert_string_equal(next_line(), "again");
	log_flush();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_stuck)};
	return cmocka_run_group_tests(tests, begin, NULL);
}
