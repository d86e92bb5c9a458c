/*
 * acked - a writer that knows what was acknowledged
 *
 *	acked run SEED SECONDS FOLDER MODEL    change files, then check them
 *	acked check FOLDER MODEL               are they in FOLDER as in MODEL?
 *
 * Files of FOLDER are written, appended to, renamed and removed; each call
 * must succeed. MODEL is what they must be once close(2) has returned: written
 * at the end, it tells for each file its size and the key that its bytes
 * follow from. Prints how many calls there were, and the longest and the 99th
 * percentile of their times: a file system that is being repaired shows there.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES	  60
#define SIZE_MAX_ 60000u
#define SLOTS	  100000 /* of the histogram, 10 µs each */

struct file {
	bool there;
	uint32_t key, size;
};

static struct file model[FILES];
static const char *folder;
static uint64_t state;
static unsigned long calls, slots[SLOTS];
static int64_t longest;

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 24) % below;
}

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint8_t byte_of(uint32_t key, uint32_t off)
{
	uint32_t x = key * 2654435761u + (off >> 3) * 40503u;
	return (uint8_t)(x >> 13 ^ off);
}

static void path_of(unsigned i, char out[512])
{
	snprintf(out, 512, "%s/file%u", folder, i);
}

/* timed - the end of a call that began at `from`; -1 is the end of all. */
static long timed(const char *what, unsigned i, int64_t from, long r)
{
	int64_t took = now_us() - from;
	calls++;
	slots[took / 10 < SLOTS ? took / 10 : SLOTS - 1]++;
	if (took > longest)
		longest = took;
	if (r >= 0)
		return r;
	fprintf(stderr, "acked: %s of file%u: %s\n", what, i, strerror(errno));
	exit(1);
}

static void put(unsigned i, bool append)
{
	static uint8_t data[SIZE_MAX_];
	struct file *f = &model[i];
	char path[512];
	path_of(i, path);
	append = append && f->there && f->size < SIZE_MAX_ / 2;
	uint32_t from = append ? f->size : 0;
	uint32_t key = append ? f->key : rnd(1u << 30);
	uint32_t n = 1 + rnd(SIZE_MAX_ - from - 1);
	for (uint32_t k = 0; k < n; k++)
		data[k] = byte_of(key, from + k);

	int64_t t = now_us();
	int fd = (int)timed(
		"open", i, t,
		open(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC),
		     0644));
	for (uint32_t done = 0; done < n;) {
		t = now_us();
		done += (uint32_t)timed("write", i, t,
					write(fd, data + done, n - done));
	}
	t = now_us();
	if (rnd(8) == 0)
		timed("fsync", i, t, fsync(fd));
	t = now_us();
	timed("close", i, t, close(fd));
	*f = (struct file){true, key, from + n};
}

static void move(unsigned a, unsigned b)
{
	char from[512], to[512];
	if (a == b || !model[a].there)
		return;
	path_of(a, from);
	path_of(b, to);
	int64_t t = now_us();
	timed("rename", a, t, rename(from, to));
	model[b] = model[a];
	model[a].there = false;
}

static void drop(unsigned i)
{
	char path[512];
	if (!model[i].there)
		return;
	path_of(i, path);
	int64_t t = now_us();
	timed("unlink", i, t, unlink(path));
	model[i].there = false;
}

static void run(int64_t seconds)
{
	int64_t end = now_us() + seconds * 1000000;
	while (now_us() < end) {
		unsigned i = rnd(FILES);
		switch (rnd(8)) {
		case 0:
			move(i, rnd(FILES));
			break;
		case 1:
			drop(i);
			break;
		default:
			put(i, rnd(3) == 0);
		}
		if (rnd(4) == 0)
			usleep(rnd(4000));
	}
}

static void tell_times(void)
{
	unsigned long seen = 0, at = 0;
	while (at < SLOTS && (seen += slots[at]) * 100 < calls * 99)
		at++;
	printf("acked: %lu calls, longest %.1f ms, p99 %.2f ms\n", calls,
	       (double)longest / 1000, (double)at / 100);
}

/* ---- the model ---- */

static void model_write(const char *file)
{
	FILE *f = fopen(file, "w");
	for (unsigned i = 0; f && i < FILES; i++)
		fprintf(f, "%d %u %u\n", model[i].there, model[i].key,
			model[i].size);
	if (!f || fclose(f) != 0) {
		perror(file);
		exit(1);
	}
}

static void model_read(const char *file)
{
	FILE *f = fopen(file, "r");
	for (unsigned i = 0; i < FILES; i++) {
		int there = 0;
		if (!f || fscanf(f, "%d %u %u", &there, &model[i].key,
				 &model[i].size) != 3) {
			perror(file);
			exit(1);
		}
		model[i].there = there;
	}
	fclose(f);
}

static const char *wrong_content(unsigned i, int fd)
{
	static uint8_t data[SIZE_MAX_ + 1];
	ssize_t n = read(fd, data, sizeof(data));
	if (n != (ssize_t)model[i].size)
		return "has another size";
	for (uint32_t k = 0; k < model[i].size; k++) {
		if (data[k] != byte_of(model[i].key, k))
			return "has other bytes";
	}
	return NULL;
}

static int check(void)
{
	int bad = 0;
	for (unsigned i = 0; i < FILES; i++) {
		char path[512];
		path_of(i, path);
		int fd = open(path, O_RDONLY);
		const char *why = NULL;
		if (fd < 0 && model[i].there)
			why = strerror(errno);
		else if (fd >= 0 && !model[i].there)
			why = "was removed, and is there";
		else if (fd >= 0)
			why = wrong_content(i, fd);
		if (fd >= 0)
			close(fd);
		if (why)
			printf("acked: %s: %s\n", path, why);
		bad += why != NULL;
	}
	return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "run") == 0) {
		state = strtoull(argv[2], NULL, 10) * 2654435761u + 1;
		folder = argv[4];
		mkdir(folder, 0755);
		run(atoi(argv[3]));
		model_write(argv[5]);
		tell_times();
		return check();
	}
	if (argc == 4 && strcmp(argv[1], "check") == 0) {
		folder = argv[2];
		model_read(argv[3]);
		return check();
	}
	fprintf(stderr, "usage: acked run SEED SECONDS FOLDER MODEL | "
			"check FOLDER MODEL\n");
	return 2;
}
