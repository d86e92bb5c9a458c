/* layer: base */
#ifndef MIRRORFS_CLOCK_H
#define MIRRORFS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL

/* What was changed after some time of the wall clock has a ctime that is less
 * than this before it: the kernel stamps with the last tick's. */
#define CTIME_SLACK_NS (2 * NS_PER_S)

/* clock_wall_ns - nanoseconds since 1970, as shown to people. */
int64_t clock_wall_ns(void);

/* clock_ctime_ns - when it was changed last, on that clock. */
int64_t clock_ctime_ns(const struct stat *st);

/* clock_mono_ns - nanoseconds on a clock that never steps, for intervals. */
int64_t clock_mono_ns(void);

/* clock_timespec - a time, or a span, as the C library wants it. */
static inline struct timespec clock_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / NS_PER_S,
				 .tv_nsec = ns % NS_PER_S};
}

/*
 * clock_trust_ns - the wall clock for decisions that cannot be undone, given
 * both clocks: when it jumps forward, it is not followed until it has stayed
 * there for a day. Zero `t` at the start. Pure.
 */
struct clock_trust {
	bool set;
	int64_t offset_ns; /* wall - monotonic, as believed */
	int64_t ahead_ns;  /* monotonic, since it is ahead of that; 0: not */
};
int64_t clock_trust_ns(struct clock_trust *t, int64_t wall_ns, int64_t mono_ns);

/* clock_trusted - what to begin with: what the process that started this one
 * believed, as it said by clock_trust_inherit; else nothing. A process that is
 * started anew must not believe a clock that jumped a moment before. */
struct clock_trust clock_trusted(void);
void clock_trust_inherit(int64_t offset_ns);

/* clock_format - local time "2026-11-22 15:01:02.345" into `out` (≥ 32). */
void clock_format(int64_t wall_ns, char *out, size_t size);

/*
 * clock_parse - what an administrator types for a time: "2026-11-22",
 * "2026-11-22 15:01", "2026-11-22 15:01:02", "15:01" (today), "10m", "2h",
 * "3d", "45s" (that long ago), "now", "today", "yesterday".
 * Returns 0 and sets *ret_ns, or a negative errno: -EINVAL.
 */
int clock_parse(const char *text, int64_t now_ns, int64_t *ret_ns);

/*
 * clock_parse_span - a duration: "90" (seconds), "500ms", "90s", "5m", "2h",
 * "30d". Returns 0 and sets *ret_ns, or a negative errno: -EINVAL.
 */
int clock_parse_span(const char *text, int64_t *ret_ns);

#endif
