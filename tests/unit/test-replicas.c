/* What the journal keeps for a replica: row, cursor, lag, memory. */
#include "confdefs.h"

#include <errno.h>

#include "journal-fixture.h"
#include "lib/journal/db.h"

static struct replica_row get(struct fixture *f, const char *name)
{
	struct replica_row *rows, found = {0};
	unsigned n;
	assert_int_equal(journal_replica_list(f->j, &rows, &n), 0);
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(rows[i].name, name) == 0)
			found = rows[i];
		else
			replica_row_done(&rows[i]);
	}
	free(rows);
	assert_non_null(found.name);
	return found;
}

static struct replica_row wanted(void)
{
	struct replica_row row = {
		.name = (char *)(uintptr_t)"web1",
		.url = (char *)(uintptr_t)"sftp://u@h:22/srv",
		.identity = (char *)(uintptr_t)"/key",
		.accept_new = true,
		.from_config = true,
	};
	return row;
}

static void test_rows(void **state)
{
	struct fixture f;
	fx_open(&f);
	struct replica_row row = wanted(), r;
	assert_int_equal(journal_replica_get(f.j, "web1", &r), -ENOENT);
	assert_int_equal(journal_replica_put(f.j, &row), 0);
	int64_t id = row.id;
	assert_int_equal(journal_batch_begin(f.j, id, 50), 0);
	assert_int_equal(journal_batch_end(f.j, id, 50, true), 0);
	assert_int_equal(journal_batch_begin(f.j, id, 60), 0);
	r = get(&f, "web1");
	assert_string_equal(r.url, "sftp://u@h:22/srv");
	assert_string_equal(r.identity, "/key");
	assert_null(r.known_hosts);
	assert_true(r.accept_new && r.from_config && r.seeded);
	assert_false(r.adopt || r.paused);
	assert_null(r.error);
	assert_true(r.cursor == 50 && r.inflight == 60);
	replica_row_done(&r);

	/* the same url: all is kept */
	row.identity = NULL;
	row.known_hosts = (char *)(uintptr_t)"/hosts";
	row.adopt = true;
	assert_int_equal(journal_replica_put(f.j, &row), 0);
	assert_int_equal(row.id, id);
	r = get(&f, "web1");
	assert_null(r.identity);
	assert_true(r.cursor == 50 && r.seeded && r.adopt);
	replica_row_done(&r);

	assert_int_equal(journal_replica_pause(f.j, "web1", true), 0);
	assert_int_equal(journal_replica_pause(f.j, "web2", true), -ENOENT);
	assert_int_equal(journal_replica_put(f.j, &row), 0); /* stays paused */
	assert_int_equal(journal_replica_report(f.j, id, REPLICA_OFFLINE,
						"no route"), 0);
	r = get(&f, "web1");
	assert_true(r.paused && r.state == REPLICA_OFFLINE && r.error_ns > 0);
	assert_string_equal(r.error, "no route");
	replica_row_done(&r);
	assert_int_equal(journal_replica_report(f.j, id, REPLICA_SYNCED, NULL),
			 0);
	r = get(&f, "web1");
	assert_null(r.error);
	assert_int_equal(r.error_ns, 0);
	assert_string_equal(replica_state_word(r.state), "synced");
	replica_row_done(&r);
	assert_string_equal(replica_state_word((enum replica_state)99), "?");
	fx_close(&f);
}

/* The old thread of a replica that has gone elsewhere does no harm. */
static void test_new_url(void **state)
{
	struct fixture f;
	struct fhandle h = fx_obj(1);
	struct parked p = {.path = (char *)(uintptr_t)"x", .seq = 5};
	bool first;
	unsigned n;
	fx_open(&f);
	struct replica_row row = wanted(), r;
	assert_int_equal(journal_replica_put(f.j, &row), 0);
	int64_t old = row.id;
	assert_int_equal(journal_batch_end(f.j, old, 50, true), 0);
	assert_int_equal(journal_link_add(f.j, old, &h, "a"), 0);
	row.url = (char *)(uintptr_t)"sftp://u@other:22/srv";
	assert_int_equal(journal_replica_put(f.j, &row), 0);
	assert_true(row.id != old);
	r = get(&f, "web1");
	assert_true(r.cursor == 0 && !r.seeded && r.id == row.id);
	replica_row_done(&r);

	assert_int_equal(journal_batch_begin(f.j, old, 60), -ENOENT);
	assert_int_equal(journal_batch_end(f.j, old, 60, true), -ENOENT);
	assert_int_equal(journal_replica_report(f.j, old, REPLICA_SYNCED,
						NULL), -ENOENT);
	assert_int_equal(journal_link_add(f.j, old, &h, "a"), -ENOENT);
	assert_int_equal(journal_fence_put(f.j, old, "a", 5), -ENOENT);
	assert_int_equal(journal_parked_put(f.j, old, &p), -ENOENT);
	assert_int_equal(journal_uncarried_count(f.j, old, "acl", 1, "a",
						 &first), -ENOENT);
	struct link_name *links;
	assert_int_equal(journal_links_load(f.j, old, &links, &n), 0);
	assert_int_equal(n, 0);
	links_free(links, n);

	assert_int_equal(journal_replica_remove(f.j, "web1"), 0);
	assert_int_equal(journal_replica_remove(f.j, "web1"), -ENOENT);
	assert_int_equal(journal_replica_get(f.j, "web1", &r), -ENOENT);
	fx_close(&f);
}

static void test_lag(void **state)
{
	struct fixture f;
	struct replica_row r;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	fx_put(&f, OP_DIRTY, 0, 1, "a", NULL);
	fx_put(&f, OP_SETTLE, 0, 1, "a", NULL); /* 1000 bytes each */
	fx_put(&f, OP_TRUNC, 0, 1, "a", NULL);
	fx_umount(&f);
	fx_mount(&f);
	uint64_t second = f.first;
	fx_start(&f, 0);
	fx_put(&f, OP_SETTLE, 0, 2, "b", NULL);
	fx_umount(&f);
	fx_mount(&f);
	fx_start(&f, 0);
	fx_put(&f, OP_SETTLE, 0, 3, "c", NULL);
	fx_sync(&f);
	r = get(&f, "r");
	assert_int_equal(r.lag_records, 5);
	assert_int_equal(r.lag_bytes, 4000);
	assert_true(r.lag_ns > 0);
	replica_row_done(&r);
	static const struct {
		unsigned epoch, count, records, bytes;
	} cases[] = {
		{1, 1, 4, 4000}, {1, 2, 3, 3000}, {1, 3, 2, 2000},
		{2, 0, 2, 2000}, {2, 1, 1, 1000}, {3, 0, 1, 1000},
		{3, 1, 0, 0},
	};
	assert_true(second == SEQ_FIRST(2));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t at = SEQ_FIRST(cases[i].epoch) - 1 + cases[i].count;
		assert_int_equal(journal_batch_end(f.j, id, at, true), 0);
		r = get(&f, "r");
		assert_int_equal(r.lag_records, cases[i].records);
		assert_int_equal(r.lag_bytes, cases[i].bytes);
		assert_true(!r.lag_ns == !r.lag_records);
		replica_row_done(&r);
	}
	fx_close(&f);
}

static void test_memory(void **state)
{
	struct fixture f;
	struct fhandle h1 = fx_obj(1), h2 = fx_obj(2);
	unsigned n;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r"), other = fx_replica(&f, "other");

	struct link_name *links;
	assert_int_equal(journal_link_add(f.j, id, &h1, "a\xff"), 0);
	assert_int_equal(journal_link_add(f.j, id, &h1, "b"), 0);
	assert_int_equal(journal_link_add(f.j, id, &h2, "b"), 0);
	assert_int_equal(journal_link_add(f.j, id, &h2, "c"), 0);
	assert_int_equal(journal_link_add(f.j, other, &h2, "c"), 0);
	assert_int_equal(journal_link_del(f.j, id, "c"), 0);
	assert_int_equal(journal_links_load(f.j, id, &links, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(links[0].path, "a\xff");
	assert_true(fhandle_equal(&links[0].obj, &h1));
	assert_string_equal(links[1].path, "b");
	assert_true(fhandle_equal(&links[1].obj, &h2));
	links_free(links, n);
	assert_int_equal(journal_links_clear(f.j, id), 0);
	assert_int_equal(journal_links_load(f.j, id, &links, &n), 0);
	assert_int_equal(n, 0);
	links_free(links, n);
	assert_int_equal(journal_links_load(f.j, other, &links, &n), 0);
	assert_int_equal(n, 1);
	links_free(links, n);

	struct fence *fences;
	assert_int_equal(journal_fence_put(f.j, id, "", 10), 0);
	assert_int_equal(journal_fence_put(f.j, id, "", 5), 0);
	assert_int_equal(journal_fence_put(f.j, id, "d", 20), 0);
	assert_int_equal(journal_fences_load(f.j, id, &fences, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(fences[0].seq, 10);
	fences_free(fences, n);
	assert_int_equal(journal_fences_drop(f.j, id, 10), 0);
	assert_int_equal(journal_fences_load(f.j, id, &fences, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(fences[0].path, "d");
	fences_free(fences, n);
	fx_close(&f);
}

static void test_parked(void **state)
{
	struct fixture f;
	struct parked *list, p = {
		.path = (char *)(uintptr_t)"a", .seq = 12, .tries = 1,
		.error = (char *)(uintptr_t)"full", .first_ns = 100,
		.next_ns = 200,
	};
	unsigned n;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	assert_int_equal(journal_batch_end(f.j, id, 10, true), 0);
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	p.seq = 11;
	p.tries = 2;
	p.first_ns = 150;
	p.next_ns = 300;
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	struct replica_row r = get(&f, "r");
	assert_int_equal(r.parked, 1);
	replica_row_done(&r);
	assert_int_equal(journal_parked_load(f.j, id, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(list[0].path, "a");
	assert_string_equal(list[0].error, "full");
	assert_true(list[0].seq == 12 && list[0].tries == 2 &&
		    list[0].first_ns == 100 && list[0].next_ns == 300);
	parked_free(list, n);
	assert_int_equal(journal_parked_del(f.j, id, "b"), 0);
	assert_int_equal(journal_parked_del(f.j, id, "a"), 0);
	assert_int_equal(journal_parked_load(f.j, id, &list, &n), 0);
	assert_int_equal(n, 0);
	parked_free(list, n);
	fx_close(&f);
}

static void test_uncarried(void **state)
{
	struct fixture f;
	struct uncarried *list;
	bool first;
	unsigned n;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	assert_int_equal(journal_uncarried_count(f.j, id, "xattr", 3, "a",
						 &first), 0);
	assert_true(first);
	assert_int_equal(journal_uncarried_count(f.j, id, "xattr", 4, "b",
						 &first), 0);
	assert_false(first);
	assert_int_equal(journal_uncarried_count(f.j, id, "acl", 1, NULL,
						 &first), 0);
	assert_true(first);
	struct journal *j = fx_journal(&f);
	assert_int_equal(journal_uncarried_load(j, id, &list, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].kind, "acl");
	assert_null(list[0].example);
	assert_string_equal(list[1].example, "a");
	assert_int_equal(list[1].count, 7);
	uncarried_free(list, n);
	journal_close(j);
	fx_close(&f);
}

static void test_transactions(void **state)
{
	struct fixture f;
	struct fence *fences;
	unsigned n;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	struct journal *j = fx_journal(&f);

	assert_int_equal(journal_transaction_begin(f.j), 0);
	assert_int_equal(journal_fence_put(f.j, id, "a", 1), 0);
	assert_int_equal(journal_batch_end(f.j, id, 1, true), 0); /* nests */
	assert_int_equal(journal_fences_load(j, id, &fences, &n), 0);
	assert_int_equal(n, 0); /* nobody else sees it yet */
	fences_free(fences, n);
	assert_int_equal(journal_transaction_close(f.j, -EIO), -EIO);
	assert_int_equal(journal_fences_load(f.j, id, &fences, &n), 0);
	assert_int_equal(n, 0);
	fences_free(fences, n);
	struct replica_row r = get(&f, "r");
	assert_true(r.cursor == 0 && !r.seeded);
	replica_row_done(&r);

	/* an inner failure cannot be overruled */
	assert_int_equal(journal_transaction_begin(f.j), 0);
	assert_int_equal(journal_fence_put(f.j, id, "a", 1), 0);
	assert_int_equal(journal_batch_end(f.j, 999, 1, true), -ENOENT);
	assert_int_equal(journal_transaction_close(f.j, 0), -ECANCELED);

	assert_int_equal(journal_transaction_begin(f.j), 0);
	assert_int_equal(journal_fence_put(f.j, id, "a", 1), 0);
	assert_int_equal(journal_transaction_close(f.j, 0), 0);
	assert_int_equal(journal_fences_load(j, id, &fences, &n), 0);
	assert_int_equal(n, 1);
	fences_free(fences, n);
	journal_close(j);
	fx_close(&f);
}

/* Of two marks the earlier one counts, in whatever order they came. */
static void test_unsafe(void **state)
{
	static const uint64_t marks[] = {7, 3, 9, 0, 5};
	static const uint64_t counts[] = {7, 3, 3, 0, 0};
	struct fixture f;
	uint64_t seq;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");

	assert_int_equal(journal_unsafe_get(f.j, id, &seq), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(journal_unsafe_put(f.j, id, marks[i]) >= 0);
		assert_int_equal(journal_unsafe_get(f.j, id, &seq), 1);
		assert_int_equal(seq, counts[i]);
	}
	assert_true(journal_unsafe_clear(f.j, id) >= 0);
	assert_int_equal(journal_unsafe_get(f.j, id, &seq), 0);
	fx_close(&f);
}

/* Records behind a mark go when they are old: then all is compared. */
static void test_unsafe_pruned(void **state)
{
	struct fixture f;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	for (int i = 0; i < 40; i++)
		fx_put(&f, OP_SETTLE, 0, 9, "p", NULL);
	fx_sync(&f);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 9), true), 0);
	assert_true(journal_unsafe_put(f.j, id, fx_at(&f, 9)) >= 0);
	while (db_prune(f.j, 1) > 0)
		;
	assert_true(journal_unsafe_back(f.j, id) >= 0);
	struct replica_row r = get(&f, "r");
	assert_true(r.cursor == fx_at(&f, 9) && r.seeded);
	replica_row_done(&r);

	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 39), true), 0);
	while (db_prune(f.j, 1) > 0)
		;
	assert_true(journal_unsafe_back(f.j, id) >= 0);
	r = get(&f, "r");
	assert_true(r.cursor == fx_at(&f, 9) && !r.seeded);
	replica_row_done(&r);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unsafe),
		cmocka_unit_test(test_unsafe_pruned),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_new_url),
		cmocka_unit_test(test_lag),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_parked),
		cmocka_unit_test(test_uncarried),
		cmocka_unit_test(test_transactions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
