/* Cases of fscheck: reading directories, names of any bytes. */
#include "confdefs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fscheck.h"

#define FILES	  1000
#define POSITIONS 500

static void make_files(const char *before, int n, const char *behind)
{
	char name[64];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s%d%s", before, i, behind);
		CHECK(!mknod(name, S_IFREG | 0644, 0));
	}
}

/* `stay0`… never change while other names come, go and move. */
static void rename_for_ever(void)
{
	char a[32], b[32];

	for (int round = 0;; round++) {
		for (int i = 0; i < 200; i++) {
			snprintf(a, sizeof(a), "move%d.%d", i, round);
			snprintf(b, sizeof(b), "move%d.%d", i, round + 1);
			CHECK(!rename(a, b));
			CHECK(!mknod("come-and-go", S_IFREG | 0644, 0));
			CHECK(!unlink("come-and-go"));
		}
	}
}

static void listed_once(void)
{
	bool seen[FILES] = {false};
	int n = 0, dots = 0, i;
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(".");

	while ((e = readdir(d))) {
		dots += !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
		if (sscanf(e->d_name, "stay%d", &i) != 1)
			continue;
		CHECK(!seen[i] && e->d_ino);
		CHECK(n % 50 ||
		      (!lstat(e->d_name, &st) && st.st_ino == e->d_ino));
		seen[i] = true;
		n++;
	}
	closedir(d);
	CHECK(n == FILES && dots == 2);
}

static void listing_while_renaming(void)
{
	pid_t pid;

	make_files("stay", FILES, "");
	make_files("move", 200, ".0");
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		rename_for_ever();
	for (int i = 0; i < 5; i++)
		listed_once();
	CHECK(waitpid(pid, NULL, WNOHANG) == 0); /* it is well */
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
}

/* Each position leads back to its entry, in any order, with another stream
 * and after others' entries have gone. */
static void positions(void)
{
	static struct {
		long at;
		char name[256];
	} p[POSITIONS];
	struct dirent *e;
	DIR *d, *d2;

	make_files("f", POSITIONS, "");
	d = opendir("."); /* btrfs shows what was there at this moment */
	for (int i = 0; i < POSITIONS; i++) {
		p[i].at = telldir(d);
		CHECK((e = readdir(d)));
		snprintf(p[i].name, sizeof(p[i].name), "%s", e->d_name);
	}
	for (int i = 0; i < POSITIONS; i++) {
		int j = i * 7919 % POSITIONS;

		seekdir(d, p[j].at);
		CHECK((e = readdir(d)) && !strcmp(e->d_name, p[j].name));
	}
	CHECK(!unlink(p[10].name[0] == 'f' ? p[10].name : "f0"));
	seekdir(d, p[200].at);
	CHECK((e = readdir(d)) && !strcmp(e->d_name, p[200].name));
	d2 = opendir(".");
	CHECK((e = readdir(d2)) && !strcmp(e->d_name, p[0].name));
	rewinddir(d);
	CHECK((e = readdir(d)) && !strcmp(e->d_name, p[0].name));
	CHECK(!closedir(d) && !closedir(d2));
}

static ino_t dot(const char *dir, const char *name)
{
	struct dirent *e;
	DIR *d = opendir(dir);
	ino_t ino = 0;

	while ((e = readdir(d)))
		if (!strcmp(e->d_name, name))
			ino = e->d_ino;
	closedir(d);
	return ino;
}

static bool lists(DIR *d, const char *name)
{
	struct dirent *e;

	while ((e = readdir(d)))
		if (!strcmp(e->d_name, name))
			return true;
	return false;
}

static void rewound(void)
{
	DIR *d = opendir(".");

	close(file_make("new", 1));
	rewinddir(d);
	CHECK(lists(d, "new"));
	CHECK(!close(file_make("newer", 1)));
	rewinddir(d);
	CHECK(lists(d, "newer") && !closedir(d));
}

static void dots(void)
{
	struct stat here, sub;

	CHECK(!mkdir("d", 0755) && !mkdir("e", 0755));
	CHECK(!stat(".", &here) && !stat("d", &sub));
	CHECK(dot(".", "d") == sub.st_ino && dot("d", ".") == sub.st_ino);
	CHECK(dot("d", "..") == here.st_ino);
	CHECK(!rename("d", "e/d"));
	CHECK(!stat("e", &here) && dot("e/d", "..") == here.st_ino);
	CHECK(!stat("e/d/..", &sub) && sub.st_ino == here.st_ino);
	FAILS(rmdir("e/d/."), EINVAL);
	FAILS(rmdir("e/d/.."), ENOTEMPTY);
	CHECK(rename("e/d/.", "x") < 0 && mkdir("e/..", 0755) < 0);
}

static void types(void)
{
	unsigned char type[256] = {0};
	struct dirent *e;
	DIR *d;

	CHECK(!mkdir("d", 0755) && !symlink("x", "l") && !mkfifo("p", 0644));
	make_files("f", 1, "");
	d = opendir(".");
	while ((e = readdir(d)))
		type[(unsigned char)*e->d_name] = e->d_type;
	if (type['d'] == DT_UNKNOWN)
		_exit(SKIPPED);
	CHECK(type['d'] == DT_DIR && type['l'] == DT_LNK);
	CHECK(type['p'] == DT_FIFO && type['f'] == DT_REG);
}

/* A name of `n` bytes that are no UTF-8, with what shells stumble over. */
static void odd_name(char *name, size_t n, int salt)
{
	for (size_t i = 0; i < n; i++) {
		unsigned c = (unsigned)(i * 37 + (size_t)salt * 11) % 255 + 1;

		name[i] = c == '/' ? '\n' : (char)c;
	}
	name[n] = 0;
}

static void odd_names(void)
{
	char name[257], other[257], target[300];
	struct dirent *e;
	int found = 0;
	DIR *d;

	for (int i = 0; i < 50; i++) {
		odd_name(name, 255, i);
		CHECK(close(file_make(name, 3)) == 0 && file_is(name, "abc"));
	}
	d = opendir(".");
	while ((e = readdir(d)))
		found += strlen(e->d_name) == 255;
	CHECK(found == 50);
	odd_name(name, 255, 0);
	odd_name(other, 255, 100);
	CHECK(!rename(name, other) && file_is(other, "abc"));
	CHECK(!mkdir(name, 0755) && !chdir(name));
	CHECK(!symlink(other, name) && readlink(name, target, 300) == 255);
	CHECK(!memcmp(target, other, 255) && !link(name, other));
	CHECK(!unlink(name) && !unlink(other) && !chdir(".."));
	CHECK(!rmdir(name));
	odd_name(name, 256, 3);
	FAILS(mkdir(name, 0755), ENAMETOOLONG);
	FAILS(mkdir("", 0755), ENOENT);
}

/* Paths may be longer than PATH_MAX when one walks. */
static void deeper_than_path_max(void)
{
	char name[256];
	int depth = 0;

	memset(name, 'd', 255);
	name[255] = 0;
	for (; depth < 20; depth++)
		CHECK(!mkdir(name, 0755) && !chdir(name));
	CHECK(close(file_make("f", 3)) == 0 && file_is("f", "abc"));
	CHECK(!rename("f", "g") && !unlink("g"));
	for (; depth > 0; depth--)
		CHECK(!chdir("..") && !rmdir(name));
}

static void link_counts(void)
{
	struct stat st;
	char name[16];

	close(file_make("f", 1));
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		CHECK(!link("f", name));
	}
	CHECK(!stat("f", &st) && st.st_nlink == 501);
	CHECK(!mkdir("d", 0755) && !stat("d", &st));
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		CHECK(!mkdir(name, 0755));
	}
	CHECK(!stat("d", &st) && (st.st_nlink == 102 || st.st_nlink == 1));
}

const struct fscase cases_dirs[] = {
	{"listing-while-renaming", listing_while_renaming, 0},
	{"positions", positions, 0},
	{"rewound", rewound, 0},
	{"dots", dots, 0},
	{"types", types, 0},
	{"odd-names", odd_names, 0},
	{"deeper-than-path-max", deeper_than_path_max, 0},
	{"link-counts", link_counts, 0},
	{NULL, NULL, 0},
};
