/*
 * No request is left lying while all threads sleep, whoever holds the
 * descriptor and whenever it is armed: clients that wait for each answer, and
 * now and then pause until everybody sleeps; requests that nobody waits for;
 * and some that seem quick, but wait for another one to be served.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/intake.h"

#define THREADS	    4
#define CLIENTS	    3
#define ROUNDS	    2000
#define DEADLINE_MS 60000

enum kind { PLAIN, SLOW, QUICK, LONG, NESTED, KINDS };

struct request {
	enum kind kind;
	int answer_fd; /* an eventfd; -1: nobody waits */
};

static struct intake intake;
static int device[2]; /* [0]: read without blocking; [1]: the clients' */
static int exit_fd;
static _Atomic unsigned asked, served;

static void ask(enum kind kind, int answer_fd)
{
	const struct request r = {kind, answer_fd};
	asked++;
	assert_int_equal(write(device[1], &r, sizeof(r)), sizeof(r));
}

/* Ends the program when no answer comes: this is what must not happen. */
static void await_answer(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint64_t n;
	if (poll(&p, 1, DEADLINE_MS) != 1) {
		fprintf(stderr, "a request is not served\n");
		abort();
	}
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
}

static void serve(const struct request *r)
{
	uint64_t one = 1;
	if (r->kind == SLOW)
		usleep(100);
	if (r->kind == NESTED) {
		int fd = eventfd(0, EFD_CLOEXEC);
		ask(PLAIN, fd);
		await_answer(fd);
		close(fd);
	}
	if (r->kind == LONG)
		usleep(3000);
	served++;
	if (r->answer_fd >= 0)
		assert_int_equal(write(r->answer_fd, &one, sizeof(one)),
				 sizeof(one));
}

static bool wait_for_one(struct intake_thread *t)
{
	return !intake_look(&intake, t) && intake_sleep(&intake, t);
}

static void *worker(void *arg)
{
	struct intake_thread t = {0};
	for (;;) {
		struct request r;
		if (read(device[0], &r, sizeof(r)) == sizeof(r)) {
			intake_got(&intake, &t, r.kind >= QUICK);
			serve(&r);
		} else if (wait_for_one(&t)) {
			return arg;
		}
	}
}

static void *client(void *arg)
{
	unsigned seed = *(unsigned *)arg, first = seed;
	int fd = eventfd(0, EFD_CLOEXEC);
	for (int n = 0; n < ROUNDS; n++) {
		unsigned dice = (unsigned)rand_r(&seed);
		enum kind kind = dice % KINDS;
		/* one thread at a time waits for another */
		if (kind >= LONG && (first != 0 || dice / 16 % 16))
			kind = QUICK;
		if (dice / 256 % 4 == 0)
			ask(QUICK, -1);
		ask(kind, fd);
		await_answer(fd);
		if (dice / 1024 % 16 == 0)
			usleep(dice / 16384 % 300);
	}
	close(fd);
	return NULL;
}

static void open_all(void)
{
	intake = (struct intake){.poll_fd = -1, .timer_fd = -1};
	asked = served = 0;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, device),
		0);
	assert_int_equal(fcntl(device[0], F_SETFL, O_NONBLOCK), 0);
	exit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(intake_open(&intake, device[0], exit_fd), 0);
}

static void close_all(void)
{
	intake_close(&intake);
	close(exit_fd);
	close(device[0]);
	close(device[1]);
}

static bool take(void)
{
	struct request r;
	return read(device[0], &r, sizeof(r)) == sizeof(r);
}

static void *sleeper(void *arg)
{
	struct intake_thread t = {0};
	while (!take())
		assert_false(wait_for_one(&t));
	intake_got(&intake, &t, true);
	return arg;
}

/* The holder does not come back from what seemed quick: another thread gets
 * what comes next, and it is not the holder any longer. */
static void test_late_holder(void **state)
{
	struct intake_thread t = {0};
	pthread_t other;
	open_all();
	intake.credit = 1;
	ask(QUICK, -1);
	assert_true(take());
	intake_got(&intake, &t, true);
	assert_false(t.holds);
	assert_false(wait_for_one(&t));
	assert_true(t.holds);
	ask(QUICK, -1);
	assert_true(take());
	intake_got(&intake, &t, true);
	assert_true(t.holds);
	pthread_create(&other, NULL, sleeper, NULL);
	alarm(DEADLINE_MS / 1000);
	while (!intake.late)
		usleep(100);
	ask(QUICK, -1);
	pthread_join(other, NULL);
	alarm(0);
	ask(QUICK, -1);
	assert_true(take());
	intake_got(&intake, &t, true);
	assert_false(t.holds || intake.held);
	close_all();
}

/* What is slow is never served with the others asleep. */
static void test_slow_request(void **state)
{
	struct intake_thread t = {0};
	open_all();
	intake.credit = 1;
	ask(QUICK, -1);
	assert_true(take());
	intake_got(&intake, &t, true);
	assert_false(wait_for_one(&t));
	ask(SLOW, -1);
	assert_true(take());
	intake_got(&intake, &t, false);
	assert_false(t.holds || t.disarmed || intake.held);
	close_all();
}

static void all_are_served(bool crowded)
{
	pthread_t threads[THREADS], clients[CLIENTS];
	unsigned seeds[CLIENTS];
	uint64_t one = 1;
	open_all();
	intake.crowded = crowded;
	for (int k = 0; k < THREADS; k++)
		pthread_create(&threads[k], NULL, worker, NULL);
	for (unsigned k = 0; k < CLIENTS; k++) {
		seeds[k] = k;
		pthread_create(&clients[k], NULL, client, &seeds[k]);
	}
	for (int k = 0; k < CLIENTS; k++)
		pthread_join(clients[k], NULL);
	for (int k = 0; served != asked && k < DEADLINE_MS; k++)
		usleep(1000);
	assert_int_equal(served, asked);
	assert_int_equal(write(exit_fd, &one, sizeof(one)), sizeof(one));
	for (int k = 0; k < THREADS; k++)
		pthread_join(threads[k], NULL);
	close_all();
}

static void test_two_processors(void **state)
{
	all_are_served(true);
}

static void test_more_processors(void **state)
{
	all_are_served(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_holder),
		cmocka_unit_test(test_slow_request),
		cmocka_unit_test(test_two_processors),
		cmocka_unit_test(test_more_processors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
