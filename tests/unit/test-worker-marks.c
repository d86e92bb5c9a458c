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

/* `dir`: where the mark says that it is, or NULL: anywhere. */
static bool is_marked_in(enum mark_kind kind, const char *path, const char *dir)
{
	struct activity_past p;
	struct journal *j;
	struct fhandle obj, at;
	struct stat st;
	bool found = false;
	assert_int_equal(lower_look(m.root_fd, path, &st, &obj), 0);
	assert_int_equal(lower_look(m.root_fd, dir ? dir : path, &st, &at), 0);
	assert_int_equal(journal_open(m.state, 0, &j), 0);
	activity_load(m.state, journal_uuid(j), 1, &p);
	assert_int_equal(p.verdict, PAST_MARKS);
	for (unsigned i = 0; i < p.n; i++)
		found |= p.marks[i].kind == kind &&
			 fhandle_equal(&p.marks[i].obj, &obj) &&
			 (!dir || fhandle_equal(&p.marks[i].dir, &at));
	activity_past_done(&p);
	journal_close(j);
	return found;
}

static bool is_marked(enum mark_kind kind, const char *path)
{
	return is_marked_in(kind, path, NULL);
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
	/* where to look for it if it cannot be read */
	assert_true(is_marked_in(MARK_DIR, "new", ""));
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

/* Where there is passthrough. */
static bool reads_past_worker(int fd)
{
	static char block[1 << 20];
	char path[64], line[128];
	long long n[2] = {-1, -1};
	snprintf(path, sizeof(path), "/proc/%d/io", (int)m.worker);
	for (int k = 0; k < 2; k++) {
		FILE *f = fopen(path, "re");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f) &&
		       sscanf(line, "rchar: %lld", &n[k]) != 1)
			;
		fclose(f);
		if (k == 0)
			assert_int_equal(pread(fd, block, sizeof(block), 0),
					 sizeof(block));
	}
	return n[1] - n[0] < (long long)sizeof(block) / 2;
}

/* What is passed and open for reading and writing: it is marked as long as it
 * is, where it is, though all that is touched is covered already. */
static void test_unseen(void **state)
{
	assert_int_equal(truncate("old/c", 2 << 20), 0);
	assert_int_equal(mknod("new/x", S_IFREG | 0644, 0), 0);
	assert_int_equal(mknod("old/x", S_IFREG | 0644, 0), 0);
	int reader = open("old/c", O_RDONLY), fd = open("old/c", O_RDWR);
	assert_true(reader >= 0 && fd >= 0);
	if (!reads_past_worker(reader))
		skip();
	assert_true(is_marked_in(MARK_FILE, "old/c", "old"));
	assert_int_equal(rename("old/c", "new/c"), 0);
	assert_true(is_marked_in(MARK_FILE, "new/c", "new"));
	assert_int_equal(renameat2(AT_FDCWD, "old/x", AT_FDCWD, "new/c",
				   RENAME_EXCHANGE),
			 0);
	assert_true(is_marked_in(MARK_FILE, "old/x", "old"));
	assert_int_equal(link("old/x", "new/y"), 0);
	assert_int_equal(unlink("old/x"), 0);
	assert_true(is_marked_in(MARK_FILE, "new/y", "new"));
	assert_int_equal(link("new/y", "old/y"), 0);
	assert_int_equal(rename("new/x", "new/y"), 0);
	assert_true(is_marked_in(MARK_FILE, "old/y", "old"));
	close(fd);
	close(reader);
}

int main(void)
{
	if (!wf_possible())
		return 77;
	wf_lift_ns = 0; /* marks stay */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_second_name, up, down),
		cmocka_unit_test_setup_teardown(test_several_names, up, down),
		cmocka_unit_test_setup_teardown(test_unseen, up, down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
