/*
 * The activity log when most of its slots are pinned: what may change unseen is
 * marked for as long as that lasts.
 */
#include "confdefs.h"

#include <unistd.h>

#include "activity-fixture.h"

/* Slots that are pinned are not freed, however often marks are lifted: nobody
 * waits for them. */
static void pinned_full(unsigned pinned)
{
	struct af t;
	struct activity_past p;
	struct mark move[3] = {dir_mark(21), dir_mark(22), dir_mark(23)};
	af_open(&t, 8);
	for (unsigned i = 1; i <= pinned; i++) {
		struct mark m = file_mark(i, 20);
		m.stays = true;
		activity_place(t.a, 0, &m);
		activity_pin(t.a, &m.obj);
	}
	activity_done(t.a, 0);
	assert_int_equal(marks(&t), pinned);
	alarm(60);
	activity_touch(t.a, 1, move, 3);
	alarm(0);
	for (int k = 0; k < 2; k++) {
		assert_int_equal(past(&t, &p), PAST_DOUBT);
		activity_past_done(&p);
		touch_once(&t, dir_mark(24));
		activity_done(t.a, 1);
		assert_int_equal(activity_lift(t.a), 0);
	}
	for (unsigned i = 1; i <= pinned; i++) {
		struct fhandle fh = fx_obj(i);
		activity_unpin(t.a, &fh);
	}
	assert_int_equal(activity_lift(t.a), 0);
	assert_int_equal(activity_lift(t.a), 0);
	assert_int_equal(marks(&t), 0);
	activity_touch(t.a, 1, move, 3);
	activity_done(t.a, 1);
	assert_int_equal(marks(&t), 3);
	af_close(&t);
}

static void test_pinned_full(void **state)
{
	pinned_full(8);
	pinned_full(7);
	pinned_full(6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pinned_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
