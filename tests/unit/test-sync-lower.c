/* Sync reads the lower tree by path in places: no path leads out of it. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "paths.h"
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

/* Longer than any system call takes. */
static void what_is_far_down(void **state)
{
	char name[251], path[40 * 251];
	int fd[40];
	memset(name, 'n', 250);
	name[250] = 0;
	path[0] = 0;
	for (int i = 0; i < 40; i++) {
		int at = i ? fd[i - 1] : root_fd;
		assert_int_equal(mkdirat(at, name, 0755), 0);
		fd[i] = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(fd[i] >= 0);
		sprintf(strchr(path, 0), "%s%s", i ? "/" : "", name);
		assert_int_equal(try_open(path, O_PATH), 0);
	}
	assert_true(strlen(path) > 2 * PATH_LONG);
	assert_int_equal(symlinkat(".", fd[30], "out"), 0);
	strcpy(path + 31 * 251 - 1, "/out");
	assert_int_equal(try_open(path, O_PATH), 0);
	strcat(path, "/");
	strcat(path, name);
	assert_int_equal(try_open(path, O_PATH), -ENOENT);
	memset(path, 'n', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	assert_int_equal(try_open(path, O_PATH), -ENOENT);
	assert_int_equal(unlinkat(fd[30], "out", 0), 0);
	for (int i = 39; i >= 0; i--) {
		close(fd[i]);
		unlinkat(i ? fd[i - 1] : root_fd, name, AT_REMOVEDIR);
	}
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

/* By handle it is gone; at its path there is another one, nothing, or what
 * cannot be told: only the last is no answer. */
static void gone_or_unreadable(void **state)
{
	char longer[NAME_MAX + 2];
	struct stat st;
	struct fhandle obj;

	memset(longer, 'n', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	assert_int_equal(lower_look(root_fd, "dir/file", &st, &obj), 0);
	int fd = lower_open_object(root_fd, &obj, NULL, O_PATH);
	if (fd < 0)
		skip(); /* no handles here, or they are not for us */
	close(fd);
	obj.bytes[obj.len - 1] ^= 0x55;
	if (!lower_is_gone(root_fd, &obj, NULL))
		skip();
	assert_true(lower_is_gone(root_fd, &obj, "dir/file"));
	assert_true(lower_is_gone(root_fd, &obj, "dir/none"));
	assert_true(lower_is_gone(root_fd, &obj, "out/file"));
	assert_int_equal(lower_open_object(root_fd, &obj, longer, O_PATH),
			 -ENAMETOOLONG);
	assert_false(lower_is_gone(root_fd, &obj, longer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_the_tree),
		cmocka_unit_test(what_is_far_down),
		cmocka_unit_test(nothing_else),
		cmocka_unit_test(a_look_does_not_follow),
		cmocka_unit_test(gone_or_unreadable),
	};
	return cmocka_run_group_tests(tests, set_up, take_down);
}
