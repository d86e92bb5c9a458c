/* layer: base */
#ifndef MIRRORFS_RATE_H
#define MIRRORFS_RATE_H

/* A limit in bytes a second, which may depend on the time of day. Pure. */

#include <stdint.h>

#define RATE_SPANS 8

struct rate {
	unsigned n;
	struct {
		unsigned from, to;  /* minutes of the day; the same: all day */
		uint64_t bytes;
	} spans[RATE_SPANS]; /* the first one that fits */
};

/*
 * rate_parse - "10M", "08:00-18:00 2M, 20M", "never". What no span names has
 * no limit. Returns 0, or a negative errno: -EINVAL.
 */
int rate_parse(const char *text, struct rate *ret);
/* rate_at - bytes a second at this minute of the day; 0: no limit. */
uint64_t rate_at(const struct rate *r, unsigned minute);

/* A bucket that fills at a rate; what is taken may be more than it holds. */
struct bucket {
	uint64_t rate;  /* bytes a second; 0: no limit */
	double level;   /* bytes; below 0: there is to be waited */
	int64_t last_ns;
};

/* bucket_set - from now on at this rate. */
void bucket_set(struct bucket *b, uint64_t rate, int64_t now_ns);
void bucket_take(struct bucket *b, uint64_t bytes);
/* bucket_wait - ns until its level is at -`debt` or above; 0: it is. */
int64_t bucket_wait(struct bucket *b, double debt, int64_t now_ns);

#endif
