/*
 * journal = required: while the journal cannot be written, or takes nothing for
 * so long that the memory for records is full, each request that changes the
 * tree is refused, and no other one.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "clock.h"
#include "fs/gate.h"
#include "lib/journal/memory.h"

static struct shared *s;

static int set_up(void **state)
{
	int fd;
	assert_int_equal(shared_create(1, &fd), 0);
	assert_int_equal(shared_map(fd, &s), 0);
	close(fd);
	ring_set_patience(s, NS_PER_MS);
	shared_set_required(s, true);
	return 0;
}

static int tear_down(void **state)
{
	shared_unmap(s);
	return 0;
}

/* asked - a request of that kind, with what comes behind its header. */
static int asked(uint32_t opcode, const void *arg, size_t size)
{
	struct {
		struct fuse_in_header in;
		uint8_t arg[256];
	} request = {.in = {.opcode = opcode}};
	struct fuse_buf buf = {.mem = &request,
			       .size = sizeof(request.in) + size};
	assert_true(size <= sizeof(request.arg));
	if (arg)
		memcpy(request.arg, arg, size);
	return gate_check(s, &buf);
}

static int opened(uint32_t flags)
{
	return asked(FUSE_OPEN, &(struct fuse_open_in){.flags = flags},
		     sizeof(struct fuse_open_in));
}

static int written(uint32_t flags)
{
	return asked(FUSE_WRITE, &(struct fuse_write_in){.write_flags = flags},
		     sizeof(struct fuse_write_in));
}

static int controlled(uint32_t cmd)
{
	return asked(FUSE_IOCTL, &(struct fuse_ioctl_in){.cmd = cmd},
		     sizeof(struct fuse_ioctl_in));
}

static void changes_say(int r)
{
	static const uint32_t changing[] = {
		FUSE_SETATTR,	  FUSE_MKNOD,	    FUSE_MKDIR,
		FUSE_UNLINK,	  FUSE_RMDIR,	    FUSE_SYMLINK,
		FUSE_RENAME,	  FUSE_RENAME2,	    FUSE_LINK,
		FUSE_SETXATTR,	  FUSE_REMOVEXATTR, FUSE_CREATE,
		FUSE_FALLOCATE,	  FUSE_COPY_FILE_RANGE};
	for (size_t i = 0; i < sizeof(changing) / sizeof(*changing); i++)
		assert_int_equal(asked(changing[i], NULL, 128), r);
	assert_int_equal(opened(O_WRONLY | O_TRUNC), r);
	assert_int_equal(written(0), r);
	assert_int_equal(controlled(FS_IOC_SETFLAGS), r);
	assert_int_equal(controlled(FS_IOC_FSSETXATTR), r);
}

static void others_pass(void)
{
	static const uint32_t others[] = {
		FUSE_LOOKUP,  FUSE_FORGET,   FUSE_GETATTR, FUSE_READLINK,
		FUSE_READ,    FUSE_STATFS,   FUSE_RELEASE, FUSE_FSYNC,
		FUSE_READDIR, FUSE_GETXATTR, FUSE_OPENDIR, FUSE_DESTROY,
		FUSE_LSEEK,   200 /* none that is known */};
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_int_equal(asked(others[i], NULL, 128), 0);
	assert_int_equal(opened(O_RDWR), 0);
	/* what was stored through a mapping: its program believes that it is */
	assert_int_equal(written(FUSE_WRITE_CACHE), 0);
	assert_int_equal(controlled(FS_IOC_GETFLAGS), 0);
}

static void fails(void **state)
{
	static const int errors[] = {-ENOSPC, -EROFS, -EIO, -EUCLEAN};
	changes_say(0);
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		shared_set_journal(s, errors[i]);
		changes_say(errors[i] == -EUCLEAN ? -EIO : errors[i]);
		others_pass();
	}
	shared_set_journal(s, 0);
	changes_say(0);
	shared_set_required(s, false);
	shared_set_journal(s, -EIO);
	changes_say(0);
}

/* The disk hangs: nobody says that it fails. */
static void hangs(void **state)
{
	struct record out[8];
	unsigned n = 0, puts = 0;
	bool overflow;
	char path[4001];
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	struct record r = {.op = OP_UNLINK, .path = path};
	while (asked(FUSE_UNLINK, NULL, 128) == 0) {
		shared_append(s, &r);
		r.time_ns = 0;
		assert_true(puts++ < RING_BYTES / 4000);
	}
	assert_true(puts > RING_BYTES / 8000);
	changes_say(-EIO);
	others_pass();
	/* none was dropped, nor would be what has been let in before */
	while ((n = shared_take(s, out, 8, &overflow)) > 0) {
		assert_false(overflow);
		puts -= n;
		while (n > 0)
			record_done(&out[--n]);
		shared_taken(s);
	}
	assert_int_equal(puts, 0);
	changes_say(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hangs, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
