/* The window of bulk data: on a model of a wire with a queue it keeps the wire
 * busy, and the queue short. */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clock.h"
#include "sync/remote/window.h"

#define CHUNK (256u * 1024)
#define RING  4096

/* Bytes leave in order at `rate` a second, replies come `delay_ns` later. */
struct wire {
	double rate;
	int64_t delay_ns;
	int64_t now, free_at;
	struct {
		int64_t sent, reply;
		uint32_t bytes;
	} ring[RING];
	unsigned first, n;
	uint64_t under_way, done;
	int64_t worst_ns; /* round trip */
};

static void wire_send(struct wire *w, uint32_t bytes)
{
	unsigned at = (w->first + w->n++) % RING;
	int64_t start = w->free_at > w->now ? w->free_at : w->now;

	w->free_at = start + (int64_t)(bytes / w->rate * NS_PER_S);
	w->ring[at].sent = w->now;
	w->ring[at].reply = w->free_at + w->delay_ns;
	w->ring[at].bytes = bytes;
	w->under_way += bytes;
}

static void wire_reply(struct wire *w, struct window *win)
{
	unsigned at = w->first++ % RING;
	int64_t took;

	w->n--;
	w->now = w->ring[at].reply;
	took = w->now - w->ring[at].sent;
	w->under_way -= w->ring[at].bytes;
	w->done += w->ring[at].bytes;
	if (took > w->worst_ns)
		w->worst_ns = took;
	window_answered(win, w->now, took, true);
}

static void run(struct wire *w, struct window *win, int64_t ns)
{
	int64_t end = w->now + ns;

	w->done = 0;
	w->worst_ns = 0;
	while (w->now < end) {
		while (w->under_way < win->limit)
			wire_send(w, window_chunk(win, CHUNK));
		window_full(win);
		wire_reply(w, win);
	}
}

/* what comes before the first large file */
static void say_hello(const struct wire *w, struct window *win)
{
	for (int i = 0; i < 2; i++)
		window_answered(win, i, w->delay_ns + NS_PER_MS, false);
}

static void check_wire(double rate, int64_t delay_ns)
{
	struct wire w = {.rate = rate, .delay_ns = delay_ns};
	struct window win = WINDOW_INIT;
	/* the smallest window takes this long */
	int64_t least_ns = (int64_t)(WINDOW_MIN / rate * NS_PER_S);

	say_hello(&w, &win);
	run(&w, &win, 5 * NS_PER_S); /* settles */
	run(&w, &win, 10 * NS_PER_S);
	assert_true((double)w.done > 0.95 * 10 * rate);
	assert_true(w.worst_ns <
		    delay_ns * 7 / 4 + 30 * NS_PER_MS + 2 * least_ns);
	assert_true(win.limit >= WINDOW_MIN && win.limit <= WINDOW_MAX);
}

static void test_wires(void **state)
{
	static const double rates[] = {1e6, 10e6, 100e6};
	static const int64_t delays[] = {0, 5, 20, 50};

	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 4; k++)
			check_wire(rates[i], delays[k] * NS_PER_MS);
}

/* After the route has become longer it is found again. */
static void test_longer_route(void **state)
{
	struct wire w = {.rate = 20e6, .delay_ns = 5 * NS_PER_MS};
	struct window win = WINDOW_INIT;

	say_hello(&w, &win);
	run(&w, &win, 10 * NS_PER_S);
	w.delay_ns = 80 * NS_PER_MS;
	run(&w, &win, 10 * NS_PER_S);
	run(&w, &win, 10 * NS_PER_S);
	assert_true((double)w.done > 0.8 * 10 * w.rate);
}

/* Small requests tell the shortest round trip, and nothing else. */
static void test_small(void **state)
{
	struct window win = WINDOW_INIT;

	window_answered(&win, 1, NS_PER_MS, false);
	for (int i = 2; i < 100; i++)
		window_answered(&win, i * NS_PER_S / 10, NS_PER_S, false);
	assert_int_equal(win.limit, WINDOW_FIRST);
	assert_int_equal(window_chunk(&win, 1000), 1000);
	assert_int_equal(window_chunk(&win, CHUNK), WINDOW_FIRST / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wires),
		cmocka_unit_test(test_longer_route),
		cmocka_unit_test(test_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
