/* What the replica has already of records that are still to come: by object,
 * by content and attributes, and never more than the last step has brought. */
#include "confdefs.h"

#include "journal-fixture.h"

#include "sync/fresh.h"

static bool tells(const struct fresh *f, enum record_op op, uint64_t obj,
		  uint64_t seq)
{
	const struct record r = {.op = op, .obj = fx_obj(obj), .seq = seq};
	return fresh_tells(f, &r);
}

static void test_what_it_tells(void **state)
{
	struct fresh *f = NULL;
	struct fhandle h1 = fx_obj(1), h2 = fx_obj(2);

	assert_false(tells(f, OP_SETTLE, 1, 5));
	fresh_put(&f, &h1, 10, 1);
	fresh_put_attrs(&f, &h2, 10, 1);
	assert_true(tells(f, OP_SETTLE, 1, 10) && tells(f, OP_TRUNC, 1, 9) &&
		    tells(f, OP_SETATTR, 1, 10));
	assert_false(tells(f, OP_SETTLE, 1, 11) || tells(f, OP_UNLINK, 1, 5));
	assert_true(tells(f, OP_SETATTR, 2, 10));
	assert_false(tells(f, OP_SETTLE, 2, 5));
	fresh_drop(&f, 9);
	assert_true(tells(f, OP_SETTLE, 1, 10));
	fresh_drop(&f, 10);
	assert_null(f);
}

/* An upload was prepared as of 10, another name got the attributes as of 20,
 * then the upload took its place: the replica has those as of 10. */
static void test_upload_behind_attributes(void **state)
{
	struct fresh *f = NULL;
	struct fhandle h = fx_obj(1);

	fresh_put_attrs(&f, &h, 20, 1);
	fresh_put(&f, &h, 10, 1);
	assert_false(tells(f, OP_SETATTR, 1, 15));
	assert_true(tells(f, OP_SETATTR, 1, 10) && tells(f, OP_SETTLE, 1, 10));

	/* the answers may come the other way round */
	fresh_put(&f, &h, 30, 2);
	fresh_put_attrs(&f, &h, 40, 2);
	assert_false(tells(f, OP_SETATTR, 1, 35));
	assert_true(tells(f, OP_SETATTR, 1, 30));

	/* a later batch goes beyond, also with what was read before */
	fresh_put_attrs(&f, &h, 50, 3);
	assert_true(tells(f, OP_SETATTR, 1, 50));
	assert_false(tells(f, OP_SETTLE, 1, 50));
	fresh_put(&f, &h, 45, 4);
	assert_false(tells(f, OP_SETATTR, 1, 50));
	assert_true(tells(f, OP_SETTLE, 1, 45));
	fresh_clear(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_tells),
		cmocka_unit_test(test_upload_behind_attributes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
