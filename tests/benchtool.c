/*
 * benchtool - makes load and watches when it has arrived
 *
 *	benchtool files DIR DIRS FILES SIZE   FILES files in each of DIRS folders,
 *	                                      which are made if they are not there
 *	benchtool until DIR N SIZE            wait until DIR has N files of SIZE
 *	benchtool gone PATH                   wait until PATH does not exist
 *	benchtool latency DIR REPLICA N       close to readable, N times:
 *	                                      prints p50 and p99 in ms
 *	benchtool paced DIR REPLICA N RATE    the same, RATE new files a second,
 *	                                      whether the last has arrived or not
 *	benchtool changes DIR FILES TIMES     the mode, the name, the content and
 *	                                      again the name of each of FILES
 *	                                      files, TIMES changes of each
 *	benchtool replaced DIR REPLICA N      N times a new version is renamed
 *	                                      over one file: p50 and p99 of how
 *	                                      old the replica's version is
 *
 * The waiting ones give up after ten minutes.
 */
#include "confdefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define PATIENCE_S   600
#define SAMPLES_MAX  20000
#define LATENCY_SIZE 4096

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	fprintf(stderr, "benchtool: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void write_file(const char *path, size_t size)
{
	static char data[1 << 16];
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		fail(path);
	for (size_t i = 0; i < sizeof(data) && i < size; i += sizeof(int)) {
		int v = rand();

		memcpy(data + i, &v, sizeof(v));
	}
	while (size) {
		size_t n = size < sizeof(data) ? size : sizeof(data);

		if (write(fd, data, n) != (ssize_t)n)
			fail(path);
		size -= n;
	}
}

static void make_folder(const char *dir, long d, long files, size_t size)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/d%ld", dir, d);
	if (mkdir(path, 0755) && errno != EEXIST)
		fail(path);
	for (long f = 0; f < files; f++) {
		snprintf(path, sizeof(path), "%s/d%ld/f%ld", dir, d, f);
		write_file(path, size);
	}
}

static int make_files(const char *dir, long dirs, long files, size_t size,
		      long writers)
{
	int status, r = 0;

	for (long w = 0; w < writers; w++) {
		pid_t pid = fork();
		if (pid < 0)
			fail("fork");
		if (pid > 0)
			continue;
		for (long d = w; d < dirs; d += writers)
			make_folder(dir, d, files, size);
		_exit(0);
	}
	while (wait(&status) > 0)
		r |= status != 0;
	return r;
}

/* The `i`th change of a file that has two names in turn. */
static void change(const char *dir, long f, long i)
{
	char a[4096], b[4096];

	snprintf(a, sizeof(a), "%s/a%ld", dir, f);
	snprintf(b, sizeof(b), "%s/b%ld", dir, f);
	if (i % 4 == 0 && chmod(a, i / 4 % 2 ? 0644 : 0600))
		fail(a);
	if (i % 4 == 1 && rename(a, b))
		fail(b);
	if (i % 4 == 2)
		write_file(b, 64 + (size_t)(i % 100));
	if (i % 4 == 3 && rename(b, a))
		fail(a);
}

static int make_changes(const char *dir, long files, long times)
{
	char path[4096];

	for (long f = 0; f < files; f++) {
		snprintf(path, sizeof(path), "%s/a%ld", dir, f);
		if (access(path, F_OK))
			write_file(path, 64);
	}
	for (long i = 0; i < times; i++) {
		for (long f = 0; f < files; f++)
			change(dir, f, i);
	}
	return 0;
}

/* Files of `size` bytes below `dir`. */
static long count(int parent, const char *name, off_t size)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_CLOSEDIR DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	long n = 0;

	while (dir && (e = readdir(dir))) {
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		if (e->d_type == DT_DIR)
			n += count(fd, e->d_name, size);
		else if (!fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			n += st.st_size == size;
	}
	return n;
}

/* To look at thousands of files takes a processor from those who copy them: it
 * is done after a third of the time that the rest will take, if they go on as
 * before. */
static useconds_t look_again_us(double s, long have, long n)
{
	double rest = have > 0 && have < n
			      ? s / (double)have * (double)(n - have)
			      : 0;

	if (n <= 1000)
		return 1000;
	rest = rest / 3 * 1e6;
	return rest < 5000 ? 5000 : rest > 200000 ? 200000 : (useconds_t)rest;
}

static int until(const char *dir, long n, off_t size)
{
	double start = now();
	long have;

	while ((have = count(AT_FDCWD, dir, size)) != n) {
		if (now() > start + PATIENCE_S)
			return 1;
		usleep(look_again_us(now() - start, have, n));
	}
	return 0;
}

static int gone(const char *path)
{
	double end = now() + PATIENCE_S;
	struct stat st;

	while (!lstat(path, &st)) {
		if (now() > end)
			return 1;
		usleep(1000);
	}
	return 0;
}

static double one_latency(const char *dir, const char *replica, long i)
{
	char from[4096], to[4096];
	struct stat st;
	double start;

	snprintf(from, sizeof(from), "%s/latency%ld", dir, i);
	snprintf(to, sizeof(to), "%s/latency%ld", replica, i);
	write_file(from, LATENCY_SIZE);
	start = now();
	while (stat(to, &st) || st.st_size != LATENCY_SIZE) {
		if (now() > start + PATIENCE_S)
			fail(to);
		usleep(100);
	}
	return (now() - start) * 1000;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report(double *ms, long n)
{
	qsort(ms, (size_t)n, sizeof(*ms), by_size);
	printf("%.1f %.1f\n", ms[n / 2], ms[n * 99 / 100]);
}

static int latency(const char *dir, const char *replica, long n)
{
	static double ms[SAMPLES_MAX];

	if (n < 1 || n > SAMPLES_MAX)
		return 2;
	for (long i = 0; i < n; i++) {
		ms[i] = one_latency(dir, replica, i);
		usleep((useconds_t)(rand() % 20000)); /* not in step with us */
	}
	report(ms, n);
	return 0;
}

/* ---- files that tell when they were written ---- */

static void write_stamp(const char *path)
{
	double data[LATENCY_SIZE / sizeof(double)] = {now()};
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, data, sizeof(data)) != sizeof(data))
		fail(path);
}

/* 0: not there */
static double read_stamp(const char *path)
{
	double data = 0;
	CLEANUP_CLOSE int fd = open(path, O_RDONLY);

	if (fd < 0 || read(fd, &data, sizeof(data)) != sizeof(data))
		return 0;
	return data;
}

static void write_paced(const char *dir, long n, double rate)
{
	char path[4096];
	double start = now();

	for (long i = 0; i < n; i++) {
		double wait = start + (double)i / rate - now();

		if (wait > 0)
			usleep((useconds_t)(wait * 1e6));
		snprintf(path, sizeof(path), "%s/paced%ld", dir, i);
		write_stamp(path);
	}
}

static double wait_stamp(const char *path)
{
	double stamp, end = now() + PATIENCE_S;

	while ((stamp = read_stamp(path)) <= 0) {
		if (now() > end)
			fail(path);
		usleep(1000);
	}
	return stamp;
}

static int paced(const char *dir, const char *replica, long n, double rate)
{
	static double ms[SAMPLES_MAX];
	char path[4096];
	pid_t pid = n < 1 || n > SAMPLES_MAX ? -1 : fork();

	if (pid < 0)
		return 2;
	if (pid == 0) {
		write_paced(dir, n, rate);
		_exit(0);
	}
	for (long i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/paced%ld", replica, i);
		double stamp = wait_stamp(path);
		ms[i] = (now() - stamp) * 1000;
	}
	waitpid(pid, NULL, 0);
	report(ms, n);
	return 0;
}

static void write_replaced(const char *dir, long n)
{
	char from[4096], to[4096];

	snprintf(from, sizeof(from), "%s/target.tmp", dir);
	snprintf(to, sizeof(to), "%s/target", dir);
	for (long i = 0; i < n; i++) {
		write_stamp(from);
		if (rename(from, to))
			fail(to);
	}
}

static int replaced(const char *dir, const char *replica, long n)
{
	static double ms[SAMPLES_MAX];
	char path[4096];
	pid_t pid = fork();
	long k = 0;

	if (pid < 0)
		return 2;
	if (pid == 0) {
		write_replaced(dir, n);
		_exit(0);
	}
	snprintf(path, sizeof(path), "%s/target", replica);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		double stamp = read_stamp(path);

		if (stamp > 0 && k < SAMPLES_MAX)
			ms[k++] = (now() - stamp) * 1000;
		usleep(5000);
	}
	if (k == 0)
		return 1;
	report(ms, k);
	return 0;
}

int main(int argc, char **argv)
{
	if ((argc == 6 || argc == 7) && !strcmp(argv[1], "files"))
		return make_files(argv[2], atol(argv[3]), atol(argv[4]),
				  strtoul(argv[5], NULL, 10),
				  argc == 7 ? atol(argv[6]) : 1);
	if (argc == 5 && !strcmp(argv[1], "until"))
		return until(argv[2], atol(argv[3]), atoll(argv[4]));
	if (argc == 3 && !strcmp(argv[1], "gone"))
		return gone(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "latency"))
		return latency(argv[2], argv[3], atol(argv[4]));
	if (argc == 6 && !strcmp(argv[1], "paced"))
		return paced(argv[2], argv[3], atol(argv[4]), atof(argv[5]));
	if (argc == 5 && !strcmp(argv[1], "changes"))
		return make_changes(argv[2], atol(argv[3]), atol(argv[4]));
	if (argc == 5 && !strcmp(argv[1], "replaced"))
		return replaced(argv[2], argv[3], atol(argv[4]));
	fputs("usage: benchtool files|until|gone|latency|paced|changes|"
	      "replaced ...\n",
	      stderr);
	return 2;
}
