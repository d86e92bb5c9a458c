/*
 * Clocks that jump: what decides by the wall clock survives it. clock_gettime
 * is ours.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "activity.h"
#include "journal-fixture.h"
#include "lib/journal/db.h"

static _Atomic int64_t step_ns;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, id, ts);
	if (id == CLOCK_REALTIME)
		ts->tv_sec += step_ns / NS_PER_S;
	return r;
}

/* What changes after it was set back has older ctimes: what is compared
 * reaches back as far. */
static int64_t since_of(struct fixture *f)
{
	struct activity_past p;
	activity_load(f->dir, journal_uuid(f->j), 1, &p);
	assert_int_equal(p.verdict, PAST_MARKS);
	activity_past_done(&p);
	return p.since_ns;
}

static void touch(struct activity *a, unsigned obj)
{
	const struct mark m = {.kind = MARK_DIR, .obj = fx_obj(obj)};
	activity_touch(a, 0, &m, 1);
	activity_done(a, 0);
}

static void test_clock(void **state)
{
	struct fixture f;
	struct activity *a;
	fx_open(&f);
	int lower_fd = open(f.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(activity_start(f.dir, lower_fd, f.w, 0, &a), 0);
	touch(a, 1);
	step_ns = 3600 * NS_PER_S; /* forward is no matter */
	assert_int_equal(activity_lift(a), 0);
	touch(a, 2);
	step_ns = -7200 * NS_PER_S;
	int64_t back = clock_wall_ns(), end = clock_mono_ns() + 60 * NS_PER_S;
	while (since_of(&f) > back)
		assert_true(clock_mono_ns() < end);
	assert_int_equal(activity_lift(a), 0);
	assert_true(since_of(&f) <= clock_wall_ns());
	step_ns = 0;
	activity_stop(a);
	close(lower_fd);
	fx_close(&f);
}

static void test_trust(void **state)
{
	struct clock_trust t = {0};
	const int64_t day = 86400 * NS_PER_S, year = 365 * day;
	assert_true(clock_trust_ns(&t, year, day) == year);
	assert_true(clock_trust_ns(&t, year + 10, day + 10) == year + 10);
	/* ten years ahead: not believed, until it has lasted */
	assert_true(clock_trust_ns(&t, 11 * year, 2 * day) == year + day);
	assert_true(clock_trust_ns(&t, year + 2 * day, 3 * day) ==
		    year + 2 * day);
	assert_true(clock_trust_ns(&t, 11 * year, 4 * day) == year + 3 * day);
	assert_true(clock_trust_ns(&t, 11 * year + 2 * day, 6 * day) ==
		    11 * year + 2 * day);
	/* back, at once */
	assert_true(clock_trust_ns(&t, year, 7 * day) == year);
}

/* History is not forgotten because the clock jumps for a while. */
static void test_prune_jump(void **state)
{
	struct fixture f;
	struct record out[4];
	fx_open(&f);
	fx_put(&f, OP_UNLINK, 0, 0, "a", NULL);
	fx_put(&f, OP_UNLINK, 0, 0, "b", NULL);
	fx_sync(&f);
	assert_int_equal(db_prune(f.j, 3600 * NS_PER_S), 0);
	step_ns = 10 * 3600 * NS_PER_S;
	assert_int_equal(db_prune(f.j, 3600 * NS_PER_S), 0);
	int n = journal_read(f.j, 0, out, 4);
	assert_int_equal(n, 2);
	while (n > 0)
		record_done(&out[--n]);
	step_ns = 0;
	fx_close(&f);
}

static bool is_overdue(struct fixture *f, struct replica_row *row)
{
	uint64_t n;
	int r = journal_replica_overdue(f->j, row, &n);
	assert_true(r >= 0);
	return r;
}

/* Nobody becomes impatient because of it. */
static void test_away_jump(void **state)
{
	struct fixture f;
	struct replica_row row;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 0), true), 0);
	for (int i = 0; i < 3; i++)
		fx_put(&f, OP_UNLINK, 0, 0, "a", NULL);
	fx_sync(&f);
	assert_int_equal(journal_replica_get(f.j, "r", &row), 0);
	assert_true(row.options.max_away > 0);
	assert_false(is_overdue(&f, &row));
	step_ns = row.options.max_away * 2;
	assert_false(is_overdue(&f, &row));
	step_ns = 0;
	replica_row_done(&row);
	fx_close(&f);
}

/* Nor because of records from the time when it was set back. */
static void test_away_back(void **state)
{
	struct fixture f;
	struct replica_row row;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	uint64_t has = fx_put(&f, OP_UNLINK, 0, 0, "a", NULL);
	fx_sync(&f);
	assert_int_equal(journal_batch_end(f.j, id, has, true), 0);
	assert_int_equal(journal_replica_get(f.j, "r", &row), 0);
	step_ns = -row.options.max_away * 2;
	fx_put(&f, OP_UNLINK, 0, 0, "b", NULL);
	step_ns = 0;
	fx_put(&f, OP_UNLINK, 0, 0, "c", NULL);
	fx_sync(&f);
	assert_false(is_overdue(&f, &row));
	replica_row_done(&row);
	fx_close(&f);
}

/* A first record from the time when it was ahead: those behind it tell. */
static void test_since_jump(void **state)
{
	struct fixture f;
	int64_t since;
	fx_open(&f);
	uint64_t before = fx_put(&f, OP_UNLINK, 0, 0, "a", NULL);
	step_ns = 3600 * NS_PER_S;
	fx_put(&f, OP_UNLINK, 0, 0, "b", NULL);
	step_ns = 0;
	fx_put(&f, OP_UNLINK, 0, 0, "c", NULL);
	fx_sync(&f);
	assert_int_equal(journal_changed_since(f.j, before, &since), 0);
	assert_true(since < clock_wall_ns());
	assert_int_equal(journal_changed_since(f.j, fx_at(&f, 9), &since), 0);
	assert_true(since == INT64_MAX);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_prune_jump),
		cmocka_unit_test(test_away_jump),
		cmocka_unit_test(test_away_back),
		cmocka_unit_test(test_since_jump),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
