/*
 * Each call in turn by which the journal's files change (database, identity,
 * activity log, reserve) fails: once, or from then on, with ENOSPC, EIO, or as
 * a short write. What is done is what a mount does from its begin to its end.
 * Whatever fails: nothing that was acknowledged is lost unnoticed, and the next
 * mount, on a disk that works again, succeeds.
 *
 * The calls are ours here, and so are the naps of those who try again. Nothing
 * is synced: no power is cut. SOAK: each call in each way.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "activity.h"
#include "journal-fixture.h"
#include "owed.h"
#include "reserve.h"

/* ---- the calls ---- */

static const struct manner {
	const char *name;
	int error;
	bool is_short, lasts;
} manners[] = {
	{"EIO", EIO, false, false},
	{"no space from then on", ENOSPC, false, true},
	{"a short write", EIO, true, false},
	{"EIO from then on", EIO, false, true},
	{"no space", ENOSPC, false, false},
	{"read-only from then on", EROFS, false, true},
};
#define MANNERS (sizeof(manners) / sizeof(manners[0]))
#define CALLS	4000u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char state_dir[64];
static const struct manner *manner; /* NULL: nothing fails */
static unsigned nth, calls, hits, lived;
static char kinds[CALLS][48]; /* what they were when nothing failed */
enum { WELL, FAILS, SHORT };

/* turn - of a call for `path`; FAILS: errno is set. */
static int turn(const char *call, const char *path)
{
	int r = WELL;
	size_t n = strlen(state_dir);
	if (!n || strncmp(path, state_dir, n) != 0 || !path[n])
		return WELL;
	pthread_mutex_lock(&lock);
	calls++;
	if (!manner && calls < CALLS)
		snprintf(kinds[calls], sizeof(kinds[calls]), "%s %.30s", call,
			 path + n);
	if (manner && (manner->lasts ? calls >= nth : calls == nth)) {
		hits++;
		errno = manner->error;
		r = manner->is_short ? SHORT : FAILS;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static int turn_at(const char *call, int dir, const char *path)
{
	char link[64], whole[4096];
	if (!path || *path != '/') {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
		ssize_t n = readlink(link, whole, 2000);
		if (n < 0)
			return WELL;
		snprintf(whole + n, sizeof(whole) - (size_t)n, "%s%.100s",
			 path ? "/" : "", path ? path : "");
		path = whole;
	}
	return turn(call, path);
}

/* only what may change something */
static int open_turn(int dir, const char *path, int flags)
{
	return flags & (O_WRONLY | O_RDWR | O_CREAT)
		       ? turn_at("open", dir, path)
		       : WELL;
}

#define OPEN_BODY(dir)                                                         \
	va_list ap;                                                            \
	va_start(ap, flags);                                                   \
	mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;                \
	va_end(ap);                                                            \
	return open_turn(dir, path, flags)                                     \
		       ? -1                                                    \
		       : (int)syscall(SYS_openat, dir, path, flags, mode)

int open(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD);
}

int open64(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD);
}

int openat(int dir, const char *path, int flags, ...)
{
	OPEN_BODY(dir);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	int t = turn_at("pwrite", fd, NULL);
	if (t == FAILS)
		return -1;
	return syscall(SYS_pwrite64, fd, p, t == SHORT && n > 1 ? n / 2 : n,
		       at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return pwrite(fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
	int t = turn_at("write", fd, NULL);
	if (t == FAILS)
		return -1;
	return syscall(SYS_write, fd, p, t == SHORT && n > 1 ? n / 2 : n);
}

int fsync(int fd)
{
	return turn_at("fsync", fd, NULL) ? -1 : 0;
}

int fdatasync(int fd)
{
	return turn_at("fsync", fd, NULL) ? -1 : 0;
}

int ftruncate(int fd, off_t size)
{
	if (turn_at("ftruncate", fd, NULL))
		return -1;
	return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off64_t size)
{
	return ftruncate(fd, size);
}

int posix_fallocate(int fd, off_t at, off_t n)
{
	if (turn_at("fallocate", fd, NULL))
		return errno;
	return syscall(SYS_fallocate, fd, 0, at, n) < 0 ? errno : 0;
}

int rename(const char *from, const char *to)
{
	return turn("rename", to) ? -1
				  : (int)syscall(SYS_renameat2, AT_FDCWD, from,
						 AT_FDCWD, to, 0);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return turn_at("rename", to_dir, to)
		       ? -1
		       : (int)syscall(SYS_renameat2, from_dir, from, to_dir, to,
				      0);
}

int unlink(const char *path)
{
	return turn("unlink", path)
		       ? -1
		       : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* Nobody sleeps for long. */
int nanosleep(const struct timespec *for_, struct timespec *left)
{
	const struct timespec moment = {.tv_nsec = 100000};
	return (int)syscall(SYS_nanosleep, &moment, NULL);
}

int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
			   const struct timespec *until)
{
	int64_t soon = clock_mono_ns() + 2 * NS_PER_MS;
	const struct timespec t = {.tv_sec = soon / NS_PER_S,
				   .tv_nsec = soon % NS_PER_S};
	bool sooner = t.tv_sec < until->tv_sec ||
		      (t.tv_sec == until->tv_sec && t.tv_nsec < until->tv_nsec);
	return pthread_cond_clockwait(c, m, CLOCK_MONOTONIC,
				      sooner ? &t : until);
}

/* ---- a life ---- */

#define CHANGES 9u

struct life {
	char lower[64];
	int lower_fd;
	bool notes; /* can be left on the tree */
	char uuid[37];
	struct journal *j;
	struct shared *s;
	int shared_fd;
	struct journal_writer *w;
	struct activity *a;
	uint64_t first;
	uint64_t seqs[CHANGES]; /* of what was acknowledged; 0: nothing */
	bool replicas[2];	/* acknowledged */
};

static int put_replica(struct journal *j, bool second)
{
	char name[] = "r1";
	struct replica_row had, row = {.name = name, .url = name};
	name[1] += second;
	if (journal_replica_get(j, name, &had) == 0) {
		replica_row_done(&had);
		return 0;
	}
	return journal_replica_put(j, &row);
}

/* prepare - what "mirrorfs mount" does before there is a mount. */
static int prepare(struct life *l)
{
	int64_t since;
	int r = journal_open(state_dir, JOURNAL_CREATE, &l->j);
	if (r < 0)
		return r;
	r = journal_meta_set(l->j, "root", "/srv");
	if (r == 0)
		r = put_replica(l->j, false);
	l->replicas[0] |= r == 0;
	if (r == 0 && owed_read(l->lower_fd, &since) > 0)
		r = journal_rescan_next(l->j, since);
	if (r == 0)
		r = journal_epoch_begin(l->j, &l->first);
	if (r < 0)
		journal_close(l->j);
	journal_reserve_keep(state_dir, 0);
	return r;
}

static int begin(struct life *l)
{
	int r = prepare(l);
	if (r < 0)
		return r;
	strcpy(l->uuid, journal_uuid(l->j));
	journal_close(l->j);
	assert_int_equal(shared_create(l->first, &l->shared_fd), 0);
	assert_int_equal(shared_map(l->shared_fd, &l->s), 0);
	assert_int_equal(journal_writer_start(state_dir, l->s, -1, 0, &l->w),
			 0);
	assert_int_equal(activity_start(state_dir, l->lower_fd, l->w, 0, &l->a),
			 0);
	return 0;
}

static void change(struct life *l, unsigned i)
{
	char path[16];
	const struct mark m = {.kind = MARK_DIR, .obj = fx_obj(i + 1)};
	struct record r = {.op = OP_UNLINK, .path = path};
	snprintf(path, sizeof(path), "file%u", i);
	activity_touch(l->a, 0, &m, 1);
	l->seqs[i] = shared_append(l->s, &r);
	activity_done(l->a, 0);
}

/* what the sync process and a command do meanwhile */
static void others(struct life *l)
{
	struct replica_row row;
	struct journal *j;
	if (journal_open(state_dir, JOURNAL_WRITE, &j) < 0)
		return;
	l->replicas[1] = put_replica(j, true) == 0;
	if (journal_replica_get(j, "r1", &row) == 0) {
		journal_batch_begin(j, row.id, l->seqs[1]);
		journal_batch_end(j, row.id, l->seqs[1], true);
		replica_row_done(&row);
	}
	journal_close(j);
}

static void work(struct life *l)
{
	for (unsigned i = 0; i < 5; i++)
		change(l, i);
	journal_writer_sync(l->w);
	others(l);
	activity_lift(l->a);
	for (unsigned i = 5; i < CHANGES; i++)
		change(l, i);
	journal_writer_sync(l->w);
}

/* end - well, or all processes are killed. */
static void end(struct life *l, bool well)
{
	struct record stop = {.op = OP_STOP};
	activity_stop(l->a);
	journal_writer_stop(l->w);
	if (well && journal_open(state_dir, JOURNAL_WRITE, &l->j) == 0) {
		if (journal_drain(l->j, l->s) >= 0) {
			shared_append(l->s, &stop);
			if (journal_drain(l->j, l->s) >= 0)
				owed_clear(l->lower_fd);
		}
		journal_close(l->j);
	}
	if (well)
		journal_reserve_keep(state_dir, 0);
	shared_unmap(l->s);
	close(l->shared_fd);
}

/* ---- what must be there then ---- */

struct found {
	bool gap;
	bool records[CHANGES], looks[CHANGES + 1];
};

static void take(const struct life *l, const struct record *r, struct found *f)
{
	f->gap |= r->op == OP_GAP;
	for (unsigned i = 0; i < CHANGES; i++) {
		struct fhandle obj = fx_obj(i + 1);
		f->records[i] |= r->seq == l->seqs[i];
		f->looks[i] |=
			r->op == OP_UNSURE && fhandle_equal(&r->obj, &obj);
	}
}

static void check_records(const struct life *l)
{
	static struct record out[200];
	struct found f = {0};
	int n = journal_read(l->j, 0, out, 200);
	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		take(l, &out[i], &f);
		record_done(&out[i]);
	}
	for (unsigned i = 0; i < CHANGES; i++) {
		bool known = f.gap || f.records[i] || f.looks[i];
		if (l->seqs[i] && !known)
			fail_msg("change %u is lost, nobody knows", i);
	}
}

static void check_replicas(const struct life *l)
{
	struct replica_row row;
	for (unsigned i = 0; i < 2; i++) {
		if (!l->replicas[i])
			continue;
		assert_int_equal(
			journal_replica_get(l->j, i ? "r2" : "r1", &row), 0);
		replica_row_done(&row);
	}
}

/* the next mount */
static void check_next(struct life *l)
{
	struct journal_identity id;
	uint64_t first = l->first;
	int r = prepare(l);
	if (r < 0)
		fail_msg("the next mount: %s", strerror(-r));
	assert_int_equal(journal_check(l->j), 0);
	if (first && *l->uuid)
		assert_true(l->first > first);
	if (*l->uuid)
		assert_string_equal(journal_uuid(l->j), l->uuid);
	assert_int_equal(journal_identity(state_dir, &id), 0);
	assert_string_equal(journal_uuid(l->j), id.uuid);
	assert_true(id.epoch == SEQ_EPOCH(l->first));
	free(id.root);
	check_records(l);
	check_replicas(l);
	journal_close(l->j);
}

static struct life life_new(void)
{
	struct life l = {.lower = "/tmp/test-faults-lower-XXXXXX"};
	strcpy(state_dir, "/tmp/test-faults-XXXXXX");
	assert_non_null(mkdtemp(l.lower));
	assert_non_null(mkdtemp(state_dir));
	l.lower_fd = open(l.lower, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	l.notes = owed_note(l.lower_fd, 1) == 0;
	owed_clear(l.lower_fd);
	return l;
}

static void life_end(struct life *l)
{
	char dir[64];
	close(l->lower_fd);
	rmdir(l->lower);
	strcpy(dir, state_dir);
	*state_dir = 0;
	nftw(dir, fx_unlink, 10, FTW_DEPTH | FTW_PHYS);
}

/* live - with the fault that `n` and `how` say; false: there were fewer. */
static bool live(unsigned n, const struct manner *how, bool well)
{
	struct life l = life_new();
	if (how && how->lasts && !l.notes) { /* see owed.h */
		life_end(&l);
		return true;
	}
	alarm(60);
	calls = hits = 0;
	nth = n;
	manner = how;
	if (begin(&l) == 0) {
		work(&l);
		end(&l, well);
	}
	bool hit = hits > 0;
	lived = calls;
	nth = CALLS * 1000; /* nothing more fails */
	manner = &manners[0];
	check_next(&l);
	life_end(&l);
	return hit;
}

/* worth_it - of many that are alike (the log is filled once) three will do. */
static bool worth_it(unsigned n)
{
	return n < 3 || strcmp(kinds[n], kinds[n - 1]) != 0 ||
	       strcmp(kinds[n], kinds[n - 2]) != 0 ||
	       strcmp(kinds[n], kinds[n + 1]) != 0;
}

static void test_each(void **state)
{
	unsigned total, tried = 0, met = 0;
	const bool all = getenv("SOAK");
	live(0, NULL, true);
	total = lived;
	assert_true(total > 100 && total + 1 < CALLS);
	live(0, NULL, false);
	for (unsigned n = 1; n <= total; n++) {
		for (unsigned k = 0; worth_it(n) && k < MANNERS; k++) {
			if (!all && k != n % MANNERS)
				continue;
			printf("call %u: %s: %s\n", n, kinds[n],
			       manners[k].name);
			tried++;
			met += live(n, &manners[k], n / MANNERS % 2);
		}
	}
	printf("%u calls, %u faults tried, %u met\n", total, tried, met);
	assert_true(met > tried / 2);
}

/* Not even the activity log can be told that it is not complete: the tree is,
 * until all is well. */
static void test_owed(void **state)
{
	struct life l = life_new();
	int64_t since;
	if (!l.notes) {
		life_end(&l);
		skip();
	}
	alarm(60);
	manner = NULL;
	assert_int_equal(begin(&l), 0);
	nth = 0;
	manner = &manners[3];
	change(&l, 0);
	assert_int_equal(owed_read(l.lower_fd, &since), 1);
	/* another worker finds a disk that works, and cannot know more */
	activity_stop(l.a);
	manner = NULL;
	assert_int_equal(activity_start(state_dir, l.lower_fd, l.w, 0, &l.a),
			 0);
	change(&l, 1);
	assert_int_equal(owed_read(l.lower_fd, &since), 1);
	while (activity_lift(l.a) < 0)
		;
	assert_int_equal(owed_read(l.lower_fd, &since), 0);
	end(&l, true);
	life_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_owed),
	};
	setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
