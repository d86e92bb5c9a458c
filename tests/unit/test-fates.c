/* What became of what was at a path, as the records tell, and when they do not. */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cleanup.h"
#include "sync/told.h"

static uint64_t seq;

static uint64_t put(struct fates *f, enum record_op op, uint32_t flags,
		    const char *path, const char *path2)
{
	const struct record r = {.seq = ++seq,
				 .op = op,
				 .flags = flags,
				 .path = (char *)path,
				 .path2 = (char *)path2};

	fates_record(f, &r);
	return seq;
}

/* follow - where it is; "(gone)" when it is nowhere. */
static void follow(const struct fates *f, const char *path, uint64_t since,
		   const char *wanted)
{
	CLEANUP_FREE char *now = fates_follow(f, path, since);

	assert_string_equal(now ? now : "(gone)", wanted);
}

static void seen(const struct fates *f, const char *path, uint64_t since,
		 uint64_t wanted)
{
	enum fates_sight sight;

	assert_int_equal(
		fates_seen(f, path, S_IFREG, UINT64_MAX, since, &sight),
		wanted);
}

static void test_removed(void **state)
{
	struct fates f = {0};

	follow(&f, "d/x", 0, "d/x");
	put(&f, OP_UNLINK, 0, "d/x", NULL);
	follow(&f, "d/x", 0, "(gone)");
	follow(&f, "d/y", 0, "d/y");
	follow(&f, "d", 0, "d");
	uint64_t rmdir = put(&f, OP_RMDIR, 0, "d", NULL);
	follow(&f, "d", 0, "(gone)");
	follow(&f, "d/y", 0, "(gone)");
	follow(&f, "da", 0, "da");
	follow(&f, "", 0, "");
	/* another one, which was empty */
	uint64_t made = put(&f, OP_MKDIR, 0, "d", NULL);
	follow(&f, "d/y", 0, "(gone)");
	seen(&f, "d", 0, made);
	seen(&f, "d", made, made);
	seen(&f, "d/y", 7, 7);
	follow(&f, "d", made, "d");
	follow(&f, "d/y", rmdir, "d/y");
	put(&f, OP_CREATE, 0, "d/y", NULL);
	uint64_t link = put(&f, OP_LINK, 0, "d/y", "d/z");
	seen(&f, "d/z", 0, link);
	put(&f, OP_UNLINK, 0, "d/y", NULL);
	follow(&f, "d/y", link, "(gone)");
	follow(&f, "d/z", link, "d/z");
	fates_done(&f);
}

static void test_moved(void **state)
{
	struct fates f = {0};

	put(&f, OP_RMDIR, 0, "b", NULL);
	uint64_t came = put(&f, OP_RENAME, 0, "a", "b");
	follow(&f, "a", 0, "b");
	follow(&f, "a/x", 0, "b/x");
	follow(&f, "b", came, "b");
	seen(&f, "b", 0, came);
	seen(&f, "a", 0, 0);
	/* what is replaced is gone; a folder that is was empty */
	put(&f, OP_CREATE, 0, "c", NULL);
	put(&f, OP_RENAME, 0, "b/x", "c");
	follow(&f, "c", came, "(gone)");
	follow(&f, "a/x", 0, "c");
	uint64_t over = put(&f, OP_RENAME, 0, "b", "e");
	follow(&f, "e/y", 0, "e/y");
	follow(&f, "a/y", 0, "e/y");
	put(&f, OP_UNLINK, 0, "e/y", NULL);
	follow(&f, "a/y", 0, "(gone)");
	follow(&f, "e/y", over, "(gone)");
	fates_done(&f);
}

static void test_swapped(void **state)
{
	struct fates f = {0};

	uint64_t swap = put(&f, OP_RENAME, RF_EXCHANGE, "b", "c/d");
	follow(&f, "b/x", 0, "c/d/x");
	follow(&f, "c/d", 0, "b");
	seen(&f, "b", 0, swap);
	seen(&f, "c/d", 0, swap);
	put(&f, OP_RENAME, RF_EXCHANGE, "c/d", "b");
	follow(&f, "b/x", 0, "b/x");
	put(&f, OP_RENAME, 0, "c", "g");
	follow(&f, "b/x", swap, "g/d/x");
	follow(&f, "c/d", 0, "g/d");
	fates_done(&f);
}

static void sight(const struct fates *f, const char *path, uint32_t type,
		  uint64_t before, uint64_t wanted, enum fates_sight how)
{
	enum fates_sight got;

	assert_int_equal(fates_seen(f, path, type, before, 0, &got), wanted);
	assert_int_equal(got, how);
}

/* what is of another type is another one; above it, it may have come with it */
static void test_sights(void **state)
{
	struct fates f = {0};
	struct record r = {.seq = 1,
			   .op = OP_MKDIR,
			   .path = (char[]){"a"},
			   .mode = S_IFDIR};

	fates_record(&f, &r);
	r = (struct record){.seq = 2,
			    .op = OP_RENAME,
			    .flags = RF_EXCHANGE,
			    .path = (char[]){"a"},
			    .path2 = (char[]){"b"},
			    .mode = S_IFDIR};
	fates_record(&f, &r);
	sight(&f, "a", S_IFDIR, 9, 2, SIGHT_MAYBE);
	sight(&f, "a", S_IFDIR, 2, 1, SIGHT_SURE);
	sight(&f, "a", S_IFREG, 2, 0, SIGHT_ABOVE);
	sight(&f, "b", S_IFDIR, 9, 2, SIGHT_SURE);
	sight(&f, "b", S_IFREG, 9, 0, SIGHT_ABOVE);
	/* nothing comes with a folder that is made */
	sight(&f, "a/x", S_IFREG, 9, 2, SIGHT_ABOVE);
	sight(&f, "a/x", S_IFREG, 2, 0, SIGHT_ABOVE);
	fates_done(&f);
}

/* what was changed past the records may have been there again, and gone */
static void test_doubt(void **state)
{
	static const enum record_op ops[] = {OP_GAP, OP_UNSURE};

	for (unsigned i = 0; i < 2; i++) {
		struct told t = {0};
		struct record r = {
			.seq = 5, .op = OP_UNLINK, .path = (char[]){"d"}};

		told_record(&t, &r);
		assert_null(fates_follow(&t.fates, "d", 0));
		r = (struct record){.seq = 6, .op = ops[i]};
		told_record(&t, &r);
		assert_int_equal(t.upto, 6);
		follow(&t.fates, "d", 0, "d");
		told_done(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_removed), cmocka_unit_test(test_moved),
		cmocka_unit_test(test_swapped), cmocka_unit_test(test_sights),
		cmocka_unit_test(test_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
