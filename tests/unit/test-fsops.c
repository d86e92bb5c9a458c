/*
 * Every member of the installed libfuse's struct fuse_lowlevel_ops is
 * classified in include/tbl/fsops.h, once, and what is offered is there. An
 * ioctl that nobody has checked is refused, and so is a name that is longer than
 * any of ours.
 */
#include "confdefs.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fs/ops.h"

struct member {
	const char *name;
	size_t offset;
	enum { IS_RECORDED, IS_PASSED, IS_REFUSED } kind;
};

#define MEMBER(m, k)	      {#m, offsetof(struct fuse_lowlevel_ops, m), k},
#define RECORDED(m, function) MEMBER(m, IS_RECORDED)
#define PASSED(m, function)   MEMBER(m, IS_PASSED)
#define REFUSED(m)	      MEMBER(m, IS_REFUSED)
static const struct member members[] = {
#include "tbl/fsops.h"
};
#undef RECORDED
#undef PASSED
#undef REFUSED

#define N_MEMBERS (sizeof(members) / sizeof(members[0]))
#define N_SLOTS	  (sizeof(struct fuse_lowlevel_ops) / sizeof(void (*)(void)))

static void all_are_listed(void **state)
{
	bool seen[N_SLOTS] = {false};
	for (size_t i = 0; i < N_MEMBERS; i++) {
		size_t slot = members[i].offset / sizeof(void (*)(void));
		if (seen[slot])
			fail_msg("%s is listed twice", members[i].name);
		seen[slot] = true;
	}
	for (size_t slot = 0; slot < N_SLOTS; slot++) {
		if (!seen[slot])
			fail_msg("member %zu of struct fuse_lowlevel_ops is "
				 "not in tbl/fsops.h",
				 slot);
	}
}

static void offered_is_there(void **state)
{
	for (size_t i = 0; i < N_MEMBERS; i++) {
		void (*function)(void);
		memcpy(&function, (const char *)&fs_ops + members[i].offset,
		       sizeof(function));
		if ((members[i].kind == IS_REFUSED) != (function == NULL))
			fail_msg("%s", members[i].name);
	}
}

static int replied;

/* instead of libfuse's */
int fuse_reply_err(fuse_req_t req, int err)
{
	replied = err;
	return 0;
}

/* There is no such file: whoever looks for it says so. */
static int asked(unsigned cmd, void *arg)
{
	struct fuse_file_info fi = {0};
	struct fsxattr data = {0};
	replied = -1;
	op_ioctl(NULL, 2, cmd, arg, &fi, 0, &data, sizeof(data), 0);
	return replied;
}

static void users_ioctls_set_nothing(void **state)
{
	long flags = 0;
	assert_int_equal(asked(FS_IOC_SETFLAGS, NULL), EBADF);
	assert_int_equal(asked(FS_IOC_SETFLAGS, &flags), ENOTTY);
	assert_int_equal(asked(FS_IOC_FSSETXATTR, &flags), ENOTTY);
	assert_int_equal(asked(FS_IOC_GETFLAGS, &flags), EBADF);
}

static void long_names_are_not_looked_up(void **state)
{
	struct fhandle root_fh = {.len = 8, .type = 1};
	struct fuse_entry_param e;
	char name[301];
	assert_int_equal(inodes_start(&root_fh), 0);
	struct inode *root = inode_get(INODE_ROOT);
	memset(name, 'n', sizeof(name) - 1);
	name[300] = '\0';
	assert_int_equal(op_lookup_child(-1, root, name, &e), -ENAMETOOLONG);
	name[NAME_MAX + 1] = '\0';
	assert_int_equal(op_lookup_child(-1, root, name, &e), -ENAMETOOLONG);
	name[NAME_MAX] = '\0'; /* the folder is asked */
	assert_int_equal(op_lookup_child(-1, root, name, &e), -EBADF);
	inodes_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_listed),
		cmocka_unit_test(offered_is_there),
		cmocka_unit_test(users_ioctls_set_nothing),
		cmocka_unit_test(long_names_are_not_looked_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
