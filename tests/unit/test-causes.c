/* What a failed step and a look at the replica say together. */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "sync/cause.h"

#define GB (1024ull * 1024 * 1024)

static const struct remote_space roomy = {.avail_bytes = GB,
					  .free_bytes = GB,
					  .avail_inodes = 1000,
					  .inodes = 2000,
					  .name_max = 255};

static struct evidence put(int error)
{
	return (struct evidence){.kind = STEP_PUT,
				 .error = error,
				 .need = 100000,
				 .want = S_IFREG,
				 .name_len = 8,
				 .measured = true,
				 .tried = true,
				 .space = roomy};
}

#define JUDGE(wanted, error, ...)                                              \
	do {                                                                   \
		struct evidence e = put(error);                                \
		__VA_ARGS__;                                                   \
		assert_string_equal(cause_word(cause_judge(&e)),               \
				    cause_word(wanted));                       \
	} while (0)

static void test_space(void **state)
{
	JUDGE(CAUSE_DISK_FULL, -EREMOTEIO, e.space.avail_bytes = 50000;
	      e.space.free_bytes = 50000);
	/* what is kept for root helps root alone */
	JUDGE(CAUSE_DISK_FULL, -EREMOTEIO, e.space.avail_bytes = 0);
	JUDGE(CAUSE_REFUSED, -EREMOTEIO, e.space.avail_bytes = 0;
	      e.may_fill = true);
	/* … but for what ext4 lets nobody have */
	JUDGE(CAUSE_DISK_FULL, -EREMOTEIO, e.space.avail_bytes = 0;
	      e.space.free_bytes = 16 << 20; e.may_fill = true);
	JUDGE(CAUSE_NO_INODES, -EREMOTEIO, e.space.avail_inodes = 0);
	/* btrfs does not count them */
	JUDGE(CAUSE_QUOTA, -EREMOTEIO, e.space.avail_inodes = 0;
	      e.space.inodes = 0);
	JUDGE(CAUSE_QUOTA, -EREMOTEIO, (void)0);
	/* nobody has said that there is room */
	JUDGE(CAUSE_REFUSED, -EREMOTEIO, e.measured = false);
	JUDGE(CAUSE_REFUSED, -EREMOTEIO, e.measured = false;
	      e.kind = STEP_MKDIR; e.want = S_IFDIR);
	JUDGE(CAUSE_DISK_FULL, -ENOSPC, (void)0);
	JUDGE(CAUSE_DISK_FULL, -EREMOTEIO, e.kind = STEP_SYMLINK; e.need = 20;
	      e.want = S_IFLNK; e.space.avail_bytes = e.space.free_bytes = 0);
	/* what removes needs no room */
	JUDGE(CAUSE_UNKNOWN, -EREMOTEIO, e.kind = STEP_REMOVE; e.want = 0;
	      e.have = S_IFREG; e.space.avail_bytes = 0);
}

/* There is room, and it is refused: what else can be made tells. */
static void test_tried(void **state)
{
	JUDGE(CAUSE_QUOTA, -EREMOTEIO, e.kind = STEP_MKDIR; e.want = S_IFDIR);
	JUDGE(CAUSE_QUOTA, -EREMOTEIO, e.kind = STEP_SYMLINK; e.want = S_IFLNK;
	      e.need = 100);
	JUDGE(CAUSE_QUOTA, -EREMOTEIO, e.need = 100);
	/* what the login makes elsewhere does not fail */
	JUDGE(CAUSE_REFUSED, -EREMOTEIO, e.kind = STEP_MKDIR; e.want = S_IFDIR;
	      e.works = true);
	JUDGE(CAUSE_TOO_MANY_LINKS, -EREMOTEIO, e.kind = STEP_MKDIR;
	      e.want = S_IFDIR; e.works = true; e.names = 32000);
	JUDGE(CAUSE_REFUSED, -EREMOTEIO, e.kind = STEP_SYMLINK;
	      e.want = S_IFLNK; e.need = 100; e.works = true);
	JUDGE(CAUSE_REFUSED, -EREMOTEIO, e.need = 100; e.works = true);
	/* … but a file needs more than that */
	JUDGE(CAUSE_QUOTA, -EREMOTEIO, e.works = true);
	/* a quota is not for root; nor is anything said without a try */
	JUDGE(CAUSE_REFUSED, -EREMOTEIO, e.may_fill = true);
	JUDGE(CAUSE_REFUSED, -EREMOTEIO, e.tried = false);
}

static void test_place(void **state)
{
	JUDGE(CAUSE_READ_ONLY, -EREMOTEIO, e.space.read_only = true);
	JUDGE(CAUSE_READ_ONLY, -EACCES, e.space.read_only = true);
	JUDGE(CAUSE_NOT_PERMITTED, -EACCES, (void)0);
	JUDGE(CAUSE_WRONG_TYPE, -EREMOTEIO, e.have = S_IFDIR);
	JUDGE(CAUSE_WRONG_TYPE, -EREMOTEIO, e.kind = STEP_MKDIR;
	      e.want = S_IFDIR; e.have = S_IFREG);
	JUDGE(CAUSE_WRONG_TYPE, -ENOENT, e.blocked = true);
	JUDGE(CAUSE_MISSING, -ENOENT, e.missing = true);
	JUDGE(CAUSE_NOT_EMPTY, -EREMOTEIO, e.kind = STEP_RMDIR; e.want = 0;
	      e.have = S_IFDIR);
	JUDGE(CAUSE_OTHER_FS, -EREMOTEIO, e.other_fs = true);
	JUDGE(CAUSE_TOO_MANY_LINKS, -EREMOTEIO, e.kind = STEP_LINK;
	      e.names = 65001);
	JUDGE(CAUSE_REFUSED, -EREMOTEIO, e.kind = STEP_LINK; e.names = 2);
	JUDGE(CAUSE_REFUSED, -EREMOTEIO, e.kind = STEP_LINK);
	JUDGE(CAUSE_BAD_NAME, -EINVAL, (void)0);
	JUDGE(CAUSE_BAD_NAME, -EREMOTEIO, e.name_len = 256);
	JUDGE(CAUSE_NOT_PERMITTED, -EINVAL, e.kind = STEP_SETATTR;
	      e.have = S_IFREG);
}

static void test_ours(void **state)
{
	JUDGE(CAUSE_UNSUPPORTED, -EOPNOTSUPP, (void)0);
	JUDGE(CAUSE_CHANGING, -EAGAIN, (void)0);
	JUDGE(CAUSE_MASTER, -EIO, e.space.read_only = true);
}

static void test_words(void **state)
{
	for (unsigned i = 0; i < CAUSES; i++) {
		const char *word = cause_word((enum cause)i);
		assert_int_equal(cause_from_word(word), i);
		assert_true(*cause_text((enum cause)i) &&
			    *cause_remedy((enum cause)i));
	}
	assert_int_equal(cause_from_word("of a later version"), CAUSE_UNKNOWN);
	assert_int_equal(cause_from_word(NULL), CAUSE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_space),
		cmocka_unit_test(test_tried),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
