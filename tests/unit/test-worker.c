/*
 * What overlays get wrong, on a mounted worker: set-id bits, what was found
 * by a path that changes under one's hands, caches, names that are not for
 * users. Behaviour at large is tested by tests/fscheck.
 */
#include "confdefs.h"

#include "worker-fixture.h"

#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define FILES_MAX 200

static struct mounted m;

#define OK(call)	   assert_true((call) >= 0)
#define FAILS(call, error) assert_true((call) < 0 && errno == (error))

static void file_with(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	OK(fd);
	OK(write(fd, text, strlen(text)));
	OK(fchmod(fd, mode));
	close(fd);
}

/* ---- set-id bits ---- */

static int change_through(int flags)
{
	int fd = open("setid", flags);
	if (fd < 0)
		return 1;
	if (!(flags & O_TRUNC) && write(fd, "y", 1) != 1)
		return 2;
	close(fd);
	return 0;
}

static int by_write_only(void)
{
	return change_through(O_WRONLY);
}

static int by_read_write(void)
{
	return change_through(O_RDWR);
}

static int by_append(void)
{
	return change_through(O_WRONLY | O_APPEND);
}

static int by_open_truncate(void)
{
	return change_through(O_WRONLY | O_TRUNC);
}

static int by_truncate(void)
{
	return truncate("setid", 1) < 0;
}

static int by_fallocate(void)
{
	int fd = open("setid", O_WRONLY);
	return fd < 0 || posix_fallocate(fd, 0, 8192) != 0;
}

static int by_copy(void)
{
	int fd = open("setid", O_WRONLY), from = open("from", O_RDONLY);
	return fd < 0 || from < 0 ||
	       copy_file_range(from, NULL, fd, NULL, 3, 0) != 3;
}

static void setid_bits_do_not_survive(void **state)
{
	static int (*const ways[])(void) = {
		by_write_only, by_read_write, by_append, by_open_truncate,
		by_truncate,   by_fallocate,  by_copy,
	};
	struct stat st;
	file_with("from", "from", 0644);
	for (size_t k = 0; k < sizeof(ways) / sizeof(ways[0]); k++) {
		file_with("setid", "content", 06777);
		OK(stat("setid", &st)); /* the kernel knows the mode now */
		assert_int_equal(st.st_mode & 07777, 06777);
		assert_int_equal(wf_as(65534, 65534, ways[k]), 0);
		OK(stat("setid", &st));
		assert_int_equal(st.st_mode & 07777, 0777);
		OK(fstatat(m.root_fd, "setid", &st, 0));
		assert_int_equal(st.st_mode & 07777, 0777);
		/* root keeps them */
		file_with("setid", "content", 06777);
		assert_int_equal(wf_as(0, 0, ways[k]), 0);
		OK(stat("setid", &st));
		assert_int_equal(st.st_mode & 07777, 06777);
		OK(unlink("setid"));
	}
}

/* ---- paths that change ---- */

#define REPLACED 1500

static int replace(void)
{
	for (int n = 0; n < REPLACED; n++) {
		int fd = open("new", O_WRONLY | O_CREAT | O_EXCL, 0666);
		if (fd < 0 || write(fd, "abc", 3) != 3 || close(fd) < 0 ||
		    rename("new", "file") < 0)
			return 1;
	}
	return unlink("go on") < 0;
}

/* Whatever is done by path meets the old file or the new one. */
static int use(void)
{
	struct stat st;
	char text[8];
	while (access("go on", F_OK) == 0) {
		int fd = open("file", O_RDWR);
		if (fd < 0 || read(fd, text, 3) != 3 || fstat(fd, &st) < 0 ||
		    close(fd) < 0)
			return 1;
		if (stat("file", &st) < 0 || chmod("file", 0666) < 0 ||
		    utimensat(AT_FDCWD, "file", NULL, 0) < 0 ||
		    listxattr("file", NULL, 0) < 0)
			return 2;
	}
	return 0;
}

static void a_replaced_file_is_always_there(void **state)
{
	int (*const run[])(void) = {replace, use, use};
	pid_t pids[3];
	int status;
	file_with("file", "abc", 0666);
	file_with("go on", "", 0666);
	for (int k = 0; k < 3; k++) {
		pids[k] = fork();
		if (pids[k] == 0)
			_exit(run[k]());
	}
	for (int k = 0; k < 3; k++) {
		assert_int_equal(waitpid(pids[k], &status, 0), pids[k]);
		assert_int_equal(status, 0);
	}
}

static void what_was_unlinked_stays(void **state)
{
	struct stat st;
	char text[8];
	int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0644);
	OK(fd);
	OK(write(fd, "hello", 5));
	OK(unlink("f"));
	file_with("f", "another", 0644);
	OK(write(fd, "!", 1));
	OK(fstat(fd, &st));
	assert_int_equal(st.st_size, 6);
	assert_int_equal(st.st_nlink, 0);
	OK(fchmod(fd, 0600));
	OK(ftruncate(fd, 3));
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, O_RDONLY);
	OK(again);
	assert_int_equal(read(again, text, sizeof(text)), 3);
	close(again);
	close(fd);
	OK(stat("f", &st));
	assert_int_equal(st.st_size, 7);
}

static void a_removed_working_directory(void **state)
{
	struct stat st;
	OK(mkdir("dir", 0755));
	OK(chdir("dir"));
	OK(rmdir("../dir"));
	OK(stat(".", &st));
	assert_int_equal(st.st_nlink, 0);
	FAILS(open("f", O_WRONLY | O_CREAT, 0644), ENOENT);
	OK(chdir(m.root));
}

/* ---- caches ---- */

static void a_mapping_sees_direct_writes(void **state)
{
	char text[8] = "";
	file_with("f", "0123456789", 0644);
	int reader = open("f", O_RDONLY), writer = open("f", O_WRONLY);
	OK(reader);
	OK(writer);
	char *map = mmap(NULL, 10, PROT_READ, MAP_SHARED, reader, 0);
	assert_true(map != MAP_FAILED);
	for (int n = 0; n < 200; n++) {
		char c = (char)('a' + n % 26);
		assert_int_equal(pwrite(writer, &c, 1, 5), 1);
		assert_int_equal(map[5], c);
		assert_int_equal(pread(reader, text, 1, 5), 1);
		assert_int_equal(text[0], c);
	}
	close(writer);
	close(reader);
	munmap(map, 10);
}

/* ---- names and limits ---- */

static void the_reserved_name(void **state)
{
	struct stat st;
	OK(mkdirat(m.root_fd, ".mirrorfs", 0700));
	FAILS(stat(".mirrorfs", &st), ENOENT);
	FAILS(mkdir(".mirrorfs", 0755), EACCES);
	FAILS(open(".mirrorfs", O_WRONLY | O_CREAT, 0644), EACCES);
	FAILS(symlink("x", ".mirrorfs"), EACCES);
	file_with("f", "x", 0644);
	FAILS(link("f", ".mirrorfs"), EACCES);
	FAILS(rename("f", ".mirrorfs"), EACCES);
	OK(mkdir("dir", 0755));
	OK(mkdir("dir/.mirrorfs", 0755)); /* only at the top */
	DIR *dir = opendir(".");
	assert_non_null(dir);
	for (struct dirent *d; (d = readdir(dir));)
		assert_string_not_equal(d->d_name, ".mirrorfs");
	closedir(dir);
}

static void another_mount_below(void **state)
{
	struct stat st;
	char path[128];
	OK(mkdirat(m.root_fd, "other", 0755));
	snprintf(path, sizeof(path), "/proc/self/fd/%d/other", m.root_fd);
	if (mount("none", path, "tmpfs", 0, "size=64k") < 0)
		skip();
	int r = stat("other", &st);
	int error = errno;
	umount2(path, MNT_DETACH);
	assert_true(r < 0 && error == EXDEV);
}

/* ---- folders that ignore case ---- */

/* For the worker: below, the folder "folded" is one, and any can become one. */
int ioctl(int fd, unsigned long cmd, ...)
{
	char link[64], path[256] = "";
	va_list ap;
	va_start(ap, cmd);
	int *flags = va_arg(ap, int *);
	va_end(ap);
	if (cmd == FS_IOC_SETFLAGS && *flags & FS_CASEFOLD_FL)
		return 0;
	int r = (int)syscall(SYS_ioctl, fd, cmd, flags);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (cmd == FS_IOC_GETFLAGS && r == 0 &&
	    readlink(link, path, sizeof(path) - 1) > 7 &&
	    strcmp(path + strlen(path) - 7, "/folded") == 0)
		*flags |= FS_CASEFOLD_FL;
	return r;
}

static void nothing_in_a_folder_that_ignores_case(void **state)
{
	struct stat st;
	unsigned names = 0;
	int flags = FS_CASEFOLD_FL;
	OK(mkdir("other", 0755));
	OK(mkdir("folded", 0755));
	OK(mknodat(m.root_fd, "folded/name", S_IFREG | 0644, 0));
	OK(stat("folded", &st));
	FAILS(stat("folded/name", &st), EOPNOTSUPP);
	FAILS(stat("folded/NAME", &st), EOPNOTSUPP);
	FAILS(open("folded/new", O_WRONLY | O_CREAT, 0644), EOPNOTSUPP);
	FAILS(mkdir("folded/new", 0755), EOPNOTSUPP);
	FAILS(rename("other", "folded/other"), EOPNOTSUPP);
	FAILS(unlink("folded/name"), EOPNOTSUPP);
	DIR *dir = opendir("folded");
	assert_non_null(dir);
	for (struct dirent *d; (d = readdir(dir));)
		names += strcmp(d->d_name, "name") == 0;
	closedir(dir);
	assert_int_equal(names, 1);
	int fd = open("other", O_RDONLY | O_DIRECTORY);
	OK(fd);
	FAILS(syscall(SYS_ioctl, fd, FS_IOC_SETFLAGS, &flags), EOPNOTSUPP);
	close(fd);
	OK(unlinkat(m.root_fd, "folded/name", 0));
	OK(rmdir("folded"));
}

/* Users who take all descriptors get an honest error, and nobody else is hurt:
 * the worker was started with a limit of FILES_MAX. */
static void too_many_files(void **state)
{
	int fds[FILES_MAX], n = 0;
	char name[32];
	for (; n < FILES_MAX; n++) {
		snprintf(name, sizeof(name), "f%d", n);
		fds[n] = open(name, O_RDWR | O_CREAT, 0644);
		if (fds[n] < 0)
			break;
	}
	assert_true(n > FILES_MAX / 2 && n < FILES_MAX);
	assert_int_equal(errno, ENFILE);
	OK(mkdir("dir", 0755));
	OK(rename("dir", "other"));
	OK(truncate("f0", 10));
	OK(setxattr("f0", "user.x", "y", 1, 0));
	while (n > 0) {
		close(fds[--n]);
		snprintf(name, sizeof(name), "f%d", n);
		OK(unlink(name));
	}
}

static int setup_few_files(void **state)
{
	wf_up_limited(&m, FILES_MAX);
	return 0;
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
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(setid_bits_do_not_survive),
		TEST(a_replaced_file_is_always_there),
		TEST(what_was_unlinked_stays),
		TEST(a_removed_working_directory),
		TEST(a_mapping_sees_direct_writes),
		TEST(the_reserved_name),
		TEST(another_mount_below),
		TEST(nothing_in_a_folder_that_ignores_case),
		cmocka_unit_test_setup_teardown(too_many_files, setup_few_files,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
