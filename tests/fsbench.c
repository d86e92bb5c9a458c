/*
 * fsbench - how fast a mounted tree is, one number for each kind of work
 *
 *	fsbench prepare DIR            what the works find, made below the mount
 *	fsbench run DIR PERCENT        all works once; PERCENT of their size
 *	fsbench only WORK DIR PERCENT  one of them
 *	fsbench many DIR DIRS FILES    FILES empty files in each of DIRS folders
 *
 * `run` prints "WORK VALUE UNIT" a line. It needs a fresh mount of a prepared
 * tree: "stat-cold" is the first look at its files. What a work makes, it
 * removes, so that the tree is the same for the next run.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB	   (1u << 20)
#define BIG	   (128u * MIB)
#define SMALL	   4096u
#define COLD_DIRS  40
#define COLD_FILES 100
#define HOT_FILES  200
#define CLIENTS	   2
#define DEPTH	   16 /* threads on one descriptor */

static const char *top;	 /* the tree */
static unsigned percent; /* of the work that is usual */
static char block[MIB];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	fprintf(stderr, "fsbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long count(long usual)
{
	long n = usual * (long)percent / 100;

	return n > 0 ? n : 1;
}

static const char *in(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* A path in the tree, until the next call but one. */
static const char *in(const char *fmt, ...)
{
	static char path[2][4096];
	static unsigned turn;
	char *p = path[turn++ % 2];
	int n = snprintf(p, sizeof(path[0]), "%s/", top);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p + n, sizeof(path[0]) - (size_t)n, fmt, ap);
	va_end(ap);
	return p;
}

static int open_at(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd < 0)
		fail(path);
	return fd;
}

static void write_whole(int fd, size_t size, size_t step)
{
	for (size_t done = 0; done < size; done += step)
		if (write(fd, block, step) != (ssize_t)step)
			fail("write");
}

static void make_file(const char *path, size_t size)
{
	int fd = open_at(path, O_WRONLY | O_CREAT | O_TRUNC);

	write_whole(fd, size, size < MIB ? size : MIB);
	close(fd);
}

/* ---- works: each returns how much it did, in bytes or in calls ---- */

static double seq_read(const char *path)
{
	int fd = open_at(path, O_RDONLY);
	double n = 0;

	for (long k = count(4); k > 0; k--) {
		lseek(fd, 0, SEEK_SET);
		for (ssize_t r; (r = read(fd, block, MIB)) > 0;)
			n += (double)r;
	}
	close(fd);
	return n;
}

static double seq_read_big(void)
{
	return seq_read(in("big0"));
}

static double random_read(const char *path)
{
	int fd = open_at(path, O_RDONLY);
	long n = count(20000);

	for (long k = 0; k < n; k++) {
		off_t at = random() % (BIG / SMALL) * SMALL;

		if (pread(fd, block, SMALL, at) != SMALL)
			fail("pread");
	}
	close(fd);
	return (double)n;
}

static double random_read_big(void)
{
	return random_read(in("big0"));
}

static double write_by(const char *path, size_t step)
{
	size_t size = (size_t)count(BIG / MIB) * MIB;
	int fd = open_at(path, O_WRONLY | O_CREAT | O_TRUNC);

	write_whole(fd, size, step);
	close(fd);
	unlink(path);
	return (double)size;
}

static double seq_write(void)
{
	return write_by(in("written"), MIB);
}

static double write_64k(void)
{
	return write_by(in("written"), 65536);
}

static double create(void)
{
	long n = count(2000);

	for (long k = 0; k < n; k++)
		make_file(in("new%ld", k), SMALL);
	return (double)n;
}

static double open_read_close(void)
{
	long n = count(4000);

	for (long k = 0; k < n; k++) {
		int fd = open_at(in("hot/f%ld", k % HOT_FILES), O_RDONLY);

		if (read(fd, block, SMALL) != SMALL)
			fail("read");
		close(fd);
	}
	return (double)n;
}

static double stat_cold(void)
{
	struct stat st;
	long n = 0, files = count(COLD_FILES);

	for (long d = 0; d < COLD_DIRS; d++)
		for (long f = 0; f < files; f++, n++)
			if (stat(in("cold/d%ld/f%ld", d, f), &st))
				fail("stat");
	return (double)n;
}

static void look_at_hot(void)
{
	struct stat st;

	for (long k = 0; k < HOT_FILES; k++)
		if (stat(in("hot/f%ld", k), &st))
			fail("stat");
}

static double stat_warm(void)
{
	struct stat st;
	long n = count(200000);

	for (long k = 0; k < n; k++)
		if (stat(in("hot/f%ld", k % HOT_FILES), &st))
			fail("stat");
	return (double)n;
}

static double rename_files(void)
{
	long n = count(2000);

	for (long k = 0; k < n; k++)
		if (rename(in("new%ld", k), in("old%ld", k)))
			fail("rename");
	return (double)n;
}

static double unlink_files(void)
{
	long n = count(2000);

	for (long k = 0; k < n; k++)
		if (unlink(in("old%ld", k)))
			fail("unlink");
	return (double)n;
}

/* ---- the same by two processes at once ---- */

/* What all of them did; `client` exits if it fails. */
static double by_two(double (*client)(long c))
{
	double n = 0, part;
	int fds[2];

	if (pipe(fds))
		fail("pipe");
	for (long c = 0; c < CLIENTS; c++) {
		if (fork())
			continue;
		part = client(c);
		if (write(fds[1], &part, sizeof(part)) != sizeof(part))
			_exit(1);
		_exit(0);
	}
	close(fds[1]);
	while (read(fds[0], &part, sizeof(part)) == sizeof(part))
		n += part;
	close(fds[0]);
	for (int status; wait(&status) > 0;)
		if (status)
			fail("client");
	return n;
}

static double look_cold(long c)
{
	long n = 0, files = count(COLD_FILES);
	struct stat st;

	for (long d = 0; d < COLD_DIRS; d++)
		for (long f = 0; f < files; f++, n++)
			if (!stat(in("two/d%ld/no%ld", d, f * 2 + c), &st))
				_exit(1);
	return (double)n;
}

static double stat_cold_by_two(void)
{
	return by_two(look_cold);
}

static double seq_read_one(long c)
{
	return seq_read(in("big%ld", c));
}

static double seq_read_by_two(void)
{
	return by_two(seq_read_one);
}

static double random_read_one(long c)
{
	srandom((unsigned)c + 1);
	return random_read(in("big%ld", c));
}

static double random_read_by_two(void)
{
	return by_two(random_read_one);
}

static double seq_write_one(long c)
{
	return write_by(in("written%ld", c), MIB);
}

static double seq_write_by_two(void)
{
	return by_two(seq_write_one);
}

/* ---- the same by many requests at once, past the page cache ---- */

struct depth {
	int fd;
	bool writes, at_random;
	size_t size; /* of a request */
	long requests;
	atomic_long taken;
};

static void *depth_thread(void *arg)
{
	struct depth *d = arg;
	long there = (long)(BIG / d->size);
	void *data;

	if (posix_memalign(&data, SMALL, d->size))
		fail("memory");
	memset(data, 'x', d->size);
	for (long k; (k = atomic_fetch_add(&d->taken, 1)) < d->requests;) {
		/* each place once a round, far from the one before */
		long at = (d->at_random ? k * 7919 : k) % there;
		off_t off = (off_t)at * (off_t)d->size;
		ssize_t n = d->writes ? pwrite(d->fd, data, d->size, off)
				      : pread(d->fd, data, d->size, off);

		if (n != (ssize_t)d->size)
			fail("request");
	}
	free(data);
	return NULL;
}

static double by_depth(struct depth *d)
{
	pthread_t threads[DEPTH];

	d->fd = open_at(in("big0"), O_RDWR | O_DIRECT);
	for (int t = 0; t < DEPTH; t++)
		if (pthread_create(&threads[t], NULL, depth_thread, d))
			fail("thread");
	for (int t = 0; t < DEPTH; t++)
		pthread_join(threads[t], NULL);
	close(d->fd);
	return (double)d->requests;
}

static double seq_read_deep(void)
{
	struct depth d = {.size = MIB, .requests = count(4 * BIG / MIB)};

	return by_depth(&d) * MIB;
}

static double random_read_deep(void)
{
	struct depth d = {
		.size = SMALL, .at_random = true, .requests = count(40000)};

	return by_depth(&d);
}

/* What is there is written again: the file is as before. */
static double seq_write_deep(void)
{
	struct depth d = {
		.size = MIB, .writes = true, .requests = count(4 * BIG / MIB)};

	return by_depth(&d) * MIB;
}

static const struct work {
	const char *name;
	double (*fn)(void);
	double unit; /* how much of what is counted is one of `text` */
	const char *text;
	void (*before)(void); /* not timed; may be NULL */
} works[] = {
	{"stat-cold", stat_cold, 1000, "k/s", NULL},
	{"stat-cold-2", stat_cold_by_two, 1000, "k/s", NULL},
	{"stat-warm", stat_warm, 1000, "k/s", look_at_hot},
	{"seq-read", seq_read_big, 1e9, "GB/s", NULL},
	{"random-read", random_read_big, 1000, "k/s", NULL},
	{"seq-write", seq_write, 1e9, "GB/s", NULL},
	{"write-64k", write_64k, 1e9, "GB/s", NULL},
	{"create", create, 1000, "k/s", NULL},
	{"open-read", open_read_close, 1000, "k/s", NULL},
	{"rename", rename_files, 1000, "k/s", NULL},
	{"unlink", unlink_files, 1000, "k/s", NULL},
	{"seq-read-2", seq_read_by_two, 1e9, "GB/s", NULL},
	{"random-read-2", random_read_by_two, 1000, "k/s", NULL},
	{"seq-write-2", seq_write_by_two, 1e9, "GB/s", NULL},
	{"seq-read-deep", seq_read_deep, 1e9, "GB/s", NULL},
	{"random-read-deep", random_read_deep, 1000, "k/s", NULL},
	{"seq-write-deep", seq_write_deep, 1e9, "GB/s", NULL},
};

static int run(const char *only)
{
	for (size_t k = 0; k < sizeof(works) / sizeof(works[0]); k++) {
		const struct work *w = &works[k];
		double start, n;

		if (only && strcmp(only, w->name) != 0)
			continue;
		if (w->before)
			w->before();
		start = now();
		n = w->fn();
		printf("%s %.4g %s\n", w->name, n / w->unit / (now() - start),
		       w->text);
		fflush(stdout);
	}
	return 0;
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0755))
		fail(path);
}

static int prepare(void)
{
	for (long c = 0; c < CLIENTS; c++)
		make_file(in("big%ld", c), BIG);
	make_dir(in("hot"));
	for (long f = 0; f < HOT_FILES; f++)
		make_file(in("hot/f%ld", f), SMALL);
	make_dir(in("cold"));
	make_dir(in("two"));
	for (long d = 0; d < COLD_DIRS; d++) {
		make_dir(in("cold/d%ld", d));
		make_dir(in("two/d%ld", d));
		for (long f = 0; f < COLD_FILES; f++)
			make_file(in("cold/d%ld/f%ld", d, f), SMALL);
	}
	return 0;
}

static int make_many(long dirs, long files)
{
	for (long d = 0; d < dirs; d++) {
		if (d % 100 == 0)
			make_dir(in("%ld", d / 100));
		make_dir(in("%ld/%ld", d / 100, d));
		for (long f = 0; f < files; f++)
			close(open_at(in("%ld/%ld/file%ld", d / 100, d, f),
				      O_WRONLY | O_CREAT));
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	memset(block, 'x', sizeof(block));
	if (argc > 2)
		top = argv[2];
	if (argc == 3 && !strcmp(verb, "prepare"))
		return prepare();
	if (argc == 5 && !strcmp(verb, "many"))
		return make_many(atol(argv[3]), atol(argv[4]));
	if (argc == 4 && !strcmp(verb, "run")) {
		percent = (unsigned)atoi(argv[3]);
		return run(NULL);
	}
	if (argc == 5 && !strcmp(verb, "only")) {
		top = argv[3];
		percent = (unsigned)atoi(argv[4]);
		return run(argv[2]);
	}
	fputs("usage: fsbench prepare|run|only|many ...\n", stderr);
	return 2;
}
