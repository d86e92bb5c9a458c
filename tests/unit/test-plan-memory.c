/* What the plan remembers from batch to batch, and beyond a connection. */
#include "confdefs.h"

#include "memo.h"
#include "tests/unit/plan-fixture.h"

/* It was gone when it was to be sent: what renamed it is no rename of what the
 * replica has at that name; once all of that is planned it is forgotten. */
static void test_gone(void **state)
{
	rec(OP_CREATE, 1, "t", NULL, RF_OPEN);
	struct fhandle h = rec(OP_SETTLE, 1, "t", NULL, 0)->obj;
	expect("put t");
	plan_memory_gone(memory, &h, false, 100);
	rec(OP_RENAME, 1, "t", "a", RF_REPLACED);
	rec(OP_CREATE, 2, "t", NULL, RF_OPEN);
	expect("");
	plan_memory_forget(memory, 99);
	rec(OP_RENAME, 1, "a", "b", 0);
	expect("unlink a");
	plan_memory_forget(memory, 100);
	rec(OP_SETTLE, 2, "t", NULL, 0); /* one that lives is not */
	rec(OP_RENAME, 1, "x", "y", 0);
	expect("put t; rename x y");
}

/* Of another connection: what was absent is so still, until another mount. */
static struct absent_row kept_row;
static unsigned n_put, n_del;

static int count_put(void *arg, const struct absent_row *row)
{
	kept_row = *row;
	n_put++;
	return 0;
}

static int count_del(void *arg, const struct fhandle *obj)
{
	assert_true(fhandle_equal(&kept_row.obj, obj));
	n_del++;
	return 0;
}

static void save(unsigned puts, unsigned dels)
{
	n_put = n_del = 0;
	assert_int_equal(plan_memory_save(memory, count_put, count_del, NULL),
			 0);
	assert_int_equal(n_put, puts);
	assert_int_equal(n_del, dels);
}

static void test_kept(void **state)
{
	rec(OP_CREATE, 1, "t", NULL, RF_OPEN);
	expect("");
	save(1, 0);
	save(0, 0);
	rec(OP_RENAME, 1, "t", "a", RF_REPLACED);
	expect("");
	save(1, 0); /* it has a shadow now */
	plan_memory_free(memory);
	memory = plan_memory_new();
	plan_memory_restore(memory, 0, &kept_row, 1);
	rec(OP_SETATTR, 1, "a", NULL, RF_OWNER);
	rec(OP_RENAME, 1, "a", "b", 0);
	expect("unlink a");
	save(0, 0);
	rec(OP_SETTLE, 1, "b", NULL, 0);
	expect("put b");
	save(0, 1);
	save(0, 0);
	plan_memory_restore(memory, 0, &kept_row, 1);
	rec(OP_SETATTR, 1, "b", NULL, RF_OWNER)->seq = SEQ_FIRST(1);
	expect("setattr b");
	save(0, 1);
	/* but for an upload that goes on */
	plan_memory_free(memory);
	memory = plan_memory_new();
	plan_memory_restore(memory, 0, &kept_row, 1);
	plan_memory_absent(memory, &kept_row.obj, false);
	rec(OP_RENAME, 1, "b", "c", 0)->seq = SEQ_FIRST(1) + 1;
	expect("unlink b");
	save(0, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_gone),
		T(test_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
