/*
 * The ring and the intents after a process that was killed between any two of
 * its stores into the shared memory. A child does what a worker or a taker
 * does, one instruction at a time. Whenever it has changed the memory, a copy
 * is made of that, with the lock as the kernel leaves it when its owner is
 * killed, and recovered: what was made is in the ring, whole and in order, or
 * its intent says so.
 */
#include "confdefs.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "stepped.h"

#include "shared.h"
#include "lib/journal/memory.h"

#define THREAD	  3u
#define FIRST	  SEQ_FIRST(5)
#define STEPS_MAX 2000000u /* of one child */
#define WATCHED	  1024u	   /* bytes of the ring, and of the intent */

/* What the children have made, and the tree would tell: also shared. */
static _Atomic unsigned *effect;

/* ---- what the children do: the nth change ---- */

#define CHANGES 3u

static void change_record(unsigned n, struct record *r)
{
	static char paths[CHANGES + 1][2][40] = {
		{"", ""},
		{"folder/first file", ""},
		{"folder/second file", "folder/its new name"},
		{"folder/third file", ""},
	};
	*r = (struct record){.op = n == 2 ? OP_RENAME : OP_CREATE,
			     .obj = {.type = 1, .len = 4},
			     .path = paths[n][0],
			     .path2 = n == 2 ? paths[n][1] : NULL,
			     .time_ns = 1};
	memcpy(r->obj.bytes, &n, 4);
}

/* The last one fails, and is cancelled. */
static void child_changes(struct shared *s)
{
	struct record r;
	for (unsigned n = 1; n <= CHANGES; n++) {
		change_record(n, &r);
		shared_tag(s, THREAD, n);
		shared_begin(s, THREAD, &r);
		if (n == CHANGES) {
			shared_cancel(s, THREAD);
			break;
		}
		atomic_store(effect, n);
		shared_end(s, THREAD, &r);
	}
}

static void child_appends(struct shared *s)
{
	struct record r;
	for (unsigned n = 1; n <= CHANGES; n++) {
		change_record(n, &r);
		shared_append(s, &r);
	}
}

/* It does not say whether it has put them into the database. */
static void child_takes(struct shared *s)
{
	struct record out[8];
	bool overflow;
	unsigned n = shared_take(s, out, 8, &overflow);
	if (n == CHANGES)
		atomic_store(effect, n);
	shared_taken(s);
}

/* ---- stepping ---- */

/* All of the memory that the children change. */
struct picture {
	uint8_t ring[sizeof(struct ring)], intent[WATCHED], bytes[WATCHED];
	uint64_t from; /* position of `bytes` */
	unsigned effect;
};

static void look(const struct shared *s, struct picture *to)
{
	memcpy(to->ring, &s->mem->ring, sizeof(to->ring));
	memcpy(to->intent, &s->mem->intents[THREAD], WATCHED);
	for (unsigned i = 0; i < WATCHED; i++)
		to->bytes[i] = s->mem->bytes[(to->from + i) % RING_BYTES];
	to->effect = atomic_load(effect);
}

/* show - another memory becomes what the picture shows; the process `dead` was
 * killed, so the kernel has taken its lock away. */
static void show(struct shared *s, const struct picture *from, pid_t dead)
{
	memcpy(&s->mem->ring, from->ring, sizeof(from->ring));
	memcpy(&s->mem->intents[THREAD], from->intent, WATCHED);
	for (unsigned i = 0; i < WATCHED; i++)
		s->mem->bytes[(from->from + i) % RING_BYTES] = from->bytes[i];
	atomic_store(effect, from->effect);
	int *word = &s->mem->ring.lock.__data.__lock;
	if ((*word & FUTEX_TID_MASK) == dead)
		*word = FUTEX_OWNER_DIED;
}

static pid_t child_start(struct shared *s, void (*work)(struct shared *s))
{
	pid_t pid = fork();
	if (pid == 0) {
		stepped_from_here();
		work(s);
		_exit(0);
	}
	stepped_begin(pid);
	return pid;
}

/* ---- what is left ---- */

struct left {
	unsigned n;    /* records of changes 1 to n are in the ring */
	unsigned gaps; /* in front of them, or between */
	enum shared_past past[CHANGES + 1];
	unsigned unsure; /* the change that an intent tells of, or 0 */
};

static unsigned change_of(const struct record *r)
{
	unsigned n;
	struct record want;
	memcpy(&n, r->obj.bytes, 4);
	assert_true(n >= 1 && n <= CHANGES);
	change_record(n, &want);
	assert_string_equal(r->path, want.path);
	assert_int_equal(!r->path2, !want.path2);
	if (want.path2)
		assert_string_equal(r->path2, want.path2);
	return n;
}

static void left_records(struct shared *s, struct left *l)
{
	struct record out[16];
	bool overflow;
	uint64_t last = 0;
	unsigned n;
	do { /* a GAP that is owed is put when something was taken */
		n = shared_take(s, out, 16, &overflow);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(out[i].seq, last ? last + 1 : FIRST);
			last = out[i].seq;
			if (out[i].op == OP_GAP)
				l->gaps++;
			else
				assert_int_equal(change_of(&out[i]), ++l->n);
			record_done(&out[i]);
		}
		shared_taken(s);
	} while (n > 0 || overflow);
}

static void left_intents(struct shared *s, struct left *l)
{
	struct record out[SHARED_THREADS], r;
	for (unsigned n = 1; n <= CHANGES; n++) {
		l->past[n] = shared_past(s, THREAD, n, &r);
		if (l->past[n] == PAST_NONE)
			continue;
		assert_int_equal(change_of(&r), n);
		record_done(&r);
	}
	unsigned k = shared_leftovers(s, out);
	assert_true(k <= 1);
	if (k == 0)
		return;
	assert_int_equal(out[0].op, OP_UNSURE);
	l->unsure = change_of(&out[0]);
	record_done(&out[0]);
}

/* It goes on as if nothing had been: the lock, the numbers, the records. */
static void goes_on(struct shared *s)
{
	struct record r, out[4];
	bool overflow;
	uint64_t last = shared_last_seq(s);
	change_record(1, &r);
	assert_int_equal(shared_append(s, &r), last + 1);
	assert_int_equal(shared_settled_seq(s), last + 1);
	assert_int_equal(shared_take(s, out, 4, &overflow), 1);
	assert_int_equal(out[0].seq, last + 1);
	record_done(&out[0]);
	shared_taken(s);
}

/* ---- each place ---- */

struct place {
	void (*prepare)(struct shared *s);
	void (*work)(struct shared *s);
	void (*check)(const struct left *l, bool killed);
};

static struct shared *fresh(int *ret_fd)
{
	struct shared *s;
	assert_int_equal(shared_create(FIRST, ret_fd), 0);
	assert_int_equal(shared_map(*ret_fd, &s), 0);
	atomic_store(effect, 0);
	return s;
}

static void stale(struct shared *s, int fd)
{
	shared_unmap(s);
	close(fd);
}

static void recover(const struct place *p, const struct picture *at, pid_t pid)
{
	struct left l = {0};
	int fd;
	struct shared *s = fresh(&fd);
	show(s, at, pid);
	left_intents(s, &l);
	left_records(s, &l);
	p->check(&l, pid != 0);
	goes_on(s);
	stale(s, fd);
}

static void at_each_change(const struct place *p)
{
	static struct picture before, now;
	unsigned places = 0, steps = 0;
	int fd;
	struct shared *s = fresh(&fd);
	if (p->prepare)
		p->prepare(s);
	now.from = before.from = s->mem->ring.head;
	pid_t pid = child_start(s, p->work);
	do {
		look(s, &now);
		if (places && memcmp(&before, &now, sizeof(now)) == 0)
			continue;
		before = now;
		places++;
		recover(p, &now, pid);
		assert_true(++steps < STEPS_MAX);
	} while (stepped_on(pid));
	look(s, &now);
	recover(p, &now, 0);
	stale(s, fd);
	print_message("killed at %u places\n", places);
	assert_true(places > 10);
}

/* What was made is told: by its record, or by what it was about. */
static void check_changes(const struct left *l, bool killed)
{
	unsigned made = atomic_load(effect);
	assert_int_equal(l->gaps, 0);
	assert_true(l->n == made || l->n + 1 == made);
	if (!killed)
		assert_true(l->n == CHANGES - 1 && !l->unsure);
	if (l->n < made) {
		assert_int_equal(l->past[made], PAST_BEGUN);
		assert_int_equal(l->unsure, made);
	}
	for (unsigned n = 1; n <= CHANGES; n++) {
		if (l->past[n] == PAST_RECORDED)
			assert_true(n <= l->n);
		else if (l->past[n] == PAST_BEGUN)
			assert_int_equal(n, l->n + 1);
	}
	/* the last one that has a record is known to have it, until the next
	 * one begins */
	assert_true(!l->unsure || l->unsure > l->n);
}

static void test_changes(void **state)
{
	static const struct place p = {NULL, child_changes, check_changes};
	at_each_change(&p);
}

static void check_appends(const struct left *l, bool killed)
{
	assert_true(l->unsure == 0 && l->gaps == 0);
	if (!killed)
		assert_int_equal(l->n, CHANGES);
}

/* Records that lie at the end of the ring, and again at its begin. */
static void prepare_end(struct shared *s)
{
	s->mem->ring.head = s->mem->ring.tail = 3 * (uint64_t)RING_BYTES - 40;
}

static void test_wraps(void **state)
{
	static const struct place p = {prepare_end, child_appends,
				       check_appends};
	at_each_change(&p);
}

/* A record that could not be had, before. */
static void prepare_gap(struct shared *s)
{
	char *path = malloc(RING_RECORD_MAX + 1);
	assert_non_null(path);
	memset(path, 'x', RING_RECORD_MAX);
	path[RING_RECORD_MAX] = 0;
	struct record r = {.op = OP_UNLINK, .path = path};
	shared_append(s, &r);
	free(path);
	assert_int_equal(s->mem->ring.gap_owed, 1);
}

/* Once too often does no harm. */
static void check_gap(const struct left *l, bool killed)
{
	assert_true(l->unsure == 0);
	if (!killed)
		assert_true(l->n == CHANGES && l->gaps == 1);
}

static void test_gap(void **state)
{
	static const struct place p = {prepare_gap, child_appends, check_gap};
	at_each_change(&p);
}

static void prepare_records(struct shared *s)
{
	child_appends(s);
}

/* All of them, until it has said that they are safe; then all or none. */
static void check_taker(const struct left *l, bool killed)
{
	assert_true(l->n == CHANGES || (l->n == 0 && atomic_load(effect)));
	if (!killed)
		assert_int_equal(l->n, 0);
}

static void test_taker(void **state)
{
	static const struct place p = {prepare_records, child_takes,
				       check_taker};
	at_each_change(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_wraps),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_taker),
	};
	effect = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (effect == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
