#ifndef OPDRIVE_H
#define OPDRIVE_H

/*
 * Cases of opdrive: each runs in an empty folder of its own (the working
 * directory), in a process of its own: `prepare` makes what is needed, `act`
 * does the one thing, and `expected` says which records that must leave, a
 * line each: operation, path, second path or "-", flags or "-". Paths are
 * relative to the folder. A call that this system does not know ends the case
 * by `unless`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK(call)                                                               \
	do {                                                                   \
		if ((call) < 0) {                                              \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, \
				#call, strerror(errno));                       \
			_exit(1);                                              \
		}                                                              \
	} while (0)
/* the same; the case is left out where the error is this one */
#define UNLESS(error, call)                                                    \
	do {                                                                   \
		int result_ = (call) < 0;                                      \
		if (result_ && errno == (error))                               \
			_exit(77);                                             \
		OK(-result_);                                                  \
	} while (0)

struct opcase {
	const char *name;
	void (*prepare)(void);
	void (*act)(void);
	const char *expected;
};

extern const struct opcase cases_ops_names[], cases_ops_files[],
	cases_ops_ways[];

void nothing(void);
/* file_f - "f" with a hundred bytes. */
void file_f(void);
/* dir_d - "d", a folder. */
void dir_d(void);
/* passed - with -P: `path`, which nobody has open, becomes large enough for
 * passthrough, and is read by this process from now on, past the worker: who
 * opens it next is passed, too. Else nothing. */
void passed(const char *path);

#endif
