/* The journal: records in, records out, whatever happens between. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "journal-fixture.h"
#include "log.h"
#include "paths.h"
#include "lib/journal/db.h"
#include "lib/journal/memory.h"

static void done_all(struct record *list, int n)
{
	for (int i = 0; i < n; i++)
		record_done(&list[i]);
}

static int64_t count(struct journal *j, const char *sql)
{
	sqlite3_stmt *st;
	assert_int_equal(sqlite3_prepare_v2(j->db, sql, -1, &st, NULL), 0);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* What is read at once is bounded in bytes, too; nothing is left out. */
static void test_long_paths(void **state)
{
	enum { N = 20, LEN = 2 << 20 };
	struct fixture f;
	struct record out[N + 1];
	char *path = malloc(LEN + 1);
	int n, all = 0;
	assert_non_null(path);
	memset(path, 'd', LEN);
	path[LEN] = 0;
	fx_open(&f);
	for (int i = 0; i < N; i++) {
		fx_put(&f, OP_MKDIR, 0, 0, path, NULL);
		fx_sync(&f);
	}
	for (uint64_t at = 0; (n = journal_read(f.j, at, out, N + 1)) > 0;) {
		assert_true(n < N);
		at = out[n - 1].seq;
		all += n;
		done_all(out, n);
	}
	assert_int_equal(n, 0);
	assert_int_equal(all, N);
	fx_close(&f);
	free(path);
}

static void test_end_to_end(void **state)
{
	struct fixture f;
	struct record out[100], r = {0};
	struct range g[2] = {{0, 10}, {4096, 1ull << 40}};
	uint64_t at, total = 0;
	fx_open(&f);
	r.op = OP_SETTLE;
	r.flags = RF_IDLE;
	r.who = (struct who){.uid = 33, .gid = 4000000000u, .pid = 77,
			     .program = "vsftpd", .title = "bob \xff\xfe"};
	r.obj = fx_obj(5);
	r.path = (char *)(uintptr_t)"dir/\xff\n'\"%_";
	r.path2 = (char *)(uintptr_t)"";
	r.mode = 0104755;
	r.uid = 4294967294u;
	r.gid = 1;
	r.size = 1ull << 50;
	r.ranges = g;
	r.n_ranges = 2;
	shared_append(f.s, &r);
	fx_put(&f, OP_STOP, 0, 0, NULL, NULL);
	fx_sync(&f);
	assert_int_equal(journal_read(f.j, 0, out, 100), 2);
	assert_true(out[0].seq == f.first && out[0].time_ns == r.time_ns);
	assert_true(out[0].op == r.op && out[0].flags == r.flags);
	assert_memory_equal(&out[0].who, &r.who, sizeof(r.who));
	assert_true(fhandle_equal(&out[0].obj, &r.obj));
	assert_string_equal(out[0].path, r.path);
	assert_string_equal(out[0].path2, "");
	assert_true(out[0].mode == r.mode && out[0].uid == r.uid &&
		    out[0].gid == r.gid && out[0].size == r.size);
	assert_int_equal(out[0].n_ranges, 2);
	assert_memory_equal(out[0].ranges, g, sizeof(g));
	assert_null(out[1].path);
	assert_null(out[1].path2);
	assert_int_equal(out[1].obj.len, 0);
	assert_null(out[1].ranges);
	done_all(out, 2);

	/* many, read in portions, in order */
	for (int i = 0; i < 5000; i++)
		fx_put(&f, OP_UNLINK, 0, 0, "p", NULL);
	fx_sync(&f);
	for (at = f.first + 1;; at += 100) {
		int n = journal_read(f.j, at, out, 100);
		for (int i = 0; i < n; i++)
			assert_true(out[i].seq == at + 1 + (unsigned)i);
		done_all(out, n);
		total += (unsigned)n;
		if (n == 0)
			break;
	}
	assert_int_equal(total, 5000);
	fx_close(&f);
}

/* ---- epochs and dirty files ---- */

static int dirty(struct fixture *f, unsigned obj)
{
	struct fhandle h = fx_obj(obj);
	uint64_t seq;
	return journal_is_dirty(f->j, &h, &seq);
}

static void test_dirty(void **state)
{
	struct fixture f;
	struct fhandle h = fx_obj(1);
	uint64_t seq;
	fx_open(&f);
	fx_put(&f, OP_CREATE, RF_OPEN, 1, "a", NULL);
	fx_put(&f, OP_CREATE, 0, 2, "b", NULL);
	fx_put(&f, OP_DIRTY, 0, 3, "c", NULL);
	fx_put(&f, OP_UNLINK, RF_LAST, 3, "c", NULL);
	fx_sync(&f);
	assert_int_equal(journal_is_dirty(f.j, &h, &seq), 1);
	assert_true(seq == f.first);
	assert_int_equal(dirty(&f, 2), 0);
	assert_int_equal(dirty(&f, 3), 1);
	fx_put(&f, OP_SETTLE, 0, 1, "a", NULL);
	fx_put(&f, OP_SETTLE, 0, 3, "c", NULL);
	fx_put(&f, OP_DIRTY, 0, 2, "b", NULL);
	fx_sync(&f);
	assert_int_equal(dirty(&f, 1), 0);
	assert_int_equal(dirty(&f, 3), 0);
	assert_int_equal(dirty(&f, 2), 1);
	fx_close(&f);
}

/* busy - is a file being written there? */
static bool busy(struct fixture *f, const char *path)
{
	uint64_t target, last;
	assert_int_equal(journal_last_seq(f->j, &last), 0);
	return journal_wait_target(f->j, last, path, &target, NULL) == -EAGAIN;
}

/* A long path may stand for anything below it: its rename moves the object that
 * it names, and no other one. */
static void test_dirty_long(void **state)
{
	struct fixture f;
	struct record out[10];
	char far[PATH_LONG + 1];
	fx_open(&f);
	memset(far, 'l', PATH_LONG);
	memcpy(far, "dd/", 3);
	far[PATH_LONG] = 0;
	fx_put(&f, OP_DIRTY, 0, 1, far, NULL);
	fx_put(&f, OP_DIRTY, 0, 2, far, NULL);
	fx_put(&f, OP_RENAME, 0, 1, far, "a");
	fx_sync(&f);
	assert_true(busy(&f, "a"));
	assert_true(busy(&f, "dd"));
	fx_put(&f, OP_SETTLE, 0, 1, "a", NULL);
	fx_sync(&f);
	assert_false(busy(&f, "a"));
	/* now it is not too long, but nobody knows what it is called in there */
	fx_put(&f, OP_RENAME, 0, 9, "dd", "e");
	fx_sync(&f);
	assert_false(busy(&f, "e"));
	assert_int_equal(dirty(&f, 2), 1);
	fx_umount(&f);
	fx_mount(&f);
	assert_int_equal(journal_read(f.j, SEQ_FIRST(2) - 1, out, 10), 1);
	assert_int_equal(out[0].op, OP_SETTLE);
	assert_true(out[0].flags & RF_LAST);
	done_all(out, 1);
	fx_close(&f);
}

static void test_epochs(void **state)
{
	struct fixture f;
	struct record out[10];
	uint64_t first, last;
	fx_open(&f);
	first = f.first;
	assert_true(first == SEQ_FIRST(1));
	assert_int_equal(journal_last_seq(f.j, &last), 0);
	assert_true(last == first - 1); /* nothing yet, and nothing missing */
	fx_put(&f, OP_DIRTY, 0, 1, "d/file", NULL);
	fx_put(&f, OP_RENAME, 0, 2, "d", "e\xff");
	fx_put(&f, OP_DIRTY, 0, 3, "x", NULL);
	fx_put(&f, OP_RENAME, RF_EXCHANGE, 3, "x", "y");
	fx_put(&f, OP_RENAME, RF_EXCHANGE, 3, "z", "y");
	fx_umount(&f);

	fx_mount(&f);
	assert_true(f.first == SEQ_FIRST(2) + 2);
	assert_int_equal(journal_last_seq(f.j, &last), 0);
	assert_true(last == f.first - 1);
	assert_int_equal(journal_read(f.j, SEQ_FIRST(2) - 1, out, 10), 2);
	assert_int_equal(out[0].op, OP_SETTLE);
	assert_string_equal(out[0].path, "e\xff/file");
	struct fhandle h = fx_obj(1);
	assert_true(fhandle_equal(&out[0].obj, &h));
	assert_string_equal(out[1].path, "z");
	assert_true(out[1].time_ns > 0);
	done_all(out, 2);
	assert_int_equal(dirty(&f, 1), 0);
	fx_start(&f, 0);
	assert_true(fx_put(&f, OP_UNLINK, 0, 0, "q", NULL) == f.first);
	fx_umount(&f);
	fx_mount(&f);
	assert_true(f.first == SEQ_FIRST(3));
	fx_close(&f);
}

/* A run that did not end well may have lost records. */
static void test_bad_end(void **state)
{
	struct fixture f;
	struct record out[10];
	fx_open(&f);
	fx_die(&f); /* nothing had been recorded */
	fx_mount(&f);
	assert_true(f.first == SEQ_FIRST(2));
	fx_start(&f, 0);
	fx_put(&f, OP_DIRTY, 0, 1, "a", NULL);
	fx_die(&f);
	fx_mount(&f);
	assert_int_equal(journal_read(f.j, SEQ_FIRST(3) - 1, out, 10), 1);
	assert_int_equal(out[0].op, OP_SETTLE);
	done_all(out, 1);
	assert_true(f.first == SEQ_FIRST(3) + 1);
	fx_start(&f, 0);
	fx_die(&f);
	/* what was marked is not known */
	char file[100];
	snprintf(file, sizeof(file), "%s/activity", f.dir);
	assert_int_equal(unlink(file), 0);
	fx_mount(&f);
	assert_int_equal(journal_read(f.j, SEQ_FIRST(4) - 1, out, 10), 1);
	assert_int_equal(out[0].op, OP_GAP);
	assert_true(out[0].flags == RF_CONTENT && out[0].size == 0);
	done_all(out, 1);
	fx_start(&f, 0);
	fx_umount(&f);
	fx_mount(&f);
	assert_true(f.first == SEQ_FIRST(5));
	fx_close(&f);
}

/* ---- a dead writer ---- */

static void test_drain(void **state)
{
	struct fixture f;
	struct record out[10];
	fx_open(&f);
	fx_stop(&f);
	fx_put(&f, OP_UNLINK, 0, 0, "a", NULL);
	struct record r = {.op = OP_RENAME, .path = (char *)(uintptr_t)"b",
			   .path2 = (char *)(uintptr_t)"c"};
	shared_begin(f.s, 7, &r);
	assert_int_equal(journal_drain(f.j, f.s), 2);
	assert_int_equal(journal_drain(f.j, f.s), 0);
	assert_int_equal(journal_read(f.j, 0, out, 10), 2);
	assert_int_equal(out[1].op, OP_UNSURE);
	assert_string_equal(out[1].path, "b");
	assert_string_equal(out[1].path2, "c");
	assert_true(out[1].seq == f.first + 1 && out[1].time_ns > 0);
	done_all(out, 2);

	/* killed between commit and shared_taken: they come again */
	fx_put(&f, OP_DIRTY, 0, 1, "d", NULL);
	fx_put(&f, OP_SETTLE, 0, 1, "d", NULL);
	bool overflow;
	int n = (int)shared_take(f.s, out, 10, &overflow);
	assert_int_equal(n, 2);
	assert_int_equal(db_append(f.j, out, 2), 0);
	done_all(out, 2);
	fx_put(&f, OP_UNLINK, 0, 0, "e", NULL);
	assert_int_equal(journal_drain(f.j, f.s), 3);
	assert_int_equal(count(f.j, "SELECT count(*) FROM record"), 5);
	assert_int_equal(dirty(&f, 1), 0);
	fx_close(&f);
}

/* A worker that is killed while it puts and writes. What was acknowledged is
 * there once, in order, without a hole. */
static void kill_round(unsigned round)
{
	struct fixture f;
	int pipes[2];
	char token;
	fx_open(&f);
	fx_stop(&f);
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct journal_writer *w;
		if (journal_writer_start(f.dir, f.s, f.wake_fd, 0, &w) < 0)
			_exit(1);
		for (;;) {
			fx_put(&f, OP_UNLINK, 0, 0, "p", NULL);
			if (write(pipes[1], "x", 1) != 1)
				_exit(1);
		}
	}
	close(pipes[1]);
	for (unsigned i = 0; i < 50 + round * 137 % 4000; i++)
		assert_int_equal(read(pipes[0], &token, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pipes[0]);
	assert_true(journal_drain(f.j, f.s) >= 0);
	uint64_t put = SEQ_COUNT(shared_last_seq(f.s));
	assert_true(put >= 50 + round * 137 % 4000);
	assert_int_equal(count(f.j, "SELECT count(*) FROM record"), put);
	assert_int_equal(count(f.j, "SELECT max(seq) & ((1 << 40) - 1) "
				    "FROM record"), put);
	fx_close(&f);
}

static void test_killed_writer(void **state)
{
	for (unsigned round = 0; round < 10; round++)
		kill_round(round);
}

/* Writers that are killed all the time shall get on, so what is waiting goes
 * in small batches first. Each commit adds one to the eventfd. */
static void test_small_batches_first(void **state)
{
	struct fixture f;
	uint64_t commits = 0;
	fx_open(&f);
	fx_stop(&f);
	if (read(f.wake_fd, &commits, sizeof(commits)) > 0)
		commits = 0;
	for (unsigned i = 0; i < 4000; i++)
		fx_put(&f, OP_UNLINK, 0, 0, "p", NULL);
	fx_start(&f, 0);
	fx_stop(&f);
	assert_int_equal(read(f.wake_fd, &commits, sizeof(commits)), 8);
	assert_true(commits >= 5);
	assert_int_equal(count(f.j, "SELECT count(*) FROM record"), 4000);
	fx_close(&f);
}

/* ---- many processes ---- */

#define MOVERS 8

struct mover {
	struct fixture *f;
	int64_t id;
	atomic_bool *stop;
	int moves, error;
};

/* What a sync thread does: read, begin, apply nothing, end. */
static void *move(void *arg)
{
	struct mover *m = arg;
	struct journal *j;
	struct record out[50];
	uint64_t cursor = 0;
	m->error = journal_open(m->f->dir, JOURNAL_WRITE, &j);
	if (m->error < 0)
		return NULL;
	while (m->error == 0) {
		bool stop = *m->stop;
		int n = journal_read(j, cursor, out, 50);
		if (n <= 0) {
			m->error = n;
			if (stop)
				break;
			continue;
		}
		cursor = out[n - 1].seq;
		done_all(out, n);
		m->error = journal_batch_begin(j, m->id, cursor);
		if (m->error == 0)
			m->error = journal_batch_end(j, m->id, cursor, true);
		m->moves++;
	}
	journal_close(j);
	return NULL;
}

static void test_together(void **state)
{
	struct fixture f;
	atomic_bool stop = false;
	struct mover movers[MOVERS];
	pthread_t t[MOVERS];
	char name[20];
	fx_open(&f);
	for (int i = 0; i < MOVERS; i++) {
		snprintf(name, sizeof(name), "r%d", i);
		movers[i] = (struct mover){.f = &f, .stop = &stop,
					   .id = fx_replica(&f, name)};
		assert_int_equal(pthread_create(&t[i], NULL, move,
						&movers[i]), 0);
	}
	for (int i = 0; i < 20000; i++)
		fx_put(&f, OP_SETTLE, 0, (unsigned)i + 1, "some/path", NULL);
	fx_sync(&f);
	stop = true;
	int moves = 0;
	for (int i = 0; i < MOVERS; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(movers[i].error, 0);
		moves += movers[i].moves;
	}
	printf("%d cursors moved %d times\n", MOVERS, moves);
	struct replica_row *rows;
	unsigned n;
	assert_int_equal(journal_replica_list(f.j, &rows, &n), 0);
	assert_int_equal(n, MOVERS);
	for (unsigned i = 0; i < n; i++) {
		assert_true(rows[i].cursor == shared_last_seq(f.s));
		assert_int_equal(rows[i].lag_records, 0);
		replica_row_done(&rows[i]);
	}
	free(rows);
	fx_close(&f);
}

/* ---- rates ---- */

static void test_rate(void **state)
{
	struct fixture f;
	const int n = 200000;
	fx_open(&f);
	f.who = (struct who){.uid = 33, .program = "vsftpd",
			     .title = "vsftpd: 192.0.2.7/bob: STOR x"};
	int64_t t0 = clock_mono_ns();
	for (int i = 0; i < n; i++)
		fx_put(&f, OP_SETTLE, 0, (unsigned)i + 1,
		       "htdocs/user/some/folder/picture-0001.jpeg", NULL);
	int64_t t1 = clock_mono_ns();
	fx_sync(&f);
	int64_t t2 = clock_mono_ns();
	assert_int_equal(count(f.j, "SELECT count(*) FROM record"), n);
	printf("%d records: put in %lld ms, in the database after %lld ms: "
	       "%lld rows/s\n", n, (long long)((t1 - t0) / NS_PER_MS),
	       (long long)((t2 - t0) / NS_PER_MS),
	       (long long)(n * NS_PER_S / (t2 - t0)));
	fx_close(&f);
}

/* ---- forgetting ---- */

static void test_prune(void **state)
{
	struct fixture f;
	struct seed seed;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r1");
	assert_int_equal(journal_seed_begin(f.j, id, &seed), 0);
	for (int i = 0; i < 5000; i++)
		fx_put(&f, OP_SETTLE, 0, 9, "p", NULL);
	fx_sync(&f);
	/* its first copy is under way */
	assert_int_equal(db_prune(f.j, 1), 0);
	assert_int_equal(count(f.j, "SELECT count(*) FROM record"), 5000);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 999), true), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 1999), true), 0);
	/* not old enough */
	assert_int_equal(db_prune(f.j, 3600 * NS_PER_S), 0);
	assert_int_equal(count(f.j, "SELECT count(*) FROM record"), 5000);
	while (db_prune(f.j, 1) > 0)
		;
	assert_int_equal(count(f.j, "SELECT count(*) FROM record"), 3001);
	assert_int_equal(count(f.j, "SELECT count(*) FROM delivery"), 1);
	struct replica_row *rows;
	unsigned n;
	assert_int_equal(journal_replica_list(f.j, &rows, &n), 0);
	assert_int_equal(rows[0].lag_records, 3000);
	assert_int_equal(rows[0].lag_bytes, 3000000);
	replica_row_done(&rows[0]);
	free(rows);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 4999), true), 0);
	while (db_prune(f.j, 1) > 0)
		;
	assert_int_equal(count(f.j, "SELECT count(*) FROM record"), 1);
	fx_close(&f);
}

/* ---- a full disk ---- */

static int said(const char *log, const char *words)
{
	char line[1000];
	int n = 0;
	FILE *file = fopen(log, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, words) != NULL;
	fclose(file);
	return n;
}

static void full_disk(struct fixture *f, const char *log)
{
	char path[128];
	/* what is left of the disk goes to something else */
	snprintf(path, sizeof(path), "%s/ballast", f->dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	static const char block[4096];
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	for (int i = 0; i < 20000; i++)
		fx_put(f, OP_UNLINK, 0, 0, "some/path", NULL);
	int64_t deadline = clock_mono_ns() + 60 * NS_PER_S;
	while (said(log, "cannot be written") == 0) {
		assert_true(clock_mono_ns() < deadline);
		poll(NULL, 0, 10);
	}
	/* it can be read all the time */
	uint64_t have;
	assert_int_equal(journal_last_seq(f->j, &have), 0);
	assert_true(have < shared_last_seq(f->s));
	assert_int_equal(unlink(path), 0);
	fx_sync(f);
	assert_int_equal(count(f->j, "SELECT count(*) FROM record"), 20000);
}

static void test_full_disk(void **state)
{
	struct fixture f;
	fx_open(&f);
	fx_umount(&f);
	if (mount("none", f.dir, "tmpfs", 0, "size=6m,mode=700") < 0) {
		printf("no tmpfs can be mounted: %s\n", strerror(errno));
		nftw(f.dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
		skip();
	}
	char log[] = "/tmp/test-journal-log-XXXXXX";
	int fd = mkstemp(log);
	assert_true(fd >= 0);
	close(fd);
	log_open("test", log);
	fx_mount(&f);
	fx_start(&f, 0);
	full_disk(&f, log);
	fx_umount(&f);
	log_open("test", NULL);
	assert_int_equal(said(log, "cannot be written"), 1);
	assert_int_equal(said(log, "can be written again"), 1);
	unlink(log);
	assert_int_equal(umount(f.dir), 0);
	nftw(f.dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end_to_end),
		cmocka_unit_test(test_long_paths),
		cmocka_unit_test(test_dirty),
		cmocka_unit_test(test_dirty_long),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_bad_end),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_killed_writer),
		cmocka_unit_test(test_small_batches_first),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_prune),
		cmocka_unit_test(test_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
