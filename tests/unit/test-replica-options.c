/* Options of replicas: what is read, what each fault is called, and which of
 * two that were given is in force. */
#include "confdefs.h"

#include <errno.h>
#include <sqlite3.h>

#include "journal-fixture.h"
#include "replica-options.h"
#include "values.h"

static void is_fault(const char *list, const char *part)
{
	struct replica_given g = {0};
	char *why = NULL;
	assert_true(replica_given_list(&g, list, &why) < 0);
	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("\"%s\" does not say \"%s\"", why, part);
	free(why);
	replica_given_done(&g);
}

static void test_faults(void **state)
{
	is_fault("max-baklog=5", "did you mean \"max-backlog\"?");
	is_fault("qqqqqqqqqqqq=5", "unknown option \"qqqqqqqqqqqq\"");
	is_fault("max-backlog=many", "max-backlog: \"many\" is not a number");
	is_fault("max-backlog", "\"yes\" is not a number");
}

static void test_presets(void **state)
{
	struct replica_given g = {0};
	struct replica_options o;
	replica_options_make(&o, &g); /* asserts that each can be read */
	assert_true(o.max_backlog == 1000000);
	assert_true(o.durable);
	replica_options_done(&o);
	char *why = NULL;
	assert_int_equal(replica_given_list(&g, "max-backlog=7,", &why), 0);
	replica_options_make(&o, &g);
	assert_true(o.max_backlog == 7);
	replica_options_done(&o);
	assert_int_equal(replica_given_set(&g, "max-backlog", "never", &why),
			 0);
	replica_options_make(&o, &g);
	assert_true(o.max_backlog == UINT64_MAX);
	replica_options_done(&o);
	assert_int_equal(replica_given_set(&g, "max-backlog", "", &why), 0);
	assert_null(g.text[REPLICA_OPTION_max_backlog]);
	replica_given_done(&g);
}

static void test_values(void **state)
{
	unsigned word;
	uint64_t n;
	bool b;
	assert_int_equal(value_word("two", "one two three", &word), 0);
	assert_int_equal(word, 1);
	assert_int_equal(value_word("tw", "one two three", &word), -EINVAL);
	assert_int_equal(value_word("", "one two three", &word), -EINVAL);
	assert_int_equal(value_size("3M", &n), 0);
	assert_true(n == 3 << 20);
	assert_int_equal(value_size("3Mi", &n), -EINVAL);
	assert_int_equal(value_size("-3", &n), -EINVAL);
	assert_int_equal(value_size("99999999999999T", &n), -EINVAL);
	assert_int_equal(value_count("12", &n), 0);
	assert_true(n == 12);
	assert_int_equal(value_count("12K", &n), -EINVAL);
	assert_int_equal(value_bool("On", &b), 0);
	assert_true(b);
}

/* In the journal: own ones, those for all, and what nobody gave. */
static void test_journal(void **state)
{
	struct replica_row row = {.name = (char *)(uintptr_t)"a",
				  .url = (char *)(uintptr_t)"/a"};
	struct replica_row other = {.name = (char *)(uintptr_t)"b",
				    .url = (char *)(uintptr_t)"/b"};
	struct replica_given all = {0};
	struct replica_row got;
	struct fixture f;
	char *why = NULL;
	fx_open(&f);
	replica_given_set(&row.given, "max-backlog", "7", &why);
	replica_given_set(&all, "max-backlog", "9", &why);
	assert_int_equal(journal_replica_put(f.j, &row), 0);
	assert_int_equal(journal_replica_put(f.j, &other), 0);
	assert_int_equal(journal_replica_get(f.j, "b", &got), 0);
	assert_true(got.options.max_backlog == 1000000);
	replica_row_done(&got);
	assert_int_equal(journal_replica_defaults(f.j, &all), 0);
	assert_int_equal(journal_replica_get(f.j, "b", &got), 0);
	assert_true(got.options.max_backlog == 9);
	assert_null(got.given.text[REPLICA_OPTION_max_backlog]);
	replica_row_done(&got);
	assert_int_equal(journal_replica_get(f.j, "a", &got), 0);
	assert_true(got.options.max_backlog == 7);
	replica_row_done(&got);
	assert_int_equal(journal_replica_set(f.j, "c", &all), -ENOENT);
	assert_int_equal(journal_replica_set(f.j, "a", &all), 0);
	assert_int_equal(journal_replica_get(f.j, "a", &got), 0);
	assert_true(got.options.max_backlog == 9);
	replica_row_done(&got);
	replica_given_done(&row.given);
	replica_given_done(&all);
	fx_close(&f);
}

/* keep_text - of a query's first column. */
static int keep_text(void *ret, int n, char **values, char **names)
{
	(void)n;
	(void)names;
	*(char **)ret = strdup(values[0]);
	return *(char **)ret == NULL;
}

/* to_version_1 - what a program of version 1 would have left: all that came
 * later is dropped. */
static void to_version_1(struct fixture *f)
{
	char *file, *drop = NULL;
	sqlite3 *db;
	assert_true(asprintf(&file, "%s/journal.db", f->dir) > 0);
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "SELECT group_concat('DROP TABLE ' ||"
				      " name, ';') FROM sqlite_schema"
				      " WHERE type = 'table' AND name NOT IN"
				      " ('meta', 'who', 'record', 'dirty',"
				      " 'replica', 'delivery', 'parked',"
				      " 'late', 'link', 'stale', 'fence',"
				      " 'uncarried', 'sqlite_sequence')",
				      keep_text, &drop, NULL),
			 SQLITE_OK);
	assert_non_null(drop);
	assert_int_equal(sqlite3_exec(db, drop, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL,
				      NULL),
			 SQLITE_OK);
	free(drop);
	sqlite3_close(db);
	free(file);
}

static void test_upgrade(void **state)
{
	struct replica_row row = {.name = (char *)(uintptr_t)"a",
				  .url = (char *)(uintptr_t)"/a"};
	struct replica_row got;
	struct journal *j;
	struct fixture f;
	char *why = NULL;
	fx_open(&f);
	assert_int_equal(journal_replica_put(f.j, &row), 0);
	to_version_1(&f);
	/* who only reads it has the new tables, empty, and leaves no trace */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(journal_open(f.dir, JOURNAL_READ, &j), 0);
		assert_int_equal(journal_replica_get(j, "a", &got), 0);
		assert_true(got.options.max_backlog == 1000000);
		replica_row_done(&got);
		journal_close(j);
	}
	assert_int_equal(journal_open(f.dir, JOURNAL_CREATE, &j), 0);
	replica_given_set(&row.given, "max-backlog", "7", &why);
	assert_int_equal(journal_replica_put(j, &row), 0);
	journal_close(j);
	assert_int_equal(journal_open(f.dir, JOURNAL_READ, &j), 0);
	assert_int_equal(journal_replica_get(j, "a", &got), 0);
	assert_true(got.options.max_backlog == 7);
	replica_row_done(&got);
	journal_close(j);
	replica_given_done(&row.given);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_upgrade),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
