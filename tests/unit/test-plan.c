/* The plan, record by record: what becomes of short sequences. */
#include "confdefs.h"

#include "tests/unit/plan-fixture.h"

static void test_create(void **state)
{
	rec(OP_CREATE, 1, "a", NULL, RF_OPEN);
	expect("");
	rec(OP_SETTLE, 1, "a", NULL, 0);
	expect("put a");
	rec(OP_CREATE, 2, "b", NULL, RF_OPEN);
	rec(OP_SETTLE, 2, "b", NULL, 0);
	rec(OP_SETATTR, 2, "b", NULL, RF_MODE);
	rec(OP_SETATTR, 2, "b", NULL, RF_TIMES);
	expect("put b");
	rec(OP_CREATE, 3, "c", NULL, 0);
	expect("put c");
	rec(OP_CREATE, 4, "d", NULL, RF_OPEN);
	rec(OP_SETATTR, 4, "d", NULL, RF_MODE);
	expect("");
}

static void test_write(void **state)
{
	rec(OP_DIRTY, 1, "a", NULL, 0);
	expect("");
	rec(OP_SETATTR, 1, "a", NULL, RF_MODE);
	rec(OP_SETTLE, 1, "a", NULL, 0);
	rec(OP_SETTLE, 2, "b", NULL, 0);
	rec(OP_SETTLE, 1, "a", NULL, 0);
	expect("put b; put a");
	rec(OP_SETATTR, 1, "a", NULL, RF_MODE);
	rec(OP_SETATTR, 2, "b", NULL, RF_MODE);
	rec(OP_SETATTR, 1, "a", NULL, RF_OWNER);
	expect("setattr a; setattr b");
	rec(OP_TRUNC, 1, "a", NULL, 0);
	expect("put a");
}

static void version(unsigned obj)
{
	rec(OP_CREATE, obj, "t", NULL, RF_OPEN);
	rec(OP_SETTLE, obj, "t", NULL, 0);
	rec(OP_RENAME, obj, "t", "a", RF_REPLACED);
}

/* Only the last one is sent; but who has another name is kept by that. */
static void test_versions(void **state)
{
	struct plan plan;

	for (unsigned i = 1; i < 5; i++)
		version(i);
	plan_build(recs, n_recs, &view, memory, &plan);
	assert_string_equal(show(&plan), "put a");
	assert_int_equal(plan.n_gone, 3);
	plan_done(&plan);
	n_recs = 0;
	version(5);
	rec(OP_LINK, 5, "a", "b", 0);
	version(6);
	expect("put a; link a b; put a");
	/* it replaced nothing the first time */
	rec(OP_CREATE, 7, "t", NULL, RF_OPEN);
	rec(OP_SETTLE, 7, "t", NULL, 0);
	rec(OP_RENAME, 7, "t", "n", 0);
	rec(OP_CREATE, 8, "t", NULL, RF_OPEN);
	rec(OP_SETTLE, 8, "t", NULL, 0);
	rec(OP_RENAME, 8, "t", "n", RF_REPLACED);
	rec(OP_UNLINK, 8, "n", NULL, RF_LAST);
	expect("");
	/* the replica has that one, and so perhaps another name of it */
	rec(OP_SETTLE, 9, "c", NULL, 0);
	rec(OP_CREATE, 10, "t", NULL, RF_OPEN);
	rec(OP_SETTLE, 10, "t", NULL, 0);
	rec(OP_RENAME, 10, "t", "c", RF_REPLACED);
	expect("put c; put c");
}

static void test_cancel(void **state)
{
	rec(OP_CREATE, 1, "a", NULL, RF_OPEN);
	rec(OP_SETTLE, 1, "a", NULL, 0);
	rec(OP_UNLINK, 1, "a", NULL, RF_LAST);
	expect("");
	rec(OP_CREATE, 1, "a", NULL, RF_OPEN);
	expect("");
	rec(OP_UNLINK, 1, "a", NULL, RF_LAST);
	rec(OP_SETTLE, 1, "a", NULL, 0);
	expect("");
	rec(OP_SETTLE, 2, "b", NULL, 0);
	rec(OP_UNLINK, 2, "b", NULL, RF_LAST);
	expect("unlink b");
	/* another name may need the content */
	rec(OP_SETTLE, 2, "b", NULL, 0);
	rec(OP_UNLINK, 2, "b", NULL, 0);
	expect("put b; unlink b");
	/* removed and made again: replaced in one step */
	rec(OP_UNLINK, 3, "c", NULL, RF_LAST);
	rec(OP_CREATE, 4, "c", NULL, RF_OPEN);
	rec(OP_SETTLE, 4, "c", NULL, 0);
	expect("put c");
	rec(OP_UNLINK, 3, "c", NULL, RF_LAST);
	rec(OP_CREATE, 4, "c", NULL, RF_OPEN);
	rec(OP_SETTLE, 4, "c", NULL, 0);
	rec(OP_UNLINK, 4, "c", NULL, RF_LAST);
	expect("unlink c");
}

static void test_dirs(void **state)
{
	rec(OP_MKDIR, 1, "d", NULL, 0);
	dir(rec(OP_SETATTR, 1, "d", NULL, RF_MODE));
	rec(OP_RMDIR, 1, "d", NULL, 0);
	expect("");
	rec(OP_MKDIR, 1, "d", NULL, 0);
	rec(OP_CREATE, 2, "d/f", NULL, RF_OPEN);
	rec(OP_SETTLE, 2, "d/f", NULL, 0);
	rec(OP_UNLINK, 2, "d/f", NULL, RF_LAST);
	rec(OP_RMDIR, 1, "d", NULL, 0);
	expect("");
	rec(OP_MKDIR, 1, "d", NULL, 0);
	rec(OP_CREATE, 2, "d/f", NULL, RF_OPEN);
	rec(OP_SETTLE, 2, "d/f", NULL, 0);
	rec(OP_RENAME, 2, "d/f", "g", 0);
	rec(OP_RMDIR, 1, "d", NULL, 0);
	expect("put g");
	rec(OP_UNLINK, 2, "d/f", NULL, RF_LAST);
	rec(OP_RMDIR, 1, "d", NULL, 0);
	rec(OP_MKDIR, 3, "d", NULL, 0);
	rec(OP_RMDIR, 3, "d", NULL, 0);
	expect("unlink d/f; rmdir d; mkdir d; rmdir d");
}

static void test_rename(void **state)
{
	/* write a temporary, rename over the target */
	rec(OP_CREATE, 1, "t", NULL, RF_OPEN);
	rec(OP_SETTLE, 1, "t", NULL, 0);
	rec(OP_SETATTR, 1, "t", NULL, RF_MODE);
	rec(OP_RENAME, 1, "t", "f", RF_REPLACED);
	expect("put f");
	/* the settle of an asynchronous release comes after the rename */
	rec(OP_CREATE, 1, "t", NULL, RF_OPEN);
	expect("");
	rec(OP_RENAME, 1, "t", "f", RF_REPLACED);
	expect("");
	rec(OP_SETTLE, 1, "f", NULL, 0);
	expect("put f");
	/* … and the file is removed instead */
	rec(OP_CREATE, 2, "t", NULL, RF_OPEN);
	rec(OP_RENAME, 2, "t", "f", RF_REPLACED);
	rec(OP_UNLINK, 2, "f", NULL, RF_LAST);
	expect("unlink f");
	/* written in place, then renamed */
	rec(OP_SETTLE, 1, "f", NULL, 0);
	rec(OP_RENAME, 1, "f", "g", 0);
	expect("rename f g; put g");
	rec(OP_RENAME, 1, "g", "h", 0);
	rec(OP_SETATTR, 1, "h", NULL, RF_MODE);
	expect("rename g h; setattr h");
	rec(OP_UNLINK, 5, "h", NULL, RF_LAST);
	rec(OP_RENAME, 1, "g", "h", 0);
	expect("rename g h");
	/* out of a folder that goes, or is made again */
	rec(OP_RENAME, 1, "d/a", "b", 0);
	rec(OP_RMDIR, 2, "d", NULL, 0);
	rec(OP_RENAME, 1, "b", "c", 0);
	expect("rename d/a b; rmdir d; rename b c");
	rec(OP_UNLINK, 1, "d/a", NULL, RF_LAST);
	rec(OP_RMDIR, 2, "d", NULL, 0);
	rec(OP_MKDIR, 3, "d", NULL, 0);
	rec(OP_CREATE, 4, "d/a", NULL, 0);
	expect("unlink d/a; rmdir d; mkdir d; put d/a");
	/* a chain; one that comes back; one that took a place */
	rec(OP_RENAME, 1, "a", "b", 0);
	rec(OP_RENAME, 1, "b", "c", 0);
	rec(OP_RENAME, 1, "c", "d", RF_REPLACED);
	expect("rename a d");
	rec(OP_RENAME, 1, "a", "b", 0);
	rec(OP_SETTLE, 1, "b", NULL, 0);
	rec(OP_RENAME, 1, "b", "a", 0);
	expect("put a");
	rec(OP_RENAME, 1, "a", "b", RF_REPLACED);
	rec(OP_RENAME, 1, "b", "c", 0);
	expect("rename a b; rename b c");
	rec(OP_UNLINK, 2, "b", NULL, RF_LAST);
	rec(OP_RENAME, 1, "a", "b", 0);
	rec(OP_RENAME, 1, "b", "c", 0);
	expect("rename a b; rename b c");
	rec(OP_RENAME, 1, "a", "b", 0);
	rec(OP_RENAME, 2, "c", "a", 0);
	rec(OP_RENAME, 1, "b", "c", 0);
	expect("rename a b; rename c a; rename b c");
}

static void test_pinned(void **state)
{
	/* a backup by link keeps the old content under another name */
	rec(OP_SETTLE, 1, "f", NULL, 0);
	rec(OP_LINK, 1, "f", "f~", 0);
	rec(OP_SETTLE, 1, "f", NULL, 0);
	expect("put f; link f f~");
	rec(OP_CREATE, 1, "t", NULL, RF_OPEN);
	rec(OP_SETTLE, 1, "t", NULL, 0);
	rec(OP_LINK, 1, "t", "u", 0);
	rec(OP_RENAME, 1, "t", "v", 0);
	expect("put t; link t u; rename t v");
}

static void test_link(void **state)
{
	/* how sftp-server renames */
	rec(OP_CREATE, 1, "t", NULL, RF_OPEN);
	rec(OP_SETTLE, 1, "t", NULL, 0);
	rec(OP_LINK, 1, "t", "f", 0);
	rec(OP_UNLINK, 1, "t", NULL, 0);
	expect("put f");
	rec(OP_LINK, 1, "f", "g", 0);
	rec(OP_UNLINK, 1, "f", NULL, 0);
	expect("rename f g");
	rec(OP_LINK, 1, "f", "g", 0);
	rec(OP_UNLINK, 1, "g", NULL, 0);
	expect("");
	/* names of a file that is not there yet */
	rec(OP_CREATE, 2, "t", NULL, RF_OPEN);
	rec(OP_LINK, 2, "t", "u", 0);
	expect("name t; name u");
	rec(OP_RENAME, 2, "u", "v", 0);
	expect("unlink u; name v");
	rec(OP_SETTLE, 2, "t", NULL, 0);
	expect("put t");
}

static void test_symlink(void **state)
{
	rec(OP_SYMLINK, 1, "l", "to", 0)->mode = S_IFLNK | 0777;
	rec(OP_SETATTR, 1, "l", NULL, RF_OWNER)->mode = S_IFLNK | 0777;
	rec(OP_RENAME, 1, "l", "m", 0)->mode = S_IFLNK | 0777;
	expect("symlink m to");
	rec(OP_SYMLINK, 1, "l", "to", 0)->mode = S_IFLNK | 0777;
	rec(OP_UNLINK, 1, "l", NULL, RF_LAST)->mode = S_IFLNK | 0777;
	expect("");
}

/* begins - what is planned of the records from that on, and how many are covered. */
static void begins(unsigned from, const char *want, unsigned used)
{
	struct plan plan;

	plan_build(recs + from, n_recs - from, &view, memory, &plan);
	assert_string_equal(show(&plan), want);
	assert_int_equal(plan.used, used);
	plan_done(&plan);
}

static void test_alone(void **state)
{
	struct plan plan;

	rec(OP_CREATE, 1, "d/f", NULL, 0);
	dir(rec(OP_RENAME, 2, "d", "e", 0));
	rec(OP_CREATE, 3, "e/g", NULL, 0);
	rec(OP_RENAME, 3, "e/g", "e/f", RF_EXCHANGE);
	plan_build(recs, 4, &view, memory, &plan);
	assert_string_equal(show(&plan), "put d/f");
	assert_int_equal(plan.used, 1);
	plan_done(&plan);
	plan_build(recs + 1, 3, &view, memory, &plan);
	assert_string_equal(show(&plan), "rename d e");
	assert_int_equal(plan.used, 1);
	assert_true(plan.actions[0].tree);
	plan_done(&plan);
	plan_build(recs + 2, 2, &view, memory, &plan);
	assert_string_equal(show(&plan), "put e/g");
	plan_done(&plan);
	plan_build(recs + 3, 1, &view, memory, &plan);
	assert_string_equal(show(&plan), "exchange e/g e/f");
	plan_done(&plan);
}

/* A fence is about what was before it: an exchange right behind one moves what the
 * replica has, which may not be had again. */
static void test_behind_fence(void **state)
{
	pathset_put(&parked, "d/f", 1);
	pathset_put(&fences, "d/f", rec(OP_SETTLE, 1, "d/f", NULL, 0)->seq);
	dir(rec(OP_RENAME, 2, "d", "e", RF_EXCHANGE));
	begins(0, "object d/f", 1);
	begins(1, "exchange d e", 1);
}

/* Directories that have nothing to do with each other. */
static void test_moves(void **state)
{
	dir(rec(OP_RENAME, 1, "a/x", "a/y", 0));
	dir(rec(OP_RENAME, 2, "b", "c/b", 0));
	dir(rec(OP_RENAME, 3, "d", "a/x/d", 0));
	dir(rec(OP_RENAME, 4, "e", "f", 0));
	rec(OP_CREATE, 5, "g", NULL, 0);
	begins(0, "rename a/x a/y; rename b c/b", 2);
	begins(2, "rename d a/x/d; rename e f", 2);
	pathset_put(&fences, "f", UINT64_MAX);
	begins(2, "rename d a/x/d", 1);
}

static void test_state(void **state)
{
	uint64_t h;

	rec(OP_CREATE, 1, "d/f", NULL, RF_OPEN);
	h = rec(OP_SETTLE, 1, "d/f", NULL, 0)->seq + 3;
	pathset_put(&fences, "d", h);
	rec(OP_UNLINK, 2, "g", NULL, RF_LAST);
	dir(rec(OP_RENAME, 3, "x", "d/x", 0));
	/* x is reconciled now: what follows there is not an operation */
	rec(OP_SETATTR, 4, "x/y", NULL, RF_MODE);
	rec(OP_CREATE, 5, "z", NULL, 0);
	rec(OP_SETATTR, 6, "d/q", NULL, RF_MODE);
	expect("unlink g; put z; setattr d/q; object d/f; reconcile x 4d; "
	       "reconcile d/x 4d; object x/y");
	rec(OP_UNSURE, 1, "a", "b", 0);
	rec(OP_GAP, 0, NULL, NULL, 0);
	rec(OP_CREATE, 1, "c", NULL, 0);
	expect("reconcile a 4d; reconcile b 4d; reconcile  1d; "
	       "reconcile c 3");
	/* a walk may have sent a newer content to w/l, and to that name alone */
	pathset_put(&fences, "w", UINT64_MAX);
	rec(OP_LINK, 7, "n", "w/l", 0);
	expect("reconcile n 3; reconcile w/l 3");
}

static void test_held(void **state)
{
	pathset_put(&parked, "p/q", 1);
	rec(OP_CREATE, 1, "p/q/r", NULL, 0);
	expect("");
	rec(OP_RENAME, 1, "p/q/r", "s", 0);
	expect("reconcile s 3");
	rec(OP_RENAME, 1, "s", "p/q", 0);
	expect("reconcile s 1");
	rec(OP_RMDIR, 2, "p", NULL, 0);
	expect("reconcile p 1");
	dir(rec(OP_RENAME, 2, "p", "o", 0));
	expect("rename p o");
}

/* plans - what was recorded; so many actions, all of them by state. */
static void plans(struct plan *ret, unsigned n)
{
	plan_build(recs, n_recs, &view, memory, ret);
	assert_int_equal(ret->used, n_recs);
	assert_int_equal(ret->n, n);
	for (unsigned i = 0; i < n; i++)
		assert_true(action_is_state(&ret->actions[i]));
	n_recs = 0;
}

/* No server can name it, and it stands for whatever is below. */
static void test_long(void **state)
{
	char path[PATH_LONG + 1];
	struct plan plan;

	memset(path, 'l', PATH_LONG);
	path[PATH_LONG] = 0;
	rec(OP_MKDIR, 1, path, NULL, 0);
	rec(OP_CREATE, 2, path, NULL, RF_OPEN);
	rec(OP_SYMLINK, 3, path, "target", 0);
	rec(OP_UNLINK, 4, path, NULL, RF_LAST);
	rec(OP_RMDIR, 1, path, NULL, RF_LAST);
	plans(&plan, 1);
	assert_ptr_equal(plan.actions[0].path, path);
	plan_done(&plan);
	/* other names of the object have changed, too */
	rec(OP_SETTLE, 2, path, NULL, 0);
	plans(&plan, 1);
	assert_int_equal(plan.actions[0].kind, ACT_OBJECT);
	plan_done(&plan);
	/* what comes from there is sent; a folder with all that is in it */
	rec(OP_RENAME, 2, path, "a", 0);
	dir(rec(OP_RENAME, 5, path, "b", 0));
	rec(OP_LINK, 6, path, "c", 0);
	plans(&plan, 4);
	for (unsigned i = 0; i < 4; i++) {
		const struct action *a = &plan.actions[i];
		if (a->path != path)
			assert_true(a->strict >= STRICT_FULL);
		assert_int_equal(a->deep, a->path == path || *a->path == 'b');
	}
	plan_done(&plan);
	/* and what goes there leaves */
	dir(rec(OP_RENAME, 7, "d", path, 0));
	rec(OP_RENAME, 8, "e", path, RF_EXCHANGE);
	plans(&plan, 3);
	plan_done(&plan);
	/* one that is not too long */
	path[PATH_LONG - 1] = 0;
	rec(OP_CREATE, 9, path, NULL, 0);
	plan_build(recs, n_recs, &view, memory, &plan);
	assert_int_equal(plan.actions[0].kind, ACT_PUT);
	plan_done(&plan);
	n_recs = 0;
}

static void test_counts(void **state)
{
	struct plan plan;

	rec(OP_MKNOD, 1, "fifo", NULL, 0)->mode = S_IFIFO | 0600;
	rec(OP_MKNOD, 1, "dev", NULL, 0)->mode = S_IFCHR | 0600;
	rec(OP_MKNOD, 1, "dev2", NULL, 0)->mode = S_IFBLK | 0600;
	rec(OP_XATTR, 1, "f", "user.x", 0);
	rec(OP_XATTR, 1, "f", "system.posix_acl_access", 0);
	plan_build(recs, n_recs, &view, memory, &plan);
	assert_int_equal(plan.n, 0);
	assert_int_equal(plan.n_counts, 4);
	assert_string_equal(plan.counts[1].kind, "device");
	assert_int_equal(plan.counts[1].n, 2);
	assert_string_equal(plan.counts[1].example, "dev");
	plan_done(&plan);
}

static void test_pathset(void **state)
{
	struct pathset s = {NULL};

	pathset_put(&s, "a/b", 5);
	pathset_put(&s, "a/bc/d", 7);
	assert_int_equal(pathset_cover(&s, "a/b/c"), 5);
	assert_int_equal(pathset_cover(&s, "a/bc"), 0);
	assert_int_equal(pathset_below(&s, "a/bc"), 7);
	assert_int_equal(pathset_below(&s, ""), 7);
	assert_int_equal(pathset_related(&s, "a"), 7);
	assert_int_equal(pathset_related(&s, "a/c"), 0);
	pathset_drop(&s, 5);
	assert_int_equal(pathset_related(&s, "a/b"), 0);
	assert_int_equal(pathset_related(&s, ""), 7);
	pathset_put(&s, "", 9);
	assert_int_equal(pathset_cover(&s, "x/y"), 9);
	pathset_done(&s);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_create), T(test_write),	 T(test_cancel),
		T(test_versions),
		T(test_dirs),	T(test_rename),	 T(test_pinned),
		T(test_link),	T(test_symlink), T(test_alone),
		T(test_moves),	T(test_state),	 T(test_held),
		T(test_counts), T(test_pathset), T(test_long),
		T(test_behind_fence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
