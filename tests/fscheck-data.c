/* Cases of fscheck: the content of files. */
#include "confdefs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fscheck.h"

static void append(void)
{
	int a = open("f", O_WRONLY | O_CREAT | O_APPEND, 0644);
	int b = open("f", O_WRONLY | O_APPEND);
	int c = open("f", O_RDWR | O_APPEND);
	char got[3];

	CHECK(a >= 0 && b >= 0 && c >= 0);
	CHECK(write(a, "one", 3) == 3);
	CHECK(write(b, "two", 3) == 3);
	CHECK(lseek(a, 0, SEEK_SET) == 0);
	CHECK(write(a, "three", 5) == 5);
	CHECK(pread(c, got, 3, 3) == 3 && !memcmp(got, "two", 3));
	CHECK(write(c, "!", 1) == 1);
	CHECK(file_is("f", "onetwothree!"));
}

static void append_child(void)
{
	int fd = open("many", O_WRONLY | O_APPEND);

	CHECK(fd >= 0);
	for (int i = 0; i < 500; i++)
		CHECK(write(fd, "0123456789", 10) == 10);
}

static void append_together(void)
{
	struct stat st;
	int fd = file_make("many", 0);
	pid_t pid = fork();

	CHECK(fd >= 0 && pid >= 0);
	append_child();
	if (pid == 0)
		_exit(0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(!stat("many", &st) && st.st_size == 10000);
}

static void truncates(void)
{
	struct stat st;
	char got[4096];
	int fd = file_make("f", 1000);

	CHECK(!ftruncate(fd, 10) && !fstat(fd, &st) && st.st_size == 10);
	CHECK(!ftruncate(fd, 3000) && pread(fd, got, 4096, 0) == 3000);
	CHECK(got[9] == 'j' && got[10] == 0 && got[2999] == 0);
	CHECK(!truncate("f", 5) && file_is("f", "abcde"));
	close(fd);
	fd = open("f", O_WRONLY | O_TRUNC);
	CHECK(fd >= 0 && !fstat(fd, &st) && st.st_size == 0);
	CHECK(write(fd, "new", 3) == 3 && file_is("f", "new"));
	FAILS(truncate("f", -1), EINVAL);
	fd = open("f", O_RDONLY);
	FAILS(ftruncate(fd, 0), EINVAL);
}

/* An empty file is cut: it has another time all the same. */
static void cuts_nothing(void)
{
	static const int flags[] = {O_WRONLY, O_RDWR, O_RDONLY};
	struct stat a, b;
	int fd;

	close(file_make("f", 0));
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		CHECK(!stat("f", &a) && !usleep(20000));
		fd = open("f", flags[i] | O_TRUNC);
		CHECK(fd >= 0 && !close(fd) && !stat("f", &b));
		CHECK(memcmp(&a.st_mtim, &b.st_mtim, sizeof(a.st_mtim)));
		CHECK(memcmp(&a.st_ctim, &b.st_ctim, sizeof(a.st_ctim)));
	}
}

static void offsets(void)
{
	int fd = file_make("f", 26);
	char got[10];

	CHECK(pwrite(fd, "XY", 2, 3) == 2);
	CHECK(lseek(fd, -3, SEEK_END) == 23);
	CHECK(read(fd, got, 10) == 3 && !memcmp(got, "xyz", 3));
	CHECK(read(fd, got, 10) == 0);
	CHECK(lseek(fd, 100, SEEK_SET) == 100 && write(fd, "!", 1) == 1);
	CHECK(lseek(fd, 0, SEEK_END) == 101);
	CHECK(pread(fd, got, 3, 3) == 3 && !memcmp(got, "XYf", 3));
}

static void sparse(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	struct stat st;
	char got;

	CHECK(pwrite(fd, "x", 1, 100 << 20) == 1);
	CHECK(!fsync(fd) && !fstat(fd, &st));
	CHECK(st.st_size == (100 << 20) + 1 && st.st_blocks < 2048);
	CHECK(lseek(fd, 0, SEEK_DATA) > 50 << 20);
	CHECK(lseek(fd, 0, SEEK_HOLE) == 0);
	CHECK(pread(fd, &got, 1, 5000) == 1 && got == 0);
	FAILS(lseek(fd, 200 << 20, SEEK_DATA), ENXIO);
}

static void beyond_4g(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	struct stat st;
	char got[4];

	CHECK(pwrite(fd, "far!", 4, 5LL << 30) == 4);
	CHECK(!fstat(fd, &st) && st.st_size == (5LL << 30) + 4);
	CHECK(pread(fd, got, 4, 5LL << 30) == 4 && !memcmp(got, "far!", 4));
	CHECK(!ftruncate(fd, 0));
}

static void mapped(void)
{
	int fd = file_make("f", 10000), other = open("f", O_RDONLY);
	char got[4], *map;

	map = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	close(fd);
	memcpy(map + 5000, "MAPS", 4);
	CHECK(!msync(map, 10000, MS_SYNC));
	CHECK(pread(other, got, 4, 5000) == 4 && !memcmp(got, "MAPS", 4));
	memcpy(map + 9000, "LAST", 4);
	CHECK(!munmap(map, 10000));
	CHECK(pread(other, got, 4, 9000) == 4 && !memcmp(got, "LAST", 4));
	close(other);
	other = open("f", O_RDONLY | O_DIRECT);
	if (other < 0)
		other = open("f", O_RDONLY);
	CHECK(pread(other, got, 4, 9000) >= -1);
}

static void mapped_reader(void)
{
	int fd = file_make("f", 8192), w = open("f", O_WRONLY);
	const char *map = mmap(NULL, 8192, PROT_READ, MAP_SHARED,
			       open("f", O_RDONLY), 0);
	char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			     fd, 0);

	CHECK(map != MAP_FAILED && private != MAP_FAILED && w >= 0);
	CHECK(map[0] == 'a');
	CHECK(pwrite(w, "NEW", 3, 0) == 3);
	CHECK(!memcmp(map, "NEW", 3));
	CHECK(pwrite(fd, "RDWR", 4, 4096) == 4);
	CHECK(!memcmp(map + 4096, "RDWR", 4));
	private[100] = '#';
	CHECK(map[100] != '#');
}

/* Stores into a page and writes past the page cache into the same one, by two
 * processes in turns: none takes another's bytes with it. */
static void beside_a_mapping(void)
{
	int fd = file_make("f", 8192), w, to[2], back[2];
	char got[200], *map, go;

	CHECK(!pipe(to) && !pipe(back));
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK((w = open("f", O_WRONLY)) >= 0);
		for (int i = 0; i < 100 && read(to[0], &go, 1) == 1; i++) {
			CHECK(pwrite(w, "W", 1, 100 + i) == 1);
			CHECK(write(back[1], &go, 1) == 1);
		}
		_exit(0);
	}
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED && !close(fd));
	for (int i = 0; i < 100; i++) {
		map[i] = 'M';
		CHECK(write(to[1], "", 1) == 1 && read(back[0], &go, 1) == 1);
		CHECK(map[i] == 'M' && map[100 + i] == 'W');
	}
	map[8000] = 'M';
	CHECK(waitpid(pid, NULL, 0) == pid && !munmap(map, 8192));
	CHECK((fd = open("f", O_RDONLY)) >= 0 && pread(fd, got, 200, 0) == 200);
	for (int i = 0; i < 200; i++)
		CHECK(got[i] == (i < 100 ? 'M' : 'W'));
	CHECK(pread(fd, got, 1, 8000) == 1 && *got == 'M');
}

static void descriptors_agree(void)
{
	int a = file_make("f", 5000), b = open("f", O_RDONLY);
	int c = open("f", O_WRONLY);
	char got[5];

	CHECK(pread(b, got, 5, 0) == 5);
	CHECK(pwrite(c, "W", 1, 0) == 1 && pread(b, got, 1, 0) == 1);
	CHECK(got[0] == 'W' && pread(a, got, 1, 0) == 1 && got[0] == 'W');
	CHECK(pwrite(a, "V", 1, 0) == 1 && pread(b, got, 1, 0) == 1);
	CHECK(got[0] == 'V');
	CHECK(!ftruncate(c, 2) && pread(b, got, 5, 0) == 2);
	CHECK(dup(a) >= 0 && !fdatasync(a) && !fsync(c));
}

static void copies(void)
{
	int a = file_make("a", 200000), b = open("b", O_RDWR | O_CREAT, 0644);
	int c = open("c", O_RDWR | O_CREAT, 0644);
	off_t off = 0, at = 0;
	struct stat st;
	char x[100], y[100];

	CHECK(sendfile(b, a, &off, 200000) == 200000);
	off = 1000;
	CHECK(copy_file_range(a, &off, c, &at, 50000, 0) == 50000);
	CHECK(!fstat(b, &st) && st.st_size == 200000);
	CHECK(!fstat(c, &st) && st.st_size == 50000);
	CHECK(pread(a, x, 100, 40000) == 100 && pread(c, y, 100, 39000) == 100);
	CHECK(!memcmp(x, y, 100));
}

static void allocates(void)
{
	int fd = file_make("f", 20000);
	struct stat st;
	char got;

	CHECK(!fallocate(fd, 0, 0, 100000));
	CHECK(!fstat(fd, &st) && st.st_size == 100000);
	CHECK(!fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 200000));
	CHECK(!fstat(fd, &st) && st.st_size == 100000);
	CHECK(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096,
			 4096));
	CHECK(pread(fd, &got, 1, 5000) == 1 && got == 0);
	CHECK(pread(fd, &got, 1, 9000) == 1 && got != 0);
}

static void lock_child(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open("f", O_RDWR);

	FAILS(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK(fcntl(fd, F_SETLK, &l) == -1);
}

static void locks(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = file_make("f", 10);

	CHECK(!flock(fd, LOCK_EX) && !fcntl(fd, F_SETLK, &l));
	CHECK(as_child(0, 0, lock_child) == 0);
}

static void direct_io(void)
{
	static char block[8192] __attribute__((aligned(4096)));
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0644);

	if (fd < 0)
		_exit(SKIPPED);
	memset(block, 'd', sizeof(block));
	CHECK(write(fd, block, 8192) == 8192);
	memset(block, 0, sizeof(block));
	CHECK(pread(fd, block, 4096, 4096) == 4096 && block[9] == 'd');
}

/* transfer - as pread or pwrite, of `n` bytes; where a file system may demand
 * alignment it may refuse: false. */
static bool transfer(bool writes, int fd, char *data, size_t n, off_t at)
{
	struct statfs st;
	ssize_t r;

	CHECK(!fstatfs(fd, &st));
	r = writes ? pwrite(fd, data, n, at) : pread(fd, data, n, at);
	if (r < 0 && errno == EINVAL && st.f_type != FUSE_SUPER_MAGIC)
		return false;
	CHECK(r == (ssize_t)n);
	return true;
}

/* Memory, length and offset: each alone, and all of them. */
static void direct_unaligned(void)
{
	static const struct {
		int memory, n, at;
	} ways[] = {
		{1, 4096, 4096}, {0, 4099, 4096}, {0, 4096, 777},
		{3, 5001, 3777}, {0, 1, 9999},
	};
	static char block[16384] __attribute__((aligned(4096)));
	static char is[16384], got[16384];
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0644);
	int reader = open("f", O_RDONLY | O_DIRECT);
	int plain = open("f", O_RDWR);

	if (fd < 0)
		_exit(SKIPPED);
	CHECK(reader >= 0 && plain >= 0);
	for (size_t i = 0; i < sizeof(is); i++)
		is[i] = (char)(i * 7 + i / 251);
	CHECK(pwrite(plain, is, sizeof(is), 0) == sizeof(is));
	for (size_t w = 0; w < sizeof(ways) / sizeof(*ways); w++) {
		char *data = block + ways[w].memory;
		size_t n = (size_t)ways[w].n, at = (size_t)ways[w].at;

		memset(data, 0, n);
		if (transfer(false, fd, data, n, (off_t)at))
			CHECK(!memcmp(data, is + at, n));
		memset(data, 0, n);
		if (transfer(false, reader, data, n, (off_t)at))
			CHECK(!memcmp(data, is + at, n));
		memset(data, 'A' + (int)w, n);
		if (transfer(true, fd, data, n, (off_t)at))
			memset(is + at, 'A' + (int)w, n);
		CHECK(pread(plain, got, sizeof(got), 0) == sizeof(got));
		CHECK(!memcmp(got, is, sizeof(is)));
	}
}

static void big_writes(void)
{
	static char block[3 << 20];
	int fd = open("f", O_RDWR | O_CREAT | O_SYNC, 0644);

	memset(block, 'b', sizeof(block));
	CHECK(write(fd, block, sizeof(block)) == sizeof(block));
	memset(block, 0, sizeof(block));
	CHECK(pread(fd, block, sizeof(block), 0) == sizeof(block));
	for (size_t i = 0; i < sizeof(block); i++)
		if (block[i] != 'b')
			CHECK(i == 0);
}

static void executes(void)
{
	int fd = open("script", O_WRONLY | O_CREAT, 0755), status;
	pid_t pid;

	CHECK(write(fd, "#!/bin/sh\nexit 7\n", 17) == 17 && !close(fd));
	pid = fork();
	if (pid == 0) {
		execl("./script", "script", (char *)NULL);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
}

/* reads - whether a read through `flags` changes the access time. */
static bool reads(const char *name, int flags)
{
	const struct timespec old[2] = {{1000000000, 0}, {1500000000, 0}};
	struct stat st;
	char c;
	int fd = open(name, O_WRONLY | O_CREAT, 0644);

	CHECK(write(fd, "x", 1) == 1 && !close(fd));
	CHECK(!utimensat(AT_FDCWD, name, old, 0));
	fd = open(name, O_RDONLY | flags);
	CHECK(read(fd, &c, 1) == 1 && !close(fd));
	CHECK(!stat(name, &st));
	return st.st_atim.tv_sec != old[0].tv_sec;
}

static void access_times(void)
{
	struct statvfs fs;

	CHECK(!reads("quiet", O_NOATIME));
	CHECK(!statvfs(".", &fs));
	CHECK(reads("read", 0) == !(fs.f_flag & ST_NOATIME));
}

const struct fscase cases_data[] = {
	{"append", append, 0},
	{"append-together", append_together, 0},
	{"truncates", truncates, 0},
	{"cuts-nothing", cuts_nothing, 0},
	{"offsets", offsets, 0},
	{"sparse", sparse, 0},
	{"beyond-4g", beyond_4g, 0},
	{"mapped", mapped, 0},
	{"mapped-reader", mapped_reader, 0},
	{"beside-a-mapping", beside_a_mapping, 0},
	{"descriptors-agree", descriptors_agree, 0},
	{"copies", copies, 0},
	{"allocates", allocates, 0},
	{"locks", locks, 0},
	{"direct-io", direct_io, 0},
	{"direct-unaligned", direct_unaligned, 0},
	{"big-writes", big_writes, 0},
	{"executes", executes, 0},
	{"access-times", access_times, 0},
	{NULL, NULL, 0},
};
