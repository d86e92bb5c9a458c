/* Cases of opdrive: names and attributes. */
#include "confdefs.h"

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "tests/opdrive.h"

static void do_mkdir(void)
{
	OK(mkdir("e", 0700));
}

static void do_mkfifo(void)
{
	OK(mkfifo("p", 0600));
}

static void do_bind(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "s"};

	OK(bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
}

static void do_mknod(void)
{
	OK(mknod("null", S_IFCHR | 0600, makedev(1, 3)));
	OK(mknod("file", S_IFREG | 0600, 0));
}

static void do_symlink(void)
{
	OK(symlink("to/where", "l"));
}

static void do_link(void)
{
	OK(link("f", "g"));
}

static void two(void)
{
	file_f();
	OK(mkdir("d", 0755));
	OK(mknod("g", S_IFREG | 0600, 0));
}

static void do_rename(void)
{
	OK(rename("f", "d/f"));
	OK(rename("d/f", "g"));
	OK(rename("d", "e"));
}

static void do_exchange(void)
{
	OK(renameat2(AT_FDCWD, "f", AT_FDCWD, "d", RENAME_EXCHANGE));
}

static void folders(void)
{
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mkdir("a/d", 0755));
	OK(mkdir("b/e", 0755));
	OK(mknod("a/d/f", S_IFREG | 0600, 0));
}

static void do_exchange_folders(void)
{
	OK(renameat2(AT_FDCWD, "a/d", AT_FDCWD, "b/e", RENAME_EXCHANGE));
}

static void do_rename_over_folder(void)
{
	OK(rename("a/d", "b/e"));
}

static void do_noreplace(void)
{
	OK(renameat2(AT_FDCWD, "f", AT_FDCWD, "h", RENAME_NOREPLACE));
	if (renameat2(AT_FDCWD, "h", AT_FDCWD, "g", RENAME_NOREPLACE) == 0)
		_exit(1);
}

static void do_whiteout(void)
{
	UNLESS(EINVAL,
	       renameat2(AT_FDCWD, "f", AT_FDCWD, "h", RENAME_WHITEOUT));
}

static void do_whiteout_over(void)
{
	UNLESS(EINVAL,
	       renameat2(AT_FDCWD, "f", AT_FDCWD, "g", RENAME_WHITEOUT));
}

static void links(void)
{
	file_f();
	OK(link("f", "g"));
}

static void do_rename_same(void)
{
	OK(rename("f", "g")); /* one object: nothing happens */
}

static void do_unlink(void)
{
	OK(unlink("f"));
	OK(unlink("g"));
}

static void do_rmdir(void)
{
	OK(rmdir("d"));
}

static void do_chmod(void)
{
	int fd = open("f", O_RDONLY);

	OK(chmod("f", 0600));
	OK(fchmod(fd, 0640));
	OK(fchmodat(AT_FDCWD, "f", 0644, 0));
}

static void link_to_f(void)
{
	file_f();
	OK(symlink("f", "l"));
}

static void do_chown(void)
{
	OK(chown("l", 1, 2));
	OK(lchown("l", 3, 4));
	OK(fchown(open("f", O_RDONLY), 5, 6));
	OK(chown("f", (uid_t)-1, 7));
}

static void do_utimes(void)
{
	struct timespec t[2] = {{5, 6}, {7, 8}};

	OK(utimensat(AT_FDCWD, "f", t, 0));
	OK(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
	OK(futimens(open("f", O_RDONLY), NULL));
}

static void do_xattr(void)
{
	UNLESS(EOPNOTSUPP, setxattr("f", "user.a", "1", 1, 0));
	OK(fsetxattr(open("f", O_RDONLY), "user.b", "2", 1, 0));
	OK(removexattr("f", "user.a"));
	if (removexattr("f", "user.a") == 0) /* fails: no record */
		_exit(1);
}

static void do_acl(void)
{
	static const uint16_t a[] = {
		2,    0,		 /* version */
		1,    6, 0xffff, 0xffff, /* user */
		2,    4, 1234,	 0,	 /* user 1234 */
		4,    4, 0xffff, 0xffff, /* group */
		0x10, 4, 0xffff, 0xffff, /* mask */
		0x20, 0, 0xffff, 0xffff, /* other */
	};

	UNLESS(EOPNOTSUPP,
	       setxattr("d", "system.posix_acl_default", a, sizeof(a), 0));
	OK(setxattr("f", "system.posix_acl_access", a, sizeof(a), 0));
	OK(removexattr("f", "system.posix_acl_access"));
}

#define GETFLAGS   _IOR('f', 1, long)
#define SETFLAGS   _IOW('f', 2, long)
#define FSGETXATTR _IOR('X', 31, uint32_t[7])
#define FSSETXATTR _IOW('X', 32, uint32_t[7])

static void do_setflags(void)
{
	int flags = 0, fd = open("f", O_RDONLY);
	uint32_t x[7];

	UNLESS(ENOTTY, ioctl(fd, GETFLAGS, &flags));
	flags |= 0x40; /* no dump */
	UNLESS(EOPNOTSUPP, ioctl(fd, SETFLAGS, &flags));
	OK(ioctl(fd, FSGETXATTR, x));
	x[0] &= ~0x80u;
	OK(ioctl(fd, FSSETXATTR, x));
}

const struct opcase cases_ops_names[] = {
	{"mkdir", nothing, do_mkdir, "mkdir e - -"},
	{"mkfifo", nothing, do_mkfifo, "mknod p - -"},
	{"bind", nothing, do_bind, "mknod s - -"},
	{"mknod", nothing, do_mknod, "mknod null - -\ncreate file - -"},
	{"symlink", nothing, do_symlink, "symlink l to/where -"},
	{"link", file_f, do_link, "link f g -"},
	{"rename", two, do_rename,
	 "rename f d/f -\nrename d/f g replaced\nrename d e -"},
	{"exchange", two, do_exchange, "rename f d exchange"},
	{"exchange-folders", folders, do_exchange_folders,
	 "rename a/d b/e exchange"},
	{"over-folder", folders, do_rename_over_folder,
	 "rename a/d b/e replaced"},
	{"noreplace", two, do_noreplace, "rename f h -"},
	{"whiteout", file_f, do_whiteout, "rename f h whiteout"},
	{"whiteout-over", two, do_whiteout_over,
	 "rename f g replaced,whiteout"},
	{"rename-same", links, do_rename_same, ""},
	{"unlink", links, do_unlink, "unlink f - -\nunlink g - last"},
	{"rmdir", dir_d, do_rmdir, "rmdir d - last"},
	{"chmod", file_f, do_chmod,
	 "setattr f - mode\nsetattr f - mode\nsetattr f - mode"},
	{"chown", link_to_f, do_chown,
	 "setattr f - owner\nsetattr l - owner\nsetattr f - owner\n"
	 "setattr f - owner"},
	{"utimes", link_to_f, do_utimes,
	 "setattr f - times\nsetattr l - times\nsetattr f - times"},
	{"xattr", file_f, do_xattr,
	 "xattr f user.a -\nxattr f user.b -\nxattr f user.a -"},
	{"acl", two, do_acl,
	 "xattr d system.posix_acl_default -\n"
	 "xattr f system.posix_acl_access -\nsetattr f - mode\n"
	 "xattr f system.posix_acl_access -\nsetattr f - mode"},
	{"setflags", file_f, do_setflags, "chattr f - -\nchattr f - -"},
	{NULL, NULL, NULL, NULL},
};
