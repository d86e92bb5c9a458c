/*
 * The lock of a mount's name: one at a time, also when one ends while another
 * begins. Needs root, as it lies in /run/mirrorfs.
 */
#include "confdefs.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "runtime.h"

static char name[64];

static void one_at_a_time(void **state)
{
	int fd = runtime_claim(name);
	assert_true(fd >= 0);
	assert_int_equal(runtime_claim(name), -EBUSY);
	close(fd);
	fd = runtime_claim(name);
	assert_true(fd >= 0);
	runtime_withdraw(name);
	close(fd);
}

#define ROUNDS 60

static _Atomic unsigned holders, most;

static void *come_and_go(void *arg)
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		int fd = runtime_claim(name);
		if (fd < 0)
			continue;
		unsigned now = ++holders;
		if (now > most)
			most = now;
		sched_yield();
		holders--;
		runtime_withdraw(name);
		close(fd);
	}
	return NULL;
}

/* Each waits for the lock that another one removes. */
static void end_and_beginning(void **state)
{
	pthread_t threads[4];
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, come_and_go, NULL),
			0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(most, 1);
}

int main(void)
{
	if (geteuid() != 0)
		return 77;
	snprintf(name, sizeof(name), "test-runtime-%d", (int)getpid());
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(end_and_beginning),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	runtime_withdraw(name);
	return failed;
}
