/*
 * Before Linux 6.0 the kernel asks for a set-gid file in a set-gid folder as a
 * user wants it, who is not in the folder's group: the bit is for us to leave
 * out. Requests are changed to what such a kernel sends.
 */
#include "confdefs.h"

#include <grp.h>
#include <linux/fuse.h>
#include <sys/syscall.h>

#include "tests/unit/worker-fixture.h"

#define USER 4321
#define TEAM 8765
#define MODE (S_ISGID | 0770)

static struct mounted m;

/* instead of the C library's */
ssize_t read(int fd, void *buf, size_t size)
{
	ssize_t n = syscall(SYS_read, fd, buf, size);
	struct fuse_in_header *in = buf;
	struct fuse_create_in *create = (void *)(in + 1);
	struct fuse_mknod_in *node = (void *)(in + 1);
	if (n < (ssize_t)(sizeof(*in) + sizeof(*create)) ||
	    (size_t)n != in->len)
		return n;
	if (in->opcode == FUSE_CREATE || in->opcode == FUSE_TMPFILE)
		create->mode |= S_ISGID;
	else if (in->opcode == FUSE_MKNOD)
		node->mode |= S_ISGID;
	return n;
}

/* The mode of what is made in each way in a folder of TEAM. */
static int make(void)
{
	int fd = open("d", O_TMPFILE | O_WRONLY, MODE);
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd < 0 || linkat(AT_FDCWD, path, AT_FDCWD, "d/nameless",
				AT_SYMLINK_FOLLOW) ||
	       mknod("d/node", S_IFREG | MODE, 0) ||
	       open("d/created", O_CREAT | O_EXCL | O_WRONLY, MODE) < 0;
}

static int make_as_member(void)
{
	gid_t team = TEAM;
	return setgroups(1, &team) || setgid(USER) || setuid(USER) || make();
}

static int make_as_other(void)
{
	return setgroups(0, NULL) || setgid(USER) || setuid(USER) || make();
}

static void all_have(mode_t mode)
{
	static const char *const names[] = {"d/nameless", "d/node",
					    "d/created"};
	struct stat st;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fstatat(m.root_fd, names[i], &st, 0), 0);
		assert_int_equal(st.st_gid, TEAM);
		assert_int_equal(st.st_mode & 07777, mode);
		assert_int_equal(unlink(names[i]), 0);
	}
}

static void only_members_keep_the_bit(void **state)
{
	assert_int_equal(mkdir("d", 0777) | chown("d", 0, TEAM) |
				 chmod("d", 02777),
			 0);
	assert_int_equal(wf_as(0, 0, make_as_other), 0);
	all_have(0770);
	assert_int_equal(wf_as(0, 0, make_as_member), 0);
	all_have(MODE);
	assert_int_equal(wf_as(0, 0, make), 0);
	all_have(MODE);
}

static int setup(void **state)
{
	wf_up(&m);
	return 0;
}

static int teardown(void **state)
{
	if (m.up)
		wf_down(&m);
	wf_done(&m);
	return 0;
}

int main(void)
{
	if (!wf_possible())
		return 77;
	umask(0);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_members_keep_the_bit,
						setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
