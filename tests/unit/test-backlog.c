/*
 * What does not grow for ever: the journal, while one replica is gone for
 * good; and its WAL, while many read it without a pause. SOAK makes it more.
 */
#include "confdefs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "journal-fixture.h"
#include "lib/journal/db.h"

#define MB (1024 * 1024)

static int scaled(int n)
{
	const char *soak = getenv("SOAK");
	int by = soak ? atoi(soak) : 1;
	return n * (by < 1 ? 1 : by > 5 ? 5 : by);
}

static long long file_size(const struct fixture *f, const char *name)
{
	char path[128];
	struct stat st;
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return stat(path, &st) == 0 ? st.st_size : 0;
}

static long long resident(void)
{
	long long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %lld", &pages), 1);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static struct replica_row row_of(struct fixture *f, const char *name)
{
	struct replica_row row;
	assert_int_equal(journal_replica_get(f->j, name, &row), 0);
	return row;
}

/* One replica follows, the other one was copied once and died. What its
 * thread does about that at each try to connect is done here. */
static void test_dead_replica(void **state)
{
	const int rounds = scaled(10), each = 20000;
	struct replica_row dead = {.name = (char *)(uintptr_t) "dead",
				   .url = (char *)(uintptr_t) "/dead"};
	struct fixture f;
	char *why = NULL;
	int drops = 0;
	uint64_t n = 0;
	fx_open(&f);
	fx_stop(&f);
	fx_start(&f, 1); /* a history of no length */
	int64_t live = fx_replica(&f, "live");
	replica_given_set(&dead.given, "max-backlog", "50000", &why);
	assert_int_equal(journal_replica_put(f.j, &dead), 0);
	assert_int_equal(journal_batch_end(f.j, dead.id, fx_at(&f, 0), true),
			 0);
	long long before = resident();
	for (int i = 0; i < rounds; i++) {
		uint64_t seq = 0;
		for (int k = 0; k < each; k++)
			seq = fx_put(&f, OP_SETTLE, 0, (unsigned)k % 100 + 1,
				     "htdocs/some/folder/page.html", NULL);
		fx_sync(&f);
		assert_int_equal(journal_batch_end(f.j, live, seq, true), 0);
		struct replica_row row = row_of(&f, "dead");
		int r = journal_replica_overdue(f.j, &row, &n);
		assert_true(r >= 0);
		if (r > 0) {
			drops++;
			assert_int_equal(journal_replica_drop(f.j, row.id), 0);
		}
		replica_row_done(&row);
	}
	struct replica_row row = row_of(&f, "dead");
	assert_false(row.seeded || row.seeding);
	replica_row_done(&row);
	assert_int_equal(drops, 1);
	fx_stop(&f);
	long long size = file_size(&f, "journal.db");
	printf("%d records: journal %lld MB, memory grew by %lld MB\n",
	       rounds * each, size / MB, (resident() - before) / MB);
	/* at most 60,000 records are held at a time */
	assert_true(size < 8 * MB);
	/* a sanitizer keeps what was freed */
	if (!getenv("SANITIZED"))
		assert_true(resident() - before < 64 * MB);
	replica_given_done(&dead.given);
	fx_close(&f);
}

/* ---- the WAL ---- */

struct readers {
	struct fixture *f;
	atomic_bool stop;
};

/* Always one more that has begun before the last one ends. */
static void *read_on(void *arg)
{
	struct readers *r = arg;
	struct journal *j = fx_journal(r->f);
	struct record *list = calloc(1000, sizeof(*list));
	assert_non_null(list);
	while (!r->stop) {
		int n = journal_read(j, 0, list, 1000);
		for (int i = 0; i < n; i++)
			record_done(&list[i]);
	}
	free(list);
	journal_close(j);
	return NULL;
}

static void test_wal(void **state)
{
	struct fixture f;
	struct readers readers = {.f = &f};
	pthread_t threads[4];
	long long most = 0;
	fx_open(&f);
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, read_on, &readers),
			0);
	for (int i = 0; i < scaled(150); i++) {
		for (int k = 0; k < 1000; k++)
			fx_put(&f, OP_SETTLE, 0, (unsigned)k + 1,
			       "htdocs/user/some/folder/picture-0001.jpeg",
			       NULL);
		fx_sync(&f);
		long long size = file_size(&f, "journal.db-wal");
		most = size > most ? size : most;
	}
	readers.stop = true;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	printf("the WAL was %lld MB at most\n", most / MB);
	assert_true(most < 14 * MB);
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dead_replica),
		cmocka_unit_test(test_wal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
