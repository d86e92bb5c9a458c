/* Records and ranges: there and back, and never a crash on strange bytes. */
#include "confdefs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "record.h"

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % below;
}

static void random_chars(char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (char)(1 + rnd(255));
	out[n] = 0;
}

static char *random_path(void)
{
	size_t n = rnd(10) ? rnd(60) : rnd(6000);
	char *p = malloc(n + 1);
	assert_non_null(p);
	random_chars(p, n);
	return p;
}

static void random_record(struct record *r)
{
	memset(r, 0, sizeof(*r));
	r->seq = (uint64_t)rnd(1u << 31) << rnd(33);
	r->time_ns = (int64_t)((uint64_t)rnd(1u << 31) << 32 | rnd(1u << 31));
	r->op = (enum record_op)(1 + rnd(18));
	r->flags = rnd(512);
	r->who.uid = rnd(1u << 31) * 2;
	r->who.gid = rnd(1u << 31);
	r->who.pid = (int32_t)rnd(1u << 31);
	random_chars(r->who.program, rnd(sizeof(r->who.program)));
	random_chars(r->who.title, rnd(sizeof(r->who.title)));
	r->obj.type = (int32_t)rnd(300) - 20;
	r->obj.len = rnd(FHANDLE_MAX + 1);
	for (uint32_t i = 0; i < r->obj.len; i++)
		r->obj.bytes[i] = (uint8_t)rnd(256);
	r->path = rnd(8) ? random_path() : NULL;
	r->path2 = rnd(2) ? random_path() : NULL;
	r->mode = rnd(0200000);
	r->uid = rnd(70000);
	r->gid = rnd(70000);
	r->size = (uint64_t)rnd(1u << 31) << rnd(20);
	struct range ranges[RECORD_RANGES_MAX];
	for (uint32_t i = rnd(100); i > 0; i--)
		range_add(ranges, &r->n_ranges, rnd(100000), rnd(100));
	if (r->n_ranges) {
		r->ranges = calloc(r->n_ranges, sizeof(ranges[0]));
		assert_non_null(r->ranges);
		memcpy(r->ranges, ranges, r->n_ranges * sizeof(ranges[0]));
	}
}

static void assert_same_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_true(a == b);
}

static void assert_same(const struct record *a, const struct record *b)
{
	assert_true(a->seq == b->seq && a->time_ns == b->time_ns);
	assert_true(a->op == b->op && a->flags == b->flags);
	assert_memory_equal(&a->who.uid, &b->who.uid, 12);
	assert_string_equal(a->who.program, b->who.program);
	assert_string_equal(a->who.title, b->who.title);
	assert_true(fhandle_equal(&a->obj, &b->obj));
	assert_same_text(a->path, b->path);
	assert_same_text(a->path2, b->path2);
	assert_true(a->mode == b->mode && a->uid == b->uid &&
		    a->gid == b->gid && a->size == b->size);
	assert_int_equal(a->n_ranges, b->n_ranges);
	if (a->n_ranges)
		assert_memory_equal(a->ranges, b->ranges,
				    a->n_ranges * sizeof(struct range));
}

static void test_there_and_back(void **state)
{
	struct buf b = BUF_INIT;
	struct record in[50], out;
	for (int round = 0; round < 100; round++) {
		buf_reset(&b);
		for (int i = 0; i < 50; i++) {
			random_record(&in[i]);
			record_encode(&b, &in[i]);
		}
		for (int i = 0; i < 50; i++) {
			assert_int_equal(record_decode(&b, &out), 0);
			assert_same(&in[i], &out);
			record_done(&out);
			record_done(&in[i]);
		}
		assert_int_equal(buf_left(&b), 0);
		assert_int_equal(record_decode(&b, &out), -EBADMSG);
	}
	buf_done(&b);
}

/* Any prefix is refused; any damage gives a record or a refusal. */
static void test_damage(void **state)
{
	struct record r, out;
	struct buf b = BUF_INIT;
	for (int round = 0; round < 300; round++) {
		random_record(&r);
		buf_reset(&b);
		record_encode(&b, &r);
		record_done(&r);
		for (int i = 0; i < 50; i++) {
			/* in memory of its own, so that a sanitizer sees it */
			size_t n = rnd((uint32_t)b.len);
			struct buf part = BUF_INIT;
			buf_put(&part, b.data, n);
			assert_int_equal(record_decode(&part, &out),
					 -EBADMSG);
			assert_int_equal(part.off, 0);
			buf_done(&part);
		}
		for (int i = 0; i < 50; i++) {
			struct buf bad = BUF_INIT;
			buf_put(&bad, b.data, b.len);
			for (uint32_t k = 1 + rnd(4); k > 0; k--)
				bad.data[rnd((uint32_t)b.len)] ^=
					(uint8_t)(1 + rnd(255));
			if (record_decode(&bad, &out) == 0)
				record_done(&out);
			buf_done(&bad);
		}
	}
	buf_done(&b);
}

static void test_noise(void **state)
{
	struct record out;
	for (int round = 0; round < 20000; round++) {
		struct buf b = BUF_INIT;
		for (uint32_t n = rnd(300); n > 0; n--)
			buf_put_u8(&b, (uint8_t)(rnd(3) ? 0 : rnd(256)));
		if (record_decode(&b, &out) == 0)
			record_done(&out);
		buf_done(&b);
	}
}

static void test_words(void **state)
{
	assert_string_equal(record_op_word(OP_CREATE), "create");
	assert_string_equal(record_op_word(OP_SETTLE), "write");
	assert_string_equal(record_op_word((enum record_op)0), "?");
	assert_string_equal(record_op_word((enum record_op)77), "?");
	assert_int_equal(record_op_parse("rename"), OP_RENAME);
	assert_int_equal(record_op_parse("renam"), -EINVAL);
	assert_int_equal(record_op_parse(""), -EINVAL);
}

static void test_handles(void **state)
{
	struct fhandle a = {.len = 3, .type = 1, .bytes = {1, 2, 3, 4}};
	struct fhandle b = {.len = 3, .type = 1, .bytes = {1, 2, 3, 5}};
	assert_true(fhandle_equal(&a, &b));
	assert_memory_equal(&a, &b, fhandle_size(&a));
	b.type = 2;
	assert_false(fhandle_equal(&a, &b));
	b.type = 1;
	b.len = 4;
	assert_false(fhandle_equal(&a, &b));
}

/* ---- ranges ---- */

static void test_ranges_merge(void **state)
{
	struct range g[RECORD_RANGES_MAX];
	uint32_t n = 0;
	range_add(g, &n, 10, 10);
	range_add(g, &n, 30, 10);
	range_add(g, &n, 5, 0);
	assert_int_equal(n, 2);
	range_add(g, &n, 20, 10); /* touches both */
	assert_int_equal(n, 1);
	assert_true(g[0].off == 10 && g[0].len == 30);
	range_add(g, &n, 0, 5);
	range_add(g, &n, 12, 3); /* inside */
	assert_int_equal(n, 2);
	assert_int_equal(range_total(g, n), 35);
	range_add(g, &n, 0, 1000); /* over all */
	assert_int_equal(n, 1);
	range_add(g, &n, UINT64_MAX - 5, 100); /* would wrap */
	assert_int_equal(n, 2);
	assert_true(g[1].len == 5);
	range_add(g, &n, UINT64_MAX, 1);
	assert_int_equal(n, 2);
}

static void test_ranges_limit(void **state)
{
	struct range g[RECORD_RANGES_MAX];
	uint32_t n = 0;
	for (uint64_t i = 0; i < RECORD_RANGES_MAX; i++)
		range_add(g, &n, i * 1000, 10);
	assert_int_equal(n, RECORD_RANGES_MAX);
	range_add(g, &n, 3015, 10); /* 5 behind the fourth: the smallest gap */
	assert_int_equal(n, RECORD_RANGES_MAX);
	assert_true(g[3].off == 3000 && g[3].len == 25);
	range_add(g, &n, 1000000, 1);
	assert_int_equal(n, RECORD_RANGES_MAX);
	assert_true(g[n - 1].off == 1000000);
}

#define BYTES 4096

/* All that was written is covered, whatever else is. */
static void test_ranges_random(void **state)
{
	for (int round = 0; round < 300; round++) {
		struct range g[RECORD_RANGES_MAX];
		bool written[BYTES] = {false};
		uint32_t n = 0, adds = 1 + rnd(400);
		for (uint32_t i = 0; i < adds; i++) {
			uint32_t off = rnd(BYTES), len = rnd(1 + rnd(40));
			if (len > BYTES - off)
				len = BYTES - off;
			range_add(g, &n, off, len);
			memset(written + off, true, len);
		}
		assert_true(n <= RECORD_RANGES_MAX);
		uint64_t end = 0, at = 0;
		for (uint32_t i = 0; i < n; i++) {
			assert_true(g[i].len > 0);
			assert_true(i == 0 || g[i].off > end);
			for (; at < g[i].off; at++)
				assert_false(written[at]);
			at = end = g[i].off + g[i].len;
		}
		for (; at < BYTES; at++)
			assert_false(written[at]);
	}
}

int main(void)
{
	const char *given = getenv("SEED");
	seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	printf("SEED=%llu\n", (unsigned long long)seed);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_handles),
		cmocka_unit_test(test_ranges_merge),
		cmocka_unit_test(test_ranges_limit),
		cmocka_unit_test(test_ranges_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
