/* Numbered items: numbers never come twice, memory goes back. */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/slots.h"

#define ITEM  100u
#define ITEMS 100000u

static uint64_t ids[ITEMS];

static long resident_pages(void)
{
	long total, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld %ld", &total, &resident), 2);
	fclose(f);
	return resident;
}

static void take_all(struct slots *s)
{
	for (uint32_t k = 0; k < ITEMS; k++) {
		char *item = slots_take(s, &ids[k]);
		assert_non_null(item);
		for (unsigned b = 0; b < ITEM; b++)
			assert_int_equal(item[b], 0);
		memset(item, 'x', ITEM);
	}
}

static void first_is_one(void **state)
{
	struct slots *s;
	assert_int_equal(slots_open(ITEM, -1, 0, &s), 0);
	uint64_t id;
	assert_non_null(slots_take(s, &id));
	assert_int_equal(id, 1);
	assert_null(slots_get(s, 2));
	assert_null(slots_get(s, 0));
	assert_null(slots_get(s, UINT64_MAX));
	slots_close(s);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void numbers_never_come_twice(void **state)
{
	enum { KEPT = 40000, ROUNDS = 6 };
	struct slots *s;
	assert_int_equal(slots_open(ITEM, -1, 0, &s), 0);
	uint64_t *seen = calloc((size_t)KEPT * ROUNDS, sizeof(*seen));
	size_t n = 0;
	assert_non_null(seen);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned k = 0; k < KEPT; k++, n++)
			assert_non_null(slots_take(s, &seen[n]));
		for (size_t k = n - KEPT; k < n; k++) {
			/* up and down, so that chunks empty in any order */
			size_t at = round % 2 ? 2 * n - KEPT - 1 - k : k;
			assert_non_null(slots_get(s, seen[at]));
			slots_drop(s, seen[at]);
			assert_null(slots_get(s, seen[at]));
		}
	}
	for (size_t k = 0; k < n; k++)
		assert_null(slots_get(s, seen[k]));
	qsort(seen, n, sizeof(*seen), by_number);
	for (size_t k = 1; k < n; k++)
		assert_true(seen[k - 1] < seen[k]);
	free(seen);
	slots_close(s);
}

static void memory_goes_back(void **state)
{
	struct slots *s;
	assert_int_equal(slots_open(ITEM, -1, 0, &s), 0);
	long page = sysconf(_SC_PAGESIZE), used, before = resident_pages();
	for (unsigned round = 0; round < 2; round++) {
		take_all(s);
		used = resident_pages() - before;
		assert_true(used * page >= (long)(ITEMS * ITEM));
		for (uint32_t k = 0; k < ITEMS; k++)
			slots_drop(s, ids[round ? k : ITEMS - 1 - k]);
		assert_true(resident_pages() - before < used / 5);
	}
	slots_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_is_one),
		cmocka_unit_test(numbers_never_come_twice),
		cmocka_unit_test(memory_goes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
