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
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static bool is_listed(void)
{
	struct runtime_info *infos;
	unsigned n;
	bool listed = false;
	assert_int_equal(runtime_list(&infos, &n), 0);
	for (unsigned i = 0; i < n; i++) {
		listed |= strcmp(infos[i].name, name) == 0;
		runtime_info_done(&infos[i]);
	}
	free(infos);
	return listed;
}

/* What somebody is just writing is not a mount yet. */
static void not_all_there(void **state)
{
	char path[128];
	int fd = runtime_claim(name);
	assert_true(fd >= 0);
	assert_int_equal(runtime_publish(name, "/srv/one", "/var/lib/one"), 0);
	assert_true(is_listed());
	snprintf(path, sizeof(path), "/run/mirrorfs/%s/info", name);
	for (off_t n = 22; n >= 0; n--) {
		assert_int_equal(truncate(path, n), 0);
		assert_false(is_listed());
	}
	runtime_withdraw(name);
	close(fd);
}

int main(void)
{
	if (geteuid() != 0)
		return 77;
	snprintf(name, sizeof(name), "test-runtime-%d", (int)getpid());
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(end_and_beginning),
		cmocka_unit_test(not_all_there),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	runtime_withdraw(name);
	return failed;
}
