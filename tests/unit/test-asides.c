/* Large files that are aside: their names are followed, they outlive the
 * process, and whoever waits for them is told that they are not there. */
#include "confdefs.h"

#include "journal-fixture.h"

#include "paths.h"
#include "lib/journal/db.h"
#include "sync/asides.h"

static unsigned n_gone;

static void gone(void *arg, const struct fhandle *obj)
{
	n_gone++;
}

static void put(struct asides *a, uint64_t obj, const char *path)
{
	const struct aside_row row = {.obj = fx_obj(obj),
				      .path = (char *)path,
				      .from_seq = 4,
				      .seq = 9,
				      .size = 1000,
				      .absent = true};

	asides_put(a, &row, 20);
}

static void told(struct asides *a, enum record_op op, uint32_t flags,
		 uint64_t obj, const char *path, const char *path2)
{
	const struct record r = {.seq = 10,
				 .op = op,
				 .flags = flags,
				 .obj = fx_obj(obj),
				 .path = (char *)path,
				 .path2 = (char *)path2};

	asides_record(a, &r);
}

static const char *name(struct asides *a, uint64_t obj)
{
	struct fhandle h = fx_obj(obj);

	return asides_find(a, &h);
}

static int state_of(void *arg, const struct record *r, const struct delivery *d,
		    unsigned n)
{
	assert_int_equal(n, 1);
	((char *)arg)[r->op == OP_CREATE ? 0 : r->op == OP_SETTLE ? 1 : 2] =
		d->parked ? 'p' : d->time_ns ? '+' : '-';
	return 0;
}

/* What was told of a file by a temporary name arrives when the file does, and so
 * does the rename. */
static void test_history(void **state)
{
	struct fixture f;
	struct asides *a;
	struct history_filter all = {0};
	char now[4] = "";
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");

	fx_put(&f, OP_CREATE, 0, 5, "other", NULL);
	fx_put(&f, OP_SETTLE, 0, 1, "x.part", NULL);
	fx_put(&f, OP_RENAME, 0, 1, "x.part", "x");
	fx_sync(&f);
	assert_int_equal(asides_open(f.j, id, gone, NULL, &a), 0);
	const struct aside_row row = {.obj = fx_obj(1),
				      .path = (char *)(uintptr_t)"x.part",
				      .from_seq = fx_at(&f, 0),
				      .seq = fx_at(&f, 1)};
	asides_put(a, &row, fx_at(&f, 1));
	const struct record r = {.seq = fx_at(&f, 2),
				 .op = OP_RENAME,
				 .obj = fx_obj(1),
				 .path = (char *)(uintptr_t)"x.part",
				 .path2 = (char *)(uintptr_t)"x"};
	asides_record(a, &r);
	assert_int_equal(asides_save(a), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 2), true), 0);
	assert_int_equal(journal_history(f.j, &all, state_of, now), 0);
	assert_string_equal(now, "+--");
	assert_true(asides_end(a, &row.obj, true));
	assert_int_equal(asides_save(a), 0);
	assert_int_equal(journal_history(f.j, &all, state_of, now), 0);
	assert_string_equal(now, "+++");
	int64_t n;
	assert_int_equal(db_number(f.j, &n, 0, "SELECT count(*) FROM late", ""),
			 0);
	assert_int_equal(n, 2); /* by either name */
	asides_close(a);
	fx_close(&f);
}

static void test_names(void **state)
{
	struct fixture f;
	struct asides *a;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");

	n_gone = 0;
	assert_int_equal(asides_open(f.j, id, gone, NULL, &a), 0);
	put(a, 1, "d/x");
	put(a, 2, "y");
	told(a, OP_RENAME, 0, 1, "d/x", "d/z");
	assert_string_equal(name(a, 1), "d/z");
	told(a, OP_RENAME, 0, 7, "d", "e");
	assert_string_equal(name(a, 1), "e/z");
	told(a, OP_RENAME, RF_EXCHANGE, 7, "e", "y");
	assert_string_equal(name(a, 1), "y/z");
	assert_string_equal(name(a, 2), "e");
	told(a, OP_RENAME, 0, 9, "e", "f"); /* another one had that name */
	assert_string_equal(name(a, 2), "e");
	told(a, OP_UNLINK, RF_LAST, 9, "e", NULL);
	assert_string_equal(name(a, 2), "e");
	told(a, OP_LINK, 0, 2, "e", "g");
	told(a, OP_UNLINK, 0, 2, "e", NULL);
	assert_string_equal(name(a, 2), "g");
	assert_int_equal(n_gone, 0);
	told(a, OP_RENAME, RF_REPLACED, 9, "h", "g");
	assert_null(name(a, 2));
	told(a, OP_UNLINK, RF_LAST, 1, "y/z", NULL);
	assert_null(name(a, 1));
	assert_int_equal(n_gone, 2);
	assert_true(asides_empty(a));
	asides_close(a);
	fx_close(&f);
}

/* Below such a folder only that one is told of: whatever is there may be meant,
 * and is brought by state. */
static void test_long(void **state)
{
	struct fixture f;
	struct asides *a;
	char far[PATH_LONG + 8], deeper[PATH_LONG + 16];
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");

	memset(far, 'l', sizeof(far) - 1);
	far[sizeof(far) - 1] = 0;
	snprintf(deeper, sizeof(deeper), "%s/x", far);
	n_gone = 0;
	assert_int_equal(asides_open(f.j, id, gone, NULL, &a), 0);
	put(a, 1, deeper);
	put(a, 2, "y");
	told(a, OP_UNLINK, RF_LAST, 9, "z", NULL);
	told(a, OP_RENAME, 0, 9, "z", "zz");
	assert_int_equal(n_gone, 0);
	told(a, OP_RENAME, 0, 9, far, "z"); /* another one, or what it is in */
	assert_null(name(a, 1));
	assert_string_equal(name(a, 2), "y");
	told(a, OP_LINK, 0, 2, "y", far);
	assert_string_equal(name(a, 2), "y");
	told(a, OP_RENAME, 0, 2, "y", far);
	assert_true(asides_empty(a));
	put(a, 3, "d/x");
	put(a, 4, deeper);
	told(a, OP_RENAME, RF_EXCHANGE, 7, "d", far);
	assert_true(asides_empty(a));
	assert_int_equal(n_gone, 4);
	asides_close(a);
	fx_close(&f);
}

static void test_kept(void **state)
{
	struct fixture f;
	struct asides *a;
	struct fhandle h1 = fx_obj(1);
	struct record r = {.seq = 20, .op = OP_SETTLE, .obj = h1};
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");

	assert_int_equal(journal_batch_end(f.j, id, 9, true), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 9, "x"), 1);
	assert_int_equal(asides_open(f.j, id, gone, NULL, &a), 0);
	put(a, 1, "x");
	told(a, OP_LINK, 0, 1, "x", "y");
	assert_true(asides_tells(a, &r));
	r.seq = 21;
	assert_false(asides_tells(a, &r));
	assert_int_equal(asides_save(a), 0);
	asides_close(a);

	/* it is behind the cursor, and not there */
	assert_int_equal(journal_wait_done(f.j, "r", 9, "x"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 9, NULL), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 9, "z"), 1);
	assert_int_equal(journal_wait_done(f.j, "r", 4, "x"), 1);
	struct replica_row *rows;
	unsigned n;
	assert_int_equal(journal_replica_list(f.j, &rows, &n), 0);
	assert_int_equal(rows[0].lag_records, 1);
	assert_int_equal(rows[0].lag_bytes, 1000);
	replica_row_done(&rows[0]);
	free(rows);

	assert_int_equal(asides_open(f.j, id, gone, NULL, &a), 0);
	assert_non_null(asides_find(a, &h1));
	told(a, OP_UNLINK, 0, 1, "x", NULL);
	assert_string_equal(asides_find(a, &h1), "y");
	asides_end(a, &h1, true);
	assert_int_equal(asides_save(a), 0);
	asides_close(a);
	assert_int_equal(journal_wait_done(f.j, "r", 9, "x"), 1);
	fx_close(&f);
}

/* What did not come when its upload was complete has not come since then. */
static void test_again(void **state)
{
	struct fixture f;
	struct asides *a;
	struct fhandle h1 = fx_obj(1);
	struct aside_row row = {
		.obj = h1, .path = "d/x", .from_seq = 9, .seq = 9};
	struct parked p = {.path = "d", .seq = 9, .next_ns = 1};
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");

	assert_int_equal(journal_batch_end(f.j, id, 9, true), 0);
	assert_int_equal(asides_open(f.j, id, gone, NULL, &a), 0);
	put(a, 1, "d/x");
	asides_put(a, &row, 20); /* it was read again */
	assert_int_equal(asides_save(a), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 9, "d/x"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 4, "d/x"), 1);

	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_true(asides_end(a, &h1, false));
	assert_false(asides_end(a, &h1, false));
	assert_int_equal(asides_save(a), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 9, "d/x"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 4, "d/x"), 1);
	asides_close(a);
	fx_close(&f);
}

static void owe(struct asides *a, uint64_t obj, const char *path)
{
	const struct aside_row row = {.obj = fx_obj(obj),
				      .path = (char *)path,
				      .from_seq = 6,
				      .seq = 9,
				      .owed = true};

	asides_put(a, &row, 0);
}

static void owed_are(struct asides *a, bool one, bool two)
{
	assert_int_equal(name(a, 1) != NULL, one);
	assert_int_equal(name(a, 2) != NULL, two);
}

/* What was given up, as it was being written again, has not arrived, whatever name
 * it is asked by, until that was brought, or will not be. */
static void test_owed(void **state)
{
	struct fixture f;
	struct asides *a;
	struct fhandle h1 = fx_obj(1);
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");

	n_gone = 0;
	assert_int_equal(journal_batch_end(f.j, id, 9, true), 0);
	assert_int_equal(journal_link_add(f.j, id, &h1, "also"), 0);
	assert_int_equal(asides_open(f.j, id, gone, NULL, &a), 0);
	put(a, 1, "x"); /* a large one */
	owe(a, 1, "x");
	owe(a, 1, "y"); /* given up once more, by another name */
	owe(a, 2, "z");
	assert_false(asides_end(a, &h1, false)); /* no upload of it ended */
	assert_int_equal(asides_save(a), 0);
	asides_close(a);
	assert_int_equal(journal_wait_done(f.j, "r", 9, "x"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 9, "y"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 9, "also"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 9, "als"), 1);
	assert_int_equal(journal_wait_done(f.j, "r", 5, "x"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 4, "x"), 1);
	assert_int_equal(journal_wait_done(f.j, "r", 6, "z"), 1);

	assert_int_equal(asides_open(f.j, id, gone, NULL, &a), 0);
	asides_paid(a, &h1, true);
	assert_int_equal(asides_save(a), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 9, "x"), 1);
	assert_int_equal(journal_wait_done(f.j, "r", 9, NULL), 0);
	told(a, OP_UNLINK, RF_LAST, 2, "z", NULL);
	assert_int_equal(n_gone, 0); /* no upload to drop */
	owed_are(a, false, false);

	/* of 2 no record will tell: nobody writes it */
	owe(a, 1, "x");
	owe(a, 2, "z");
	fx_put(&f, OP_CREATE, RF_OPEN, 1, "x", NULL);
	fx_sync(&f);
	assert_int_equal(asides_idle(a), 0);
	assert_int_equal(asides_idle(a), 1);
	owed_are(a, true, false);
	asides_close(a);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_owed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
