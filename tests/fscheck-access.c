/* Cases of fscheck: owners, permissions, times, extended attributes. */
#include "confdefs.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/fscheck.h"

#define USER 4321
#define GROUP 8765

static mode_t mode(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_mode & 07777;
}

static void modes(void)
{
	close(file_make("f", 1));
	CHECK(mode("f") == 0644);
	umask(077);
	CHECK(open("g", O_WRONLY | O_CREAT, 0666) >= 0 && mode("g") == 0600);
	CHECK(!mkdir("d", 0777) && mode("d") == 0700);
	umask(0);
	CHECK(!mkdir("e", 0757) && mode("e") == 0757);
	CHECK(!chmod("f", 04755) && mode("f") == 04755);
	CHECK(!chmod("e", 01777) && mode("e") == 01777);
	/* a writable descriptor of a file that its maker may not write */
	CHECK(open("ro", O_RDWR | O_CREAT | O_EXCL, 0) >= 0);
	CHECK(write(open("ro2", O_RDWR | O_CREAT, 0400), "x", 1) == 1);
}

static void times(void)
{
	struct timespec t[2] = {{111, 222333444}, {555, 666777888}};
	struct stat st, now;
	int fd = file_make("f", 1);

	CHECK(!utimensat(AT_FDCWD, "f", t, 0) && !stat("f", &st));
	CHECK(st.st_mtim.tv_sec == 555 && st.st_mtim.tv_nsec == 666777888);
	CHECK(st.st_atim.tv_sec == 111 && st.st_atim.tv_nsec == 222333444);
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_sec = 777;
	CHECK(!futimens(fd, t) && !fstat(fd, &st));
	CHECK(st.st_atim.tv_sec == 111 && st.st_mtim.tv_sec == 777);
	CHECK(!utimensat(AT_FDCWD, "f", NULL, 0) && !stat("f", &now));
	CHECK(now.st_mtim.tv_sec > 1000000);
	t[1].tv_nsec = UTIME_OMIT;
	t[0].tv_nsec = 5;
	CHECK(!futimens(fd, t) && !fstat(fd, &st) && st.st_atim.tv_nsec == 5);
}

static void times_move(void)
{
	struct timespec t[2] = {{100, 0}, {100, 0}};
	struct stat st;
	int fd = file_make("f", 1);

	CHECK(!futimens(fd, t) && pwrite(fd, "x", 1, 0) == 1);
	CHECK(!fstat(fd, &st) && st.st_mtim.tv_sec > 1000000);
	CHECK(!mkdir("d", 0755) && !utimensat(AT_FDCWD, "d", t, 0));
	CHECK(!stat("d", &st) && st.st_mtim.tv_sec == 100);
	CHECK(close(file_make("d/x", 0)) == 0);
	CHECK(!stat("d", &st) && st.st_mtim.tv_sec > 1000000);
	CHECK(!utimensat(AT_FDCWD, "d", t, 0) && !unlink("d/x"));
	CHECK(!stat("d", &st) && st.st_mtim.tv_sec > 1000000);
	CHECK(!futimens(fd, t) && !truncate("f", 0) && !fstat(fd, &st));
	CHECK(st.st_mtim.tv_sec > 1000000);
}

static void attributes(void)
{
	char got[100], list[1000];

	close(file_make("f", 1));
	CHECK(!mkdir("d", 0755));
	if (setxattr("f", "user.one", "first", 5, 0) && errno == ENOTSUP)
		_exit(SKIPPED);
	CHECK(getxattr("f", "user.one", got, 100) == 5);
	CHECK(!memcmp(got, "first", 5));
	CHECK(getxattr("f", "user.one", NULL, 0) == 5);
	FAILS(getxattr("f", "user.one", got, 2), ERANGE);
	FAILS(setxattr("f", "user.one", "x", 1, XATTR_CREATE), EEXIST);
	FAILS(setxattr("f", "user.two", "x", 1, XATTR_REPLACE), ENODATA);
	CHECK(!setxattr("d", "user.dir", "", 0, 0));
	CHECK(listxattr("f", list, sizeof(list)) >= 9);
	CHECK(!removexattr("f", "user.one"));
	FAILS(getxattr("f", "user.one", got, 100), ENODATA);
}

static void owners(void)
{
	struct stat st;

	close(file_make("f", 1));
	CHECK(!chown("f", 1, 2) && !stat("f", &st));
	CHECK(st.st_uid == 1 && st.st_gid == 2);
	CHECK(!chown("f", (uid_t)-1, 3) && !stat("f", &st));
	CHECK(st.st_uid == 1 && st.st_gid == 3);
	CHECK(!symlink("f", "s") && !lchown("s", 7, 8) && !lstat("s", &st));
	CHECK(st.st_uid == 7 && !stat("f", &st) && st.st_uid == 1);
}

static void make_things(void)
{
	struct stat st;

	close(file_make("shared/f", 1));
	CHECK(!mkdir("shared/d", 0755) && !symlink("x", "shared/s"));
	CHECK(!mkfifo("shared/p", 0644) && !link("shared/f", "shared/l"));
	CHECK(!lstat("shared/f", &st) && st.st_uid == USER);
	CHECK(st.st_gid == USER);
	CHECK(!lstat("shared/d", &st) && st.st_uid == USER);
	CHECK(!lstat("shared/s", &st) && st.st_uid == USER);
	CHECK(!lstat("shared/p", &st) && st.st_uid == USER);
	FAILS(chown("shared/f", 0, 0), EPERM);
	FAILS(open("secret", O_RDONLY), EACCES);
	FAILS(open("private/f", O_RDONLY), EACCES);
	FAILS(unlink("secret"), EACCES);
	FAILS(chmod("secret", 0777), EPERM);
}

static void users_own_what_they_make(void)
{
	CHECK(!mkdir("shared", 0755) && !chmod("shared", 0777));
	close(file_make("secret", 1));
	CHECK(!chmod("secret", 0600) && !mkdir("private", 0700));
	close(file_make("private/f", 1));
	CHECK(as_child(USER, 0, make_things) == 0);
}

static void make_in_group(void)
{
	struct stat st;

	close(file_make("team/f", 1));
	CHECK(!stat("team/f", &st) && st.st_uid == USER);
	CHECK(!chown("team/f", (uid_t)-1, GROUP));
}

static void supplementary_groups(void)
{
	CHECK(!mkdir("team", 0755) && !chown("team", 0, GROUP));
	CHECK(!chmod("team", 0770));
	CHECK(as_child(USER, GROUP, make_in_group) == 0);
	CHECK(as_child(USER, 0, make_in_group) != 0);
}

static void make_in_setgid(void)
{
	struct stat st;

	close(file_make("dir/f", 1));
	CHECK(!mkdir("dir/d", 0755));
	CHECK(!stat("dir/f", &st) && st.st_gid == GROUP);
	CHECK(!stat("dir/d", &st) && st.st_gid == GROUP);
	CHECK(st.st_mode & S_ISGID);
}

static void setgid_directories(void)
{
	CHECK(!mkdir("dir", 0755) && !chown("dir", 0, GROUP));
	CHECK(!chmod("dir", 02777));
	CHECK(as_child(USER, 0, make_in_setgid) == 0);
}

static void remove_others(void)
{
	FAILS(unlink("tmp/f"), EPERM);
	FAILS(rename("tmp/f", "tmp/g"), EPERM);
}

static void sticky_directories(void)
{
	CHECK(!mkdir("tmp", 0755) && !chmod("tmp", 01777));
	close(file_make("tmp/f", 1));
	CHECK(as_child(USER, 0, remove_others) == 0);
}

static void write_suid(void)
{
	int fd = open("suid", O_WRONLY);

	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
}

static void cut_suid(void)
{
	CHECK(!truncate("suid", 1));
}

static void suid_is_cleared(void)
{
	close(file_make("suid", 10));
	CHECK(!chmod("suid", 06777));
	CHECK(as_child(USER, 0, write_suid) == 0 && mode("suid") == 0777);
	CHECK(!chmod("suid", 06777));
	CHECK(as_child(USER, 0, cut_suid) == 0 && mode("suid") == 0777);
	CHECK(!chmod("suid", 04755) && !chown("suid", 1, 1));
	CHECK(mode("suid") == 0755);
}

static void statistics(void)
{
	struct statvfs v;

	CHECK(!statvfs(".", &v) && v.f_blocks > 0 && v.f_namemax == 255);
}

const struct fscase cases_access[] = {
	{"modes", modes, 0},
	{"times", times, 0},
	{"times-move", times_move, 0},
	{"attributes", attributes, 0},
	{"statistics", statistics, 0},
	{"owners", owners, 1},
	{"users-own-what-they-make", users_own_what_they_make, 1},
	{"supplementary-groups", supplementary_groups, 1},
	{"setgid-directories", setgid_directories, 1},
	{"sticky-directories", sticky_directories, 1},
	{"suid-is-cleared", suid_is_cleared, 1},
	{NULL, NULL, 0},
};
