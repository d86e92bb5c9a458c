/* Since when somebody may have changed what the journal has not seen. */
#include "confdefs.h"

#include <errno.h>

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
	assert_int_equal(journal_stamps_done(f.j, 0, 0), 0);
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

/* They stay until what was found is in the database: a power cut takes the ring. */
static void test_recorded(void **state)
{
	struct fixture f;
	struct stamp s = {.obj = fx_obj(1), .dir = fx_obj(2), .ctime_ns = 3};
	struct stamp *list;
	unsigned n;
	int64_t since;
	fx_open(&f);
	assert_int_equal(journal_stamp_put(f.j, &s), 1);
	assert_int_equal(journal_stamps_since(f.j, 4), 0);
	fx_umount(&f);

	fx_mount(&f);
	uint64_t found = fx_put(&f, OP_UNSURE, 0, 1, "p", NULL);
	assert_int_equal(journal_stamps_done(f.j, found, 1), -EAGAIN);
	assert_int_equal(journal_stamps_load(f.j, &list, &n, &since), 0);
	assert_int_equal(n, 1);
	free(list);
	fx_start(&f, NS_PER_S * 3600);
	fx_sync(&f);
	assert_int_equal(journal_stamps_done(f.j, found, 1), 0);
	assert_int_equal(journal_stamps_load(f.j, &list, &n, &since), 0);
	assert_int_equal(n, 0);
	free(list);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_recorded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
