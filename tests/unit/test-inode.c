/*
 * The inode table: numbers, names, paths, and what is freed when the kernel
 * forgets. No file system is touched: handles are made up.
 */
#include "confdefs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/inode.h"
#include "fs/kept.h"
#include "paths.h"

static struct fhandle handle_of(unsigned n, unsigned len)
{
	struct fhandle fh = {.len = len, .type = 1};
	memset(fh.bytes, 0xa5, len);
	memcpy(fh.bytes, &n, sizeof(n));
	return fh;
}

static struct inode *learn(unsigned n, struct inode *dir, const char *name,
			   mode_t mode)
{
	/* short ones are kept in place, long ones beside */
	struct fhandle fh = handle_of(n, n % 2 ? 8 : 40);
	struct stat st = {.st_mode = mode};
	struct inode *i = inode_learn(&fh, &st, dir, name);
	assert_non_null(i);
	return i;
}

static void path_is(const struct inode *i, const char *path, bool former)
{
	bool is_former = !former;
	char *is = inode_path(i, &is_former);
	assert_string_equal(is, path);
	assert_int_equal(is_former, former);
	free(is);
}

static int setup(void **state)
{
	struct fhandle root = handle_of(0, 8);
	inodes_start(&root);
	*state = inode_get(INODE_ROOT);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	inodes_stop();
	return 0;
}

static void found_by_handle_and_number(void **state)
{
	struct inode *a = learn(1, *state, "a", S_IFREG);
	struct fhandle fh = handle_of(1, 8), back;
	assert_ptr_equal(inode_find(&fh), a);
	inode_unref(a);
	assert_ptr_equal(inode_get(inode_id(a)), a);
	inode_handle(a, &back);
	assert_true(fhandle_equal(&fh, &back));
	assert_int_equal(inode_hash(a), fhandle_hash(&fh));
	assert_int_equal(inode_type(a), S_IFREG);
	fh.type = 2;
	assert_null(inode_find(&fh));
	assert_null(inode_get(0));
	assert_null(inode_get(inode_id(a) + 1));
	assert_null(inode_get(inode_id(a) | 1ULL << 32));
	inode_forget(inode_id(a), 1);
}

static void numbers_are_never_used_again(void **state)
{
	uint64_t before = 0;
	for (int n = 0; n < 1000; n++) {
		struct inode *a = learn(7, *state, "a", S_IFREG);
		uint64_t id = inode_id(a);
		assert_int_not_equal(id, before);
		inode_forget(id, 1);
		assert_null(inode_get(id));
		before = id;
	}
	assert_int_equal(inodes_count(), 1);
}

/* Killed at any store, the next worker comes to the same. */
static void what_was_given_back_counts_once(void **state)
{
	struct forgetting p = {0};
	struct inode *a = learn(1, *state, "a", S_IFREG);
	uint64_t id = inode_id(a);
	learn(1, *state, "a", S_IFREG);
	learn(1, *state, "a", S_IFREG);
	inode_forget_next(&p, id, 1); /* 2 are left */
	assert_int_equal(p.done, 1);
	/* begun, but not set */
	p.left = 1;
	p.begun = 2;
	inode_forget_resume(&p, id, 1);
	/* set, but not done */
	p.done = 1;
	inode_forget_resume(&p, id, 1);
	assert_int_equal(p.done, 2);
	assert_non_null(inode_get(id));
	inode_forget_next(&p, id, 1);
	assert_null(inode_get(id));
	/* gone, but not done */
	p.done = 2;
	inode_forget_resume(&p, id, 1);
	assert_int_equal(p.done, 3);
	assert_int_equal(inodes_count(), 1);
}

static void lookups_are_counted(void **state)
{
	struct inode *a = learn(1, *state, "a", S_IFREG);
	assert_ptr_equal(learn(1, *state, "a", S_IFREG), a);
	assert_ptr_equal(learn(1, *state, "a", S_IFREG), a);
	uint64_t id = inode_id(a);
	inode_forget(id, 2);
	assert_ptr_equal(inode_get(id), a);
	inode_ref(a);
	inode_forget(id, 1);
	assert_ptr_equal(inode_get(id), a);
	inode_unref(a);
	assert_null(inode_get(id));
	inode_forget(id, 1);
	inode_forget(INODE_ROOT, 1);
	assert_non_null(inode_get(INODE_ROOT));
}

static void path_follows_a_renamed_directory(void **state)
{
	struct inode *root = *state;
	struct inode *d = learn(2, root, "d", S_IFDIR);
	struct inode *e = learn(3, d, "e", S_IFDIR);
	struct inode *f = learn(4, e, "f", S_IFREG);
	path_is(root, "", false);
	path_is(f, "d/e/f", false);
	inode_name_add(d, root, "other");
	inode_name_del(d, root, "d");
	path_is(f, "other/e/f", false);
	char *of = inode_path_of(e, "new");
	assert_string_equal(of, "other/e/new");
	free(of);
	of = inode_path_of(root, "new");
	assert_string_equal(of, "new");
	free(of);
	/* a directory stays as long as something in it is known */
	uint64_t ids[] = {inode_id(d), inode_id(e), inode_id(f)};
	inode_forget(ids[0], 1);
	inode_forget(ids[1], 1);
	path_is(f, "other/e/f", false);
	inode_forget(ids[2], 1);
	for (int n = 0; n < 3; n++)
		assert_null(inode_get(ids[n]));
	assert_int_equal(inodes_count(), 1);
}

/* Moved around the mount; the kernel, which has d/e still, refuses it as well. */
static void folders_make_no_circle(void **state)
{
	struct inode *root = *state;
	struct inode *d = learn(2, root, "d", S_IFDIR);
	struct inode *e = learn(3, d, "e", S_IFDIR);
	struct fhandle fh = handle_of(2, 40);
	struct stat st = {.st_mode = S_IFDIR};
	assert_null(inode_learn(&fh, &st, e, "d"));
	assert_int_equal(errno, ELOOP);
	assert_null(inode_learn(&fh, &st, d, "d"));
	path_is(e, "d/e", false);
	/* it is met at its new name first; its former one is forgotten */
	learn(3, root, "e", S_IFDIR);
	learn(2, e, "d", S_IFDIR);
	path_is(d, "e/d", false);
	inode_name_del(e, root, "e");
	path_is(d, "e/d", true);
	inode_forget(inode_id(d), 2);
	inode_forget(inode_id(e), 2);
	assert_int_equal(inodes_count(), 1);
}

static void several_names(void **state)
{
	struct inode *root = *state;
	struct inode *d = learn(2, root, "d", S_IFDIR);
	struct inode *a = learn(1, root, "a", S_IFREG);
	inode_name_add(a, d, "b");
	path_is(a, "d/b", false);
	learn(1, root, "a", S_IFREG); /* the one seen last is told */
	path_is(a, "a", false);
	inode_name_del(a, root, "a");
	path_is(a, "d/b", false);
	inode_name_del(a, root, "not its name");
	path_is(a, "d/b", false);
	inode_forget(inode_id(a), 2);
	inode_forget(inode_id(d), 1);
	assert_int_equal(inodes_count(), 1);
}

static void a_former_name(void **state)
{
	struct inode *root = *state;
	struct inode *d = learn(2, root, "d", S_IFDIR);
	struct inode *a = learn(1, d, "a", S_IFREG);
	inode_name_del(a, d, "a");
	path_is(a, "d/a", true);
	inode_name_del(a, d, "a");
	path_is(a, "d/a", true);
	/* its directory goes as well, but is still needed for the path */
	inode_name_del(d, root, "d");
	inode_forget(inode_id(d), 1);
	path_is(a, "d/a", true);
	/* another name turns up */
	inode_name_add(a, root, "again");
	path_is(a, "again", false);
	inode_forget(inode_id(a), 1);
	assert_int_equal(inodes_count(), 1);
}

#define MANY 20000

static void many(void **state)
{
	uint64_t *ids = malloc(MANY * sizeof(*ids));
	char name[32];
	assert_non_null(ids);
	struct inode *dir = learn(1000000, *state, "dir", S_IFDIR);
	for (unsigned n = 0; n < MANY; n++) {
		snprintf(name, sizeof(name), "file %u", n);
		ids[n] = inode_id(learn(n + 1, dir, name, S_IFREG));
	}
	for (unsigned n = 0; n < MANY; n++) {
		struct fhandle fh = handle_of(n + 1, (n + 1) % 2 ? 8 : 40);
		struct inode *i = inode_find(&fh);
		assert_non_null(i);
		assert_int_equal(inode_id(i), ids[n]);
		inode_unref(i);
	}
	assert_int_equal(inodes_count(), MANY + 2);
	inode_forget(inode_id(dir), 1);
	for (unsigned n = 0; n < MANY; n++)
		inode_forget(ids[n], 1);
	assert_int_equal(inodes_count(), 1);
	free(ids);
}

#define DEEP 200000

/* A file at the bottom of directories that are all removed is closed: what
 * goes then is a long chain. */
static void deep(void **state)
{
	struct inode *dir = *state, *first = NULL;
	for (unsigned n = 0; n < DEEP; n++) {
		struct inode *i = learn(n + 1, dir, "d", S_IFDIR);
		if (n == 0)
			first = i;
		else
			inode_forget(inode_id(dir), 1);
		dir = i;
	}
	uint64_t id = inode_id(first);
	path_is(first, "d", false);
	inode_forget(inode_id(dir), 1);
	assert_null(inode_get(id));
	assert_int_equal(inodes_count(), 1);
}

/* Where no system call can name anything, only the first such folder is told. */
static void too_deep(void **state)
{
	struct inode *dirs[60], *at = *state;
	char name[101], want[101 * 60], *is;
	bool former;
	memset(name, 'd', 100);
	name[100] = 0;
	want[0] = 0;
	for (unsigned n = 0; n < 60; n++) {
		at = dirs[n] = learn(n + 1, at, name, S_IFDIR);
		if (strlen(want) < PATH_LONG)
			sprintf(strchr(want, 0), "%s%s", n ? "/" : "", name);
		path_is(at, want, false);
	}
	assert_int_equal(strlen(want), 41 * 101 - 1);
	is = inode_path_of(dirs[40], "x");
	assert_string_equal(is, want);
	free(is);
	is = inode_path_of(dirs[39], "x");
	assert_int_equal(strlen(is), 40 * 101 - 1 + 2);
	free(is);
	/* whatever has no name any more is further up */
	inode_name_del(dirs[0], *state, name);
	is = inode_path(dirs[59], &former);
	assert_true(former);
	free(is);
	for (unsigned n = 60; n > 0; n--)
		inode_forget(inode_id(dirs[n - 1]), 1);
	assert_int_equal(inodes_count(), 1);
}

static void set_id_bits_are_noted(void **state)
{
	struct stat st = {.st_mode = S_IFREG | 0644};
	struct inode *a = learn(1, *state, "a", S_IFREG | 04755);
	assert_true(inode_had_setid(a));
	inode_saw(a, &st);
	assert_false(inode_had_setid(a));
	inode_forget(inode_id(a), 1);
}

/* A worker that is killed while it makes a name leaves one of any length that
 * belongs to nobody; names that others gave stay. */
static void half_a_name(void **state)
{
	static const char long_name[] = "a name of more than thirty-five bytes";
	struct fhandle root = handle_of(0, 8);
	struct slots *s;
	uint64_t id;
	int kept;
	inodes_stop();
	assert_int_equal(kept_create(&kept), 0);
	assert_int_equal(kept_open(kept), 0);
	inodes_start(&root);
	uint64_t a = inode_id(learn(1, inode_get(INODE_ROOT), "a", S_IFREG));
	uint64_t b =
		inode_id(learn(3, inode_get(INODE_ROOT), long_name, S_IFREG));
	for (unsigned which = KEPT_NAMES; which <= KEPT_NAMES_LAST; which++) {
		assert_int_equal(kept_slots((enum kept_items)which, &s), 0);
		for (unsigned n = 0; n < 3; n++)
			assert_non_null(slots_take(s, &id));
		slots_close(s);
	}
	inodes_stop();
	inodes_start(&root);
	path_is(inode_get(a), "a", false);
	path_is(inode_get(b), long_name, false);
	inode_forget(a, 1);
	inode_forget(b, 1);
	assert_int_equal(inodes_count(), 1);
	kept_close();
	close(kept);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(found_by_handle_and_number),
		TEST(numbers_are_never_used_again),
		TEST(what_was_given_back_counts_once),
		TEST(lookups_are_counted),
		TEST(path_follows_a_renamed_directory),
		TEST(folders_make_no_circle),
		TEST(several_names),
		TEST(a_former_name),
		TEST(many),
		TEST(deep),
		TEST(too_deep),
		TEST(set_id_bits_are_noted),
		TEST(half_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
