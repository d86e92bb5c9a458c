/*
 * Who is to have pages dropped when a worker has just begun, and not all of
 * its threads serve yet. Then "not now" would be told of a thread that was
 * late, and a file that is nothing but a hole told to be full of data.
 */
#include "confdefs.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/pages.h"

#define A_MOMENT_MS 200

static int answered[2]; /* a pipe: a byte when `answer` is there */
static bool answer;
static unsigned dropped;

/* instead of libfuse's */
int fuse_lowlevel_notify_inval_inode(struct fuse_session *se, fuse_ino_t ino,
				     off_t off, off_t len)
{
	dropped++;
	return 0;
}

static void *ask(void *arg)
{
	answer = pages_written(arg);
	assert_int_equal(write(answered[1], "", 1), 1);
	return NULL;
}

/* asked - by another thread; true: and answered within a moment. */
static bool asked(struct inode *i, pthread_t *ret)
{
	struct pollfd p = {.fd = answered[0], .events = POLLIN};
	assert_int_equal(pthread_create(ret, NULL, ask, i), 0);
	return poll(&p, 1, A_MOMENT_MS) > 0;
}

static int setup(void **state)
{
	struct fhandle root = {.len = 8, .type = 1};
	inodes_start(&root);
	*state = inode_get(INODE_ROOT);
	dropped = 0;
	pages_start(NULL);
	return *state ? pipe(answered) : -1;
}

static int teardown(void **state)
{
	close(answered[0]);
	close(answered[1]);
	inodes_stop();
	return 0;
}

static void test_asked_before_all_serve(void **state)
{
	pthread_t asker;
	assert_false(asked(*state, &asker));
	assert_int_equal(pages_serve(4), 0);
	pthread_join(asker, NULL);
	assert_true(answer);
	assert_int_equal(dropped, 1);
	pages_stop();
}

static void test_the_others_cannot_start(void **state)
{
	pthread_t asker;
	assert_false(asked(*state, &asker));
	pages_stop();
	pthread_join(asker, NULL);
	assert_false(answer);
	assert_int_equal(dropped, 0);
}

static void test_one_stays_free(void **state)
{
	pthread_t asker;
	assert_int_equal(pages_serve(1), 0);
	assert_true(asked(*state, &asker));
	pthread_join(asker, NULL);
	assert_false(answer);
	pages_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_asked_before_all_serve,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_others_cannot_start,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_stays_free, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
