/*
 * What is on the disk when a sync has ended, or marks were lifted; and what a sync
 * that fails leaves behind.
 */
#include "confdefs.h"

#include "activity-fixture.h"
#include "lib/journal/memory.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the tree and of the journal: how many there were, and what they say. */
static _Atomic unsigned tree_syncs, wal_syncs, wal_syncs_before;
static _Atomic int tree_error, wal_error;
static _Atomic unsigned log_syncs; /* of the activity log */

/* Told once: by the descriptor that all workers have, and by one's own. To one
 * that is killed meanwhile it says nothing. */
static int shared_fd = -1, shared_error, own_error;
static bool killed;

int syncfs(int fd)
{
	int *once = fd == shared_fd ? &shared_error : &own_error;
	int error = tree_error ? tree_error : *once;
	tree_syncs++;
	wal_syncs_before = wal_syncs;
	*once = 0;
	errno = killed ? EINTR : error;
	return error ? -1 : 0;
}

static bool is_called(int fd, const char *part)
{
	char link[64], path[4096];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = 0;
	return strstr(path, part);
}

static int sync_one(int fd)
{
	log_syncs += is_called(fd, "/activity");
	if (!is_called(fd, "-wal"))
		return 0;
	wal_syncs++;
	errno = wal_error;
	return wal_error ? -1 : 0;
}

int fsync(int fd)
{
	return sync_one(fd);
}

int fdatasync(int fd)
{
	return sync_one(fd);
}

/* The disk is full, and takes its time to say so. */
static _Atomic enum { ROOM, FULL_LATER, FULL } wal_room;
static _Atomic bool wal_waits;

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (wal_room == ROOM || !is_called(fd, "-wal"))
		return syscall(SYS_pwrite64, fd, p, n, at);
	wal_waits = true;
	while (wal_room == FULL_LATER)
		usleep(1000);
	errno = ENOSPC;
	return -1;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return pwrite(fd, p, n, at);
}

static unsigned changed(struct af *t, unsigned obj)
{
	touch_once(t, dir_mark(obj));
	return (unsigned)fx_put(&t->f, OP_UNLINK, 0, 0, "a", NULL);
}

/* The records first, then the tree, and only then marks may go. */
static void test_lift_syncs_all(void **state)
{
	struct af t;
	af_open(&t, 0);
	for (unsigned i = 1; i < 5; i++) {
		changed(&t, i);
		unsigned wal = wal_syncs, tree = tree_syncs;
		assert_int_equal(activity_lift(t.a), 0);
		assert_int_equal(tree_syncs, tree + (i == 1 ? 2 : 1));
		assert_true(wal_syncs_before > wal);
	}
	af_close(&t);
}

/* Whose mark it was may have been killed before it was on the disk: the first
 * who counts on one sees to that, for all of them. */
static void test_taken_over(void **state)
{
	struct af t;
	af_open(&t, 0);
	touch_once(&t, dir_mark(1));
	touch_once(&t, dir_mark(2));
	activity_stop(t.a);
	af_start(&t);
	unsigned n = log_syncs;
	touch_once(&t, dir_mark(1));
	assert_int_equal(log_syncs, n + 1);
	touch_once(&t, dir_mark(1));
	touch_once(&t, dir_mark(2));
	assert_int_equal(log_syncs, n + 1);
	af_close(&t);
}

/* Linux tells of what it could not write once, and forgets it. */
static void lost(_Atomic int *error, int which)
{
	struct af t;
	struct activity_past p;
	af_open(&t, 0);
	changed(&t, 1);
	assert_int_equal(activity_lift(t.a), 0);
	assert_int_equal(marks(&t), 1); /* of a folder: one cycle more */
	changed(&t, 2);
	*error = which;
	assert_true(activity_lift(t.a) < 0);
	*error = 0;
	for (unsigned i = 3; i < 8; i++) {
		if (i == 5) { /* another worker */
			activity_stop(t.a);
			af_start(&t);
		}
		changed(&t, i);
		assert_int_equal(activity_lift(t.a), 0);
		assert_int_equal(past(&t, &p), PAST_DOUBT);
		activity_past_done(&p);
	}
	activity_stop(t.a);
	assert_int_equal(activity_reset(t.f.dir, journal_uuid(t.f.j), 1, 0), 0);
	af_start(&t);
	changed(&t, 8);
	assert_int_equal(marks(&t), 1);
	af_close(&t);
}

static void test_tree_lost(void **state)
{
	lost(&tree_error, EIO);
	lost(&tree_error, ENOSPC);
}

/* The worker that was told of it is killed before it can note that. */
static void test_tree_lost_by_a_worker(void **state)
{
	struct af t;
	struct activity_past p;
	af_open(&t, 0);
	shared_fd = t.lower_fd;
	changed(&t, 1);
	assert_int_equal(activity_lift(t.a), 0);
	changed(&t, 2);
	own_error = shared_error = EIO;
	killed = true;
	assert_int_equal(activity_lift(t.a), -EINTR);
	killed = false;
	activity_stop(t.a);
	own_error = 0; /* the next one opens it later */
	af_start(&t);
	for (unsigned i = 3; i < 6; i++) {
		changed(&t, i);
		assert_int_equal(activity_lift(t.a), i == 3 ? -EIO : 0);
		assert_int_equal(past(&t, &p), PAST_DOUBT);
		activity_past_done(&p);
	}
	shared_fd = -1;
	af_close(&t);
}

static void test_journal_lost(void **state)
{
	lost(&wal_error, EIO);
}

/* The worker that was told of it may be killed before it lifts marks. */
static void test_lost_by_a_worker(void **state)
{
	struct af t;
	struct activity_past p;
	af_open(&t, 0);
	changed(&t, 1);
	wal_error = EIO;
	assert_true(journal_writer_sync(t.f.w) < 0);
	wal_error = 0;
	activity_stop(t.a);
	fx_stop(&t.f);
	assert_true(shared_lost(t.f.s));
	fx_start(&t.f, 0);
	af_start(&t);
	changed(&t, 2);
	assert_int_equal(activity_lift(t.a), 0);
	assert_int_equal(past(&t, &p), PAST_DOUBT);
	activity_past_done(&p);
	af_close(&t);
}

/* Or it is the supervisor that is told, when the worker has ended. */
static void test_lost_at_the_end(void **state)
{
	struct fixture f;
	fx_open(&f);
	fx_put(&f, OP_UNLINK, 0, 0, "a", NULL);
	fx_stop(&f);
	wal_error = EIO;
	assert_true(journal_drain(f.j, f.s) < 0);
	wal_error = 0;
	assert_int_equal(journal_drain(f.j, f.s), 0);
	assert_true(shared_lost(f.s));
	fx_start(&f, 0);
	fx_close(&f);
}

/* Or another process, whose commit had the log copied into the database. */
static void test_lost_elsewhere(void **state)
{
	struct fixture f;
	char *large = malloc(8 << 20);
	assert_non_null(large);
	memset(large, 'x', (8 << 20) - 1);
	large[(8 << 20) - 1] = 0;
	fx_open(&f);
	fx_stop(&f);
	struct journal *j = fx_journal(&f);
	journal_tell_lost(j, f.s);
	assert_int_equal(journal_meta_set(j, "large", ""), 0);
	assert_false(shared_lost(f.s));
	wal_error = EIO;
	assert_int_equal(journal_meta_set(j, "large", large), 0);
	wal_error = 0;
	assert_true(shared_lost(f.s));
	journal_close(j);
	free(large);
	fx_start(&f, 0);
	fx_close(&f);
}

/* A copy is put in its place, with the folder or not, and has only the marks of
 * then. It is not believed before a worker that has it open has lifted marks. */
static void test_copied(void **state)
{
	struct af t;
	struct activity_past p;
	char command[200];
	af_open(&t, 0);
	changed(&t, 1);
	snprintf(command, sizeof(command),
		 "cd %s && cp activity copy && mv copy activity", t.f.dir);
	assert_int_equal(system(command), 0);
	changed(&t, 2);
	alarm(60);
	while (past(&t, &p) != PAST_DOUBT) {
		activity_past_done(&p);
		usleep(1000);
	}
	alarm(0);
	activity_past_done(&p);
	assert_int_equal(activity_lift(t.a), 0);
	assert_int_equal(past(&t, &p), PAST_DOUBT);
	activity_past_done(&p);
	activity_stop(t.a);
	af_start(&t);
	assert_int_equal(activity_lift(t.a), 0);
	changed(&t, 3);
	assert_int_equal(marks(&t), 2);
	af_close(&t);
}

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

static void *sync_it(void *arg)
{
	static int64_t ended;
	assert_true(journal_writer_sync(arg) == -ENOSPC);
	ended = clock_mono_ns();
	return &ended;
}

/* The journal's disk is found to be full while somebody waits for a sync: that
 * is told at once, and not a second later. */
static void test_full_meanwhile(void **state)
{
	struct af t;
	pthread_t id;
	int64_t since, took = NS_PER_S;
	void *ended;
	af_open(&t, 0);
	alarm(120);
	for (unsigned i = 0; i < 10 && took > NS_PER_S / 2; i++) {
		wal_waits = false;
		wal_room = FULL_LATER;
		fx_put(&t.f, OP_UNLINK, 0, 0, "a", NULL);
		while (!wal_waits)
			usleep(1000);
		pthread_create(&id, NULL, sync_it, t.f.w);
		usleep(100000); /* it waits by then, most likely */
		int64_t begin = clock_mono_ns();
		wal_room = FULL;
		pthread_join(id, &ended);
		took = *(int64_t *)ended - begin;
		wal_room = ROOM;
		while (shared_journal(t.f.s, &since) < 0)
			usleep(1000);
	}
	alarm(0);
	assert_true(took <= NS_PER_S / 2);
	af_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sync_of_gap),
		cmocka_unit_test(test_full_meanwhile),
		cmocka_unit_test(test_lift_syncs_all),
		cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_tree_lost),
		cmocka_unit_test(test_tree_lost_by_a_worker),
		cmocka_unit_test(test_journal_lost),
		cmocka_unit_test(test_lost_by_a_worker),
		cmocka_unit_test(test_lost_at_the_end),
		cmocka_unit_test(test_lost_elsewhere),
		cmocka_unit_test(test_copied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
