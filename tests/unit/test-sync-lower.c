/* Sync reads the lower tree by path in places: no path leads out of it. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "sync/lower.h"

static char top[] = "/tmp/mirrorfs-lower.XXXXXX";
static int root_fd;

static int set_up(void **state)
{
	if (!mkdtemp(top) || chdir(top) < 0 || mkdir("tree", 0755) < 0 ||
	    mkdir("tree/dir", 0755) < 0 || mkdir("outside", 0755) < 0 ||
	    mknod("tree/dir/file", S_IFREG | 0644, 0) < 0 ||
	    mknod("outside/file", S_IFREG | 0644, 0) < 0 ||
	    symlink("../outside", "tree/out") < 0 ||
	    symlink("dir", "tree/in") < 0 ||
	    symlink("/etc/passwd", "tree/absolute") < 0)
		return -1;
	root_fd = open("tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root_fd < 0;
}

static int take_down(void **state)
{
	static const char *const files[] = {
		"tree/dir/file", "tree/dir", "tree/out", "tree/in",
		"tree/absolute", "tree",     "outside/file", "outside"};
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		remove(files[i]);
	close(root_fd);
	return chdir("/") | rmdir(top);
}

static int try_open(const char *path, int flags)
{
	int fd = lower_open_path(root_fd, path, flags);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void what_is_in_the_tree(void **state)
{
	assert_int_equal(try_open("", O_RDONLY | O_DIRECTORY), 0);
	assert_int_equal(try_open("dir/file", O_RDONLY), 0);
	/* a link itself can be looked at, not gone through */
	assert_int_equal(try_open("out", O_PATH), 0);
}

static void nothing_else(void **state)
{
	static const char *const astray[] = {"out/file", "in/file", "out/../dir",
					     "dir/file/x"};
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(try_open(astray[i], O_PATH), -ENOENT);
		assert_int_equal(try_open(astray[i], O_RDONLY), -ENOENT);
	}
	assert_int_equal(try_open("absolute", O_RDONLY), -ENOENT);
	assert_int_equal(try_open("in", O_RDONLY), -ENOENT);
	assert_true(try_open("../outside/file", O_RDONLY) < 0);
	assert_true(try_open("dir/../../outside", O_PATH) < 0);
	assert_true(try_open("..", O_PATH) < 0);
	assert_true(try_open("/etc/passwd", O_RDONLY) < 0);
}

static void a_look_does_not_follow(void **state)
{
	struct stat st;
	struct fhandle obj;
	assert_int_equal(lower_look(root_fd, "out", &st, &obj), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(lower_look(root_fd, "out/file", &st, &obj), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_the_tree),
		cmocka_unit_test(nothing_else),
		cmocka_unit_test(a_look_does_not_follow),
	};
	return cmocka_run_group_tests(tests, set_up, take_down);
}
