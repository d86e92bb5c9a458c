/* Rates: what is typed, the time of day, and the bucket. */
#include "confdefs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clock.h"
#include "rate.h"

static uint64_t at(const char *text, unsigned hour, unsigned minute)
{
	struct rate r;
	assert_int_equal(rate_parse(text, &r), 0);
	return rate_at(&r, hour * 60 + minute);
}

static void test_parse(void **state)
{
	struct rate r;
	static const char *const bad[] = {
		"",	  "fast",	    "2M,",
		",2M",	  "8-18 2M",	    "08:00-18:00",
		"0",	  "25:00-26:00 2M", "08:61-09:00 2M",
		"2M 20M",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (rate_parse(bad[i], &r) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
	}
	assert_true(at("10M", 3, 0) == 10 << 20);
	assert_true(at("never", 3, 0) == 0);
	assert_true(at("08:00-18:00 2M, 20M", 7, 59) == 20 << 20);
	assert_true(at("08:00-18:00 2M, 20M", 8, 0) == 2 << 20);
	assert_true(at("08:00-18:00 2M, 20M", 17, 59) == 2 << 20);
	assert_true(at("08:00-18:00 2M ,20M", 18, 0) == 20 << 20);
	assert_true(at("22:00-6:00 1K", 23, 0) == 1024);
	assert_true(at("22:00-6:00 1K", 5, 59) == 1024);
	assert_true(at("22:00-6:00 1K", 6, 0) == 0);
	assert_true(at("08:00-18:00 never, 1K", 12, 0) == 0);
}

static void test_bucket(void **state)
{
	struct bucket b = {0};
	int64_t now = 1000 * NS_PER_S;
	assert_int_equal(bucket_wait(&b, 0, now), 0); /* no limit */
	bucket_set(&b, 1000, now);
	uint64_t sent = 0;
	for (int i = 0; i < 100; i++) { /* at the rate, whatever the pieces */
		now += bucket_wait(&b, 0, now);
		assert_int_equal(bucket_wait(&b, 0, now), 0);
		bucket_take(&b, (uint64_t)(i * 37 % 500 + 1));
		sent += (uint64_t)(i * 37 % 500 + 1);
	}
	double seconds = (double)(now - 1000 * NS_PER_S) / 1e9;
	assert_true((double)sent / seconds < 1050);
	assert_true((double)sent / seconds > 950);
	/* a pause does not save up for long */
	now += 3600 * NS_PER_S;
	assert_int_equal(bucket_wait(&b, 0, now), 0);
	bucket_take(&b, 1000);
	assert_true(bucket_wait(&b, 0, now) > NS_PER_S / 2);
	/* a debt is allowed to those who are small */
	assert_int_equal(bucket_wait(&b, 1000, now), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_bucket),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
