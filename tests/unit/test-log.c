/*
 * A log that takes nothing holds up nobody: who logs goes on, also when there is
 * no room left. When it takes lines again they come in their order, and where
 * some are missing it says how many. A child of fork(2) writes its own. What a
 * full disk does not take is counted, too, and there is no half line of it.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

/* leave_room - no file gets larger than that. */
static void leave_room(rlim_t size)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* log_full - in a child: the first line that it does not take begins in it. */
static void log_full(const char *path)
{
	struct stat st;
	signal(SIGXFSZ, SIG_IGN);
	if (log_open("test", path) < 0)
		_exit(1);
	for (unsigned i = 0; i < 2; i++) {
		log_info("before");
		log_flush();
		if (stat(path, &st) < 0)
			_exit(2);
		leave_room((rlim_t)st.st_size + 20);
		log_info("left out");
		log_info("left out");
		log_info("left out");
		log_flush();
		leave_room(RLIM_INFINITY);
		log_info("after");
		log_start(); /* the same once more */
	}
	log_flush();
	_exit(0);
}

static void test_full(void **state)
{
	static const char *const texts[] = {
		"before",
		"the log could not be written: 3 lines are missing here",
		"after"};
	char path[] = "/tmp/test-log.XXXXXX";
	FILE *pipe_end = far_end;
	int status, fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	pid_t pid = fork();
	if (pid == 0)
		log_full(path);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	far_end = fdopen(fd, "r");
	for (unsigned i = 0; i < 6; i++)
		assert_string_equal(next_line(), texts[i % 3]);
	fclose(far_end);
	far_end = pipe_end;
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_full),
					   cmocka_unit_test(test_stuck)};
	return cmocka_run_group_tests(tests, begin, NULL);
}
