/*
 * The activity log: marks are on the disk before activity_touch returns, are
 * lifted when they may be, and what a power cut or a bad disk leaves of the
 * file is either all that was marked or not believed.
 *
 * pwrite and fdatasync are ours: they note what is written to the file, so
 * that each state of the disk between two syncs can be tried.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "activity.h"
#include "activity-fixture.h"
#include "lib/journal/activity-file.h"
#include "lib/journal/activity-private.h"

/* ---- what reaches the disk ---- */

#define SECTORS 64u
#define NOTES	4096u

static struct note {
	bool sync;
	uint32_t sector;
	uint8_t bytes[ACTIVITY_SECTOR];
} notes[NOTES];
static unsigned n_notes;
static int noted_fd = -1;
static _Atomic int write_error, sync_error;
static _Atomic unsigned syncs;

static void note(bool sync, const void *p, size_t n, off_t at)
{
	for (size_t i = 0; sync ? i == 0 : i < n; i += ACTIVITY_SECTOR) {
		assert_true(n_notes < NOTES);
		struct note *t = &notes[n_notes++];
		t->sync = sync;
		t->sector = (uint32_t)((size_t)at + i) / ACTIVITY_SECTOR;
		if (!sync)
			memcpy(t->bytes, (const char *)p + i, ACTIVITY_SECTOR);
	}
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	struct stat st;
	if (write_error && fstat(fd, &st) == 0 && st.st_mode & S_IWUSR &&
	    n == ACTIVITY_SECTOR) {
		errno = write_error;
		return -1;
	}
	if (fd == noted_fd)
		note(false, p, n, at);
	return syscall(SYS_pwrite64, fd, p, n, at);
}

int fdatasync(int fd)
{
	syncs++;
	if (sync_error) {
		errno = sync_error;
		return -1;
	}
	if (fd == noted_fd)
		note(true, NULL, 0, 0);
	return 0;
}

/* ---- marking ---- */

static void test_marks(void **state)
{
	struct af t;
	af_open(&t, 0);
	assert_int_equal(marks(&t), 0);
	unsigned before = syncs;
	touch_once(&t, dir_mark(1));
	touch_once(&t, file_mark(2, 1));
	assert_int_equal(syncs - before, 2);
	for (int i = 0; i < 100; i++) { /* hot: nothing to write */
		touch_once(&t, dir_mark(1));
		touch_once(&t, file_mark(2, 1));
	}
	assert_int_equal(syncs - before, 2);
	/* moved, or made in what is marked */
	touch(&t, 0, dir_mark(1));
	struct fhandle made = fx_obj(3);
	activity_covered(t.a, 0, &made);
	touch_once(&t, file_mark(3, 1));
	assert_int_equal(syncs - before, 2);
	struct mark tree = {.kind = MARK_TREE, .obj = fx_obj(1)};
	touch_once(&t, tree);
	struct mark new_dir = {
		.kind = MARK_NEW_DIR, .dir = fx_obj(1), .name = "new"};
	touch_once(&t, new_dir);
	assert_int_equal(syncs - before, 4);

	struct activity_past p;
	assert_int_equal(past(&t, &p), PAST_MARKS);
	assert_int_equal(p.n, 3);
	assert_true(has_mark(&p, MARK_TREE, 1) && has_mark(&p, MARK_FILE, 2));
	assert_true(p.since_ns < clock_wall_ns());
	activity_past_done(&p);

	/* a new worker finds them, sees to it once that they are on the disk,
	 * and goes on */
	activity_stop(t.a);
	af_start(&t);
	before = syncs;
	touch_once(&t, file_mark(2, 1));
	assert_int_equal(syncs - before, 1);
	touch_once(&t, file_mark(2, 9)); /* it was moved */
	assert_int_equal(syncs - before, 1);
	af_close(&t);
}

/* ---- lifting ---- */

static void test_lift(void **state)
{
	struct af t;
	af_open(&t, 0);
	touch_once(&t, dir_mark(1));
	touch_once(&t, file_mark(2, 1));
	struct fhandle two = fx_obj(2);
	activity_pin(t.a, &two);
	assert_int_equal(activity_lift(t.a), 0);
	assert_int_equal(marks(&t), 2); /* the folder stays for one more */
	assert_int_equal(activity_lift(t.a), 0);
	assert_int_equal(marks(&t), 1); /* it may change unseen */
	activity_unpin(t.a, &two);
	assert_int_equal(activity_lift(t.a), 0);
	assert_int_equal(marks(&t), 0);
	unsigned before = syncs;
	touch_once(&t, file_mark(2, 9)); /* cold again, and elsewhere */
	assert_int_equal(syncs - before, 1);

	/* a change that goes on holds a cycle up; one that has begun since
	 * keeps its mark */
	pthread_t thread;
	touch(&t, 1, dir_mark(5));
	pthread_create(&thread, NULL, lift, &t);
	while (marks(&t) < 3)
		touch_once(&t, dir_mark(6));
	activity_done(t.a, 1);
	pthread_join(thread, NULL);
	while (marks(&t) > 1)
		assert_int_equal(activity_lift(t.a), 0);
	af_close(&t);
}

/* A file is written to while it is moved from 5 to 6, and while the marks of
 * that are being lifted: one of them says where it is. */
static void test_moved_meanwhile(void **state)
{
	struct af t;
	struct activity_past p;
	struct mark move[2] = {dir_mark(5), dir_mark(6)};
	pthread_t thread;
	af_open(&t, 0);
	activity_touch(t.a, 1, move, 2);
	uint32_t gen = t.a->gen;
	pthread_create(&thread, NULL, lift, &t);
	while (t.a->gen == gen)
		sched_yield();
	touch_once(&t, file_mark(2, 5));
	activity_done(t.a, 1);
	pthread_join(thread, NULL);
	assert_int_equal(past(&t, &p), PAST_MARKS);
	assert_true(has_mark(&p, MARK_FILE, 2) && has_mark(&p, MARK_DIR, 6));
	activity_past_done(&p);
	touch_once(&t, file_mark(2, 6)); /* it is known where it is */
	assert_int_equal(activity_lift(t.a), 0);
	touch_once(&t, file_mark(2, 6));
	assert_int_equal(marks(&t), 1);
	af_close(&t);
}

/* Records of what is lifted are in the database by then. */
static void test_lift_syncs(void **state)
{
	struct af t;
	uint64_t seq, have;
	af_open(&t, 0);
	for (unsigned i = 0; i < 50; i++) {
		touch(&t, 0, dir_mark(1));
		seq = fx_put(&t.f, OP_UNLINK, 0, 0, "a", NULL);
		activity_done(t.a, 0);
		assert_int_equal(activity_lift(t.a), 0);
		assert_int_equal(journal_last_seq(t.f.j, &have), 0);
		assert_true(have >= seq);
	}
	af_close(&t);
}

struct many {
	struct af *t;
	unsigned thread;
};

static void *touch_many(void *arg)
{
	const struct many *m = arg;
	for (unsigned i = 0; i < 200; i++) {
		touch(m->t, m->thread,
		      file_mark(1000 + m->thread * 1000 + i, 1));
		activity_done(m->t->a, m->thread);
	}
	return NULL;
}

/* Eight slots for 800 objects: each waits for a cycle. */
static void test_full(void **state)
{
	struct af t;
	struct many m[4];
	pthread_t threads[4];
	af_open(&t, 8);
	for (unsigned i = 0; i < 4; i++) {
		m[i] = (struct many){&t, i};
		pthread_create(&threads[i], NULL, touch_many, &m[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(marks(&t) <= 8);
	af_close(&t);
}

/* ---- a disk that fails ---- */

static void test_errors(void **state)
{
	struct af t;
	struct activity_past p;
	for (int k = 0; k < 2; k++) {
		af_open(&t, 0);
		sync_error = k ? EIO : 0;
		write_error = k ? 0 : EIO;
		touch_once(&t, dir_mark(1)); /* goes on */
		write_error = 0;
		sync_error = 0;
		touch_once(&t, dir_mark(2));
		if (k) { /* the header can be written only then */
			assert_int_equal(past(&t, &p), PAST_DOUBT);
			activity_past_done(&p);
		}
		assert_int_equal(activity_lift(t.a), 0); /* it works again */
		assert_int_equal(activity_lift(t.a), 0);
		assert_int_equal(marks(&t), 0);
		touch_once(&t, dir_mark(1));
		assert_int_equal(marks(&t), 1);
		af_close(&t);
	}
}

/* What failed is written again, before it is believed. */
static void test_written_again(void **state)
{
	struct af t;
	af_open(&t, 0);
	write_error = EIO;
	touch_once(&t, dir_mark(1));
	write_error = 0;
	assert_int_equal(activity_lift(t.a), 0);
	touch_once(&t, dir_mark(1));
	assert_int_equal(marks(&t), 1);
	af_close(&t);
}

/* Of what changes unseen since then there is no mark: it is "everything". */
static void pinned_without(bool works_again)
{
	struct af t;
	struct activity_past p;
	struct mark m = file_mark(1, 2), other = file_mark(3, 2);
	af_open(&t, 0);
	sync_error = EIO;
	touch_once(&t, dir_mark(5));
	activity_place(t.a, 0, &m);
	sync_error = 0;
	activity_done(t.a, 0);
	if (works_again)
		assert_int_equal(activity_lift(t.a), 0);
	activity_pin(t.a, &m.obj);
	for (int k = 0; k < 3; k++) {
		assert_int_equal(past(&t, &p), PAST_DOUBT);
		activity_past_done(&p);
		activity_place(t.a, 0, &other);
		activity_pin(t.a, &other.obj);
		activity_unpin(t.a, &other.obj);
		activity_done(t.a, 0);
		assert_int_equal(activity_lift(t.a), 0);
	}
	activity_unpin(t.a, &m.obj);
	assert_int_equal(activity_lift(t.a), 0);
	assert_int_equal(marks(&t), 0);
	touch_once(&t, dir_mark(1));
	assert_int_equal(marks(&t), 1);
	af_close(&t);
}

static void test_pinned_without(void **state)
{
	pinned_without(false);
	pinned_without(true);
}

/* ---- what a power cut leaves ---- */

static uint8_t disk[SECTORS][ACTIVITY_SECTOR];

static void put_disk(const struct af *t)
{
	char path[100];
	snprintf(path, sizeof(path), "%s/activity", t->f.dir);
	int fd = open(path, O_WRONLY);
	assert_int_equal(write(fd, disk, sizeof(disk)), sizeof(disk));
	close(fd);
}

/* The disk as it is when all up to `sync` is there, and of what was written
 * since each sector as in the `choice`th way. Returns marks that were synced
 * by then. */
static void cut_at(unsigned upto, unsigned synced, unsigned choice)
{
	for (unsigned i = 0; i < upto; i++) {
		const struct note *n = &notes[i];
		if (n->sync || (i >= synced && !(choice >> (i % 5) & 1)))
			continue;
		memcpy(disk[n->sector], n->bytes, ACTIVITY_SECTOR);
	}
}

/* Which objects were marked for good and not lifted before `upto`. */
static void check_cut(struct af *t, unsigned upto, const unsigned *at,
		      const unsigned *lifted, unsigned n)
{
	struct activity_past p;
	assert_int_equal(past(t, &p), PAST_MARKS);
	for (unsigned i = 0; i < n; i++) {
		if (at[i] <= upto && lifted[i] >= upto)
			assert_true(has_mark(&p, MARK_DIR, i + 1));
	}
	activity_past_done(&p);
}

#define PREFIX_MARKS 12

static void test_prefixes(void **state)
{
	static uint8_t first[SECTORS][ACTIVITY_SECTOR];
	unsigned at[PREFIX_MARKS], lifted[PREFIX_MARKS], synced = 0, tried = 0;
	char path[100];
	struct stat st, mine;
	struct af t;
	af_open(&t, SECTORS - ACTIVITY_PAGE / ACTIVITY_SECTOR);
	snprintf(path, sizeof(path), "%s/activity", t.f.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, sizeof(disk));
	for (int fd = 3; fd < 100; fd++) {
		if (fstat(fd, &mine) == 0 && mine.st_ino == st.st_ino &&
		    mine.st_dev == st.st_dev)
			noted_fd = fd;
	}
	assert_true(noted_fd >= 0);
	int fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, first, sizeof(first)), sizeof(first));
	close(fd);
	n_notes = 0;
	for (unsigned i = 0; i < PREFIX_MARKS; i++) {
		touch_once(&t, dir_mark(i + 1));
		at[i] = n_notes;
		lifted[i] = NOTES;
		if (i == 4 || i == 8) {
			unsigned before = n_notes;
			assert_int_equal(activity_lift(t.a), 0);
			for (unsigned k = 0; k <= i; k++)
				if (lifted[k] == NOTES)
					lifted[k] = before;
		}
	}
	noted_fd = -1;
	for (unsigned upto = 0; upto <= n_notes; upto++) {
		if (upto && notes[upto - 1].sync)
			synced = upto;
		for (unsigned choice = 0; choice < 32; choice++, tried++) {
			memcpy(disk, first, sizeof(disk));
			cut_at(upto, synced, choice);
			put_disk(&t);
			check_cut(&t, upto, at, lifted, PREFIX_MARKS);
		}
	}
	print_message("%u states of the disk after %u writes\n", tried,
		      n_notes);
	af_close(&t);
}

/* One bit is another: all marks are there, or the file is not believed. A
 * file that is cut short is not believed either. */
static void test_damage(void **state)
{
	struct af t;
	struct activity_past p;
	char path[100];
	unsigned believed = 0, seed = 1;
	af_open(&t, SECTORS - ACTIVITY_PAGE / ACTIVITY_SECTOR);
	for (unsigned i = 0; i < 6; i++)
		touch_once(&t, dir_mark(i + 1));
	snprintf(path, sizeof(path), "%s/activity", t.f.dir);
	int fd = open(path, O_RDWR);
	for (unsigned i = 0; i < 4000; i++) {
		uint8_t byte;
		/* the first ones lie where something is written */
		off_t pos =
			i < 2000 ? (off_t)i : rand_r(&seed) % (int)sizeof(disk);
		if (i >= 1000 && i < 2000)
			pos = ACTIVITY_PAGE + (off_t)i - 1000;
		assert_int_equal(pread(fd, &byte, 1, pos), 1);
		uint8_t bad = byte ^ (uint8_t)(1u << rand_r(&seed) % 8);
		assert_int_equal(syscall(SYS_pwrite64, fd, &bad, 1, pos), 1);
		if (past(&t, &p) == PAST_MARKS) {
			believed++;
			assert_int_equal(p.n, 6);
			/* only where nothing is ever written */
			assert_true(pos >= (off_t)ACTIVITY_SECTOR &&
				    pos < (off_t)ACTIVITY_PAGE);
		}
		activity_past_done(&p);
		assert_int_equal(syscall(SYS_pwrite64, fd, &byte, 1, pos), 1);
	}
	assert_true(believed > 0 && believed < 3000);
	assert_int_equal(marks(&t), 6);
	for (off_t len = 0; len < (off_t)sizeof(disk); len += 501) {
		struct stat st;
		assert_int_equal(fstat(fd, &st), 0);
		static uint8_t copy[sizeof(disk)];
		assert_int_equal(pread(fd, copy, sizeof(copy), 0),
				 sizeof(copy));
		assert_int_equal(ftruncate(fd, len), 0);
		assert_int_equal(past(&t, &p), PAST_DOUBT);
		activity_past_done(&p);
		assert_int_equal(
			syscall(SYS_pwrite64, fd, copy, sizeof(copy), 0),
			sizeof(copy));
	}
	close(fd);
	af_close(&t);
}

/* ---- a new epoch ---- */

static void die(struct af *t)
{
	activity_stop(t->a);
	fx_die(&t->f);
}

static void test_recovery(void **state)
{
	struct af t;
	struct record out[10];
	af_open(&t, 0);
	struct mark dir = dir_mark(1);
	dir.dir = fx_obj(8); /* what cannot be read is met there */
	touch_once(&t, dir);
	touch_once(&t, file_mark(2, 1));
	touch_once(&t, file_mark(3, 7));
	struct mark new_dir = {
		.kind = MARK_NEW_DIR, .dir = fx_obj(1), .name = "new"};
	touch_once(&t, new_dir);
	int64_t id = fx_replica(&t.f, "r");
	assert_int_equal(journal_batch_end(t.f.j, id, 5, true), 0);
	die(&t);
	fx_mount(&t.f);
	/* contents first, then where they were, each once */
	assert_int_equal(journal_read(t.f.j, SEQ_FIRST(2) - 1, out, 10), 6);
	for (unsigned i = 0; i < 6; i++)
		assert_true(out[i].op == OP_UNSURE &&
			    out[i].flags & RF_OBJECT && !*out[i].path);
	assert_true(out[0].flags & RF_CONTENT && out[1].flags & RF_CONTENT);
	assert_true(out[2].size > 0 && out[2].flags == RF_OBJECT);
	assert_true(out[5].flags & RF_DEEP);
	assert_string_equal(out[5].path2, "new");
	for (unsigned i = 0; i < 6; i++)
		record_done(&out[i]);
	/* replicas may have any part of what was after their cursor */
	struct replica_row row;
	assert_int_equal(journal_replica_get(t.f.j, "r", &row), 0);
	assert_true(row.cursor == 5 && row.inflight == SEQ_FIRST(2) - 1);
	replica_row_done(&row);
	/* died before anything was changed: nothing is marked */
	fx_start(&t.f, 0);
	fx_die(&t.f);
	fx_mount(&t.f);
	assert_int_equal(journal_read(t.f.j, SEQ_FIRST(3) - 1, out, 10), 0);
	/* a good end: marks are not looked at */
	fx_start(&t.f, 0);
	af_start(&t);
	touch_once(&t, dir_mark(1));
	activity_stop(t.a);
	fx_umount(&t.f);
	fx_mount(&t.f);
	assert_int_equal(journal_read(t.f.j, SEQ_FIRST(4) - 1, out, 10), 0);
	/* switched off: everything, but by size and time */
	assert_int_equal(activity_disable(t.f.dir), 0);
	fx_start(&t.f, 0);
	af_start(&t);
	assert_null(t.a);
	fx_put(&t.f, OP_UNLINK, 0, 0, "a", NULL);
	fx_die(&t.f);
	fx_mount(&t.f);
	assert_int_equal(journal_read(t.f.j, SEQ_FIRST(5) - 1, out, 10), 1);
	assert_true(out[0].op == OP_GAP && out[0].flags == 0);
	record_done(&out[0]);
	fx_start(&t.f, 0);
	t.a = NULL;
	af_close(&t);
}

/* The journal was set back (a copy of it was restored): the marks are not of
 * its time. */
static void test_other_time(void **state)
{
	struct af t;
	struct activity_past p;
	af_open(&t, 0);
	const char *uuid = journal_uuid(t.f.j);
	for (uint64_t epoch = 1; epoch < 6; epoch++) {
		assert_int_equal(activity_reset(t.f.dir, uuid, 3, 0), 0);
		activity_load(t.f.dir, uuid, epoch, &p);
		bool fits = epoch == 3 || epoch == 4;
		assert_int_equal(p.verdict, fits ? PAST_MARKS : PAST_DOUBT);
		activity_past_done(&p);
	}
	assert_int_equal(activity_reset(t.f.dir, "another", 3, 0), 0);
	activity_load(t.f.dir, uuid, 3, &p);
	assert_int_equal(p.verdict, PAST_DOUBT);
	activity_past_done(&p);
	af_close(&t);
}

/* A log that is gone or damaged when another worker starts: it goes on
 * without, and nobody believes later that all was marked. */
static void test_lost_between_workers(void **state)
{
	struct af t;
	struct activity_past p;
	char path[256];
	for (unsigned damaged = 0; damaged < 2; damaged++) {
		af_open(&t, 4);
		touch_once(&t, dir_mark(1));
		activity_stop(t.a);
		snprintf(path, sizeof(path), "%s/activity", t.f.dir);
		if (damaged)
			assert_int_equal(truncate(path, 100), 0);
		else
			assert_int_equal(unlink(path), 0);
		af_start(&t);
		assert_null(t.a);
		touch_once(&t, dir_mark(2)); /* does nothing */
		assert_int_equal(past(&t, &p), PAST_DOUBT);
		assert_int_equal(access(path, F_OK), -1);
		af_close(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_lift),
		cmocka_unit_test(test_moved_meanwhile),
		cmocka_unit_test(test_lift_syncs),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_written_again),
		cmocka_unit_test(test_pinned_without),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_lost_between_workers),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_other_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
