#ifndef TESTS_UNIT_STEPPED_H
#define TESTS_UNIT_STEPPED_H

/*
 * A child that runs one instruction at a time, so that what it has left can be
 * looked at between any two of them. It ends with this process.
 *
 *	pid = fork();
 *	if (pid == 0) {
 *		get ready;
 *		stepped_from_here();
 *		what is looked at; _exit(0);
 *	}
 *	stepped_begin(pid);
 *	do ... while (stepped_on(pid));
 */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NOT_STEPPED 77 /* the child's status: it may not be traced */

static inline void stepped_from_here(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(NOT_STEPPED);
	raise(SIGSTOP);
}

static inline void stepped_begin(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_STEPPED)
		skip();
	assert_true(WIFSTOPPED(status));
	ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_EXITKILL);
}

/* stepped_on - false: it came to its end. */
static inline bool stepped_on(pid_t pid)
{
	int status;
	assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSTOPPED(status))
		return true;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return false;
}

#endif
