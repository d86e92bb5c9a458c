/*
 * What is marked in the activity log before a change, where that depends on
 * the names of a file: after a power cut some of them need not be there.
 */
#include "confdefs.h"

#include "worker-fixture.h"

#include "activity.h"
#include "sync/lower.h"

static struct mounted m;

/* made past the mount: nothing of it is marked */
static void lay(void)
{
	assert_int_equal(mkdirat(m.root_fd, "old", 0755), 0);
	assert_int_equal(mkdirat(m.root_fd, "new", 0755), 0);
	for (const char *name = "abc"; *name; name++) {
		char path[] = {'o', 'l', 'd', '/', *name, 0};
		int fd = openat(m.root_fd, path, O_WRONLY | O_CREAT, 0644);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(linkat(m.root_fd, "old/b", m.root_fd, "new/b", 0), 0);
}

static bool is_marked(enum mark_kind kind, const char *path)
{
	struct activity_past p;
	struct journal *j;
	struct fhandle obj;
	struct stat st;
	bool found = false;
	assert_int_equal(lower_look(m.root_fd, path, &st, &obj), 0);
	assert_int_equal(journal_open(m.state, 0, &j), 0);
	activity_load(m.state, journal_uuid(j), 1, &p);
	assert_int_equal(p.verdict, PAST_MARKS);
	for (unsigned i = 0; i < p.n; i++)
		found |= p.marks[i].kind == kind &&
			 fhandle_equal(&p.marks[i].obj, &obj);
	activity_past_done(&p);
	journal_close(j);
	return found;
}

static int up(void **state)
{
	wf_up(&m);
	lay();
	return 0;
}

static int down(void **state)
{
	wf_done(&m);
	return 0;
}

/* The second name may be missing, and what is changed by it be seen at the
 * first one. */
static void test_second_name(void **state)
{
	assert_int_equal(link("old/a", "new/a"), 0);
	assert_true(is_marked(MARK_DIR, "new"));
	assert_true(is_marked(MARK_DIR, "old"));
}

/* The name by which it was changed may be gone. */
static void test_several_names(void **state)
{
	assert_int_equal(chmod("new/b", 0600), 0);
	assert_true(is_marked(MARK_DIR, "new"));
	assert_true(is_marked(MARK_FILE, "old/b"));
	assert_false(is_marked(MARK_DIR, "old"));
	assert_int_equal(chmod("old/c", 0600), 0);
	assert_true(is_marked(MARK_DIR, "old"));
	assert_false(is_marked(MARK_FILE, "old/c"));
}

int main(void)
{
	if (!wf_possible())
		return 77;
	wf_lift_ns = 0; /* marks stay */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_second_name, up, down),
		cmocka_unit_test_setup_teardown(test_several_names, up, down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
