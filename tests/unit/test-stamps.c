/* Since when somebody may have changed what the journal has not seen. */
#include "confdefs.h"

#include "journal-fixture.h"
#include "stamps.h"

static int64_t known(struct fixture *f)
{
	int64_t ns;
	assert_int_equal(journal_known_ns(f->j, INT64_MAX, &ns), 0);
	return ns;
}

static void put(struct fixture *f)
{
	fx_put(f, OP_SETTLE, 0, 9, "p", NULL);
	fx_sync(f);
}

/* After a bad end it is the newest record of then, until somebody has looked, in
 * this mount or in a later one; and not any longer. */
static void test_known(void **state)
{
	struct fixture f;
	fx_open(&f);
	put(&f);
	int64_t then = known(&f);
	assert_true(then > 0);
	fx_die(&f);

	fx_mount(&f);
	fx_start(&f, NS_PER_S * 3600);
	put(&f);
	assert_int_equal(known(&f), then);
	fx_umount(&f);
	fx_mount(&f);
	fx_start(&f, NS_PER_S * 3600);
	assert_int_equal(known(&f), then);
	assert_int_equal(journal_stamps_done(f.j, 0), 0);
	assert_true(known(&f) > then);
	fx_umount(&f);

	/* a good end */
	fx_mount(&f);
	fx_start(&f, NS_PER_S * 3600);
	then = known(&f);
	put(&f);
	assert_true(known(&f) > then);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
