/* Shared by the parts of callstorm; see callstorm.c. */
#ifndef TESTS_CALLSTORM_H
#define TESTS_CALLSTORM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define BUCKETS 512 /* of 12.5 % each, from 1 us on */

struct stats {
	uint64_t calls, errors, worst_ns;
	uint64_t bucket[BUCKETS];
	char worst[32];
};

#define STABLE 2000 /* names of a folder that does not change: many READDIRs */

/* One thread's, in memory that the parent sees. */
extern __thread struct stats *stats;

uint32_t rnd(uint32_t below);
void call_done(const char *what, int64_t start_ns);
/* wrong - it was not what the model says; errno as it is. */
void wrong(const char *what, const char *name);

static inline int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* CALL - one system call on the mount: counted and timed. */
#define CALL(what, expression)                                                 \
	({                                                                     \
		int64_t start_ = now_ns();                                     \
		__typeof__(expression) r_ = (expression);                      \
		int errno_ = errno;                                            \
		call_done(what, start_);                                       \
		errno = errno_;                                                \
		r_;                                                            \
	})

/* must - success, or that error (0: none) and no other. */
static inline void must(const char *what, const char *name, long r, int error)
{
	if (error ? r >= 0 || errno != error : r < 0)
		wrong(what, name);
}

/* storm_stable - makes what all of them read. */
void storm_stable(void);
/* The working directory is the thread's own, beside "stable". */
void storm_begin(void);
void storm_step(void);
void storm_end(void);

#endif
