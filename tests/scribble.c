/*
 * scribble --seed N [--raw FOLDER] FOLDER - changes files and folders until
 * SIGTERM, in those ways that size and time do not tell: in place, through
 * mappings, with the times set back, by a file of the same size, by a folder
 * of the same name. With --raw, the same tree past the overlay, single files
 * are pushed to the disk now and then, with and without what the file system
 * notes about them, as the kernel does at times of its own.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES 24
#define BYTES 16384
#define BLOCK 4096

static volatile sig_atomic_t stopped;
static sigjmp_buf beyond_end;
static unsigned seed = 1;
static int dir_fd, raw_fd = -1;

static void stop(int number)
{
	stopped = 1;
}

static unsigned pick(unsigned n)
{
	return (unsigned)rand_r(&seed) / 7 % n;
}

static void fill(char *p, size_t n)
{
	static unsigned long count;
	memset(p, 'a' + (int)pick(26), n);
	snprintf(p, n, "%lu %u\n", ++count, seed);
}

static const char *file_name(char out[32])
{
	snprintf(out, 32, "in%u/f%u", pick(3), pick(FILES));
	return out;
}

static int open_file(int flags)
{
	char name[32];
	return openat(dir_fd, file_name(name), flags | O_CREAT, 0644);
}

/* ---- what size and time do not tell ---- */

static void overwrite(int fd)
{
	char block[BLOCK];
	fill(block, sizeof(block));
	(void)!pwrite(fd, block, sizeof(block), BLOCK * pick(BYTES / BLOCK));
}

static void in_place(void)
{
	static int kept = -1;
	int fd = open_file(pick(2) ? O_WRONLY : O_RDWR);
	if (fd < 0)
		return;
	overwrite(fd);
	if (pick(8) == 0)
		(void)!ftruncate(fd, BYTES);
	if (pick(10) == 0)
		fsync(fd);
	if (pick(3)) {
		close(fd);
		return;
	}
	close(kept); /* one stays open for a while */
	kept = fd;
}

static void backdated(void)
{
	const struct timespec old[2] = {{1600000000, 0}, {1600000000, 0}};
	int fd = open_file(O_WRONLY);
	if (fd < 0)
		return;
	overwrite(fd);
	futimens(fd, old);
	close(fd);
}

static void on_sigbus(int sig)
{
	siglongjmp(beyond_end, sig);
}

static void mapped(void)
{
	int fd = open_file(O_RDWR);
	struct stat st;
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size < BYTES)
		(void)!ftruncate(fd, BYTES);
	char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return;
	if (!sigsetjmp(beyond_end, 1)) { /* another one may cut the file */
		fill(p + BLOCK * pick(BYTES / BLOCK), BLOCK);
		if (pick(2))
			msync(p, BYTES, MS_SYNC);
	}
	munmap(p, BYTES);
}

static void replaced(void)
{
	char name[32], data[BYTES];
	int fd = openat(dir_fd, "tmp", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		return;
	fill(data, sizeof(data));
	(void)!write(fd, data, sizeof(data));
	if (pick(4) == 0)
		fsync(fd);
	close(fd);
	renameat(dir_fd, "tmp", dir_fd, file_name(name));
}

static void truncated(void)
{
	char data[BYTES];
	int fd = open_file(O_WRONLY | O_TRUNC);
	if (fd < 0)
		return;
	fill(data, sizeof(data));
	(void)!write(fd, data, sizeof(data));
	close(fd);
}

static void attributes(void)
{
	char name[32];
	fchmodat(dir_fd, file_name(name), 0600 + pick(64), 0);
}

static void moved(void)
{
	char a[32], b[32];
	file_name(a);
	file_name(b);
	if (pick(3) == 0)
		linkat(dir_fd, a, dir_fd, "linked", 0);
	if (pick(3) == 0)
		unlinkat(dir_fd, "linked", 0);
	renameat(dir_fd, a, dir_fd, b);
}

/* A folder of the same name is another one. */
static void folders(void)
{
	char a[32], b[32], file[48];
	snprintf(a, sizeof(a), "sub%u", pick(6));
	snprintf(b, sizeof(b), "in%u/sub%u", pick(3), pick(6));
	snprintf(file, sizeof(file), "%s/%u", a, pick(3));
	switch (pick(6)) {
	case 0:
		unlinkat(dir_fd, a, AT_REMOVEDIR);
		mkdirat(dir_fd, a, 0755);
		break;
	case 1:
		renameat(dir_fd, a, dir_fd, b);
		break;
	case 2:
		renameat(dir_fd, b, dir_fd, a);
		break;
	case 3:
		unlinkat(dir_fd, file, 0);
		break;
	default:
		mkdirat(dir_fd, a, 0755);
		close(openat(dir_fd, file, O_WRONLY | O_CREAT, 0644));
	}
}

/* ---- what the kernel does some time ---- */

static void push(void)
{
	char name[32];
	int fd = openat(raw_fd, file_name(name), O_RDONLY);
	if (fd < 0)
		return;
	if (pick(3) == 0)
		fsync(fd);
	else
		sync_file_range(fd, 0, 0,
				SYNC_FILE_RANGE_WRITE |
					SYNC_FILE_RANGE_WAIT_AFTER);
	close(fd);
	if (pick(40) == 0)
		syncfs(raw_fd);
}

int main(int argc, char **argv)
{
	static void (*const ways[])(void) = {in_place,	 in_place,   backdated,
					     backdated,	 mapped,     replaced,
					     truncated,	 attributes, moved,
					     folders,	 folders};
	const char *dir = NULL, *raw = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			seed = (unsigned)atoi(argv[++i]);
		else if (strcmp(argv[i], "--raw") == 0 && i + 1 < argc)
			raw = argv[++i];
		else
			dir = argv[i];
	}
	dir_fd = dir ? open(dir, O_RDONLY | O_DIRECTORY) : -1;
	if (dir_fd < 0) {
		fprintf(stderr, "usage: scribble --seed N [--raw FOLDER] "
				"FOLDER\n");
		return 2;
	}
	signal(SIGTERM, stop);
	signal(SIGBUS, on_sigbus);
	for (unsigned i = 0; i < 3; i++) {
		char name[32];
		snprintf(name, sizeof(name), "in%u", i);
		mkdirat(dir_fd, name, 0755);
	}
	raw_fd = raw ? open(raw, O_RDONLY | O_DIRECTORY) : -1;
	while (!stopped) {
		ways[pick(sizeof(ways) / sizeof(ways[0]))]();
		if (raw_fd >= 0 && pick(3) == 0)
			push();
		usleep(pick(3000));
	}
	return 0;
}
