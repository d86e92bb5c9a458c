#ifndef MIRRORFS_FS_SPAWN_H
#define MIRRORFS_FS_SPAWN_H

/*
 * A child of the supervisor: this program again, with another subcommand, its
 * options, and just the descriptors that it is given.
 */

#include <sys/types.h>

#define SPAWN_ARGS 32

struct spawn {
	char *argv[SPAWN_ARGS + 1];
	int fds[SPAWN_ARGS];
	unsigned n_args, n_fds;
	int program_fd; /* what is run, whatever argv[0] says */
	/* in place of the program: this process goes on here, in the child,
	 * with what follows the subcommand, and ends with what it returns */
	int (*run)(int argc, char **argv);
};

/* spawn_arg - one more argument. */
void spawn_arg(struct spawn *sp, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* spawn_fd - the child inherits `fd` and is told "OPTION=fd". */
void spawn_fd(struct spawn *sp, const char *option, int fd);
/* spawn_keep - with `run`: the child has `fd`, too. */
void spawn_keep(struct spawn *sp, int fd);

/* spawn_run - fork and exec, free the arguments. Signals are not
 * blocked in the child, which gets SIGTERM when its parent dies. Returns its
 * pid, or 0 (logged) when it could not be made. */
pid_t spawn_run(struct spawn *sp);

#endif
