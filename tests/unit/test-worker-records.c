/*
 * Each operation that changes the tree leaves its record: done once through a
 * mount, then the journal is compared with what is expected.
 */
#include "confdefs.h"

#include "worker-fixture.h"

#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* <linux/fs.h> and <sys/mount.h> do not go together everywhere */
#define GETFLAGS _IOR('f', 1, long)
#define SETFLAGS _IOW('f', 2, long)
#define NODUMP	 0x40

static struct mounted m;

#define OK(call) assert_true((call) >= 0)

static int make(const char *name, int flags, mode_t mode)
{
	int fd = open(name, flags | O_CREAT, mode);
	assert_true(fd >= 0);
	return fd;
}

/* close_told - and wait until it is recorded: the kernel tells of it when it gets
 * to it, and the last name may be gone by then. Nothing else was written before. */
static void close_told(int fd)
{
	struct journal *j;
	struct record r[64];
	bool told = false;
	close(fd);
	assert_int_equal(journal_open(m.state, JOURNAL_READ, &j), 0);
	while (!told) {
		int n = journal_read(j, 0, r, 64);
		OK(n);
		for (int k = 0; k < n; k++) {
			told |= r[k].op == OP_SETTLE;
			record_done(&r[k]);
		}
		usleep(1000);
	}
	journal_close(j);
}

static void names(void)
{
	int fd = make("file", O_WRONLY | O_EXCL, 0640);
	OK(write(fd, "hello", 5));
	close_told(fd);
	close(make("empty", O_RDONLY | O_EXCL, 0600));
	OK(mknod("plain", S_IFREG | 0600, 0));
	OK(mkdir("dir", 0700));
	OK(mkdir("dir/sub", 0755));
	OK(symlink("to/where", "dir/soft"));
	OK(mknod("fifo", S_IFIFO | 0644, 0));
	OK(mknod("null", S_IFCHR | 0644, makedev(1, 3)));
	OK(link("file", "dir/hard"));
	OK(rename("dir", "moved"));
	OK(rename("empty", "plain"));
	OK(renameat2(AT_FDCWD, "fifo", AT_FDCWD, "moved/sub", RENAME_EXCHANGE));
	OK(renameat2(AT_FDCWD, "null", AT_FDCWD, "null2", RENAME_NOREPLACE));
	assert_true(renameat2(AT_FDCWD, "null2", AT_FDCWD, "plain",
			      RENAME_NOREPLACE) < 0);
	OK(rename("file", "moved/hard")); /* one object: nothing happens */
	OK(unlink("moved/hard"));
	OK(unlink("file"));
	OK(rmdir("fifo"));
}

static const char *const names_expected[] = {
	"create file - 640 1",
	"write file - 640 0 0+5",
	"create empty - 600 0",
	"create plain - 600 0",
	"mkdir dir - 700 0",
	"mkdir dir/sub - 755 0",
	"symlink dir/soft to/where 777 0",
	"mknod fifo - 644 0",
	"mknod null - 644 0",
	"link file dir/hard 640 0",
	"rename dir moved 700 0",
	"rename empty plain 600 40",
	"rename fifo moved/sub 644 2",
	"rename null null2 644 0",
	"unlink moved/hard - 640 0",
	"unlink file - 640 80",
	"rmdir fifo - 755 80",
	NULL,
};

static void attributes(void)
{
	struct timespec ts[2] = {{1, 2}, {3, 4}};
	int flags;
	close(make("f", O_RDONLY | O_EXCL, 0644));
	OK(chmod("f", 0600));
	OK(chown("f", 5, 6));
	OK(utimensat(AT_FDCWD, "f", ts, 0));
	OK(symlink("x", "s"));
	OK(lchown("s", 7, 8));
	OK(setxattr("f", "user.colour", "blue", 4, 0));
	OK(removexattr("f", "user.colour"));
	assert_true(removexattr("f", "user.colour") < 0);
	OK(chmod(".", 0700));
	OK(chmod(".", 0755));
	int fd = open("f", O_RDONLY);
	OK(fd);
	if (ioctl(fd, GETFLAGS, &flags) == 0) {
		flags |= NODUMP;
		OK(ioctl(fd, SETFLAGS, &flags));
	} else { /* the file system below has none */
		OK(setxattr("f", "user.flags", "none", 4, 0));
	}
	close(fd);
}

static const char *const attributes_expected[] = {
	"create f - 644 0",	     "setattr f - 600 4",
	"setattr f - 600 8",	     "setattr f - 600 10",
	"symlink s x 777 0",	     "setattr s - 777 8",
	"xattr f user.colour 600 0", "xattr f user.colour 600 0",
	"setattr  - 700 4",	     "setattr  - 755 4",
	"chattr|xattr f * 600 0",    NULL,
};

/* The mapping outlives the descriptor. */
static void mapped(void)
{
	int fd = open("f", O_RDWR);
	OK(fd);
	char *map = mmap(NULL, 1000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	close(fd);
	map[500] = 'x';
	OK(munmap(map, 1000));
}

static void appended(void)
{
	int fd = open("f", O_WRONLY | O_APPEND);
	OK(fd);
	OK(write(fd, "more", 4));
	close(fd);
}

static void allocated(void)
{
	int fd = open("f", O_WRONLY);
	OK(fd);
	OK(posix_fallocate(fd, 4096, 4096) == 0 ? 0 : -1);
	close(fd);
}

static void emptied(void)
{
	close(open("f", O_WRONLY | O_TRUNC));
}

static void copied(void)
{
	int from = make("from", O_RDWR | O_EXCL, 0644);
	OK(write(from, "0123456789", 10));
	int to = open("f", O_WRONLY);
	OK(to);
	off_t off_in = 2, off_out = 5;
	OK(copy_file_range(from, &off_in, to, &off_out, 4, 0));
	close(to);
	close(from);
}

/* ---- comparing ---- */

static void describe(const struct record *r, char *out, size_t size)
{
	int n = snprintf(out, size, "%s %s %s %o %x", record_op_word(r->op),
			 r->path, r->path2 ? r->path2 : "-", r->mode & 07777,
			 r->flags);
	for (uint32_t i = 0; i < r->n_ranges; i++)
		n += snprintf(out + n, size - (size_t)n, " %llu+%llu",
			      (unsigned long long)r->ranges[i].off,
			      (unsigned long long)r->ranges[i].len);
}

/* "chattr|xattr f * 600 0" is the one place with a choice. What has several names
 * may have another one when its close is told. */
static bool is_expected(const char *is, const char *expected)
{
	static const char several[] = "write file";
	size_t n = strlen(several);
	if (strncmp(expected, several, n) == 0 && strncmp(is, several, 6) == 0)
		return strcmp(is + 6 + strcspn(is + 6, " "), expected + n) == 0;
	if (strchr(expected, '|'))
		return strncmp(is, "chattr f", 8) == 0 ||
		       strncmp(is, "xattr f", 7) == 0;
	return strcmp(is, expected) == 0;
}

/* The records are these in this order; only a "write" may come later, as the
 * kernel tells some time after close that a file was closed. */
static void journal_is(const char *const *expected, uint32_t uid)
{
	struct journal *j;
	struct record r[64];
	char text[512];
	bool found[64] = {false};
	int next = 0;
	assert_int_equal(journal_open(m.state, JOURNAL_READ, &j), 0);
	int n = journal_read(j, 0, r, 64);
	journal_close(j);
	assert_true(n > 0);
	for (int k = 0; k < n; k++) {
		describe(&r[k], text, sizeof(text));
		assert_int_equal(r[k].who.uid, uid);
		assert_true(r[k].who.pid > 0);
		assert_true(r[k].who.program[0] != '\0');
		assert_true(r[k].obj.len > 0);
		record_done(&r[k]);
		int at = next;
		while (expected[at] &&
		       (found[at] || !is_expected(text, expected[at])))
			at++;
		if (!expected[at])
			fail_msg("\"%s\", expected \"%s\"", text,
				 expected[next] ? expected[next] : "nothing");
		for (int skipped = next; skipped < at; skipped++) {
			if (!found[skipped] &&
			    strncmp(expected[skipped], "write", 5) != 0)
				fail_msg("\"%s\" before \"%s\"", text,
					 expected[skipped]);
		}
		found[at] = true;
		while (expected[next] && found[next])
			next++;
	}
	if (expected[next])
		fail_msg("\"%s\" is missing", expected[next]);
}

static void names_are_recorded(void **state)
{
	names();
	wf_down(&m);
	journal_is(names_expected, 0);
}

static void attributes_are_recorded(void **state)
{
	attributes();
	wf_down(&m);
	journal_is(attributes_expected, 0);
}

/* Each on its own, so that it does not matter when a close is told. */
static void contents_are_recorded(void **state)
{
	static const struct {
		void (*run)(void);
		const char *expected[6];
	} cases[] = {
		{appended, {"open f - 644 1000", "write f - 644 0 1000+4"}},
		{allocated, {"open f - 644 1000", "write f - 644 0 4096+4096"}},
		{mapped, {"open f - 644 0", "write f - 644 0 0+1000"}},
		{emptied, {"open f - 644 0", "write f - 644 0 0+1000"}},
		{copied,
		 {"create from - 644 1", "open f - 644 0",
		  "write f - 644 0 5+4", "write from - 644 0 0+10"}},
	};
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		const char *expected[9] = {"create f - 644 0",
					   "truncate f - 644 0 0+1000"};
		for (int n = 0; cases[k].expected[n]; n++)
			expected[2 + n] = cases[k].expected[n];
		close(make("f", O_RDONLY, 0644));
		OK(truncate("f", 1000));
		cases[k].run();
		wf_down(&m);
		journal_is(expected, 0);
		wf_done(&m);
		wf_up(&m);
	}
}

static int user_writes(void)
{
	int fd = open("mine", O_WRONLY | O_CREAT | O_EXCL, 0644);
	return fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0 ? 0 : 1;
}

static int user_moves(void)
{
	return mkdir("my", 0755) == 0 && rename("my", "own") == 0 ? 0 : 1;
}

/* the kernel tells of the last close when it gets to it: so nothing behind it */
static void who_is_recorded(void **state)
{
	static const char *const written[] = {"create mine - 644 1",
					      "write mine - 644 0 0+1", NULL};
	static const char *const moved[] = {"mkdir my - 755 0",
					    "rename my own 755 0", NULL};
	OK(fchmod(m.root_fd, 0777));
	wf_as(65534, 65534, user_writes);
	wf_down(&m);
	journal_is(written, 65534);
	wf_done(&m);
	wf_up(&m);
	OK(fchmod(m.root_fd, 0777));
	wf_as(65534, 65534, user_moves);
	wf_down(&m);
	journal_is(moved, 65534);
}

static int setup(void **state)
{
	wf_up(&m);
	return 0;
}

static int teardown(void **state)
{
	wf_done(&m);
	return 0;
}

int main(void)
{
	if (!wf_possible())
		return 77;
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(names_are_recorded),
		TEST(attributes_are_recorded),
		TEST(contents_are_recorded),
		TEST(who_is_recorded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
