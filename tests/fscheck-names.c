/* Cases of fscheck: names, links, directories. */
#include "confdefs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fscheck.h"

static ino_t inode(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_ino;
}

static nlink_t links(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_nlink;
}

static void unlinked_open(void)
{
	int fd = file_make("f", 100);
	struct stat st;
	char got[5];

	CHECK(!unlink("f"));
	CHECK(!fstat(fd, &st) && st.st_nlink == 0 && st.st_size == 100);
	CHECK(pwrite(fd, "gone", 4, 200) == 4);
	CHECK(pread(fd, got, 4, 200) == 4 && !memcmp(got, "gone", 4));
	CHECK(!ftruncate(fd, 50) && !fchmod(fd, 0600) && !fsync(fd));
	CHECK(!fstat(fd, &st) && st.st_size == 50);
	CHECK((st.st_mode & 07777) == 0600);
	CHECK(access("f", F_OK) == -1);
}

static void renames(void)
{
	ino_t f;

	close(file_make("f", 10));
	f = inode("f");
	CHECK(!mkdir("d", 0755) && !rename("f", "d/g"));
	CHECK(inode("d/g") == f && access("f", F_OK) == -1);
	CHECK(!rename("d", "e") && inode("e/g") == f);
	FAILS(rename("e", "e/below"), EINVAL);
	FAILS(rename("nothing", "x"), ENOENT);
	CHECK(!mkdir("full", 0755) && close(file_make("full/x", 1)) == 0);
	/* xfs says EEXIST, which POSIX allows as well */
	CHECK(rename("e", "full") == -1 &&
	      (errno == ENOTEMPTY || errno == EEXIST));
	CHECK(!mkdir("empty", 0755) && !rename("e", "empty"));
	FAILS(rename("full/x", "empty"), EISDIR);
	FAILS(rename("empty", "full/x"), ENOTDIR);
	CHECK(file_is("full/x", "a"));
}

static void rename_over_open(void)
{
	int old = file_make("f", 5), new = file_make("tmp", 3);
	char got[10];

	CHECK(!rename("tmp", "f") && file_is("f", "abc"));
	CHECK(pread(old, got, 10, 0) == 5 && pwrite(old, "OLD", 3, 0) == 3);
	CHECK(pwrite(new, "NEW", 3, 0) == 3 && file_is("f", "NEW"));
}

static void rename_flags(void)
{
	close(file_make("f", 1));
	close(file_make("g", 2));
	CHECK(!mkdir("d", 0755));
	FAILS(renameat2(AT_FDCWD, "f", AT_FDCWD, "g", RENAME_NOREPLACE),
	      EEXIST);
	CHECK(!renameat2(AT_FDCWD, "f", AT_FDCWD, "g", RENAME_EXCHANGE));
	CHECK(file_is("f", "ab") && file_is("g", "a"));
	CHECK(!renameat2(AT_FDCWD, "d", AT_FDCWD, "g", RENAME_EXCHANGE));
	CHECK(file_is("d", "a") && !rmdir("g"));
	CHECK(!renameat2(AT_FDCWD, "f", AT_FDCWD, "h", RENAME_NOREPLACE));
}

static void hard_links(void)
{
	close(file_make("f", 3));
	CHECK(!mkdir("d", 0755) && !link("f", "d/g"));
	CHECK(inode("f") == inode("d/g") && links("f") == 2);
	CHECK(!chmod("d/g", 0600) && !truncate("f", 1));
	CHECK(file_is("d/g", "a"));
	CHECK(!rename("f", "d/g")); /* the same file: nothing happens */
	CHECK(links("f") == 2 && !unlink("f") && links("d/g") == 1);
	FAILS(link("d", "x"), EPERM);
	FAILS(link("d/g", "d/g"), EEXIST);
}

static void symbolic_links(void)
{
	char target[1000], got[4096]; /* xfs takes 1023 bytes */
	struct timespec t[2] = {{5, 0}, {1000000000, 0}};
	struct stat st;

	memset(target, 't', sizeof(target) - 1);
	target[sizeof(target) - 1] = 0;
	CHECK(!symlink(target, "long"));
	CHECK(readlink("long", got, sizeof(got)) == sizeof(target) - 1);
	CHECK(!memcmp(got, target, sizeof(target) - 1));
	CHECK(!symlink("nowhere", "s") && access("s", F_OK) == -1);
	CHECK(!utimensat(AT_FDCWD, "s", t, AT_SYMLINK_NOFOLLOW));
	CHECK(!lstat("s", &st) && st.st_mtime == 1000000000);
	CHECK(st.st_size == 7);
	FAILS(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK(open("s", O_WRONLY | O_CREAT, 0644) >= 0); /* through it */
	CHECK(access("nowhere", F_OK) == 0);
	FAILS(symlink("x", "s"), EEXIST);
	CHECK(!symlink("loop", "loop"));
	FAILS(open("loop", O_RDONLY), ELOOP);
}

static void fifo_child(void)
{
	int fd = open("fifo", O_WRONLY);

	CHECK(fd >= 0 && write(fd, "through", 7) == 7);
}

static void fifo(void)
{
	char got[8];
	struct stat st;
	pid_t pid;
	int fd;

	CHECK(!mkfifo("fifo", 0640));
	CHECK(!lstat("fifo", &st) && S_ISFIFO(st.st_mode));
	pid = fork();
	if (pid == 0) {
		fifo_child();
		_exit(0);
	}
	fd = open("fifo", O_RDONLY);
	CHECK(read(fd, got, 8) == 7 && !memcmp(got, "through", 7));
	CHECK(waitpid(pid, NULL, 0) == pid && !unlink("fifo"));
}

static void unix_socket(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	int c = socket(AF_UNIX, SOCK_STREAM, 0);

	CHECK(!bind(s, (void *)&a, sizeof(a)) && !listen(s, 1));
	CHECK(!connect(c, (void *)&a, sizeof(a)));
	CHECK(accept(s, NULL, NULL) >= 0 && !unlink("sock"));
}

static void names_of_all_kinds(void)
{
	char name[257];

	memset(name, 'n', 256);
	name[256] = 0;
	FAILS(open(name, O_RDWR | O_CREAT, 0644), ENAMETOOLONG);
	name[255] = 0;
	CHECK(close(file_make(name, 1)) == 0 && !unlink(name));
	for (int c = 1; c < 256; c++) {
		snprintf(name, sizeof(name), "-%c ", c);
		if (c == '/')
			continue;
		CHECK(close(file_make(name, 1)) == 0 && inode(name));
	}
	CHECK(close(file_make("\xff\xfe\n", 1)) == 0);
	CHECK(!rename("\xff\xfe\n", " ") && !unlink(" "));
}

static void deep(void)
{
	for (int i = 0; i < 60; i++)
		CHECK(!mkdir("deep-folder", 0755) && !chdir("deep-folder"));
	CHECK(close(file_make("f", 10)) == 0);
	for (int i = 0; i < 60; i++)
		CHECK(!chdir(".."));
	CHECK(inode("deep-folder/../deep-folder") == inode("deep-folder"));
}

static int listed(DIR *dir, char *seen, int n)
{
	struct dirent *e;
	int count = 0;

	while ((e = readdir(dir))) {
		int i;

		if (sscanf(e->d_name, "file%d", &i) != 1 || i >= n)
			continue;
		CHECK(!seen[i]);
		seen[i] = 1;
		count++;
	}
	return count;
}

static void listing(void)
{
	char name[32], seen[3000] = {0};
	struct dirent *e;
	int dots = 0;
	long here;
	DIR *dir;

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		CHECK(close(file_make(name, 0)) == 0);
	}
	dir = opendir(".");
	while ((e = readdir(dir)))
		dots += !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	CHECK(dots == 2);
	rewinddir(dir);
	CHECK(listed(dir, seen, 3000) == 3000);
	rewinddir(dir);
	for (int i = 0; i < 1000; i++)
		CHECK(readdir(dir));
	here = telldir(dir);
	CHECK((e = readdir(dir)));
	strcpy(name, e->d_name);
	CHECK(readdir(dir));
	seekdir(dir, here);
	CHECK((e = readdir(dir)) && !strcmp(e->d_name, name));
}

static void listing_changes(void)
{
	char name[32], seen[1000] = {0};
	struct dirent *e;
	int left = 0, i;
	DIR *dir;

	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		CHECK(close(file_make(name, 0)) == 0);
	}
	dir = opendir(".");
	while ((e = readdir(dir))) /* rm * while reading */
		if (sscanf(e->d_name, "file%d", &i) == 1)
			CHECK(!unlink(e->d_name));
	rewinddir(dir);
	left = listed(dir, seen, 1000);
	CHECK(left == 0);
	CHECK(close(file_make("file7", 0)) == 0);
	rewinddir(dir);
	CHECK(listed(dir, seen, 1000) == 1);
}

static void directories(void)
{
	struct stat st;

	CHECK(!mkdir("d", 0755) && !mkdir("d/e", 0700));
	/* btrfs does not count folders as links: always 1 */
	int one = links("d") == 1;
	CHECK(links("d") == (one ? 1 : 3) && inode("d/e/..") == inode("d"));
	FAILS(mkdir("d", 0755), EEXIST);
	CHECK(rmdir("d") == -1 && (errno == ENOTEMPTY || errno == EEXIST));
	FAILS(unlink("d"), EISDIR);
	FAILS(open("d", O_WRONLY), EISDIR);
	FAILS(open("nothing/x", O_WRONLY | O_CREAT, 0644), ENOENT);
	CHECK(close(file_make("f", 1)) == 0);
	FAILS(rmdir("f"), ENOTDIR);
	FAILS(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	FAILS(open("f", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
	FAILS(access("f/x", F_OK), ENOTDIR);
	CHECK(!rmdir("d/e") && links("d") == (one ? 1 : 2));
	CHECK(!stat("d", &st) && !rmdir("d") && inode("d") == 0);
	CHECK(!mkdir("d", 0755) && !fsync(open("d", O_RDONLY)));
}

static void working_directory(void)
{
	char before[4096], after[4096];

	CHECK(!mkdir("a", 0755) && !mkdir("a/b", 0755) && !chdir("a/b"));
	CHECK(getcwd(before, sizeof(before)));
	CHECK(!rename("../../a", "../../z") && getcwd(after, sizeof(after)));
	CHECK(strstr(after, "/z/b") && strcmp(before, after));
	CHECK(close(file_make("f", 1)) == 0 && !unlink("f"));
	CHECK(!rmdir("../b"));
	FAILS(open("f", O_WRONLY | O_CREAT, 0644), ENOENT);
}

static void made_again(void)
{
	ino_t first;

	for (int i = 0; i < 300; i++) { /* inode numbers come back */
		CHECK(access("f", F_OK) == -1);
		CHECK(close(file_make("f", 5)) == 0);
		first = inode("f");
		CHECK(first && !rename("f", "g") && inode("g") == first);
		CHECK(access("f", F_OK) == -1 && !unlink("g"));
		CHECK(!mkdir("f", 0755) && !rmdir("f"));
	}
}

const struct fscase cases_names[] = {
	{"unlinked-open", unlinked_open, 0},
	{"renames", renames, 0},
	{"rename-over-open", rename_over_open, 0},
	{"rename-flags", rename_flags, 0},
	{"hard-links", hard_links, 0},
	{"symbolic-links", symbolic_links, 0},
	{"fifo", fifo, 0},
	{"unix-socket", unix_socket, 0},
	{"names-of-all-kinds", names_of_all_kinds, 0},
	{"deep", deep, 0},
	{"listing", listing, 0},
	{"listing-changes", listing_changes, 0},
	{"directories", directories, 0},
	{"working-directory", working_directory, 0},
	{"made-again", made_again, 0},
	{NULL, NULL, 0},
};
