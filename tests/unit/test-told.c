/* What users have removed, as the records tell: the newest that says so, or the
 * opposite, counts. */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sync/told.h"

static uint64_t seq;

static void put(struct told *t, enum record_op op, uint32_t flags,
		const char *path, const char *path2)
{
	const struct record r = {.seq = ++seq,
				 .op = op,
				 .flags = flags,
				 .path = (char *)path,
				 .path2 = (char *)path2};

	told_record(t, &r);
	assert_int_equal(t->upto, seq);
}

static void test_removed(void **state)
{
	struct told t = {0};

	put(&t, OP_UNLINK, 0, "d/x", NULL);
	assert_true(told_gone(&t, "d/x"));
	assert_false(told_gone(&t, "d") || told_gone(&t, "d/y"));
	put(&t, OP_RMDIR, 0, "d", NULL);
	assert_true(told_gone(&t, "d") && told_gone(&t, "d/y"));
	assert_false(told_gone(&t, "da") || told_gone(&t, ""));
	/* another one, which was empty */
	put(&t, OP_MKDIR, 0, "d", NULL);
	assert_true(told_gone(&t, "d/y"));
	assert_false(told_gone(&t, "d"));
	put(&t, OP_CREATE, 0, "d/y", NULL);
	put(&t, OP_LINK, 0, "d/y", "d/z");
	assert_false(told_gone(&t, "d/y") || told_gone(&t, "d/z"));
	put(&t, OP_UNLINK, 0, "d/y", NULL);
	assert_true(told_gone(&t, "d/y"));
	assert_false(told_gone(&t, "d/z"));
	told_done(&t);
}

static void test_moved(void **state)
{
	struct told t = {0};

	put(&t, OP_RMDIR, 0, "b", NULL);
	put(&t, OP_RENAME, 0, "a", "b");
	assert_true(told_gone(&t, "a") && told_gone(&t, "a/x"));
	/* it came with what was in it */
	assert_false(told_gone(&t, "b") || told_gone(&t, "b/x"));
	put(&t, OP_UNLINK, 0, "b/x", NULL);
	assert_true(told_gone(&t, "b/x"));
	put(&t, OP_RENAME, RF_EXCHANGE, "b", "c");
	assert_false(told_gone(&t, "b/x") || told_gone(&t, "c/x"));
	told_done(&t);
}

static void test_doubt(void **state)
{
	struct told t = {0};

	put(&t, OP_RMDIR, 0, "d", NULL);
	put(&t, OP_GAP, 0, NULL, NULL);
	assert_false(told_gone(&t, "d"));
	put(&t, OP_RMDIR, 0, "d", NULL);
	put(&t, OP_UNSURE, RF_OBJECT, "", NULL);
	assert_false(told_gone(&t, "d"));
	told_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
