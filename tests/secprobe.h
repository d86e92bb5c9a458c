#ifndef SECPROBE_H
#define SECPROBE_H

/*
 * Probes of secprobe: what happens to somebody who tries something. Each line
 * that is printed is one answer; the answers on a mount must be those of a
 * plain folder. The working directory is an empty folder.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* Nobody else on a test machine has these. */
#define OWNER	4001
#define USER	4002
#define TEAM	4003
#define STAGERS 4004

/* Programs that cannot go on with a set-up end at once. */
#define SETUP(what)                                                           \
	do {                                                                  \
		if (!(what)) {                                                \
			printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #what,  \
			       strerror(errno));                              \
			fflush(stdout);                                       \
			_exit(2);                                             \
		}                                                             \
	} while (0)

struct caller {
	const char *name;
	uid_t uid;
	gid_t gid;
	unsigned n_groups; /* supplementary; the last one is TEAM */
	uint64_t without;  /* capabilities that it lacks, as bits */
	enum {
		BY_PROCESS,
		BY_THREAD,  /* only this thread is it, its process is root */
		BY_FSUID,   /* the same, by setfsuid */
		BY_USER_NS, /* it is root in a namespace of its own */
	} how;
	int setid_only; /* not worth the time elsewhere */
};

extern const struct caller callers[]; /* ends with a NULL name */

/* as_caller - run `fn` as `c` in a child; returns 0, or its errno. */
int as_caller(const struct caller *c, int (*fn)(void *), void *arg);
/* error_word - "ok", or the name of the errno. */
const char *error_word(int error);
/* make_file - by root: 8 KiB, then owner and mode. */
void make_file(const char *path, uid_t uid, gid_t gid, mode_t mode);
/* look - "mode uid gid size", or "-"; of a symlink itself. */
const char *look(const char *path, char out[80]);

void probe_setid(void);
void probe_access(void);
void probe_tricks(void);
void probe_lower(void);

#endif
