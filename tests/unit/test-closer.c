/*
 * To close the last descriptor of a large file takes long, and holds up nobody
 * who uses inodes.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/inode.h"

#define BYTES (2 << 20)

static _Atomic int slow_fd = -1;
static _Atomic bool closed;
static sem_t go;

/* instead of the C library's */
int close(int fd)
{
	bool slow = fd >= 0 && fd == slow_fd;
	if (slow) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 5;
		sem_timedwait(&go, &until);
	}
	int r = (int)syscall(SYS_close, fd);
	if (slow)
		closed = true;
	return r;
}

static int large_file(void)
{
	char name[] = "/tmp/test-closer-XXXXXX";
	int fd = mkstemp(name);
	assert_true(fd >= 0 && posix_fallocate(fd, 0, BYTES) == 0);
	unlink(name);
	sem_init(&go, 0, 0);
	closed = false;
	return fd;
}

/* It goes on being closed now. */
static void closes_in_the_end(void)
{
	assert_false(closed);
	sem_post(&go);
	while (!closed)
		usleep(1000);
	slow_fd = -1;
}

static void inodes_wait_for_no_file(void **state)
{
	struct fhandle root = {.len = 8, .type = 1}, fh = {.len = 9, .type = 1};
	struct stat st = {.st_mode = S_IFREG};
	assert_int_equal(inodes_start(&root), 0);
	struct inode *dir = inode_get(INODE_ROOT);
	struct inode *i = inode_learn(&fh, &st, dir, "f");
	slow_fd = large_file();
	inode_name_del(i, dir, "f");
	inode_gone(i, slow_fd);
	inode_forget(inode_id(i), 1);
	assert_int_equal(inodes_count(), 1);
	closes_in_the_end();
	inodes_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inodes_wait_for_no_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
