/*
 * passrows - what a reader is served by, row by row of the table in
 * fs/passthrough.h; "passed" is who is read without the worker.
 *
 *	passrows rows DIR WORKER_PID on|off   all rows
 *	passrows again FILE                   see again()
 *
 * What the worker reads and writes is counted by the kernel (/proc/PID/io). A
 * file is released a little after it is closed: a row that is not as it must be
 * is tried again, with more and more time for that.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE	  (2u << 20) /* long enough for passthrough */
#define PAUSE_MAX 4000000    /* us */

/*
 * First these, in turn: r, w, b open for reading, writing, both, and stay
 * open; R, W, B are closed again; m opens for reading, maps, closes; s for
 * both, maps shared, closes.
 */
static const struct row {
	const char *before;
	bool passes; /* a reader that comes then, where there is passthrough */
} rows[] = {
	{"", true},    {"r", true},   {"w", false},  {"b", false}, {"R", true},
	{"W", true},   {"B", false},  {"m", true},   {"s", false}, {"rw", true},
	{"rb", true},  {"rs", true},  {"mw", true},  {"mb", true}, {"ms", true},
	{"wr", false}, {"br", false}, {"sr", false}, {"RW", true}, {"rB", true},
};

static char block[SIZE];
static pid_t worker;

static void fail(const char *what)
{
	fprintf(stderr, "passrows: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long worker_io(const char *field)
{
	char path[64], line[128];
	long long n = -1;
	snprintf(path, sizeof(path), "/proc/%d/io", (int)worker);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, field, strlen(field)) == 0)
			n = atoll(line + strlen(field));
	}
	if (n < 0)
		fail(path);
	fclose(f);
	return n;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);
	if (fd < 0)
		fail(path);
	return fd;
}

static char *map_file(int fd, int prot)
{
	char *p = mmap(NULL, SIZE, prot, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static void read_file(int fd, const char *how)
{
	if (pread(fd, block, SIZE, 0) != SIZE)
		fail(how);
}

static void write_file(int fd, char c, size_t n, off_t off)
{
	memset(block, c, n);
	if (pwrite(fd, block, n, off) != (ssize_t)n)
		fail("pwrite");
}

static void make_file(const char *path)
{
	int fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
	write_file(fd, 'x', SIZE, 0);
	close(fd);
}

/* Read now, with nothing of it in the page cache: past the worker? */
static bool passes_now(const char *path)
{
	int fd = open_file(path, O_RDONLY);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	long long before = worker_io("rchar:");
	read_file(fd, "pread");
	bool passed = worker_io("rchar:") - before < SIZE / 2;
	close(fd);
	return passed;
}

struct held {
	int fd;
	char *map;
};

static struct held hold(const char *path, char way)
{
	bool maps = way == 'm' || way == 's';
	bool reads = strchr("rRm", way), both = strchr("bBs", way);
	struct held h = {-1, NULL};
	int fd = open_file(path, reads ? O_RDONLY : both ? O_RDWR : O_WRONLY);
	if (maps)
		h.map = map_file(fd, PROT_READ | (both ? PROT_WRITE : 0));
	if (maps || strchr("RWB", way))
		close(fd);
	else
		h.fd = fd;
	return h;
}

static void let_go(struct held *h)
{
	if (h->map)
		munmap(h->map, SIZE);
	if (h->fd >= 0)
		close(h->fd);
}

/* Once, on a file of its own, with so much time for what is closed. */
static bool row_holds(const char *path, const struct row *row, bool on,
		      useconds_t pause)
{
	struct held held[4];
	size_t n = strlen(row->before);
	make_file(path);
	usleep(pause);
	for (size_t k = 0; k < n; k++)
		held[k] = hold(path, row->before[k]);
	usleep(pause);
	bool holds = passes_now(path) == (on && row->passes);
	for (size_t k = 0; k < n; k++)
		let_go(&held[k]);
	unlink(path);
	return holds;
}

static void check_row(const char *dir, const struct row *row, bool on)
{
	char path[4096];
	useconds_t pause = 1000;
	snprintf(path, sizeof(path), "%s/row-%s", dir, row->before);
	while (!row_holds(path, row, on, pause)) {
		pause *= 2;
		if (pause < PAUSE_MAX)
			continue;
		fprintf(stderr, "passrows: after \"%s\" a reader is %s\n",
			row->before, row->passes ? "not passed" : "passed");
		exit(1);
	}
}

static bool write_is_seen(const char *path, int flags, useconds_t pause)
{
	make_file(path);
	usleep(pause);
	int reader = open_file(path, O_RDONLY);
	int fd = open_file(path, flags);
	long long before = worker_io("wchar:");
	write_file(fd, 'y', SIZE, 0);
	bool seen = worker_io("wchar:") - before >= SIZE;
	close(fd);
	close(reader);
	unlink(path);
	return seen;
}

/* Beside a passed reader a writer is seen by the worker, and who reads and
 * writes is not. */
static void check_writes(const char *dir)
{
	static const struct {
		int flags;
		bool seen;
	} ways[] = {{O_WRONLY, true}, {O_RDWR, false}};
	char path[4096];
	snprintf(path, sizeof(path), "%s/written", dir);
	for (size_t k = 0; k < 2; k++) {
		useconds_t pause = 1000;
		while (write_is_seen(path, ways[k].flags, pause) !=
		       ways[k].seen) {
			pause *= 2;
			if (pause >= PAUSE_MAX)
				fail(ways[k].seen ? "a write was not seen"
						  : "a write was not passed");
		}
	}
}

static void all_rows(const char *dir, bool on)
{
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
		check_row(dir, &rows[k], on);
	if (on)
		check_writes(dir);
}

static void expect(int fd, off_t off, char c, int memory)
{
	char by_read, by_sendfile;
	off_t from = off;
	if (pread(fd, &by_read, 1, off) != 1 ||
	    lseek(memory, 0, SEEK_SET) < 0 ||
	    sendfile(memory, fd, &from, 1) != 1 ||
	    pread(memory, &by_sendfile, 1, 0) != 1)
		fail("reading");
	if (by_read != c || by_sendfile != c) {
		fprintf(stderr,
			"passrows: at %lld: %c, by sendfile %c, not %c\n",
			(long long)off, by_read, by_sendfile, c);
		exit(1);
	}
}

/*
 * again - one reader and one mapping, which are passed, and then another
 * worker, which has to go on as the last one did: the kernel refuses a second
 * lower file. Says "ready", waits for a line, and then opens in each way.
 */
static void again(const char *path)
{
	int memory = memfd_create("passrows", MFD_CLOEXEC);
	make_file(path);
	int reader = open_file(path, O_RDONLY);
	struct held mapped = hold(path, 's');
	read_file(reader, "before");
	puts("ready");
	fflush(stdout);
	if (getchar() != '\n')
		exit(1);
	int writer = open_file(path, O_WRONLY);
	write_file(writer, 'w', 4096, 0);
	int both = open_file(path, O_RDWR);
	write_file(both, 'b', 4096, 4096);
	mapped.map[8192] = 'm';
	int second = open_file(path, O_RDONLY);
	int fds[] = {reader, both, second};
	for (size_t k = 0; k < 3; k++) {
		expect(fds[k], 0, 'w', memory);
		expect(fds[k], 4096, 'b', memory);
		expect(fds[k], 8192, 'm', memory);
	}
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "rows")) {
		worker = (pid_t)atoi(argv[3]);
		all_rows(argv[2], !strcmp(argv[4], "on"));
	} else if (argc == 3 && !strcmp(argv[1], "again")) {
		again(argv[2]);
	} else {
		fputs("usage: passrows rows DIR WORKER_PID on|off\n"
		      "       passrows again FILE\n",
		      stderr);
		return 2;
	}
	return 0;
}
