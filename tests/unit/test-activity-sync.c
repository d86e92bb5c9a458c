/* What is on the disk when a sync has ended, or marks were lifted. */
#include "confdefs.h"

#include "activity-fixture.h"
#include "lib/journal/memory.h"

/* What was dropped has its GAP in the database by then. */
static void test_sync_of_gap(void **state)
{
	struct af t;
	uint64_t seq, have;
	static char path[RING_RECORD_MAX + 1]; /* too long for any record */
	struct record r = {.op = OP_UNLINK, .path = path};
	memset(path, 'x', sizeof(path) - 1);
	af_open(&t, 0);
	for (unsigned i = 0; i < 50; i++) {
		/* the writer rests a little after each batch */
		seq = fx_put(&t.f, OP_UNLINK, 0, 0, "a", NULL);
		do
			assert_int_equal(journal_last_seq(t.f.j, &have), 0);
		while (have < seq);
		seq = shared_append(t.f.s, &r);
		assert_int_equal(journal_writer_sync(t.f.w), 0);
		assert_int_equal(journal_last_seq(t.f.j, &have), 0);
		assert_true(have >= seq);
	}
	af_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sync_of_gap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
