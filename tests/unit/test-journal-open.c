/* The journal as a file: made once, found again, refused when it is bad. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "journal-fixture.h"
#include "lib/journal/db.h"

static void test_open(void **state)
{
	char dir[64] = "/tmp/test-journal-XXXXXX", path[128], uuid[37];
	struct journal *j, *k;
	char *value;
	struct stat st;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a/b/c", dir);
	assert_int_equal(journal_open(path, JOURNAL_WRITE, &j), -ENOENT);
	assert_true(*journal_error(NULL));
	assert_int_equal(journal_open(path, JOURNAL_CREATE, &j), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	strcpy(uuid, journal_uuid(j));
	assert_int_equal(strlen(uuid), 36);
	assert_int_equal(journal_meta_get(j, "root", &value), 0);
	assert_null(value);
	assert_int_equal(journal_meta_set(j, "root", "/x"), 0);
	assert_int_equal(journal_meta_set(j, "root", "/srv/www"), 0);
	uint64_t seq = 1;
	assert_int_equal(journal_last_seq(j, &seq), 0);
	assert_int_equal(seq, 0);
	journal_close(j);

	assert_int_equal(journal_open(path, JOURNAL_CREATE, &j), 0);
	assert_int_equal(journal_open(path, JOURNAL_READ, &k), 0);
	assert_string_equal(journal_uuid(k), uuid);
	assert_int_equal(journal_meta_get(k, "root", &value), 0);
	assert_string_equal(value, "/srv/www");
	free(value);
	assert_int_equal(journal_meta_set(k, "root", "/y"), -EROFS);
	journal_close(j);
	journal_close(k);
	nftw(dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

/* make_format - a journal as a program made it that knows `more` versions than
 * this one, or fewer by one. */
static void make_format(char *dir, int more)
{
	char sql[64];
	struct journal *j;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(journal_open(dir, JOURNAL_CREATE, &j), 0);
	if (more < 0)
		assert_int_equal(db_script(j, "DROP TABLE absent"), 0);
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d",
		 schema_version() + more);
	assert_int_equal(db_script(j, sql), 0);
	journal_close(j);
}

/* open_in - and what it is then, compared with the version of this program. */
static int open_in(const char *dir, enum journal_mode mode, int *ret_more)
{
	char path[128];
	struct journal *j;
	sqlite3_stmt *st;
	sqlite3 *db;
	int r = journal_open(dir, mode, &j);
	if (r == 0) {
		assert_int_equal(db_script(j, "SELECT * FROM absent"), 0);
		journal_close(j);
	}
	snprintf(path, sizeof(path), "%s/journal.db", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st,
					    NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	*ret_more = sqlite3_column_int(st, 0) - schema_version();
	sqlite3_finalize(st);
	sqlite3_close(db);
	return r;
}

/* Processes of an older mount may have it open, or open it later: only a mount
 * makes it one that they refuse. */
static void test_older(void **state)
{
	char dir[64] = "/tmp/test-journal-XXXXXX";
	int more;
	make_format(dir, -1);
	assert_int_equal(open_in(dir, JOURNAL_READ, &more), 0);
	assert_int_equal(more, -1);
	assert_int_equal(open_in(dir, JOURNAL_WRITE, &more), -EOPNOTSUPP);
	assert_int_equal(more, -1);
	assert_non_null(strstr(journal_error(NULL), "an older mirrorfs"));
	assert_int_equal(open_in(dir, JOURNAL_CREATE, &more), 0);
	assert_int_equal(more, 0);
	assert_int_equal(open_in(dir, JOURNAL_WRITE, &more), 0);
	assert_int_equal(more, 0);
	nftw(dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

static void test_newer(void **state)
{
	char dir[64] = "/tmp/test-journal-XXXXXX";
	int more;
	make_format(dir, 1);
	for (int mode = JOURNAL_READ; mode <= JOURNAL_CREATE; mode++) {
		assert_int_equal(open_in(dir, (enum journal_mode)mode, &more),
				 -EOPNOTSUPP);
		assert_int_equal(more, 1);
		assert_non_null(strstr(journal_error(NULL), "a newer mirrorfs"));
	}
	nftw(dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

/* Two programs that find no journal make one journal. */
static void test_create_together(void **state)
{
	char dir[64] = "/tmp/test-journal-XXXXXX", uuid[4][37];
	int pipes[2];
	assert_non_null(mkdtemp(dir));
	for (int round = 0; round < 10; round++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%d", dir, round);
		assert_int_equal(pipe(pipes), 0);
		for (int i = 0; i < 4; i++) {
			struct journal *j;
			pid_t pid = fork();
			assert_true(pid >= 0);
			if (pid > 0)
				continue;
			int r = journal_open(path, JOURNAL_CREATE, &j);
			if (r < 0) {
				printf("%d: %s\n", r, journal_error(NULL));
				fflush(stdout);
				_exit(1);
			}
			_exit(write(pipes[1], journal_uuid(j), 37) != 37);
		}
		for (int i = 0; i < 4; i++) {
			int status;
			assert_true(wait(&status) > 0);
			assert_int_equal(status, 0);
			assert_int_equal(read(pipes[0], uuid[i], 37), 37);
			assert_string_equal(uuid[i], uuid[0]);
		}
		close(pipes[0]);
		close(pipes[1]);
	}
	nftw(dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

static void test_damaged(void **state)
{
	char dir[64] = "/tmp/test-journal-XXXXXX", path[128], text[4096];
	struct journal *j;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/journal.db", dir);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(journal_open(dir, JOURNAL_READ, &j), -ENOENT);
	memset(text, 'x', sizeof(text));
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
	for (int mode = JOURNAL_READ; mode <= JOURNAL_CREATE; mode++) {
		assert_int_equal(journal_open(dir, (enum journal_mode)mode,
					      &j), -EUCLEAN);
		assert_true(*journal_error(NULL));
	}
	nftw(dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

static void wait_until_told(const struct shared *s, int error)
{
	int64_t since, end = clock_mono_ns() + 60 * NS_PER_S;
	while (shared_journal(s, &since) != error) {
		assert_true(clock_mono_ns() < end);
		usleep(2000);
	}
}

/* A writer that cannot open it at first says so when it can: with journal =
 * required nobody puts a record before. */
static void test_opened_later(void **state)
{
	struct fixture f = {.dir = "/tmp/test-journal-XXXXXX"};
	char lock[128];
	assert_non_null(mkdtemp(f.dir));
	fx_mount(&f);
	snprintf(lock, sizeof(lock), "%s/journal.lock", f.dir);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(mkdir(lock, 0700), 0);
	fx_start(&f, 0);
	wait_until_told(f.s, -EISDIR);
	assert_int_equal(rmdir(lock), 0);
	wait_until_told(f.s, 0);
	fx_die(&f);
	nftw(f.dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_older),
		cmocka_unit_test(test_newer),
		cmocka_unit_test(test_create_together),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_opened_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
