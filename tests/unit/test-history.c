/* What the command line asks: history, deliveries, wait. */
#include "confdefs.h"

#include <errno.h>

#include "journal-fixture.h"

#define ALL 2000

/* what journal_history gave: paths, and the deliveries as text */
struct got {
	unsigned n;
	char text[ALL][64];      /* operation and path */
	char deliveries[ALL][64];/* "r1:+ r2:- r3:parked" */
	uint64_t seq[ALL];
	unsigned stop_at;
};

static struct got got;

static int collect(void *arg, const struct record *r,
		   const struct delivery *d, unsigned n)
{
	assert_true(got.n < ALL);
	assert_true(got.n == 0 || r->seq > got.seq[got.n - 1]);
	got.seq[got.n] = r->seq;
	snprintf(got.text[got.n], sizeof(got.text[0]), "%s %s",
		 record_op_word(r->op), r->path ? r->path : "-");
	char *out = got.deliveries[got.n];
	*out = 0;
	for (unsigned i = 0; i < n; i++)
		sprintf(out + strlen(out), "%s%s:%s", i ? " " : "",
			d[i].replica, d[i].parked ? "parked" :
			d[i].time_ns ? "+" : "-");
	got.n++;
	return got.stop_at == got.n ? 7 : 0;
}

static void ask(struct fixture *f, struct history_filter filter)
{
	memset(&got, 0, sizeof(got));
	assert_int_equal(journal_history(f->j, &filter, collect, NULL), 0);
}

#define ASK(f, ...) ask(f, (struct history_filter){__VA_ARGS__})

static void is(unsigned n, ...)
{
	va_list ap;
	assert_int_equal(got.n, n);
	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		assert_string_equal(got.text[i], va_arg(ap, const char *));
	va_end(ap);
}

static void test_paths(void **state)
{
	struct fixture f;
	fx_open(&f);
	fx_put(&f, OP_MKDIR, 0, 1, "a", NULL);
	fx_put(&f, OP_UNLINK, 0, 2, "a/b", NULL);
	fx_put(&f, OP_UNLINK, 0, 3, "ab", NULL);
	fx_put(&f, OP_RENAME, 0, 1, "a", "c");
	fx_put(&f, OP_RENAME, 0, 4, "x%_", "a/x");
	fx_put(&f, OP_SYMLINK, 0, 5, "link", "a/b");
	fx_put(&f, OP_GAP, 0, 0, NULL, NULL);
	fx_put(&f, OP_UNLINK, 0, 2, "a\xff", NULL);
	fx_sync(&f);
	ASK(&f, .path = "a");
	is(4, "mkdir a", "unlink a/b", "rename a", "rename x%_");
	ASK(&f, .path = "a/b");
	is(2, "unlink a/b", "rename a");
	ASK(&f, .path = "c/d/e");
	is(1, "rename a");
	ASK(&f, .path = "x%_");
	is(1, "rename x%_");
	ASK(&f, .path = "a\xff");
	is(1, "unlink a\xff");
	ASK(&f, .path = "");
	assert_int_equal(got.n, 8);
	ASK(&f, .path = "link");
	is(1, "symlink link");
	ASK(&f, .op = OP_UNLINK, .path = "a");
	is(1, "unlink a/b");
	ASK(&f, .op = OP_GAP);
	is(1, "gap -");
	fx_close(&f);
}

static void test_users(void **state)
{
	struct fixture f;
	fx_open(&f);
	f.who = (struct who){.uid = 0, .title = "vsftpd: 192.0.2.7/bob: STOR"};
	fx_put(&f, OP_UNLINK, 0, 0, "1", NULL);
	f.who = (struct who){.uid = 65534, .title = "touch bobby"};
	fx_put(&f, OP_UNLINK, 0, 0, "2", NULL);
	f.who = (struct who){.uid = 1000, .title = "proftpd: bob.x - host"};
	fx_put(&f, OP_UNLINK, 0, 0, "3", NULL);
	fx_sync(&f);
	ASK(&f, .user = "bob");
	is(1, "unlink 1");
	ASK(&f, .user = "bob.x");
	is(1, "unlink 3");
	ASK(&f, .user = "nobody"); /* uid 65534, and nobody's title */
	is(1, "unlink 2");
	ASK(&f, .user = "root");
	is(1, "unlink 1");
	ASK(&f, .user = "1000");
	is(1, "unlink 3");
	ASK(&f, .user = "192.0.2.7");
	is(1, "unlink 1");
	ASK(&f, .user = "ob");
	is(0);
	ASK(&f, .user = "");
	is(0);
	fx_close(&f);
}

static void test_limits(void **state)
{
	struct fixture f;
	fx_open(&f);
	for (unsigned i = 0; i < 1500; i++) {
		struct record r = {.op = i % 2 ? OP_UNLINK : OP_RMDIR,
				   .path = (char *)(uintptr_t)"p",
				   .time_ns = 1000 + i};
		shared_append(f.s, &r);
	}
	fx_sync(&f);
	ASK(&f, .limit = 0);
	assert_int_equal(got.n, 1500);
	ASK(&f, .limit = 3);
	assert_int_equal(got.n, 3);
	assert_true(got.seq[2] == fx_at(&f, 1499));
	ASK(&f, .limit = 700, .op = OP_UNLINK);
	assert_int_equal(got.n, 700);
	assert_true(got.seq[0] == fx_at(&f, 1500 - 1399));
	ASK(&f, .limit = 5000);
	assert_int_equal(got.n, 1500);
	ASK(&f, .since_ns = 1010, .until_ns = 1019);
	assert_int_equal(got.n, 10);
	ASK(&f, .since_ns = 2490, .limit = 100);
	assert_int_equal(got.n, 10);
	ASK(&f, .until_ns = 1009, .limit = 3);
	assert_int_equal(got.n, 3);
	assert_true(got.seq[2] == fx_at(&f, 9));
	ASK(&f, .after_seq = fx_at(&f, 1497));
	assert_int_equal(got.n, 2);
	ASK(&f, .after_seq = fx_at(&f, 1497), .limit = 1);
	assert_true(got.n == 1 && got.seq[0] == fx_at(&f, 1499));
	ASK(&f, .after_seq = fx_at(&f, 1499), .limit = 1);
	assert_int_equal(got.n, 0);
	struct history_filter all = {0};
	memset(&got, 0, sizeof(got));
	got.stop_at = 5;
	assert_int_equal(journal_history(f.j, &all, collect, NULL), 7);
	assert_int_equal(got.n, 5);
	fx_close(&f);
}

static void test_deliveries(void **state)
{
	struct fixture f;
	fx_open(&f);
	int64_t r1 = fx_replica(&f, "r1"), r2 = fx_replica(&f, "r2");
	for (unsigned i = 0; i < 6; i++)
		fx_put(&f, OP_UNLINK, 0, 0, i % 2 ? "d/odd" : "even", NULL);
	fx_sync(&f);
	assert_int_equal(journal_batch_end(f.j, r1, fx_at(&f, 1), true), 0);
	struct parked p = {.path = (char *)(uintptr_t)"d",
			   .seq = fx_at(&f, 3)};
	assert_int_equal(journal_parked_put(f.j, r1, &p), 0);
	assert_int_equal(journal_batch_end(f.j, r1, fx_at(&f, 4), true), 0);
	assert_int_equal(journal_batch_end(f.j, r2, fx_at(&f, 0), true), 0);
	ASK(&f, .limit = 0);
	assert_int_equal(got.n, 6);
	assert_string_equal(got.deliveries[0], "r1:+ r2:+");
	assert_string_equal(got.deliveries[1], "r1:+ r2:-");
	assert_string_equal(got.deliveries[2], "r1:+ r2:-");
	assert_string_equal(got.deliveries[3], "r1:parked r2:-");
	assert_string_equal(got.deliveries[4], "r1:+ r2:-");
	assert_string_equal(got.deliveries[5], "r1:- r2:-");
	ASK(&f, .replica = "r2", .limit = 1);
	assert_string_equal(got.deliveries[0], "r2:-");

	assert_int_equal(journal_parked_del(f.j, r1, "d"), 0);
	assert_int_equal(journal_replica_remove(f.j, "r2"), 0);
	ASK(&f, .limit = 0);
	assert_string_equal(got.deliveries[0], "r1:+ r2:+");
	assert_string_equal(got.deliveries[1], "r1:+");
	assert_string_equal(got.deliveries[3], "r1:+");
	assert_string_equal(got.deliveries[5], "r1:-");

	/* another replica under the old name takes its place */
	fx_replica(&f, "r2");
	ASK(&f, .limit = 0);
	assert_string_equal(got.deliveries[0], "r1:+ r2:-");
	fx_close(&f);
}

/* When a path that was parked arrives, that is the time of its records. */
static int late_time(void *arg, const struct record *r,
		     const struct delivery *d, unsigned n)
{
	int64_t *times = arg;
	assert_int_equal(n, 1);
	times[strcmp(r->path, "a") == 0 ? 0 : 1] = d[0].time_ns;
	return 0;
}

/* What is told of a path later, while it is parked, is held back with it; what
 * is told of a folder above it is not. */
static void test_held_later(void **state)
{
	struct fixture f;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	fx_put(&f, OP_SETATTR, 0, 0, "d/b", NULL);
	fx_put(&f, OP_SETATTR, 0, 0, "d", NULL);
	fx_put(&f, OP_SETATTR, 0, 0, "d/b", NULL);
	fx_put(&f, OP_SETATTR, 0, 0, "d/b", NULL);
	fx_sync(&f);
	struct parked p = {.path = (char *)(uintptr_t)"d/b",
			   .seq = fx_at(&f, 1)};
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 0), true), 0);
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 2), true), 0);
	ASK(&f, .limit = 0);
	assert_string_equal(got.deliveries[0], "r:+");
	assert_string_equal(got.deliveries[1], "r:+");
	assert_string_equal(got.deliveries[2], "r:parked");
	int64_t before = clock_wall_ns(), times[2] = {0};
	struct history_filter only = {.path = "d/b", .after_seq = fx_at(&f, 1)};
	assert_int_equal(journal_parked_del(f.j, id, "d/b"), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 3), true), 0);
	only.limit = 1;
	assert_int_equal(journal_history(f.j, &only, late_time, times), 0);
	assert_true(times[1] >= before);
	fx_close(&f);
}

static void test_late(void **state)
{
	struct fixture f;
	struct history_filter all = {0};
	int64_t times[2];
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	fx_put(&f, OP_UNLINK, 0, 0, "a", NULL);
	fx_put(&f, OP_UNLINK, 0, 0, "d/b", NULL);
	fx_sync(&f);
	struct parked p = {.path = (char *)(uintptr_t)"d/b",
			   .seq = fx_at(&f, 1)};
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 1), true), 0);
	/* the folder is renamed, twice */
	assert_int_equal(journal_parked_move(f.j, id, "d/b", "e/b"), 0);
	assert_int_equal(journal_parked_move(f.j, id, "e/b", "f/b"), 0);
	assert_int_equal(journal_history(f.j, &all, late_time, times), 0);
	assert_true(times[0] > 0 && times[1] == 0);
	assert_int_equal(journal_wait_done(f.j, "r", fx_at(&f, 1), "f"), 0);
	int64_t between = clock_wall_ns();
	assert_int_equal(journal_parked_del(f.j, id, "f/b"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", fx_at(&f, 1), "f"), 1);
	assert_int_equal(journal_history(f.j, &all, late_time, times), 0);
	assert_true(times[0] > 0 && times[0] <= between);
	assert_true(times[1] >= between);
	fx_close(&f);
}

/* ---- wait ---- */

static int target(struct fixture *f, uint64_t seq, const char *path,
		  uint64_t *ret)
{
	char *busy = NULL;
	int r = journal_wait_target(f->j, seq, path, ret, &busy);
	assert_true((r == -EAGAIN) == (busy != NULL));
	free(busy);
	return r;
}

static void test_wait_busy(void **state)
{
	struct fixture f;
	uint64_t t = 0;
	char *busy = NULL;
	fx_open(&f);
	fx_replica(&f, "r");
	assert_int_equal(target(&f, shared_last_seq(f.s), NULL, &t), 0);
	fx_put(&f, OP_CREATE, RF_OPEN, 1, "d/a", NULL);
	uint64_t asked = fx_put(&f, OP_UNLINK, 0, 0, "b", NULL);
	assert_int_equal(target(&f, asked + 1, NULL, &t), -ENODATA);
	fx_sync(&f);
	assert_int_equal(journal_wait_target(f.j, asked, NULL, &t, &busy),
			 -EAGAIN);
	assert_string_equal(busy, "d/a");
	free(busy);
	assert_int_equal(target(&f, asked, "d", &t), -EAGAIN);
	assert_int_equal(target(&f, asked, "d/a", &t), -EAGAIN);
	assert_int_equal(target(&f, asked, "b", &t), 0);
	assert_true(t == asked);

	/* it moves, and settles after the question; others come later */
	fx_put(&f, OP_RENAME, 0, 2, "d", "e");
	fx_put(&f, OP_DIRTY, 0, 3, "late", NULL);
	uint64_t settle = fx_put(&f, OP_SETTLE, 0, 1, "e/a", NULL);
	fx_put(&f, OP_SETTLE, 0, 3, "late", NULL);
	fx_put(&f, OP_UNLINK, 0, 0, "c", NULL);
	fx_sync(&f);
	assert_int_equal(target(&f, asked, NULL, &t), 0);
	assert_true(t == settle);
	assert_int_equal(target(&f, asked, "b", &t), 0);
	assert_true(t == asked);
	assert_int_equal(target(&f, asked, "e/a", &t), 0);
	assert_true(t == settle);
	assert_int_equal(target(&f, asked, "e", &t), 0);
	assert_true(t == settle);
	fx_close(&f);
}

/* What settles it was lost: it may have been written long before that. */
static void test_wait_gap(void **state)
{
	struct fixture f;
	uint64_t t = 0;
	fx_open(&f);
	fx_replica(&f, "r");
	uint64_t asked = fx_put(&f, OP_DIRTY, 0, 1, "a", NULL);
	fx_sync(&f);
	int64_t then = clock_wall_ns();
	struct record lost = {.op = OP_GAP,
			      .flags = RF_CONTENT,
			      .size = (uint64_t)then + 60 * NS_PER_S};
	uint64_t gap = shared_append(f.s, &lost);
	fx_sync(&f);
	shared_set_told(f.s, shared_doubts(f.s));
	for (unsigned i = 0; i < 60000 && target(&f, asked, "a", &t) < 0; i++)
		usleep(1000); /* until the writer has met that */
	assert_int_equal(target(&f, asked, "a", &t), 0);
	assert_true(t == gap);
	struct record is;
	assert_int_equal(journal_read(f.j, asked, &is, 1), 1);
	assert_true(is.seq == gap && is.size <= (uint64_t)then);
	record_done(&is);
	fx_close(&f);
}

/* Nobody waits for a file that has no name any more. */
static void test_wait_gone(void **state)
{
	struct fixture f;
	uint64_t t = 0, since;
	struct fhandle h = fx_obj(1);
	fx_open(&f);
	fx_put(&f, OP_CREATE, RF_OPEN, 1, "tmp", NULL);
	fx_sync(&f);
	assert_int_equal(target(&f, f.first, NULL, &t), -EAGAIN);
	uint64_t asked = fx_put(&f, OP_UNLINK, RF_LAST, 1, "tmp", NULL);
	fx_put(&f, OP_SETTLE, RF_IDLE | RF_LAST, 1, "tmp", NULL);
	fx_put(&f, OP_DIRTY, RF_LAST, 1, "tmp", NULL);
	fx_sync(&f);
	assert_int_equal(target(&f, asked + 2, NULL, &t), 0);
	assert_int_equal(journal_is_dirty(f.j, &h, &since), 1);
	fx_close(&f);
}

static void test_wait_path(void **state)
{
	struct fixture f;
	uint64_t t = 0;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	fx_put(&f, OP_MKDIR, 0, 1, "a", NULL);
	fx_put(&f, OP_UNLINK, 0, 2, "b", NULL);
	fx_put(&f, OP_RENAME, 0, 1, "a", "c");
	fx_put(&f, OP_UNLINK, 0, 3, "d", NULL);
	fx_sync(&f);
	uint64_t asked = fx_at(&f, 3);
	assert_int_equal(target(&f, asked, "a/x", &t), 0);
	assert_true(t == fx_at(&f, 2));
	assert_int_equal(target(&f, asked, "b", &t), 0);
	assert_true(t == fx_at(&f, 1));
	assert_int_equal(target(&f, asked, "", &t), 0);
	assert_true(t == asked);
	assert_int_equal(target(&f, asked, "elsewhere", &t), 0);
	assert_true(t == 0);
	/* nothing is left to look at */
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 2), true), 0);
	assert_int_equal(target(&f, asked, "b", &t), 0);
	assert_true(t == fx_at(&f, 2));
	fx_put(&f, OP_GAP, 0, 0, NULL, NULL);
	fx_sync(&f);
	assert_int_equal(target(&f, fx_at(&f, 4), "b", &t), 0);
	assert_true(t == fx_at(&f, 4));
	fx_close(&f);
}

/* A file with two names is changed by one of them; the other one is asked for. */
static void test_wait_linked(void **state)
{
	struct fixture f;
	struct fhandle h = fx_obj(1);
	uint64_t t = 0;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	fx_put(&f, OP_LINK, 0, 1, "a", "d/b");
	fx_put(&f, OP_SETATTR, 0, 1, "a", NULL);
	fx_put(&f, OP_SETATTR, 0, 2, "c", NULL);
	fx_sync(&f);
	uint64_t asked = fx_at(&f, 2);
	assert_int_equal(target(&f, asked, "d/b", &t), 0);
	assert_true(t == fx_at(&f, 1));
	/* the link has arrived */
	assert_int_equal(journal_link_add(f.j, id, &h, "a"), 0);
	assert_int_equal(journal_link_add(f.j, id, &h, "d/b"), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 0), true), 0);
	assert_int_equal(target(&f, asked, "d", &t), 0);
	assert_true(t == fx_at(&f, 1));
	assert_int_equal(target(&f, asked, "d/bb", &t), 0);
	assert_true(t == fx_at(&f, 0));
	/* and while it is being written */
	asked = fx_put(&f, OP_DIRTY, 0, 1, "a", NULL);
	fx_sync(&f);
	assert_int_equal(target(&f, asked, "d/b", &t), -EAGAIN);
	assert_int_equal(target(&f, asked, "c", &t), 0);
	uint64_t settle = fx_put(&f, OP_SETTLE, 0, 1, "a", NULL);
	fx_sync(&f);
	assert_int_equal(target(&f, asked, "d/b", &t), 0);
	assert_true(t == settle);
	fx_close(&f);
}

static void test_wait_done(void **state)
{
	struct fixture f;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	for (unsigned i = 0; i < 4; i++)
		fx_put(&f, OP_UNLINK, 0, 0, "d/x", NULL);
	fx_sync(&f);
	uint64_t t = fx_at(&f, 1);
	assert_int_equal(journal_wait_done(f.j, "none", t, NULL), -ENOENT);
	assert_int_equal(journal_wait_done(f.j, "r", 0, NULL), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 0), true), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 0, NULL), 1);
	assert_int_equal(journal_wait_done(f.j, "r", t, NULL), 0);
	struct parked p = {.path = (char *)(uintptr_t)"d",
			   .seq = fx_at(&f, 2)};
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 3), true), 0);
	assert_int_equal(journal_wait_done(f.j, "r", t, NULL), 0);
	assert_int_equal(journal_wait_done(f.j, "r", t, "d/x"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", t, "e"), 1);
	/* what came before it was parked has arrived */
	assert_int_equal(journal_wait_done(f.j, "r", fx_at(&f, 0), "d"), 1);
	assert_int_equal(journal_parked_del(f.j, id, "d"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", t, "d/x"), 1);
	/* a comparison behind the last record finds something that fails */
	p.seq = fx_at(&f, 3);
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_int_equal(journal_wait_done(f.j, "r", fx_at(&f, 3), "e"), 1);
	assert_int_equal(journal_wait_done(f.j, "r", fx_at(&f, 3), "d"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", fx_at(&f, 3), NULL), 0);
	fx_close(&f);
}

/* What a first copy could not bring, or a comparison of all, is not there whenever
 * it was told; also when it was tried again since. */
static void test_wait_compared(void **state)
{
	struct fixture f;
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	for (unsigned i = 0; i < 3; i++)
		fx_put(&f, OP_UNLINK, 0, 0, "d/x", NULL);
	fx_sync(&f);
	struct parked p = {.path = (char *)(uintptr_t)"d",
			   .seq = fx_at(&f, 0)};
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 0), true), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 0, NULL), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 0, "d/x"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 0, "e"), 1);
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_int_equal(journal_wait_done(f.j, "r", 0, NULL), 0);
	assert_int_equal(journal_parked_del(f.j, id, "d"), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 1), true), 0);
	assert_int_equal(journal_replica_drop(f.j, id), 0);
	p.seq = fx_at(&f, 2);
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 2), true), 0);
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_int_equal(journal_wait_done(f.j, "r", fx_at(&f, 1), NULL), 0);
	fx_close(&f);
}

/* What is parked and renamed is not there by the new name. */
static void test_wait_renamed(void **state)
{
	struct fixture f;
	int64_t times[2];
	struct history_filter all = {0};
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	fx_put(&f, OP_SETATTR, 0, 0, "a", NULL);
	fx_put(&f, OP_SETATTR, 0, 0, "p", NULL);
	fx_put(&f, OP_RENAME, 0, 0, "p", "q");
	fx_sync(&f);
	struct parked p = {.path = (char *)(uintptr_t)"p",
			   .seq = fx_at(&f, 1)};
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 0), true), 0);
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 1), true), 0);
	p = (struct parked){.path = (char *)(uintptr_t)"q",
			    .seq = fx_at(&f, 2)};
	assert_int_equal(journal_parked_put(f.j, id, &p), 0);
	struct parked_rename rename = {.seq = fx_at(&f, 2), .path = "p",
				       .over = "x", .over2 = "q"};
	assert_int_equal(journal_parked_carry(f.j, id, &rename), 0);
	rename.over = "p";
	assert_int_equal(journal_parked_carry(f.j, id, &rename), 0);
	assert_int_equal(journal_batch_end(f.j, id, fx_at(&f, 2), true), 0);
	assert_int_equal(journal_parked_del(f.j, id, "p"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", fx_at(&f, 1), NULL), 0);
	assert_int_equal(journal_wait_done(f.j, "r", fx_at(&f, 0), NULL), 1);
	assert_int_equal(journal_history(f.j, &all, late_time, times), 0);
	assert_true(times[0] > 0 && times[1] == 0);
	int64_t between = clock_wall_ns();
	assert_int_equal(journal_parked_del(f.j, id, "q"), 0);
	assert_int_equal(journal_wait_done(f.j, "r", fx_at(&f, 1), NULL), 1);
	assert_int_equal(journal_history(f.j, &all, late_time, times), 0);
	assert_true(times[1] >= between);
	fx_close(&f);
}

/* is_dirty, is_awaited - the object and its path */
static bool is_dirty(struct fixture *f, unsigned obj)
{
	struct fhandle h = fx_obj(obj);
	uint64_t seq;
	return journal_is_dirty(f->j, &h, &seq) == 1;
}

static bool is_awaited(struct fixture *f, const char *path)
{
	uint64_t target, last;
	assert_int_equal(journal_last_seq(f->j, &last), 0);
	return journal_wait_target(f->j, last, path, &target, NULL) == -EAGAIN;
}

/* After a GAP nobody knows what is being written, until it is told again. */
static void test_doubt(void **state)
{
	struct fixture f;
	fx_open(&f);
	fx_put(&f, OP_DIRTY, 0, 1, "a", NULL);
	fx_put(&f, OP_DIRTY, 0, 2, "b", NULL);
	assert_int_not_equal(shared_told(f.s), 0);
	fx_put(&f, OP_GAP, 0, 0, NULL, NULL);
	fx_sync(&f);
	assert_int_equal(shared_told(f.s), 0);
	assert_false(is_dirty(&f, 1) || is_dirty(&f, 2));
	assert_true(is_awaited(&f, "a") && is_awaited(&f, "b"));
	fx_put(&f, OP_DIRTY, 0, 2, "b", NULL);
	shared_set_told(f.s, shared_doubts(f.s));
	for (unsigned i = 0; i < 60000 && is_awaited(&f, "a"); i++)
		usleep(1000); /* until the writer has met that */
	assert_false(is_awaited(&f, "a"));
	assert_true(is_dirty(&f, 2) && is_awaited(&f, "b"));
	fx_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_deliveries),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_wait_busy),
		cmocka_unit_test(test_wait_gap),
		cmocka_unit_test(test_wait_gone),
		cmocka_unit_test(test_wait_path),
		cmocka_unit_test(test_wait_linked),
		cmocka_unit_test(test_held_later),
		cmocka_unit_test(test_wait_done),
		cmocka_unit_test(test_wait_compared),
		cmocka_unit_test(test_wait_renamed),
		cmocka_unit_test(test_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
