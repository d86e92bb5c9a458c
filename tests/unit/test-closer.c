/*
 * To close the last descriptor of a large file takes long, and holds up nobody:
 * neither who uses inodes nor the supervisor.
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
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/deposit.h"
#include "fs/inode.h"

#define BYTES (65 << 20)

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

/* One that keeps `max` at most, and a worker that is connected to it. */
static int connected(struct deposits *d, unsigned max)
{
	deposits_init(d, max);
	int sock = deposits_connect(d);
	assert_true(sock >= 0);
	deposit_open(sock);
	return sock;
}

static void disconnected(struct deposits *d, int sock)
{
	deposit_open(-1);
	close(sock);
	deposits_done(d);
}

static void supervisor_waits_for_no_file(void **state)
{
	struct deposits d;
	int64_t said;
	int sock = connected(&d, 4), fd = large_file();
	deposit_hold(1, fd);
	deposits_read(&d, &said);
	assert_int_equal(d.n, 1);
	close(fd);
	slow_fd = d.items[0].fd;
	deposit_drop(1);
	deposits_read(&d, &said);
	assert_int_equal(d.n, 0);
	closes_in_the_end();
	disconnected(&d, sock);
}

static void nor_for_one_too_many(void **state)
{
	struct deposits d;
	int64_t said;
	int sock = connected(&d, 0), fd = large_file();
	deposit_hold(1, fd);
	close(fd);
	slow_fd = fd; /* the number that is free */
	deposits_read(&d, &said);
	closes_in_the_end();
	disconnected(&d, sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inodes_wait_for_no_file),
		cmocka_unit_test(supervisor_waits_for_no_file),
		cmocka_unit_test(nor_for_one_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
