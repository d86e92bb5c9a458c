/* Cases of opdrive: the content of files. */
#include "confdefs.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "tests/opdrive.h"

static int opened(const char *name, int flags)
{
	int fd = open(name, flags, 0644);

	OK(fd);
	return fd;
}

static void do_create(void)
{
	opened("new", O_WRONLY | O_CREAT | O_EXCL);
	opened("reader", O_RDONLY | O_CREAT);
	opened("f", O_WRONLY | O_CREAT); /* there, and not changed */
}

static void do_o_trunc(void)
{
	close(opened("f", O_WRONLY | O_CREAT | O_TRUNC));
}

static void do_write(void)
{
	int fd = opened("f", O_RDWR);

	OK(write(fd, "a", 1));
	OK(pwrite(fd, "b", 1, 50));
}

static void do_pwritev(void)
{
	struct iovec v[2] = {{(void *)"one", 3}, {(void *)"two", 3}};
	int fd = opened("f", O_WRONLY);

	OK(pwritev(fd, v, 2, 10));
	OK(pwritev2(fd, v, 2, 30, 0));
}

static void do_append(void)
{
	OK(write(opened("f", O_WRONLY | O_APPEND), "end", 3));
}

/* A page of O_DIRECT, which some file systems do not have. */
static void do_direct(void)
{
	static char block[4096] __attribute__((aligned(4096)));
	int fd = open("f", O_WRONLY | O_DIRECT);

	UNLESS(EINVAL, fd);
	OK(write(fd, block, sizeof(block)));
}

static void do_sync(void)
{
	OK(write(opened("f", O_WRONLY | O_SYNC), "synced", 6));
}

static void do_dsync(void)
{
	struct iovec v = {(void *)"synced", 6};

	OK(pwritev2(opened("f", O_WRONLY), &v, 1, 20, RWF_DSYNC));
}

static void do_o_trunc_reader(void)
{
	close(opened("f", O_RDONLY | O_TRUNC));
}

static void do_truncate(void)
{
	OK(truncate("f", 10));
	OK(truncate("f", 1000));
}

static void do_ftruncate(void)
{
	OK(ftruncate(opened("f", O_RDWR), 10));
}

static void do_fallocate(void)
{
	OK(fallocate(opened("f", O_RDWR), 0, 0, 5000));
}

static void do_keep_size(void)
{
	OK(fallocate(opened("f", O_RDWR), FALLOC_FL_KEEP_SIZE, 0, 4 << 20));
}

static void large(void)
{
	int fd = opened("f", O_WRONLY | O_CREAT | O_EXCL);
	char block[4096] = "text";

	for (int i = 0; i < 16; i++)
		OK(write(fd, block, sizeof(block)));
	close(fd);
	passed("f");
}

static void do_punch(void)
{
	UNLESS(EOPNOTSUPP,
	       fallocate(opened("f", O_RDWR),
			 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192));
}

static void do_zero(void)
{
	UNLESS(EOPNOTSUPP,
	       fallocate(opened("f", O_RDWR), FALLOC_FL_ZERO_RANGE, 0, 8192));
}

static void do_collapse(void)
{
	UNLESS(EOPNOTSUPP, fallocate(opened("f", O_RDWR),
				     FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
}

static void do_insert(void)
{
	UNLESS(EOPNOTSUPP,
	       fallocate(opened("f", O_RDWR), FALLOC_FL_INSERT_RANGE, 0, 4096));
}

static void f_and_g(void)
{
	file_f();
	OK(mknod("g", S_IFREG | 0600, 0));
	passed("g");
}

static void do_copy_range(void)
{
	OK(copy_file_range(opened("f", O_RDONLY), NULL, opened("g", O_WRONLY),
			   NULL, 100, 0));
}

static void do_sendfile(void)
{
	OK(sendfile(opened("g", O_WRONLY), opened("f", O_RDONLY), NULL, 100));
}

static void do_splice(void)
{
	int p[2];

	OK(pipe(p));
	OK(write(p[1], "through", 7));
	OK(splice(p[0], NULL, opened("f", O_WRONLY), NULL, 7, 0));
}

/* The mapping outlives the descriptor. */
static void do_mmap(void)
{
	int fd = opened("f", O_RDWR);
	char *map = mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		_exit(1);
	close(fd);
	memcpy(map, "stored", 6);
	OK(munmap(map, 100));
}

/* Stored when the descriptor was released long ago, and the file has another
 * name. */
static void do_mmap_moved(void)
{
	int fd = opened("f", O_RDWR);
	char *map = mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		_exit(1);
	close(fd);
	usleep(200000);
	OK(rename("f", "g"));
	memcpy(map, "stored", 6);
	OK(munmap(map, 100));
}

static void do_mmap_no_store(void)
{
	void *map = mmap(NULL, 100, PROT_READ | PROT_WRITE, MAP_SHARED,
			 opened("f", O_RDWR), 0);

	if (map == MAP_FAILED)
		_exit(1);
}

static void do_tmpfile(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0644);
	char path[40];

	UNLESS(EOPNOTSUPP, fd);
	OK(write(fd, "nameless", 8));
	OK(fchmod(fd, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "t", AT_SYMLINK_FOLLOW));
	OK(linkat(fd, "", AT_FDCWD, "u", AT_EMPTY_PATH));
	OK(write(fd, "more", 4));
}

static void do_tmpfile_unnamed(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0644);

	UNLESS(EOPNOTSUPP, fd);
	OK(write(fd, "nameless", 8));
	OK(ftruncate(fd, 3));
	OK(fchmod(fd, 0600));
}

const struct opcase cases_ops_files[] = {
	{"create", file_f, do_create,
	 "create new - open\ncreate reader - -\nwrite new - -"},
	{"o-trunc", file_f, do_o_trunc, "open f - -\nwrite f - -"},
	{"o-trunc-reader", file_f, do_o_trunc_reader,
	 "open f - -\nwrite f - -"},
	{"write", file_f, do_write, "open f - -\nwrite f - -"},
	{"pwritev", file_f, do_pwritev, "open f - -\nwrite f - -"},
	{"append", file_f, do_append, "open f - -\nwrite f - -"},
	{"direct", file_f, do_direct, "open f - -\nwrite f - -"},
	{"sync", file_f, do_sync, "open f - -\nwrite f - -"},
	{"dsync", file_f, do_dsync, "open f - -\nwrite f - -"},
	{"truncate", file_f, do_truncate, "truncate f - -\ntruncate f - -"},
	{"ftruncate", file_f, do_ftruncate, "open f - -\nwrite f - -"},
	{"fallocate", file_f, do_fallocate, "open f - -\nwrite f - -"},
	{"keep-size", file_f, do_keep_size, "open f - -\nwrite f - -"},
	{"punch", large, do_punch, "open f - -\nwrite f - -"},
	{"zero", large, do_zero, "open f - -\nwrite f - -"},
	{"collapse", large, do_collapse, "open f - -\nwrite f - -"},
	{"insert", large, do_insert, "open f - -\nwrite f - -"},
	{"copy-file-range", f_and_g, do_copy_range, "open g - -\nwrite g - -"},
	{"sendfile", f_and_g, do_sendfile, "open g - -\nwrite g - -"},
	{"splice", file_f, do_splice, "open f - -\nwrite f - -"},
	{"mmap", file_f, do_mmap, "open f - -\nwrite f - -"},
	{"mmap-moved", file_f, do_mmap_moved,
	 "rename f g -\nopen g - -\nwrite g - -"},
	{"mmap-no-store", file_f, do_mmap_no_store, ""},
	{"tmpfile", nothing, do_tmpfile,
	 "create t - open\nlink t u -\nwrite u - -"},
	{"tmpfile-unnamed", nothing, do_tmpfile_unnamed, ""},
	{NULL, NULL, NULL, NULL},
};
