/* The memory that outlives the worker: ring, intents, busy table. */
#include "confdefs.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "clock.h"
#include "shared.h"
#include "lib/journal/memory.h"

#define FIRST SEQ_FIRST(7)
#define BATCH 500u

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % below;
}

static struct shared *new_shared(int *ret_fd)
{
	struct shared *s;
	int fd;
	assert_int_equal(shared_create(FIRST, &fd), 0);
	assert_int_equal(shared_map(fd, &s), 0);
	if (ret_fd)
		*ret_fd = fd;
	else
		close(fd);
	return s;
}

static uint64_t put(struct shared *s, const char *path)
{
	char text[8192];
	snprintf(text, sizeof(text), "%s", path);
	struct record r = {.op = OP_UNLINK, .path = text};
	return shared_append(s, &r);
}

static void done_all(struct record *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		record_done(&list[i]);
}

static void test_put_take(void **state)
{
	struct shared *s = new_shared(NULL);
	struct record out[BATCH];
	bool overflow;
	assert_true(shared_last_seq(s) == FIRST - 1);
	assert_int_equal(shared_take(s, out, BATCH, &overflow), 0);
	assert_true(put(s, "a") == FIRST);
	assert_true(put(s, "b") == FIRST + 1);
	assert_true(shared_last_seq(s) == FIRST + 1);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(shared_take(s, out, BATCH, &overflow), 2);
		assert_string_equal(out[0].path, "a");
		assert_true(out[1].seq == FIRST + 1);
		assert_true(out[1].time_ns >= out[0].time_ns);
		assert_false(overflow);
		done_all(out, 2);
	}
	shared_taken(s);
	assert_int_equal(shared_take(s, out, BATCH, &overflow), 0);
	put(s, "c");
	put(s, "d");
	assert_int_equal(shared_take(s, out, 1, &overflow), 1);
	assert_string_equal(out[0].path, "c");
	done_all(out, 1);
	shared_taken(s);
	assert_int_equal(shared_take(s, out, BATCH, &overflow), 1);
	assert_string_equal(out[0].path, "d");
	done_all(out, 1);
	shared_unmap(s);
}

static void test_second_mapping(void **state)
{
	int fd;
	struct shared *s = new_shared(&fd), *t;
	struct record out[BATCH];
	bool overflow;
	assert_int_equal(shared_map(fd, &t), 0);
	put(s, "one");
	assert_true(shared_last_seq(t) == FIRST);
	assert_int_equal(shared_take(t, out, BATCH, &overflow), 1);
	done_all(out, 1);
	shared_taken(t);
	assert_int_equal(shared_take(s, out, BATCH, &overflow), 0);
	shared_unmap(t);
	shared_unmap(s);
	close(fd);
	assert_true(shared_map(STDIN_FILENO, &t) < 0);
}

static void test_intents(void **state)
{
	struct shared *s = new_shared(NULL);
	struct record left[SHARED_THREADS], out[BATCH];
	struct record r = {.op = OP_RENAME, .path = "from", .path2 = "to"};
	bool overflow;
	shared_tag(s, 0, 7);
	shared_begin(s, 0, &r);
	shared_end(s, 0, &r);
	assert_int_equal(shared_past(s, 0, 7, out), PAST_RECORDED);
	done_all(out, 1);
	shared_untag(s);
	assert_int_equal(shared_past(s, 0, 7, out), PAST_NONE);
	shared_begin(s, 1, &r);
	shared_cancel(s, 1);
	assert_int_equal(shared_leftovers(s, left), 0);

	struct record sym = {.op = OP_SYMLINK, .path = "l", .path2 = "../t"};
	r.obj = (struct fhandle){.len = 2, .type = 9, .bytes = {4, 5}};
	shared_begin(s, 3, &sym);
	shared_begin(s, SHARED_THREADS - 1, &r);
	assert_int_equal(shared_leftovers(s, left), 2);
	assert_int_equal(left[0].op, OP_UNSURE);
	assert_string_equal(left[0].path, "l");
	assert_null(left[0].path2); /* a text, not a path */
	assert_string_equal(left[1].path, "from");
	assert_string_equal(left[1].path2, "to");
	assert_true(fhandle_equal(&left[1].obj, &r.obj));
	done_all(left, 2);
	assert_int_equal(shared_leftovers(s, left), 0);
	assert_int_equal(shared_take(s, out, BATCH, &overflow), 1);
	done_all(out, 1);
	shared_unmap(s);
}

/* What is under way for long has yet to get its number. */
static void test_fence(void **state)
{
	struct shared *s = new_shared(NULL);
	struct record r = {.op = OP_RENAME, .path = "from", .path2 = "to"};
	put(s, "a");
	assert_true(shared_fence_seq(s) == FIRST);
	shared_begin(s, 0, &r);
	uint64_t seq = shared_fence_seq(s);
	put(s, "b");
	assert_true(shared_settled_seq(s) == FIRST + 1);
	assert_true(shared_end(s, 0, &r) <= seq);
	assert_true(shared_fence_seq(s) == FIRST + 2);
	shared_unmap(s);
}

/* A path that does not fit into an intent: a folder above it does. */
static void test_long_intent(void **state)
{
	struct shared *s = new_shared(NULL);
	struct record left[SHARED_THREADS];
	size_t n = 40000;
	char *path = malloc(n + 1);
	assert_non_null(path);
	for (size_t i = 0; i < n; i++)
		path[i] = i % 200 == 199 ? '/' : 'x';
	path[n] = 0;
	struct record r = {.op = OP_RENAME, .path = path, .path2 = "b"};
	shared_begin(s, 5, &r);
	assert_int_equal(shared_leftovers(s, left), 1);
	size_t len = strlen(left[0].path);
	assert_true(len > 1000 && len < 10000);
	assert_memory_equal(left[0].path, path, len);
	assert_int_equal(path[len], '/');
	assert_string_equal(left[0].path2, "b");
	done_all(left, 1);
	free(path);
	shared_unmap(s);
}

/* Some rings full, with records of all sizes: wrapping, order, content. */
static void test_wrap(void **state)
{
	struct shared *s = new_shared(NULL);
	struct record out[BATCH];
	char path[5000];
	uint64_t next = FIRST, put_next = FIRST, bytes = 0;
	while (bytes < 5ull * RING_BYTES) {
		for (uint32_t k = rnd(BATCH); k > 0; k--) {
			int len = (int)rnd(4900);
			snprintf(path, sizeof(path), "%llu-%0*d",
				 (unsigned long long)put_next, len, 0);
			assert_true(put(s, path) == put_next++);
			bytes += strlen(path);
		}
		bool overflow;
		unsigned n;
		while ((n = shared_take(s, out, 1 + rnd(BATCH),
					&overflow)) > 0) {
			for (unsigned i = 0; i < n; i++) {
				assert_true(out[i].seq == next);
				assert_true(strtoull(out[i].path, NULL, 10) ==
					    next);
				next++;
			}
			done_all(out, n);
			shared_taken(s);
		}
	}
	assert_true(next == put_next);
	shared_unmap(s);
}

/* ---- processes that die ---- */

#define PRODUCERS 4

struct page {
	_Atomic uint64_t acked[PRODUCERS]; /* puts that have returned */
	atomic_bool stop;
};

static void produce(int fd, struct page *page, unsigned me)
{
	struct shared *s;
	char path[6000], pad[5000];
	if (shared_map(fd, &s) < 0)
		_exit(1);
	memset(pad, 'x', sizeof(pad));
	for (uint64_t i = 1; !page->stop; i++) {
		snprintf(path, sizeof(path), "%u/%llu/%.*s", me,
			 (unsigned long long)i, (int)(i * 37 % sizeof(pad)),
			 pad);
		struct record r = {.op = OP_UNLINK, .path = path};
		shared_begin(s, me, &r);
		shared_end(s, me, &r);
		page->acked[me] = i;
	}
	_exit(0);
}

struct seen {
	uint64_t seq;              /* newest taken */
	uint64_t last[PRODUCERS];  /* newest of each */
};

static unsigned take_some(struct shared *s, struct seen *seen)
{
	struct record out[BATCH];
	bool overflow;
	unsigned n = shared_take(s, out, BATCH, &overflow);
	assert_false(overflow);
	for (unsigned i = 0; i < n; i++) {
		unsigned who;
		unsigned long long count;
		assert_true(out[i].seq == ++seen->seq);
		assert_int_equal(sscanf(out[i].path, "%u/%llu/", &who, &count),
				 2);
		assert_true(count == ++seen->last[who]);
	}
	done_all(out, n);
	shared_taken(s);
	return n;
}

static void kill_round(struct page *page)
{
	int fd;
	struct shared *s = new_shared(&fd);
	struct seen seen = {.seq = FIRST - 1};
	pid_t pid[PRODUCERS];
	memset(page, 0, sizeof(*page));
	for (unsigned i = 0; i < PRODUCERS; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			produce(fd, page, i);
	}
	uint64_t when = 1 + rnd(3000);
	while (page->acked[0] < when) {
		take_some(s, &seen);
		shared_wait(s, 100);
	}
	kill(pid[0], SIGKILL);
	waitpid(pid[0], NULL, 0);
	/* the others go on */
	uint64_t until = page->acked[1] + 200;
	while (page->acked[1] < until) {
		take_some(s, &seen);
		shared_wait(s, 100);
	}
	page->stop = true;
	for (unsigned i = 1; i < PRODUCERS; i++) {
		int status;
		/* they may wait for room */
		while (waitpid(pid[i], &status, WNOHANG) == 0)
			take_some(s, &seen);
		assert_int_equal(status, 0);
	}
	while (take_some(s, &seen) > 0)
		;
	assert_true(seen.seq == shared_last_seq(s));
	for (unsigned i = 0; i < PRODUCERS; i++)
		assert_true(seen.last[i] >= page->acked[i]);
	/* what the dead one was doing is either recorded or unsure */
	struct record left[SHARED_THREADS];
	unsigned n = shared_leftovers(s, left);
	assert_true(n <= 1);
	done_all(left, n);
	shared_unmap(s);
	close(fd);
}

static void test_killed_producers(void **state)
{
	struct page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(page != MAP_FAILED);
	for (int round = 0; round < 30; round++)
		kill_round(page);
	munmap(page, sizeof(*page));
}

/* Dead with the lock held: before and after the store that publishes. */
static void die_inside(struct shared *s, bool published)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct ring *ring = &s->mem->ring;
		if (published)
			put(s, "published");
		pthread_mutex_lock(&ring->lock);
		if (published) {
			ring->last_seq--;
		} else {
			memset(s->mem->bytes + ring->tail % RING_BYTES, 0xff,
			       1000);
			ring->next_tail = ring->tail + 1000;
			ring->next_seq = ring->last_seq + 1;
		}
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static void test_killed_inside(void **state)
{
	struct shared *s = new_shared(NULL);
	struct record out[BATCH];
	bool overflow;
	put(s, "first");
	die_inside(s, false);
	assert_true(put(s, "second") == FIRST + 1);
	die_inside(s, true);
	assert_true(put(s, "last") == FIRST + 3);
	assert_int_equal(shared_take(s, out, BATCH, &overflow), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_true(out[i].seq == FIRST + i);
	assert_string_equal(out[2].path, "published");
	assert_string_equal(out[3].path, "last");
	done_all(out, 4);
	shared_unmap(s);
}

/* ---- full ---- */

static void test_overflow(void **state)
{
	struct shared *s = new_shared(NULL);
	struct record out[BATCH];
	char path[4001];
	uint64_t seq = FIRST - 1;
	bool overflow, any = false;
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	ring_set_patience(s, NS_PER_MS);
	for (unsigned i = 0; i < RING_BYTES / 4000 + 10; i++)
		seq = put(s, path);
	/* some were dropped; the GAP that stands for them counts already */
	uint64_t gap = seq;
	assert_true(put(s, path) == gap);
	assert_true(shared_last_seq(s) == gap);

	unsigned n = shared_take(s, out, 10, &overflow);
	assert_int_equal(n, 10);
	assert_true(overflow);
	done_all(out, n);
	shared_taken(s);
	assert_true(shared_last_seq(s) == gap);
	assert_true(put(s, "after") == gap + 1);
	uint64_t next = FIRST + 10;
	while ((n = shared_take(s, out, BATCH, &overflow)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			assert_true(out[i].seq == next++);
			if (out[i].op == OP_GAP) {
				any = true;
				assert_true(out[i].seq == gap);
			}
		}
		assert_false(overflow);
		done_all(out, n);
		shared_taken(s);
	}
	assert_true(any);
	assert_true(next == gap + 2);
	shared_unmap(s);
}

/* A record larger than any: an empty ring, and still a GAP. */
static void test_too_large(void **state)
{
	struct shared *s = new_shared(NULL);
	struct record out[BATCH];
	bool overflow;
	char *path = malloc(RING_RECORD_MAX + 1);
	assert_non_null(path);
	memset(path, 'x', RING_RECORD_MAX);
	path[RING_RECORD_MAX] = 0;
	struct record r = {.op = OP_UNLINK, .path = path};
	assert_true(shared_append(s, &r) == FIRST);
	shared_wait(s, 60000); /* returns at once */
	assert_int_equal(shared_take(s, out, BATCH, &overflow), 0);
	assert_true(overflow);
	shared_taken(s);
	assert_int_equal(shared_take(s, out, BATCH, &overflow), 1);
	assert_int_equal(out[0].op, OP_GAP);
	assert_true(out[0].seq == FIRST);
	done_all(out, 1);
	free(path);
	shared_unmap(s);
}

/* Whoever waits for room goes on as soon as there is some. */
static void *fill(void *arg)
{
	char path[4001];
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	for (unsigned i = 0; i < 3 * RING_BYTES / 4000; i++)
		put(arg, path);
	return NULL;
}

static void test_room(void **state)
{
	struct shared *s = new_shared(NULL);
	struct record out[BATCH];
	unsigned total = 0;
	bool overflow;
	pthread_t t[2];
	ring_set_patience(s, 600 * NS_PER_S);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, fill, s), 0);
	while (total < 2 * (3 * RING_BYTES / 4000)) {
		shared_wait(s, 100);
		unsigned n = shared_take(s, out, BATCH, &overflow);
		assert_false(overflow);
		done_all(out, n);
		shared_taken(s);
		total += n;
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	shared_unmap(s);
}

/* ---- busy ---- */

static void *be_busy(void *arg)
{
	for (unsigned i = 0; i < 100000; i++) {
		struct fhandle h = {.len = 4, .type = 1,
				    .bytes = {(uint8_t)i, (uint8_t)(i >> 8)}};
		shared_busy_begin(arg, &h);
		shared_busy_end(arg, &h);
	}
	return NULL;
}

static void test_busy(void **state)
{
	struct shared *s = new_shared(NULL);
	struct fhandle h = {.len = 4, .type = 1, .bytes = {9, 9, 9, 9}};
	struct fhandle other = {.len = 4, .type = 1, .bytes = {9, 9, 9, 8}};
	bool busy;
	uint64_t m0 = shared_busy_mark(s, &h, &busy);
	assert_false(busy);
	shared_busy_begin(s, &h);
	uint64_t m1 = shared_busy_mark(s, &h, &busy);
	assert_true(busy && m1 != m0);
	shared_busy_mark(s, &other, &busy);
	assert_false(busy);
	shared_busy_begin(s, &h);
	shared_busy_end(s, &h);
	shared_busy_mark(s, &h, &busy);
	assert_true(busy);
	shared_busy_end(s, &h);
	uint64_t m2 = shared_busy_mark(s, &h, &busy);
	assert_true(!busy && m2 != m0 && m2 != m1);

	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, be_busy, s), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < BUSY_SLOTS; i++)
		assert_int_equal((uint32_t)s->mem->busy[i], 0);
	shared_unmap(s);
}

static void test_wanted(void **state)
{
	struct shared *s = new_shared(NULL);
	struct fhandle h = {.len = 4, .type = 1, .bytes = {9, 9, 9, 9}};
	struct fhandle other = {.len = 4, .type = 1, .bytes = {9, 9, 9, 8}};
	int place[SHARED_WANTS];
	assert_false(shared_is_wanted(s, &h));
	for (int i = 0; i < SHARED_WANTS; i++) {
		place[i] = shared_want(s, i < 2 ? &h : &other);
		assert_true(place[i] >= 0);
	}
	assert_int_equal(shared_want(s, &h), -1);
	shared_unwant(s, place[0]);
	assert_true(shared_is_wanted(s, &h)); /* by somebody else */
	shared_unwant(s, place[1]);
	assert_false(shared_is_wanted(s, &h));
	assert_true(shared_is_wanted(s, &other));
	assert_true(shared_want(s, &h) >= 0);
	shared_want_nothing(s);
	assert_false(shared_is_wanted(s, &h) || shared_is_wanted(s, &other));
	shared_unmap(s);
}

/* How long a change takes; told, not judged. */
static void test_cost(void **state)
{
	struct shared *s = new_shared(NULL);
	struct record out[BATCH];
	struct record r = {
		.op = OP_SETTLE,
		.path = "htdocs/user/some/folder/picture-0001.jpeg",
		.obj = {.len = 8, .type = 1},
		.who = {.uid = 33, .program = "vsftpd",
			.title = "vsftpd: 192.0.2.7/bob: STOR x.jpeg"},
	};
	const unsigned count = 50000;
	int64_t t0 = clock_mono_ns();
	for (unsigned i = 0; i < count; i++) {
		shared_begin(s, 0, &r);
		r.time_ns = 0;
		shared_end(s, 0, &r);
	}
	int64_t t1 = clock_mono_ns();
	unsigned total = 0, n;
	bool overflow;
	while ((n = shared_take(s, out, BATCH, &overflow)) > 0) {
		total += n;
		done_all(out, n);
		shared_taken(s);
	}
	int64_t t2 = clock_mono_ns();
	assert_int_equal(total, count);
	printf("begin+end %lld ns, take %lld ns a record\n",
	       (long long)(t1 - t0) / count, (long long)(t2 - t1) / count);
	shared_unmap(s);
}

int main(void)
{
	const char *given = getenv("SEED");
	seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
	printf("SEED=%llu\n", (unsigned long long)seed);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_take),
		cmocka_unit_test(test_second_mapping),
		cmocka_unit_test(test_intents),
		cmocka_unit_test(test_fence),
		cmocka_unit_test(test_long_intent),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_killed_producers),
		cmocka_unit_test(test_killed_inside),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_cost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
