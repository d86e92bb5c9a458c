/* Cases of fscheck: files without a name (O_TMPFILE, unlinked), whiteouts. */
#include "confdefs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/fscheck.h"

#define USER 4321

/* A kernel before 6.2 does not ask a FUSE file system for it. */
static int nameless(int flags, mode_t mode)
{
	int fd = open(".", O_TMPFILE | flags, mode);

	if (fd < 0 && errno == EOPNOTSUPP)
		_exit(SKIPPED);
	CHECK(fd >= 0);
	return fd;
}

static int name_by_proc(int fd, const char *name)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

static int is_empty(const char *dir)
{
	struct dirent *e;
	DIR *d = opendir(dir);
	int n = 0;

	while ((e = readdir(d)))
		n++;
	closedir(d);
	return n == 2;
}

static void tmpfile_is_linked(void)
{
	struct stat st;
	int fd = nameless(O_RDWR, 0640);

	CHECK(write(fd, "hello", 5) == 5 && is_empty("."));
	CHECK(!fstat(fd, &st) && st.st_nlink == 0 && st.st_size == 5);
	CHECK(st.st_mode == (S_IFREG | 0640));
	CHECK(!fchmod(fd, 0600) && !ftruncate(fd, 4) && !fsync(fd));
	CHECK(!name_by_proc(fd, "one") && file_is("one", "hell"));
	CHECK(!name_by_proc(fd, "two") && write(fd, "-o", 2) == 2);
	CHECK(!fstat(fd, &st) && st.st_nlink == 2 && st.st_size == 7);
	CHECK(!stat("one", &st) && (st.st_mode & 07777) == 0600);
	FAILS(name_by_proc(fd, "one"), EEXIST);
	CHECK(!unlink("one") && !unlink("two"));
	FAILS(name_by_proc(fd, "again"), ENOENT);
	CHECK(is_empty("."));
}

static void tmpfile_errors(void)
{
	int fd = nameless(O_RDWR, 0600);

	close(fd);
	fd = nameless(O_RDWR | O_EXCL, 0600);
	CHECK(write(fd, "x", 1) == 1);
	FAILS(name_by_proc(fd, "excl"), ENOENT);
	FAILS(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	FAILS(open("nothing", O_TMPFILE | O_RDWR, 0600), ENOENT);
	close(file_make("f", 1));
	FAILS(open("f", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
	CHECK(!mkdir("d", 0755));
	fd = open("d", O_TMPFILE | O_WRONLY, 0600);
	CHECK(fd >= 0 && !rmdir("d"));
	CHECK(write(fd, "x", 1) == 1);
	FAILS(name_by_proc(fd, "d/f"), ENOENT);
	CHECK(!name_by_proc(fd, "f2") && file_is("f2", "x"));
}

/* By the other ways: an O_PATH descriptor, one that only reads, a mapping. */
static void tmpfile_by_other_ways(void)
{
	char path[40], got[4];
	char *map;
	int reader, fd = nameless(O_WRONLY, 0600);

	CHECK(write(fd, "text", 4) == 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY);
	CHECK(reader >= 0 && !close(fd));
	CHECK(read(reader, got, 4) == 4 && !memcmp(got, "text", 4));
	CHECK(!name_by_proc(reader, "read") && file_is("read", "text"));
	fd = nameless(O_RDWR, 0600);
	CHECK(!ftruncate(fd, 4096));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	strcpy(map, "mapped");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_PATH);
	CHECK(reader >= 0 && !close(fd));
	CHECK(!name_by_proc(reader, "map"));
	strcpy(map + 100, "later");
	CHECK(!munmap(map, 4096));
	fd = open("map", O_RDONLY);
	CHECK(pread(fd, got, 4, 0) == 4 && !memcmp(got, "mapp", 4));
	CHECK(pread(fd, got, 4, 100) == 4 && !memcmp(got, "late", 4));
}

static void tmpfile_empty_path(void)
{
	struct stat st;
	int fd = nameless(O_RDWR, 0644);

	CHECK(!linkat(fd, "", AT_FDCWD, "f", AT_EMPTY_PATH));
	CHECK(!stat("f", &st) && st.st_nlink == 1 && st.st_size == 0);
	/* many of them: nothing is left behind */
	for (int i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		fd = nameless(O_WRONLY, 0644);
		CHECK(write(fd, name, 4) > 0);
		CHECK(!linkat(fd, "", AT_FDCWD, name, AT_EMPTY_PATH));
		CHECK(!close(fd) && (i % 2 || !unlink(name)));
	}
}

static void make_nameless(void)
{
	struct stat st;
	int fd = open("shared", O_TMPFILE | O_RDWR, 0666);

	CHECK(fd >= 0 && !fstat(fd, &st));
	CHECK(st.st_uid == USER && (st.st_mode & 07777) == 0644);
	CHECK(!name_by_proc(fd, "shared/f"));
	CHECK(!stat("shared/f", &st) && st.st_uid == USER);
	FAILS(open("closed", O_TMPFILE | O_RDWR, 0666), EACCES);
}

static void tmpfile_of_users(void)
{
	close(nameless(O_RDWR, 0600));
	CHECK(!mkdir("shared", 0755) && !chmod("shared", 0777));
	CHECK(!mkdir("closed", 0755));
	CHECK(as_child(USER, 0, make_nameless) == 0);
}

/* Everything that can be done to a descriptor whose file is gone. */
static void unlinked_is_alive(void)
{
	struct timespec t[2] = {{5, 0}, {7, 0}};
	char path[40], got[8];
	struct stat st;
	char *map;
	int again, fd = file_make("f", 100);

	CHECK(!unlink("f") && !futimens(fd, t));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_APPEND);
	CHECK(again >= 0 && write(again, "END", 3) == 3);
	CHECK(!fstat(fd, &st) && st.st_size == 103 && st.st_nlink == 0);
	CHECK(st.st_atim.tv_sec == 5);
	CHECK(!truncate(path, 50) && !chmod(path, 0640));
	CHECK(!fstat(again, &st) && st.st_size == 50);
	CHECK((st.st_mode & 07777) == 0640);
	map = mmap(NULL, 50, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	memcpy(map, "MAP", 3);
	CHECK(!msync(map, 50, MS_SYNC) && pread(again, got, 3, 0) == 3);
	CHECK(!memcmp(got, "MAP", 3));
	if (fsetxattr(fd, "user.x", "1", 1, 0) == 0)
		CHECK(fgetxattr(again, "user.x", got, 8) == 1);
	FAILS(name_by_proc(fd, "f"), ENOENT);
	close(file_make("f", 3)); /* a new one is another */
	CHECK(!fstat(fd, &st) && st.st_size == 50 && file_is("f", "abc"));
}

static void removed_directory(void)
{
	struct stat st;
	int dir;
	DIR *d;

	CHECK(!mkdir("d", 0755));
	dir = open("d", O_RDONLY | O_DIRECTORY);
	CHECK(dir >= 0 && !rmdir("d") && !fstat(dir, &st));
	CHECK(st.st_nlink == 0);
	FAILS(openat(dir, "f", O_RDWR | O_CREAT, 0644), ENOENT);
	FAILS(mkdirat(dir, "e", 0755), ENOENT);
	FAILS(symlinkat("x", dir, "s"), ENOENT);
	CHECK(!fchmod(dir, 0700) && !fstat(dir, &st));
	CHECK((st.st_mode & 07777) == 0700);
	d = fdopendir(dir);
	CHECK(!readdir(d));
	CHECK(!mkdir("d", 0755) && !stat("d", &st));
	CHECK((st.st_mode & 07777) == 0755);
}

static int is_whiteout(const char *name)
{
	struct stat st;

	return !lstat(name, &st) && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(0, 0);
}

static void whiteouts(void)
{
	unsigned flags = RENAME_WHITEOUT;

	close(file_make("f", 3));
	close(file_make("g", 4));
	CHECK(!mkdir("d", 0755));
	FAILS(renameat2(AT_FDCWD, "f", AT_FDCWD, "g", flags | RENAME_EXCHANGE),
	      EINVAL);
	FAILS(renameat2(AT_FDCWD, "f", AT_FDCWD, "g",
			RENAME_NOREPLACE | RENAME_EXCHANGE),
	      EINVAL);
	FAILS(renameat2(AT_FDCWD, "f", AT_FDCWD, "g", 1 << 7), EINVAL);
	int error =
		renameat2(AT_FDCWD, "f", AT_FDCWD, "h", flags) < 0 ? errno : 0;
	if (error) {
		CHECK(error == EINVAL); /* not on every file system */
		_exit(SKIPPED);
	}
	CHECK(is_whiteout("f") && file_is("h", "abc"));
	CHECK(!renameat2(AT_FDCWD, "h", AT_FDCWD, "g", flags));
	CHECK(is_whiteout("h") && file_is("g", "abc"));
	FAILS(renameat2(AT_FDCWD, "g", AT_FDCWD, "f", flags | RENAME_NOREPLACE),
	      EEXIST);
	CHECK(!renameat2(AT_FDCWD, "d", AT_FDCWD, "e", flags));
	CHECK(is_whiteout("d") && !rmdir("e"));
	FAILS(open("f", O_RDONLY), ENXIO);
	CHECK(!unlink("f") && !unlink("h") && !unlink("d"));
}

const struct fscase cases_nameless[] = {
	{"tmpfile-is-linked", tmpfile_is_linked, 0},
	{"tmpfile-errors", tmpfile_errors, 0},
	{"tmpfile-by-other-ways", tmpfile_by_other_ways, 0},
	{"tmpfile-empty-path", tmpfile_empty_path, 1},
	{"tmpfile-of-users", tmpfile_of_users, 1},
	{"unlinked-is-alive", unlinked_is_alive, 0},
	{"removed-directory", removed_directory, 0},
	{"whiteouts", whiteouts, 1},
	{NULL, NULL, 0},
};
