/*
 * acked - a writer that knows what was acknowledged
 *
 *	acked run SEED SECONDS[/MS] FOLDER MODEL [OUTAGE [FULL]]
 *					change files, one each MS, then check
 *	acked check FOLDER MODEL	are they as in MODEL?
 *
 * Files of FOLDER are written, appended to, renamed and removed; each call
 * must succeed. MODEL is what they must be once close(2) has returned: written
 * at the end, it tells for each file its size and the key that its bytes
 * follow from. Prints how many calls there were, and the longest and the 99th
 * percentile of their times: a file system that is being repaired shows there.
 * Of the longest calls it prints each, and when it ended.
 *
 * OUTAGE (outage.h) says when the mount is gone, and FULL when its disk is full:
 * then a call may fail. Of what
 * was under way nobody knows how far it came, but it is one of few things, and
 * nothing else is touched: that is looked at when the mount is back. What fsync
 * has promised must be there then, close or not.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "outage.h"

#define FILES	  60
#define SIZE_MAX_ 60000u
#define SLOTS	  100000 /* of the histogram, 10 µs each */
#define LATE	  12	 /* calls that are told of, one for each */

struct file {
	bool there;
	uint32_t key, size;
};

static struct file model[FILES];
static const char *folder;
static uint64_t state;
static unsigned long calls, outages, slots[SLOTS];
static int64_t longest, longest_of_all;

/* the calls that took longest, fsync and outages not counted */
static struct late {
	int64_t took;
	struct timespec end; /* time of day */
	const char *what;
	unsigned file;
	bool full; /* the disk was, or has become */
} late[LATE];

/* what is under way: files a and b become next_a and next_b, or stay as they
 * are; of a one that is written any beginning may be there, with what was
 * synced */
static struct {
	unsigned a, b;
	struct file next_a, next_b;
	uint32_t synced; /* bytes; 0: nothing was */
	int fd; /* -1: none; it is dead then, too */
	bool writes, appends;
} now;
static sigjmp_buf cut_off;

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

/* late_note - it may be one of the longest. */
static void late_note(const char *what, unsigned i, int64_t took)
{
	struct late *l = &late[0];
	for (unsigned k = 1; k < LATE; k++) {
		if (late[k].took < l->took)
			l = &late[k];
	}
	if (took <= l->took)
		return;
	off_t full = outage_size_of(full_file);
	*l = (struct late){.took = took,
			   .what = what,
			   .file = i,
			   .full = full % 2 || full != full_seen};
	clock_gettime(CLOCK_REALTIME, &l->end);
}

static void late_tell(void)
{
	for (unsigned k = 0; k < LATE && late[k].took; k++)
		printf("acked: late %lld.%06ld %s of file%u %.1f ms%s\n",
		       (long long)late[k].end.tv_sec,
		       late[k].end.tv_nsec / 1000, late[k].what, late[k].file,
		       (double)late[k].took / 1000,
		       late[k].full ? ", disk full" : "");
}

/* timed - the end of a call that began at `from`; -1 is the end of all. */
static long timed(const char *what, unsigned i, int64_t from, long r)
{
	int64_t took = now_us() - from;
	calls++;
	slots[took / 10 < SLOTS ? took / 10 : SLOTS - 1]++;
	if (took > longest_of_all)
		longest_of_all = took;
	/* an fsync takes what the disk takes, and without a supervisor nobody
	 * answers */
	if (strcmp(what, "fsync") != 0 && outage_size() == outage_seen &&
	    (took < 20000 || !outage_met(took))) {
		if (took > longest)
			longest = took;
		late_note(what, i, took);
	}
	if (r >= 0)
		return r;
	if (outage_explains(errno))
		siglongjmp(cut_off, 1);
	fprintf(stderr, "acked: %s of file%u: %s\n", what, i, strerror(errno));
	exit(1);
}

/* done - it is all as it was to become. */
static void done(void)
{
	model[now.a] = now.next_a;
	model[now.b] = now.next_b;
}

static void write_all(unsigned i, uint32_t from, uint32_t n)
{
	static uint8_t data[SIZE_MAX_];
	for (uint32_t k = 0; k < n; k++)
		data[k] = byte_of(now.next_a.key, from + k);
	for (uint32_t at = 0; at < n;) {
		int64_t t = now_us();
		at += (uint32_t)timed("write", i, t,
				      write(now.fd, data + at, n - at));
	}
}

static void put(unsigned i, bool append)
{
	struct file *f = &model[i];
	char path[512];
	path_of(i, path);
	append = append && f->there && f->size < SIZE_MAX_ / 2;
	uint32_t from = append ? f->size : 0;
	uint32_t key = append ? f->key : rnd(1u << 30);
	uint32_t n = 1 + rnd(SIZE_MAX_ - from - 1);
	now.a = now.b = i;
	now.next_a = now.next_b = (struct file){true, key, from + n};
	now.writes = true;
	now.appends = append;

	int64_t t = now_us();
	now.fd = (int)timed(
		"open", i, t,
		open(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC),
		     0644));
	if (rnd(4) == 0) {
		uint32_t first = 1 + rnd(n);
		write_all(i, from, first);
		t = now_us();
		timed("fsync", i, t, fsync(now.fd));
		from += first;
		now.synced = from;
		n -= first;
	}
	write_all(i, from, n);
	t = now_us();
	int fd = now.fd;
	now.fd = -1; /* closed, also when it says that it failed */
	timed("close", i, t, close(fd));
	done();
}

static void move(unsigned a, unsigned b)
{
	char from[512], to[512];
	if (a == b || !model[a].there)
		return;
	path_of(a, from);
	path_of(b, to);
	now.a = a;
	now.b = b;
	now.next_a = (struct file){0};
	now.next_b = model[a];
	int64_t t = now_us();
	timed("rename", a, t, rename(from, to));
	done();
}

static void drop(unsigned i)
{
	char path[512];
	if (!model[i].there)
		return;
	path_of(i, path);
	now.a = now.b = i;
	now.next_a = now.next_b = (struct file){0};
	int64_t t = now_us();
	timed("unlink", i, t, unlink(path));
	done();
}

static void tell_times(void)
{
	unsigned long seen = 0, at = 0;
	while (at < SLOTS && (seen += slots[at]) * 100 < calls * 99)
		at++;
	printf("acked: %lu calls, longest %.1f ms (with fsync and outages %.1f "
	       "ms), p99 %.2f ms, %lu times cut off\n",
	       calls, (double)longest / 1000, (double)longest_of_all / 1000,
	       (double)at / 100, outages);
	late_tell();
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

/* look - why file i is not `f`, or NULL. The size that it has may be any
 * from `least` on up to that of `f`. */
static const char *look(unsigned i, const struct file *f, uint32_t least,
			uint32_t *ret_size)
{
	static uint8_t data[SIZE_MAX_ + 1];
	char path[512];
	path_of(i, path);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof(data));
	int error = n < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (error == ENOENT && !f->there)
		return NULL;
	if (error) {
		outage_explains(error); /* then it is known when this returns */
		return strerror(error);
	}
	if (!f->there)
		return "was removed, and is there";
	if (n < (ssize_t)least || n > (ssize_t)f->size)
		return "has another size";
	for (uint32_t k = 0; k < n; k++) {
		if (data[k] != byte_of(f->key, k))
			return "has other bytes";
	}
	*ret_size = (uint32_t)n;
	return NULL;
}

static const char *wrong(unsigned i, const struct file *f)
{
	uint32_t size;
	return look(i, f, f->size, &size);
}

static int check(void)
{
	int bad = 0;
	for (unsigned i = 0; i < FILES; i++) {
		const char *why = wrong(i, &model[i]);
		if (why)
			printf("acked: %s/file%u: %s\n", folder, i, why);
		bad += why != NULL;
	}
	return bad ? 1 : 0;
}

/* ---- changes ---- */

/* found - what was under way is as before, unless that was synced, or done, in
 * part. */
static bool found(void)
{
	uint32_t least = now.appends ? model[now.a].size : 0;
	if (now.synced)
		least = now.synced;
	else if (!wrong(now.a, &model[now.a]) && !wrong(now.b, &model[now.b]))
		return true;
	if (now.writes) {
		if (look(now.a, &now.next_a, least, &now.next_a.size))
			return false;
		now.next_b = now.next_a;
	} else if (wrong(now.a, &now.next_a) || wrong(now.b, &now.next_b)) {
		return false;
	}
	done();
	return true;
}

/* settle - when the mount is back. */
static void settle(void)
{
	do {
		outage_begin();
		if (found())
			return;
	} while (outage_size() != outage_seen);
	fprintf(stderr, "acked: file%u or file%u: neither old nor new\n", now.a,
		now.b);
	exit(1);
}

static void cut(void)
{
	if (now.fd >= 0)
		close(now.fd);
	now.fd = -1;
	outages++;
}

static void step(void)
{
	unsigned i = rnd(FILES);
	now.writes = now.appends = false;
	now.synced = 0;
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
}

static void run(int64_t seconds, unsigned every_ms)
{
	int64_t end = now_us() + seconds * 1000000;
	now.fd = -1;
	while (now_us() < end) {
		outage_begin();
		if (sigsetjmp(cut_off, 0) == 0) {
			step();
		} else {
			cut();
			settle();
		}
		if (every_ms)
			usleep(every_ms * 1000);
		else if (rnd(4) == 0)
			usleep(rnd(4000));
	}
}

int main(int argc, char **argv)
{
	if (argc >= 6 && argc <= 8 && strcmp(argv[1], "run") == 0) {
		outage_file = argv[6];
		full_file = outage_file ? argv[7] : NULL;
		state = strtoull(argv[2], NULL, 10) * 2654435761u + 1;
		folder = argv[4];
		mkdir(folder, 0755);
		const char *ms = strchr(argv[3], '/');
		run(atoi(argv[3]), ms ? (unsigned)atoi(ms + 1) : 0);
		model_write(argv[5]);
		tell_times();
		int r;
		do {
			outage_begin();
			r = check();
		} while (outage_size() != outage_seen);
		return r;
	}
	if (argc == 4 && strcmp(argv[1], "check") == 0) {
		folder = argv[2];
		model_read(argv[3]);
		return check();
	}
	fprintf(stderr, "usage: acked run SEED SECONDS[/MS] FOLDER MODEL "
			"[OUTAGE [FULL]] | check FOLDER MODEL\n");
	return 2;
}
