/*
 * What is mounted over is what was opened as the root, whatever symbolic links
 * somebody puts into its path meanwhile. Needs root and /dev/fuse.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/supervisor-private.h"
#include "mounts.h"

static char folder[] = "/tmp/mirrorfs-root.XXXXXX";

static char *at(const char *name)
{
	static char paths[8][128];
	static unsigned n;
	char *path = paths[n++ % 8];
	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static int open_root(struct supervisor *s, struct supervisor_config *cfg,
		     const char *name)
{
	*cfg = (struct supervisor_config){
		.root = at(name), .name = "test", .dead_fd = -1};
	cfg->lower_fd = open(cfg->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	*s = (struct supervisor){.cfg = cfg, .lower_fd = -1, .fuse_fd = -1};
	return supervisor_take_root(s);
}

static void links_in_the_path(void **state)
{
	struct supervisor s;
	struct supervisor_config cfg;
	assert_int_equal(mkdir(at("real"), 0755), 0);
	assert_int_equal(mkdir(at("real/www"), 0755), 0);
	assert_int_equal(symlink("real", at("above")), 0);
	assert_int_equal(symlink("real/www", at("itself")), 0);
	assert_int_equal(open_root(&s, &cfg, "real/www"), 0);
	close(s.lower_fd);
	assert_int_equal(open_root(&s, &cfg, "above/www"), -ELOOP);
	close(s.lower_fd);
	assert_true(open_root(&s, &cfg, "itself") < 0);
}

static void a_link_after_it_was_opened(void **state)
{
	struct supervisor s;
	struct supervisor_config cfg;
	assert_int_equal(mkdir(at("www"), 0755), 0);
	assert_int_equal(mkdir(at("victim"), 0755), 0);
	assert_int_equal(open_root(&s, &cfg, "www"), 0);
	assert_int_equal(rename(at("www"), at("moved")), 0);
	assert_int_equal(symlink("victim", at("www")), 0);
	assert_int_equal(supervisor_mount(&s), 0);
	bool victim = mount_is_mirrorfs(at("victim"));
	bool moved = mount_is_mirrorfs(at("moved"));
	umount2(at(victim ? "victim" : "moved"), MNT_DETACH);
	close(s.fuse_fd);
	close(s.lower_fd);
	assert_false(victim);
	assert_true(moved);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	return remove(path);
}

int main(void)
{
	if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) < 0)
		return 77;
	if (!mkdtemp(folder))
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_in_the_path),
		cmocka_unit_test(a_link_after_it_was_opened),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	nftw(folder, remove_one, 10, FTW_DEPTH | FTW_PHYS);
	return failed;
}
