/* What became of what was at a path, as the records tell, and when they do not. */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cleanup.h"
#include "sync/told.h"

static uint64_t seq;

static uint64_t put_type(struct fates *f, enum record_op op, uint32_t type,
			 uint32_t flags, const char *path, const char *path2)
{
	const struct record r = {.seq = ++seq,
				 .mode = type,
				 .op = op,
				 .flags = flags,
				 .path = (char *)path,
				 .path2 = (char *)path2};

	fates_record(f, &r);
	return seq;
}

static uint64_t put(struct fates *f, enum record_op op, uint32_t flags,
		    const char *path, const char *path2)
{
	return put_type(f, op, 0, flags, path, path2);
}

/* follow - where it is; "(gone)", "(empty)": with its folder, "(untold)". */
static void follow(const struct fates *f, const char *path, uint64_t since,
		   const char *wanted)
{
	static const char *const words[] = {
		[FATE_REMOVED] = "(gone)",
		[FATE_REMOVED_ABOVE] = "(empty)",
		[FATE_UNTOLD] = "(untold)",
	};
	CLEANUP_FREE char *now = NULL;
	enum fate fate = fates_follow(f, path, since, &now);

	assert_string_equal(fate == FATE_THERE ? now : words[fate], wanted);
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
	follow(&f, "d/y", 0, "(empty)");
	follow(&f, "da", 0, "da");
	follow(&f, "", 0, "");
	/* another one, which was empty */
	uint64_t made = put(&f, OP_MKDIR, 0, "d", NULL);
	follow(&f, "d/y", 0, "(empty)");
	seen(&f, "d", 0, made);
	seen(&f, "d", made, made);
	seen(&f, "d/y", 7, 7);
	follow(&f, "d", made, "d");
	follow(&f, "d/y", rmdir, "(untold)");
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
	uint64_t made = put(&f, OP_CREATE, 0, "c", NULL);
	follow(&f, "c", came, "(untold)");
	put(&f, OP_RENAME, RF_REPLACED, "b/x", "c");
	follow(&f, "c", made, "(gone)");
	follow(&f, "a/x", 0, "c");
	uint64_t over = put(&f, OP_RENAME, 0, "b", "e");
	follow(&f, "e", 0, "(untold)");
	follow(&f, "e/y", 0, "(untold)");
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

	seq = 0;
	put_type(&f, OP_MKDIR, S_IFDIR, 0, "a", NULL);
	put_type(&f, OP_RENAME, S_IFDIR, RF_EXCHANGE, "a", "b");
	sight(&f, "a", S_IFDIR, 9, 2, SIGHT_MAYBE);
	sight(&f, "a", S_IFDIR, 2, 1, SIGHT_SURE);
	sight(&f, "a", S_IFREG, 2, 0, SIGHT_ABOVE);
	sight(&f, "b", S_IFDIR, 9, 2, SIGHT_SURE);
	sight(&f, "b", S_IFREG, 9, 0, SIGHT_ABOVE);
	/* nothing comes with a folder that is made */
	sight(&f, "a/x", S_IFREG, 9, 2, SIGHT_ABOVE);
	sight(&f, "a/x", S_IFREG, 2, 0, SIGHT_ABOVE);
	/* nor with a file */
	put_type(&f, OP_RENAME, S_IFREG, 0, "c", "d");
	sight(&f, "d/x", S_IFREG, 9, 0, SIGHT_ABOVE);
	fates_done(&f);
}

/* ---- what explains that it is missing ---- */

#define EPOCH 9 /* no record is of it */

/* what the master has: "path" for folders, "path=" for files */
static const char *const *tree;

static uint32_t type_at(void *arg, const char *path)
{
	size_t n = strlen(path);

	for (unsigned i = 0; tree[i]; i++) {
		if (strncmp(tree[i], path, n) == 0 && !tree[i][n])
			return S_IFDIR;
		if (strncmp(tree[i], path, n) == 0 && tree[i][n] == '=')
			return S_IFREG;
	}
	return 0;
}

static void explain_in(const struct fates *f, const char *path, uint32_t type,
		       uint64_t since, uint64_t epoch, bool partly, int wanted)
{
	const struct fates_question q = {.path = path,
					 .type = type,
					 .since = since,
					 .partly = partly,
					 .epoch = epoch,
					 .type_at = type_at};

	assert_int_equal(fates_explain(f, &q), wanted);
}

static void explain(const struct fates *f, const char *path, uint32_t type,
		    int wanted)
{
	explain_in(f, path, type, 0, EPOCH, false, wanted);
}

#define TREE(...) tree = (const char *const[]){__VA_ARGS__, NULL}

static void test_swap(void **state)
{
	struct fates f = {0};

	/* mv site old; mv next site */
	put(&f, OP_RENAME, 0, "site", "old");
	put(&f, OP_RENAME, 0, "next", "site");
	TREE("site", "old", "old/sub", "old/x=");
	explain(&f, "site/x", S_IFREG, 1);
	explain(&f, "site/sub", S_IFDIR, 1);
	explain(&f, "site/y", S_IFREG, -EAGAIN);
	explain(&f, "site/sub", S_IFREG, -EAGAIN);
	TREE("old", "old/x=");
	explain(&f, "site", S_IFDIR, 0); /* it came there, and is missing */
	/* what came with it, and was removed there */
	put(&f, OP_RMDIR, 0, "site/cache", NULL);
	TREE("site", "old");
	explain(&f, "site/cache", S_IFDIR, 1);
	explain(&f, "site/cache/x", S_IFREG, -EAGAIN);
	fates_done(&f);
}

static void test_roll_back(void **state)
{
	struct fates f = {0};

	put(&f, OP_RENAME, 0, "site", "old");
	put(&f, OP_RENAME, 0, "next", "site");
	put(&f, OP_RENAME, 0, "site", "bad");
	put(&f, OP_RENAME, 0, "old", "site");
	put(&f, OP_UNLINK, 0, "bad/y", NULL);
	put(&f, OP_RMDIR, 0, "bad", NULL);
	TREE("site", "site/sub");
	explain(&f, "site/y", S_IFREG, 1);
	/* it was in no folder that is gone */
	explain(&f, "site/sub/x", S_IFREG, 0);
	explain(&f, "bad/x", S_IFREG, 0);
	put(&f, OP_RMDIR, 0, "more", NULL);
	explain_in(&f, "more/x", S_IFREG, 0, EPOCH, false, 0);
	explain_in(&f, "more/x", S_IFREG, 0, EPOCH, true, 1);
	fates_done(&f);
}

/* it was lost, and a link of that name was made, or a folder anew */
static void test_name_again(void **state)
{
	struct fates f = {0};

	put(&f, OP_MKDIR, 0, "up", NULL);
	put(&f, OP_RENAME, 0, "up", "upl");
	TREE("upl", "upl/x=");
	explain(&f, "up/x", S_IFREG, 0);
	fates_done(&f);

	put(&f, OP_CREATE, 0, "new", NULL);
	put(&f, OP_RENAME, 0, "new", "site");
	TREE("site=");
	explain(&f, "site", S_IFDIR, 0);
	explain(&f, "site/x", S_IFREG, 0);
	fates_done(&f);
}

static void test_epoch(void **state)
{
	struct fates f = {0};

	seq = SEQ_FIRST(1);
	put(&f, OP_MKDIR, 0, "a", NULL);
	TREE("b");
	explain_in(&f, "a", S_IFDIR, 0, 2, false, 0);
	/* its removal is on its way */
	explain_in(&f, "a", S_IFDIR, 0, 1, false, 1);
	explain_in(&f, "a", S_IFDIR, seq, 1, false, 0);
	explain_in(&f, "a/x", S_IFREG, 0, 1, false, 0);
	fates_done(&f);
}

/* after many looks, what was there before all of them */
static void test_many(void **state)
{
	struct fates f = {0};

	put(&f, OP_RENAME, 0, "site", "first");
	for (int i = 0; i < 40; i++) {
		put(&f, OP_RENAME, 0, "next", "site");
		put(&f, OP_RENAME, 0, "site", "old");
	}
	TREE("first", "first/x=", "old");
	explain(&f, "site/x", S_IFREG, 1);
	explain(&f, "site/y", S_IFREG, -EAGAIN);
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
		assert_false(t.partly);
		follow(&t.fates, "d", 0, "(gone)");
		r = (struct record){.seq = 6, .op = ops[i]};
		told_record(&t, &r);
		assert_int_equal(t.upto, 6);
		assert_true(t.partly);
		follow(&t.fates, "d", 0, "d");
		told_done(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_removed), cmocka_unit_test(test_moved),
		cmocka_unit_test(test_swapped), cmocka_unit_test(test_sights),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_roll_back),
		cmocka_unit_test(test_name_again),
		cmocka_unit_test(test_epoch),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
