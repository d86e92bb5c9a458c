/* fork and exec, or only fork, with the descriptors that were named; see spawn.h. */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "fs/spawn.h"
#include "log.h"

void spawn_arg(struct spawn *sp, const char *fmt, ...)
{
	assert(sp->n_args < SPAWN_ARGS);
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&sp->argv[sp->n_args++], fmt, ap) < 0)
		abort();
	va_end(ap);
}

void spawn_fd(struct spawn *sp, const char *option, int fd)
{
	spawn_arg(sp, "%s=%d", option, fd);
	spawn_keep(sp, fd);
}

void spawn_keep(struct spawn *sp, int fd)
{
	assert(sp->n_fds < SPAWN_ARGS);
	sp->fds[sp->n_fds++] = fd;
}

static int fd_order(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* close_others - as an exec would; and the terminal, or what is in its place,
 * stays. */
static int close_others(struct spawn *sp)
{
	int from = STDERR_FILENO + 1;
	log_close();
	qsort(sp->fds, sp->n_fds, sizeof(*sp->fds), fd_order);
	for (unsigned i = 0; i < sp->n_fds; i++) {
		int fd = sp->fds[i];
		if (fd > from &&
		    close_range((unsigned)from, (unsigned)fd - 1, 0) < 0)
			return -errno;
		from = fd + 1 > from ? fd + 1 : from;
	}
	return close_range((unsigned)from, UINT_MAX, 0) < 0 ? -errno : 0;
}

static void spawn_go_on(struct spawn *sp)
{
	if (close_others(sp) < 0)
		_exit(127);
	exit(sp->run((int)sp->n_args - 2, sp->argv + 2));
}

static void spawn_exec(struct spawn *sp, pid_t parent)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	if (sp->run)
		spawn_go_on(sp);
	for (unsigned i = 0; i < sp->n_fds; i++)
		fcntl(sp->fds[i], F_SETFD, 0);
	execveat(sp->program_fd, "", sp->argv, environ, AT_EMPTY_PATH);
	log_error("cannot run %s: %s", sp->argv[0], strerror(errno));
	_exit(127);
}

pid_t spawn_run(struct spawn *sp)
{
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		spawn_exec(sp, parent);
	if (pid < 0) {
		log_error("cannot start %s %s: %s", sp->argv[0], sp->argv[1],
			  strerror(errno));
		pid = 0;
	}
	for (unsigned i = 0; i < sp->n_args; i++)
		free(sp->argv[i]);
	return pid;
}
