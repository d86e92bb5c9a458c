/* Objects whose content the replica has not got: when they come, when they
 * go, and that they outlive the process. */
#include "confdefs.h"

#include "journal-fixture.h"

#include "sync/stale.h"

static struct record about(enum record_op op, uint32_t flags, uint64_t obj)
{
	return (struct record){.op = op, .flags = flags, .obj = fx_obj(obj)};
}

static void told(struct stale *s, enum record_op op, uint32_t flags,
		 uint64_t obj)
{
	struct record r = about(op, flags, obj);
	stale_record(s, &r);
}

static void test_stale(void **state)
{
	struct fixture f;
	struct stale *s;
	struct fhandle h1 = fx_obj(1), h2 = fx_obj(2), h3 = fx_obj(3);
	fx_open(&f);
	int64_t id = fx_replica(&f, "r"), other = fx_replica(&f, "other");

	assert_int_equal(stale_open(f.j, id, &s), 0);
	told(s, OP_SETATTR, RF_MODE, 1);
	assert_false(stale_has(s, &h1));
	told(s, OP_SETTLE, 0, 1);
	told(s, OP_TRUNC, 0, 2);
	told(s, OP_SETTLE, 0, 3);
	assert_true(stale_has(s, &h1) && stale_has(s, &h2));
	stale_published(s, &h1);
	stale_published(s, &h1); /* by a second name */
	assert_false(stale_has(s, &h1));
	told(s, OP_UNLINK, 0, 3); /* it has another name */
	assert_true(stale_has(s, &h3));
	told(s, OP_UNLINK, RF_LAST, 3);
	assert_false(stale_has(s, &h3));
	assert_int_equal(stale_save(s), 0);
	stale_close(s);

	assert_int_equal(stale_open(f.j, id, &s), 0);
	assert_true(stale_has(s, &h2));
	assert_false(stale_has(s, &h1));
	stale_published(s, &h2);
	assert_int_equal(stale_save(s), 0);
	stale_close(s);

	assert_int_equal(stale_open(f.j, id, &s), 0);
	assert_false(stale_has(s, &h2));
	stale_close(s);
	assert_int_equal(stale_open(f.j, other, &s), 0);
	assert_false(stale_has(s, &h2));
	stale_close(s);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_stale)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
