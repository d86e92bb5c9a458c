/* When more is waiting for a replica than is kept for it, and what is left of
 * that when the records are gone. */
#include "confdefs.h"

#include <errno.h>

#include "journal-fixture.h"
#include "lib/journal/db.h"

static void set(struct fixture *f, const char *key, const char *value)
{
	struct replica_given given = {0};
	char *why = NULL;
	assert_int_equal(replica_given_set(&given, key, value, &why), 0);
	assert_int_equal(journal_replica_set(f->j, "r", &given), 0);
	replica_given_done(&given);
}

static int overdue(struct fixture *f)
{
	struct replica_row row;
	uint64_t n;
	assert_int_equal(journal_replica_get(f->j, "r", &row), 0);
	int r = journal_replica_overdue(f->j, &row, &n);
	replica_row_done(&row);
	return r;
}

/* Ten records of 1000 bytes. */
static void test_limits(void **state)
{
	struct fixture f;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 0), true), 0);
	for (int i = 0; i < 11; i++)
		fx_put(&f, OP_SETTLE, 0, 1, "a", NULL);
	fx_sync(&f);
	assert_int_equal(overdue(&f), 0);
	set(&f, "max-backlog", "9");
	assert_int_equal(overdue(&f), 1);
	set(&f, "max-backlog", "10");
	assert_int_equal(overdue(&f), 0);
	set(&f, "max-backlog-bytes", "9999");
	assert_int_equal(overdue(&f), 1);
	set(&f, "max-backlog-bytes", "10000");
	assert_int_equal(overdue(&f), 0);
	set(&f, "max-away", "1ms");
	usleep(2000);
	assert_int_equal(overdue(&f), 1);
	fx_close(&f);
}

static uint64_t since(struct fixture *f, int64_t id)
{
	uint64_t ns;
	assert_int_equal(journal_forgotten_since(f->j, id, &ns), 0);
	return ns;
}

/* The moment of the oldest record that it misses stays when that is gone. */
static void test_forgotten(void **state)
{
	struct fixture f;
	fx_open(&f);
	fx_stop(&f);
	fx_start(&f, 1); /* a history of no length */
	int64_t id = fx_replica(&f, "r"), other = fx_replica(&f, "other");
	uint64_t has = fx_put(&f, OP_SETTLE, 0, 1, "a", NULL);
	fx_sync(&f);
	assert_int_equal(journal_batch_end(f.j, id, has, true), 0);
	uint64_t before = (uint64_t)clock_wall_ns();
	for (int i = 0; i < 10; i++)
		fx_put(&f, OP_SETTLE, 0, 1, "a", NULL);
	fx_sync(&f);
	uint64_t after = (uint64_t)clock_wall_ns();
	assert_true(since(&f, id) == UINT64_MAX);
	assert_int_equal(journal_replica_drop(f.j, id), 0);
	uint64_t ns = since(&f, id);
	assert_true(ns + CTIME_SLACK_NS <= after &&
		    ns + CTIME_SLACK_NS + NS_PER_S >= before);
	assert_true(since(&f, other) == UINT64_MAX);

	/* nobody needs them: they go, and later ones do not count */
	uint64_t last = 0;
	int64_t left = 100;
	while (left > 0) {
		last = fx_put(&f, OP_SETTLE, 0, 1, "a", NULL);
		fx_sync(&f);
		assert_int_equal(db_number(f.j, &left, 0,
					   "SELECT count(*) FROM record "
					   "WHERE seq <= ?",
					   "l", has + 10),
				 0);
	}
	assert_int_equal(journal_replica_drop(f.j, id), 0);
	assert_true(since(&f, id) == ns);

	/* a comparison that is complete */
	assert_int_equal(journal_batch_end(f.j, id, last, false), 0);
	assert_true(since(&f, id) == ns);
	assert_int_equal(journal_batch_end(f.j, id, last, true), 0);
	assert_true(since(&f, id) == UINT64_MAX);
	fx_close(&f);
}

static void put_doubt(struct fixture *f, enum record_op op, uint32_t flags,
		      unsigned obj, uint64_t since_ns)
{
	struct record r = {.op = op, .flags = flags, .size = since_ns};
	if (obj) {
		r.path = (char *)(uintptr_t) "";
		r.obj = fx_obj(obj);
	}
	shared_append(f->s, &r);
}

/* Records that doubt contents are remembered, too. */
static void test_doubts(void **state)
{
	struct fixture f;
	struct fhandle *list, h = fx_obj(7);
	unsigned n;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 0), true), 0);
	fx_put(&f, OP_SETTLE, 0, 1, "a", NULL);
	put_doubt(&f, OP_UNSURE, RF_OBJECT | RF_CONTENT, 7, 0);
	put_doubt(&f, OP_UNSURE, RF_OBJECT | RF_DEEP, 8, 12345);
	put_doubt(&f, OP_GAP, 0, 0, 0);
	put_doubt(&f, OP_GAP, RF_CONTENT, 0, 12346);
	fx_sync(&f);
	assert_int_equal(journal_replica_drop(f.j, id), 0);
	assert_true(since(&f, id) == 12345);
	assert_int_equal(journal_stale_load(f.j, id, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_true(fhandle_equal(&list[0], &h));
	free(list);
	/* compared, but for what is parked */
	struct parked p = {.path = (char *)(uintptr_t)"d"};
	int64_t left;
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 1), true), 0);
	assert_true(since(&f, id) == UINT64_MAX);
	assert_int_equal(journal_left_since(f.j, id, &left), 0);
	assert_true(left == 12345);
	/* for who adds it again */
	assert_int_equal(journal_replica_remove(f.j, "r"), 0);
	assert_true(since(&f, id) == 12345);
	assert_int_equal(journal_left_since(f.j, id, &left), 0);
	assert_true(left == INT64_MAX);
	assert_int_equal(journal_stale_load(f.j, id, &list, &n), 0);
	assert_int_equal(n, 1);
	free(list);
	fx_close(&f);
}

/* What changed since a record is not known when some of that is gone. */
static void test_ranges(void **state)
{
	struct fixture f;
	struct range ranges[RECORD_RANGES_MAX];
	struct fhandle h = fx_obj(1);
	uint64_t seq[3];
	uint32_t n;
	fx_open(&f);
	for (int i = 0; i < 3; i++)
		seq[i] = fx_put(&f, OP_TRUNC, 0, 1, "a", NULL);
	fx_sync(&f);
	assert_int_equal(journal_ranges(f.j, &h, seq[0], ranges, &n), 0);
	assert_int_equal(db_run(f.j, NULL, "DELETE FROM record WHERE seq <= ?",
				"l", seq[1]),
			 0);
	assert_int_equal(journal_ranges(f.j, &h, seq[1], ranges, &n), 0);
	assert_int_equal(journal_ranges(f.j, &h, seq[0], ranges, &n), -ENODATA);
	fx_close(&f);
}

/* kept - whether the first `size` bytes of object 1 are what they were. */
static int kept(struct fixture *f, uint64_t size)
{
	struct fhandle h = fx_obj(1);
	uint64_t seq, was;
	fx_sync(f);
	assert_int_equal(journal_settled(f->j, &h, 0, &seq, &was), 1);
	return journal_is_kept(f->j, &h, seq, size);
}

static void put_sized(struct fixture *f, enum record_op op, uint32_t flags,
		      uint64_t size)
{
	struct record r = {.op = op,
			   .flags = flags,
			   .path = (char *)"a",
			   .obj = fx_obj(1),
			   .mode = S_IFREG | 0644,
			   .size = size};
	shared_append(f->s, &r);
}

/* Of what is being written, what was there when it settled. */
static void test_kept(void **state)
{
	struct fixture f;
	struct fhandle h = fx_obj(1);
	uint64_t seq, size;
	fx_open(&f);
	put_sized(&f, OP_DIRTY, 0, 5);
	fx_sync(&f);
	assert_int_equal(journal_settled(f.j, &h, 0, &seq, &size), 0);
	put_sized(&f, OP_SETTLE, 0, 100);
	fx_put(&f, OP_DIRTY, 0, 2, "other", NULL);
	assert_int_equal(kept(&f, 100), 1);
	assert_int_equal(journal_settled(f.j, &h, 0, &seq, &size), 1);
	assert_int_equal(size, 100);
	put_sized(&f, OP_DIRTY, RF_APPENDS, 100);
	assert_int_equal(kept(&f, 100), 1);
	assert_int_equal(kept(&f, 101), 0);
	put_sized(&f, OP_DIRTY, 0, 200);
	assert_int_equal(kept(&f, 100), 0);
	put_sized(&f, OP_SETTLE, 0, 200);
	assert_int_equal(kept(&f, 200), 1);
	put_sized(&f, OP_TRUNC, 0, 200);
	assert_int_equal(kept(&f, 200), 0);
	put_sized(&f, OP_SETTLE, 0, 200);
	assert_int_equal(kept(&f, 200), 1);
	fx_put(&f, OP_GAP, 0, 0, NULL, NULL);
	assert_int_equal(kept(&f, 200), 0);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_doubts),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
