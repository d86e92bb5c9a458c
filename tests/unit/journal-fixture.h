/* A journal in a folder of its own, for the tests of lib/journal. */
#ifndef TEST_JOURNAL_FIXTURE_H
#define TEST_JOURNAL_FIXTURE_H

#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "clock.h"
#include "journal.h"
#include "memo.h"
#include "written.h"

struct fixture {
	char dir[64];
	struct journal *j;
	struct shared *s;
	int shared_fd, wake_fd;
	struct journal_writer *w;
	struct who who; /* of records that are put */
	uint64_t first; /* seq of the first record of the epoch */
};

static inline struct journal *fx_journal(struct fixture *f)
{
	struct journal *j;
	assert_int_equal(journal_open(f->dir, JOURNAL_WRITE, &j), 0);
	return j;
}

/* fx_mount - what a supervisor and its worker do at the start. */
static inline void fx_mount(struct fixture *f)
{
	assert_int_equal(journal_open(f->dir, JOURNAL_CREATE, &f->j), 0);
	assert_int_equal(journal_epoch_begin(f->j, &f->first), 0);
	assert_int_equal(shared_create(f->first, &f->shared_fd), 0);
	assert_int_equal(shared_map(f->shared_fd, &f->s), 0);
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(f->wake_fd >= 0);
}

static inline void fx_start(struct fixture *f, int64_t history_ns)
{
	assert_int_equal(journal_writer_start(f->dir, f->s, f->wake_fd,
					      history_ns, &f->w), 0);
}

static inline void fx_stop(struct fixture *f)
{
	journal_writer_stop(f->w);
	f->w = NULL;
}

/* fx_die - all processes end without a word. */
static inline void fx_die(struct fixture *f)
{
	fx_stop(f);
	shared_unmap(f->s);
	close(f->shared_fd);
	close(f->wake_fd);
	journal_close(f->j);
	f->j = NULL;
	f->s = NULL;
}

static inline void fx_umount(struct fixture *f)
{
	fx_stop(f);
	struct record stop = {.op = OP_STOP};
	shared_append(f->s, &stop);
	assert_true(journal_drain(f->j, f->s) >= 1);
	fx_die(f);
}

static inline void fx_open(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	strcpy(f->dir, "/tmp/test-journal-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	fx_mount(f);
	fx_start(f, 0);
}

static inline int fx_unlink(const char *path, const struct stat *st, int type,
			    struct FTW *ftw)
{
	return remove(path);
}

static inline void fx_close(struct fixture *f)
{
	fx_die(f);
	nftw(f->dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

static inline struct fhandle fx_obj(unsigned number)
{
	struct fhandle h = {.len = 8, .type = 1};
	memcpy(h.bytes, &number, sizeof(number));
	return h;
}

/* fx_put - a record; obj 0: none. */
static inline uint64_t fx_put(struct fixture *f, enum record_op op,
			      uint32_t flags, unsigned obj, const char *path,
			      const char *path2)
{
	struct record r = {.op = op, .flags = flags, .who = f->who,
			   .path = (char *)(uintptr_t)path,
			   .path2 = (char *)(uintptr_t)path2,
			   .mode = 0100644};
	struct range g = {0, 1000};
	if (obj)
		r.obj = fx_obj(obj);
	if (op == OP_SETTLE || op == OP_TRUNC) {
		r.ranges = &g;
		r.n_ranges = 1;
		r.size = 5000;
	}
	return shared_append(f->s, &r);
}

/* fx_sync - until all that was put is in the database. */
static inline void fx_sync(struct fixture *f)
{
	uint64_t want = shared_last_seq(f->s), have;
	int64_t deadline = clock_mono_ns() + 60 * NS_PER_S;
	for (;;) {
		assert_int_equal(journal_last_seq(f->j, &have), 0);
		if (have >= want)
			return;
		assert_true(clock_mono_ns() < deadline);
		struct pollfd p = {.fd = f->wake_fd, .events = POLLIN};
		uint64_t n;
		poll(&p, 1, 100);
		if (read(f->wake_fd, &n, sizeof(n)) < 0)
			continue;
	}
}

static inline int64_t fx_replica(struct fixture *f, const char *name)
{
	struct replica_row row = {.name = (char *)(uintptr_t)name,
				  .url = (char *)(uintptr_t)"/srv/r"};
	assert_int_equal(journal_replica_put(f->j, &row), 0);
	return row.id;
}

/* fx_at - seq of the nth record of the epoch, counted from 0. */
static inline uint64_t fx_at(struct fixture *f, unsigned n)
{
	return f->first + n;
}

#endif
