/*
 * Dirty and settled: which records a file's writers leave in the ring, with a
 * real lower folder and real shared memory, without a mount.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "clock.h"
#include "fs/change.h"
#include "fs/content.h"
#include "fs/handle.h"
#include "fs/lower.h"
#include "shared.h"

static char folder[] = "/tmp/mirrorfs-content.XXXXXX";
static int root_fd, shared_fd, fd;
static struct shared *shared;
static struct inode *file;
static struct fhandle file_fh;
static const struct who ann = {.uid = 1, .pid = 11, .program = "ann"};
static const struct who bob = {.uid = 2, .pid = 12, .program = "bob"};
static const struct who kernel = {.pid = 0};

static int setup_settling(int64_t idle_ns, int64_t age_ns)
{
	struct fhandle root;
	struct stat st;
	root_fd = open(folder, O_RDONLY | O_DIRECTORY);
	fd = openat(root_fd, "file", O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (root_fd < 0 || fd < 0 || lower_start(root_fd, &root, &st) < 0)
		return -1;
	inodes_start(&root);
	if (shared_create(SEQ_FIRST(1), &shared_fd) < 0 ||
	    shared_map(shared_fd, &shared) < 0)
		return -1;
	changes_start(shared);
	change_thread_start(0);
	if (lower_identify(fd, "", &file_fh, &st) < 0)
		return -1;
	file = inode_learn(&file_fh, &st, inode_get(INODE_ROOT), "file");
	return contents_start(idle_ns, age_ns);
}

static int setup(void **state)
{
	return setup_settling(0, 0);
}

static int setup_idle(void **state)
{
	return setup_settling(20 * NS_PER_MS, 0);
}

static int setup_age(void **state)
{
	return setup_settling(0, 50 * NS_PER_MS);
}

static int teardown(void **state)
{
	contents_stop();
	inodes_stop();
	shared_unmap(shared);
	close(shared_fd);
	close(fd);
	unlinkat(root_fd, "file", 0);
	close(root_fd);
	return 0;
}

static bool is_busy(void)
{
	bool busy;
	shared_busy_mark(shared, &file_fh, &busy);
	return busy;
}

/* The next record must be this one. */
static void next_is(enum record_op op, uint32_t flags, const char *program,
		    uint64_t size, struct record *ret)
{
	bool overflow;
	struct record r;
	assert_int_equal(shared_take(shared, &r, 1, &overflow), 1);
	shared_taken(shared);
	assert_string_equal(record_op_word(r.op), record_op_word(op));
	assert_int_equal(r.flags, flags);
	assert_string_equal(r.who.program, program);
	assert_int_equal(r.size, size);
	assert_string_equal(r.path, "file");
	assert_true(fhandle_equal(&r.obj, &file_fh));
	if (ret)
		*ret = r;
	else
		record_done(&r);
}

static void none_left(void)
{
	bool overflow;
	struct record r;
	assert_int_equal(shared_take(shared, &r, 1, &overflow), 0);
}

static void none_but_dirty(uint32_t flags, uint64_t size)
{
	next_is(OP_DIRTY, flags, "bob", size, NULL);
	none_left();
}

static void write_at(const struct who *who, off_t off, const char *text)
{
	content_begin(file, who, fd, (uint64_t)off);
	assert_true(pwrite(fd, text, strlen(text), off) > 0);
	content_end(file, fd, (uint64_t)off, strlen(text));
}

static void opened_and_not_written(void **state)
{
	content_open(file, &ann, false);
	assert_false(is_busy());
	content_close(file, fd);
	none_left();
}

static void two_writers(void **state)
{
	struct record r;
	content_open(file, &ann, false);
	content_open(file, &bob, false);
	content_begin(file, &ann, fd, 0);
	assert_true(is_busy());
	assert_true(write(fd, "hello", 5) == 5);
	content_end(file, fd, 0, 5);
	write_at(&bob, 5, "world");
	write_at(&bob, 100, "!");
	content_close(file, fd);
	assert_true(is_busy());
	next_is(OP_DIRTY, RF_APPENDS, "ann", 0, NULL);
	none_left();
	content_close(file, fd);
	assert_false(is_busy());
	next_is(OP_SETTLE, 0, "bob", 101, &r);
	assert_int_equal(r.n_ranges, 2);
	assert_int_equal(r.ranges[0].off, 0);
	assert_int_equal(r.ranges[0].len, 10);
	assert_int_equal(r.ranges[1].off, 100);
	assert_int_equal(r.ranges[1].len, 1);
	record_done(&r);
	none_left();
}

/* Whether what was there stays is told before it is written, and once. */
static void appended(void **state)
{
	content_open(file, &ann, false);
	write_at(&ann, 0, "hello");
	write_at(&ann, 5, "world");
	content_close(file, fd);
	next_is(OP_DIRTY, RF_APPENDS, "ann", 0, NULL);
	next_is(OP_SETTLE, 0, "ann", 10, NULL);
	content_open(file, &bob, false);
	write_at(&bob, 10, "!");
	write_at(&bob, 10, "?");
	none_but_dirty(RF_APPENDS, 10);
	content_begin(file, &bob, fd, 9);
	none_but_dirty(0, 11);
	content_end(file, fd, 9, 0);
	write_at(&bob, 0, "j");
	write_at(&bob, 11, "!");
	none_left();
	content_close(file, fd);
	next_is(OP_SETTLE, 0, "bob", 12, NULL);
	none_left();
}

/* A write that the kernel does for a mapping belongs to whoever opened. */
static void write_back(void **state)
{
	content_open(file, &ann, false);
	write_at(&kernel, 0, "x");
	content_close(file, fd);
	next_is(OP_DIRTY, RF_APPENDS, "ann", 0, NULL);
	next_is(OP_SETTLE, 0, "ann", 1, NULL);
	none_left();
}

static void created(void **state)
{
	content_created_locked(file, &ann);
	write_at(&ann, 0, "x");
	content_close(file, fd);
	next_is(OP_SETTLE, 0, "ann", 1, NULL);
	none_left();
	assert_false(is_busy());
}

/* Cut by a reader's O_TRUNC: nobody has it open for writing. */
static void changed_without_a_writer(void **state)
{
	write_at(&ann, 0, "x");
	next_is(OP_DIRTY, RF_APPENDS, "ann", 0, NULL);
	next_is(OP_SETTLE, 0, "ann", 1, NULL);
	none_left();
}

static void unlinked_while_dirty(void **state)
{
	content_open(file, &ann, false);
	write_at(&ann, 0, "x");
	inode_name_del(file, inode_get(INODE_ROOT), "file");
	inode_gone(file, dup(fd));
	write_at(&ann, 1, "y");
	content_close(file, fd);
	next_is(OP_DIRTY, RF_APPENDS, "ann", 0, NULL);
	next_is(OP_SETTLE, RF_LAST, "ann", 2, NULL);
	/* nobody can see what is written from now on */
	content_open(file, &ann, false);
	write_at(&ann, 2, "z");
	assert_false(is_busy());
	content_close(file, fd);
	none_left();
}

static void settled_by_handles_stop(void **state)
{
	struct handle *h;
	handles_start(1000);
	assert_int_equal(handle_new(file, dup(fd), O_RDWR, &h), 0);
	content_open(file, &ann, false);
	h->writable = true;
	write_at(&ann, 0, "x");
	handles_free();
	handles_stop();
	next_is(OP_DIRTY, RF_APPENDS, "ann", 0, NULL);
	next_is(OP_SETTLE, 0, "ann", 1, NULL);
	none_left();
}

/* A worker that is killed when it has cut the file has not noted what it cut
 * off. Where the next one leaves a hole, replicas have the bytes of before. */
static void cut_by_a_killed_worker(void **state)
{
	struct record r;
	content_open(file, &ann, false);
	write_at(&ann, 0, "0123456789");
	content_begin(file, &ann, fd, 0);
	assert_int_equal(ftruncate(fd, 2), 0);
	contents_leave();
	contents_restore();
	assert_true(is_busy());
	assert_int_equal(contents_start(0, 0), 0);
	content_open(file, &bob, false);
	write_at(&bob, 8, "x");
	content_close(file, fd);
	next_is(OP_DIRTY, RF_APPENDS, "ann", 0, NULL);
	next_is(OP_DIRTY, 0, "bob", 2, NULL); /* it cannot know */
	next_is(OP_SETTLE, 0, "bob", 9, &r);
	assert_int_equal(r.n_ranges, 0);
	record_done(&r);
	/* what is written from now on is known again */
	content_open(file, &bob, false);
	write_at(&bob, 8, "y");
	content_close(file, fd);
	next_is(OP_DIRTY, 0, "bob", 9, NULL);
	next_is(OP_SETTLE, 0, "bob", 9, &r);
	assert_int_equal(r.n_ranges, 1);
	record_done(&r);
	none_left();
}

static void wait_until_settled(void)
{
	int64_t end = clock_mono_ns() + 20 * NS_PER_S;
	while (is_busy()) {
		assert_true(clock_mono_ns() < end);
		usleep(2000);
	}
}

static void settled_when_idle(void **state)
{
	content_open(file, &ann, false);
	write_at(&ann, 0, "x");
	wait_until_settled();
	next_is(OP_DIRTY, RF_APPENDS, "ann", 0, NULL);
	next_is(OP_SETTLE, RF_IDLE, "ann", 1, NULL);
	write_at(&ann, 1, "y");
	content_close(file, fd);
	next_is(OP_DIRTY, RF_APPENDS, "ann", 1, NULL);
}

/* Somebody who never pauses: the write that is under way settles it. */
static void settled_when_old(void **state)
{
	int64_t end = clock_mono_ns() + 20 * NS_PER_S;
	bool overflow;
	struct record r = {.op = 0};
	content_open(file, &ann, false);
	while (r.op != OP_SETTLE) {
		assert_true(clock_mono_ns() < end);
		write_at(&ann, 0, "x");
		while (shared_take(shared, &r, 1, &overflow) == 1) {
			shared_taken(shared);
			record_done(&r);
			if (r.op == OP_SETTLE)
				break;
		}
	}
	assert_int_equal(r.flags, RF_IDLE);
	content_close(file, fd);
}

/* Wanted by somebody who never takes it: writers go on all the same. */
static void held_and_not_taken(void **state)
{
	assert_true(shared_want(shared, &file_fh) >= 0);
	settled_when_old(state);
	content_open(file, &ann, false);
	write_at(&ann, 0, "y");
	assert_true(is_busy());
	content_close(file, fd);
	assert_false(is_busy());
}

int main(void)
{
	if (geteuid() != 0)
		return 77; /* files cannot be opened by handle */
	if (!mkdtemp(folder))
		return 1;
#define TEST(f, s) cmocka_unit_test_setup_teardown(f, s, teardown)
	const struct CMUnitTest tests[] = {
		TEST(opened_and_not_written, setup),
		TEST(two_writers, setup),
		TEST(appended, setup),
		TEST(write_back, setup),
		TEST(created, setup),
		TEST(changed_without_a_writer, setup),
		TEST(unlinked_while_dirty, setup),
		TEST(settled_by_handles_stop, setup),
		TEST(cut_by_a_killed_worker, setup),
		TEST(settled_when_idle, setup_idle),
		TEST(settled_when_old, setup_age),
		TEST(held_and_not_taken, setup_age),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return failed;
}
