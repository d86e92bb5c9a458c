/*
 * The queue is what a round trip takes longer than the shortest one. Once in
 * a round trip: where even the quickest answer had to queue for too long, the
 * window shrinks to what would not; where senders had to wait for the window,
 * it grows, by doubling until it was too large once.
 *
 * The shortest round trip may have become longer (another route). So it is
 * forgotten after a while, or when the smallest window does not help, and
 * measured again, behind a window that is small for that one round, because
 * our own queue is not to be taken for the route.
 */
#include "confdefs.h"

#include "clock.h"
#include "sync/remote/window.h"

#define QUEUE_NS    (10 * NS_PER_MS)
#define BASE_NS	    (30 * NS_PER_S)
#define STUCK_MAX   32 /* rounds at the smallest window */
#define CHUNK_SHARE 8  /* of the window, in one piece */

static uint64_t within(uint64_t limit)
{
	if (limit < WINDOW_MIN)
		return WINDOW_MIN;
	return limit > WINDOW_MAX ? WINDOW_MAX : limit;
}

static void end_round(struct window *w)
{
	int64_t queue = w->base_ns / 4;
	int64_t want = w->base_ns + (queue > QUEUE_NS ? queue : QUEUE_NS);

	w->stuck =
		w->best_ns > want && w->limit == WINDOW_MIN ? w->stuck + 1 : 0;
	if (w->best_ns > want) {
		/* never to less than half at once: it may have been a hiccup */
		uint64_t fit = (uint64_t)((double)w->limit * (double)want /
					  (double)w->best_ns);
		w->limit = within(fit > w->limit / 2 ? fit : w->limit / 2);
		w->steady = true;
	} else if (w->was_full) {
		w->limit = within(w->steady ? w->limit + w->limit / 8
					    : w->limit * 2);
	}
}

void window_answered(struct window *w, int64_t now_ns, int64_t round_trip_ns,
		     bool bulk)
{
	if (now_ns >= w->base_end || w->stuck > STUCK_MAX) {
		w->base_end = now_ns + BASE_NS;
		w->stuck = 0;
		if (w->base_ns != INT64_MAX)
			w->limit = within(w->limit / 4);
		w->base_ns = INT64_MAX;
		w->best_ns = INT64_MAX;
		/* what is under way now was queued behind the old window */
		w->round_end = now_ns + 2 * round_trip_ns;
		return;
	}
	if (round_trip_ns < w->base_ns)
		w->base_ns = round_trip_ns;
	if (!bulk)
		return;
	if (round_trip_ns < w->best_ns)
		w->best_ns = round_trip_ns;
	if (now_ns < w->round_end)
		return;
	end_round(w);
	w->round_end = now_ns + w->best_ns;
	w->best_ns = INT64_MAX;
	w->was_full = false;
}

void window_full(struct window *w)
{
	w->was_full = true;
}

uint32_t window_chunk(const struct window *w, uint32_t most)
{
	uint64_t n = w->limit / CHUNK_SHARE;

	if (n < WINDOW_CHUNK)
		n = WINDOW_CHUNK;
	return n < most ? (uint32_t)n : most;
}
