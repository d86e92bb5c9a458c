/*
 * The ring and the intents after something has written into them (seeded bit
 * flips and garbage): the taker ends, gives whole records only, and where one
 * was lost a GAP follows.
 */
#include "confdefs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "shared.h"
#include "lib/journal/memory.h"
#include "rnd.h"

#define RECORDS 300u
#define BATCH	64u

static void fill(struct shared *s)
{
	char path[64], path2[64];
	struct range g = {4, 5};
	for (unsigned i = 0; i < RECORDS; i++) {
		snprintf(path, sizeof(path), "dir/file%u", i);
		snprintf(path2, sizeof(path2), "dir/other%u", i);
		struct record r = {.op = i % 2 ? OP_RENAME : OP_SETTLE,
				   .path = path,
				   .path2 = i % 2 ? path2 : NULL,
				   .ranges = &g,
				   .n_ranges = i % 2 ? 0 : 1};
		shared_append(s, &r);
	}
	struct record intent = {.op = OP_RENAME, .path = path, .path2 = path2};
	for (unsigned t = 0; t < 8; t++)
		shared_begin(s, t, &intent);
}

static void spoil(struct memory *m)
{
	uint64_t head = m->ring.head, used = m->ring.tail - head;
	for (unsigned n = 1 + rnd(20); n > 0; n--) {
		uint64_t at = (head + rnd((uint32_t)used)) % RING_BYTES;
		m->bytes[at] ^= (uint8_t)(1u << rnd(8));
	}
	if (rnd(4) == 0) {
		uint64_t at = (head + rnd((uint32_t)used)) % RING_BYTES;
		for (unsigned i = 0; i < 500 && at + i < RING_BYTES; i++)
			m->bytes[at + i] = (uint8_t)rnd(256);
	}
	for (unsigned t = 0; t < 8; t++) {
		struct intent *slot = &m->intents[t];
		for (unsigned n = rnd(6); n > 0; n--)
			slot->bytes[rnd(128)] ^= (uint8_t)(1u << rnd(8));
		if (rnd(8) == 0)
			slot->len = rnd(UINT32_MAX);
	}
}

/* Returns how many records came; *ret_gap: a GAP was among them. */
static unsigned take_all(struct shared *s, bool *ret_gap)
{
	struct record out[BATCH];
	unsigned total = 0;
	*ret_gap = false;
	for (unsigned turn = 0;; turn++) {
		bool overflow;
		unsigned n = shared_take(s, out, BATCH, &overflow);
		assert_true(turn < 10 * RECORDS);
		for (unsigned i = 0; i < n; i++) {
			*ret_gap |= out[i].op == OP_GAP;
			record_done(&out[i]);
		}
		total += n;
		shared_taken(s);
		if (n == 0 && !overflow)
			return total;
	}
}

static void test_ring(void **state)
{
	struct record left[SHARED_THREADS];
	unsigned lost = 0, rounds = 100;
	if (getenv("SOAK"))
		rounds *= (unsigned)atoi(getenv("SOAK"));
	for (unsigned i = 0; i < rounds; i++) {
		struct shared *s;
		bool gap;
		int fd;
		assert_int_equal(shared_create(SEQ_FIRST(3), &fd), 0);
		assert_int_equal(shared_map(fd, &s), 0);
		fill(s);
		spoil(s->mem);
		alarm(60);
		unsigned n = take_all(s, &gap);
		if (n < RECORDS) {
			lost++;
			assert_true(gap);
		}
		unsigned k = shared_leftovers(s, left);
		assert_true(k <= SHARED_THREADS);
		for (unsigned t = 0; t < k; t++) {
			assert_int_equal(left[t].op, OP_UNSURE);
			assert_non_null(left[t].path);
			record_done(&left[t]);
		}
		shared_unmap(s);
		close(fd);
	}
	alarm(0);
	assert_true(lost > rounds / 10);
}

/* Memory of something else, or of another version, is refused, and that of a
 * program that knows another journal. */
static void test_header(void **state)
{
	static const int errors[] = {-EPROTO, -EPROTO, -EPROTO, -EOPNOTSUPP};
	for (unsigned i = 0; i < 4; i++) {
		struct shared *s, *again = NULL;
		int fd;
		assert_int_equal(shared_create(SEQ_FIRST(3), &fd), 0);
		assert_int_equal(shared_map(fd, &s), 0);
		s->mem->magic ^= i == 0;
		s->mem->version ^= i == 1 ? 64 : 0;
		s->mem->size ^= i == 2 ? 4096 : 0;
		s->mem->format ^= i == 3;
		assert_int_equal(shared_map(fd, &again), errors[i]);
		shared_unmap(s);
		close(fd);
	}
}

int main(void)
{
	random_state = 20261126;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
