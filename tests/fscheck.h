#ifndef FSCHECK_H
#define FSCHECK_H

/*
 * Cases of fscheck: each is a function that runs in an empty folder of its
 * own (the working directory), in a process of its own, and calls CHECK.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                           \
	do {                                                                  \
		errno = 0;                                                    \
		if (!(what)) {                                                \
			printf("    %s:%d: %s: %s\n", __FILE__, __LINE__,     \
			       #what, strerror(errno));                       \
			fflush(stdout);                                       \
			_exit(1);                                             \
		}                                                             \
	} while (0)

/* CHECK that a call fails with this error. */
#define FAILS(call, error) CHECK((call) == -1 && errno == (error))

#define SKIPPED 77

struct fscase {
	const char *name;
	void (*run)(void);
	int root; /* only makes sense for root */
};

extern const struct fscase cases_data[], cases_names[], cases_access[],
	cases_nameless[], cases_dirs[], cases_acl[], cases_locks[],
	cases_late[];

/* file_make - a file with `n` bytes of text; returns an O_RDWR descriptor. */
int file_make(const char *path, size_t n);
/* file_is - it has exactly these bytes. */
int file_is(const char *path, const char *text);
/* as_child - run `fn` in a child as uid (0: unchanged) with one supplementary
 * group (0: none); returns its exit status. */
int as_child(unsigned int uid, unsigned int group, void (*fn)(void));

#endif
