/*
 * Cases of opdrive: other ways to an object than its path: descriptors opened
 * earlier, O_PATH, /proc/self/fd, another root, another mount namespace.
 */
#include "confdefs.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "tests/opdrive.h"

static int earlier; /* opened in prepare */

static void tree(void)
{
	OK(mkdir("d", 0755));
	OK(mkdir("d/sub", 0755));
	OK(mknod("d/f", S_IFREG | 0644, 0));
	passed("d/f");
}

static void tree_and_dirfd(void)
{
	tree();
	OK(earlier = open("d/sub", O_RDONLY | O_DIRECTORY));
}

/* The folder has moved since it was opened. */
static void by_dirfd(void)
{
	OK(rename("d", "e"));
	OK(mkdirat(earlier, "x", 0755));
	OK(openat(earlier, "y", O_WRONLY | O_CREAT, 0644));
	OK(renameat(earlier, "y", AT_FDCWD, "z"));
	OK(unlinkat(earlier, "x", AT_REMOVEDIR));
	OK(fchmod(earlier, 0700));
}

static void by_working_directory(void)
{
	OK(chdir("d/sub"));
	OK(rename("../../d", "../../e"));
	OK(mkdir("x", 0755));
	OK(symlink("t", "../l"));
}

static void f_open(void)
{
	tree();
	OK(earlier = open("d/f", O_RDWR));
}

/* The file has another name, then none, then there is another one. */
static void by_descriptor_of_moved(void)
{
	OK(rename("d/f", "d/g"));
	OK(write(earlier, "1", 1));
	OK(fchmod(earlier, 0600));
	OK(unlink("d/g"));
	OK(pwrite(earlier, "2", 1, 5));
	OK(fchmod(earlier, 0640));
}

static void f_path(void)
{
	tree();
	OK(earlier = open("d/f", O_PATH));
}

static const char *link_path(int fd)
{
	static char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static void by_o_path(void)
{
	const char *f = link_path(earlier);
	struct timespec t[2] = {{1, 0}, {2, 0}};

	OK(chmod(f, 0600));
	OK(fchownat(earlier, "", 1, 1, AT_EMPTY_PATH));
	OK(utimensat(AT_FDCWD, f, t, 0));
	OK(truncate(f, 10));
	OK(linkat(AT_FDCWD, f, AT_FDCWD, "g", AT_SYMLINK_FOLLOW));
	OK(linkat(earlier, "", AT_FDCWD, "h", AT_EMPTY_PATH));
}

static void reopened(void)
{
	int fd = open(link_path(earlier), O_WRONLY | O_TRUNC);

	OK(fd);
	OK(write(fd, "again", 5));
}

static void through_proc_cwd(void)
{
	OK(chdir("d"));
	OK(mkdir("/proc/self/cwd/x", 0755));
	OK(rename("/proc/self/cwd/x", "/proc/self/cwd/sub/y"));
}

static void chrooted(void)
{
	OK(chroot("d"));
	OK(chdir("/"));
	OK(mkdir("/x", 0755));
	OK(symlink("/f", "/l"));
	OK(chmod("/l", 0600));
}

static void other_namespace(void)
{
	UNLESS(EPERM, unshare(CLONE_NEWNS));
	OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	OK(mkdir("x", 0755));
	OK(rename("x", "d/x"));
}

/* A part of the mount, bound to another place. */
static void bound(void)
{
	UNLESS(EPERM, unshare(CLONE_NEWNS));
	OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	OK(mount("d", "/mnt", NULL, MS_BIND, NULL));
	OK(mkdir("/mnt/x", 0755));
	OK(unlink("/mnt/f"));
}

static void by_hard_link(void)
{
	OK(link("d/f", "g"));
	OK(chmod("g", 0600));
	OK(unlink("d/f"));
	OK(truncate("g", 7));
}

const struct opcase cases_ops_ways[] = {
	{"dirfd", tree_and_dirfd, by_dirfd,
	 "rename d e -\nmkdir e/sub/x - -\ncreate e/sub/y - open\n"
	 "rename e/sub/y z -\nrmdir e/sub/x - last\nsetattr e/sub - mode\n"
	 "write z - -"},
	{"working-directory", tree, by_working_directory,
	 "rename d e -\nmkdir e/sub/x - -\nsymlink e/l t -"},
	{"moved", f_open, by_descriptor_of_moved,
	 "rename d/f d/g -\nopen d/g - -\nsetattr d/g - mode\n"
	 "unlink d/g - last\nwrite d/g - last"},
	{"o-path", f_path, by_o_path,
	 "setattr d/f - mode\nsetattr d/f - owner\nsetattr d/f - times\n"
	 "truncate d/f - -\nlink d/f g -\nlink g h -"},
	{"reopened", f_path, reopened, "open d/f - -\nwrite d/f - -"},
	{"proc-cwd", tree, through_proc_cwd,
	 "mkdir d/x - -\nrename d/x d/sub/y -"},
	{"chroot", tree, chrooted,
	 "mkdir d/x - -\nsymlink d/l /f -\nsetattr d/f - mode"},
	{"namespace", tree, other_namespace, "mkdir x - -\nrename x d/x -"},
	{"bound", tree, bound, "mkdir d/x - -\nunlink d/f - last"},
	{"hard-link", tree, by_hard_link,
	 "link d/f g -\nsetattr g - mode\nunlink d/f - -\ntruncate g - -"},
	{NULL, NULL, NULL, NULL},
};
