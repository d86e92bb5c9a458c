/* layer: remote */
#ifndef MIRRORFS_REMOTE_WINDOW_H
#define MIRRORFS_REMOTE_WINDOW_H

/*
 * How many bytes of large files may be under way: as few as keep the wire
 * busy, so that a small request does not wait behind them, wherever they
 * queue (the socket, the path, the server). Pure: no clock, no I/O.
 */

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_MIN   (64u * 1024)
#define WINDOW_MAX   (8u * 1024 * 1024)
#define WINDOW_FIRST (512u * 1024)
#define WINDOW_CHUNK (16u * 1024) /* in one request, at least */

struct window {
	uint64_t limit;	  /* bytes */
	bool steady;	  /* it was too large once */
	bool was_full;	  /* … in this round: somebody had to wait for it */
	int64_t base_ns;  /* shortest round trip, INT64_MAX: not known */
	int64_t base_end; /* then it is looked for anew */
	unsigned stuck;   /* rounds that were too long all the same */
	int64_t best_ns;  /* shortest in this round */
	int64_t round_end;
};

#define WINDOW_INIT                                                            \
	{                                                                      \
		.limit = WINDOW_FIRST, .base_ns = INT64_MAX,                   \
		.best_ns = INT64_MAX                                           \
	}

/* window_answered - a request that was sent `round_trip_ns` ago has its reply.
 * `bulk`: it was a piece of a large file. */
void window_answered(struct window *w, int64_t now_ns, int64_t round_trip_ns,
		     bool bulk);
/* window_full - a sender had to stop because of the limit. */
void window_full(struct window *w);
/* window_chunk - how much to send in one piece. */
uint32_t window_chunk(const struct window *w, uint32_t most);

#endif
