/*
 * passprobe - one file, opened, mapped and closed in every mixture of ways;
 * each reader sees what each writer did, at once, by every way of reading.
 *
 *	passprobe DIR SEED ROUNDS       all triples of ways, then random ones
 *	passprobe hold FILE HOW         see hold()
 *
 * Ways: r, w, b: open for reading, writing, both; m: opened for reading,
 * mapped, closed; s: opened for both, mapped shared, closed.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE   (5 * 4096)	   /* where something happens */
#define LENGTH (SIZE + (1 << 20)) /* long enough for passthrough */
#define SLOTS 4

static const char ways[] = "rwbms";
#define N_WAYS	 5
#define N_TRIPLE (N_WAYS * N_WAYS * N_WAYS)

static struct slot {
	char way; /* 0: free */
	int fd;	  /* -1: closed */
	uint8_t *map;
} slots[SLOTS];

static uint8_t model[SIZE], found[SIZE];
static char path[4096], story[4096];
static size_t told;
static int memory; /* for sendfile */

static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, ": %s\nafter: %s\n", strerror(errno), story);
	exit(1);
}

#define OK(call)                                                               \
	do {                                                                   \
		if ((call) < 0)                                                \
			fail("line %d: %s", __LINE__, #call);                  \
	} while (0)

static void tell(char what, int slot)
{
	if (told + 4 >= sizeof(story))
		told = 0;
	told += (size_t)snprintf(story + told, sizeof(story) - told, "%c%d ",
				 what, slot);
}

static uint8_t *map_fd(int fd, int prot)
{
	void *p = mmap(NULL, SIZE, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static void slot_open(int k, char way)
{
	struct slot *s = &slots[k];
	bool maps = way == 'm' || way == 's';
	int flags = way == 'r' || way == 'm' ? O_RDONLY
		    : way == 'w'	     ? O_WRONLY
					     : O_RDWR;

	tell(way, k);
	s->way = way;
	OK(s->fd = open(path, flags | O_CLOEXEC));
	if (!maps)
		return;
	s->map = map_fd(s->fd, way == 's' ? PROT_READ | PROT_WRITE : PROT_READ);
	OK(close(s->fd));
	s->fd = -1;
}

static void slot_close(int k)
{
	struct slot *s = &slots[k];

	tell('-', k);
	if (s->map)
		OK(munmap(s->map, SIZE));
	if (s->fd >= 0)
		OK(close(s->fd));
	*s = (struct slot){.fd = -1};
}

static void same(const uint8_t *got, const char *how, int k)
{
	for (size_t at = 0; at < SIZE; at++) {
		if (got[at] == model[at])
			continue;
		errno = 0;
		fail("%s of slot %d (%c): byte %zu is %02x, not %02x", how, k,
		     slots[k].way, at, got[at], model[at]);
	}
}

static void check(int k)
{
	struct slot *s = &slots[k];
	off_t off = 0;

	if (s->map)
		same(s->map, "mapping", k);
	if (s->fd < 0 || s->way == 'w')
		return;
	if (pread(s->fd, found, SIZE, 0) != SIZE)
		fail("pread");
	same(found, "pread", k);
	OK(lseek(memory, 0, SEEK_SET));
	while (off < SIZE)
		if (sendfile(memory, s->fd, &off, (size_t)(SIZE - off)) <= 0)
			fail("sendfile");
	if (pread(memory, found, SIZE, 0) != SIZE)
		fail("pread of memory");
	same(found, "sendfile", k);
	uint8_t *p = map_fd(s->fd, PROT_READ);
	same(p, "fresh mapping", k);
	OK(munmap(p, SIZE));
}

static void change(int k)
{
	struct slot *s = &slots[k];
	size_t at = (size_t)random() % (SIZE - 8), n = 1 + (size_t)random() % 8;
	uint8_t bytes[8];

	if (s->way == 'r' || s->way == 'm' || !s->way)
		return;
	for (size_t j = 0; j < n; j++)
		model[at + j] = bytes[j] = (uint8_t)random();
	if (s->map) {
		memcpy(s->map + at, bytes, n);
	} else if (s->way == 'b' && random() % 2) {
		uint8_t *p = map_fd(s->fd, PROT_READ | PROT_WRITE);

		memcpy(p + at, bytes, n);
		OK(munmap(p, SIZE));
	} else if (pwrite(s->fd, bytes, n, (off_t)at) != (ssize_t)n) {
		fail("pwrite of slot %d", k);
	}
}

/* The upper half becomes zeros. */
static void cut(void)
{
	OK(truncate(path, SIZE / 2 + 100));
	OK(truncate(path, LENGTH));
	memset(model + SIZE / 2 + 100, 0, SIZE - SIZE / 2 - 100);
}

static void look_all(void)
{
	for (int k = 0; k < SLOTS; k++) {
		struct stat st;

		change(k);
		for (int j = 0; j < SLOTS; j++)
			check(j);
		OK(stat(path, &st));
		if (st.st_size != LENGTH)
			fail("size %lld", (long long)st.st_size);
	}
}

static void fill(void)
{
	for (size_t at = 0; at < SIZE; at++)
		model[at] = (uint8_t)(at % 251);
}

/* Files without a past: made, closed, and released by the kernel, which comes
 * a little later. */
static void prepare(const char *dir, int n)
{
	fill();
	for (int k = 0; k < n; k++) {
		int fd;

		snprintf(path, sizeof(path), "%s/%d", dir, k);
		OK(fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
		if (write(fd, model, SIZE) != SIZE)
			fail("write");
		OK(ftruncate(fd, LENGTH));
		OK(close(fd));
	}
	usleep(200000);
}

static void begin(const char *dir, int n)
{
	snprintf(path, sizeof(path), "%s/%d", dir, n);
	told = 0;
	for (int k = 0; k < SLOTS; k++)
		slots[k] = (struct slot){.fd = -1};
	fill();
}

static void end(void)
{
	for (int k = 0; k < SLOTS; k++)
		if (slots[k].way)
			slot_close(k);
	slot_open(0, 'r');
	check(0);
	slot_close(0);
}

/* The first one is closed again, while its mapping and the others stay. */
static void triple(const char *dir, int n)
{
	begin(dir, n);
	for (int k = 0; k < 3; k++) {
		slot_open(k, ways[n % N_WAYS]);
		n /= N_WAYS;
		look_all();
	}
	slot_close(0);
	look_all();
	end();
}

static void random_steps(const char *dir, int n)
{
	begin(dir, n);
	for (int step = 0; step < 16; step++) {
		int k = (int)(random() % SLOTS);

		if (slots[k].way)
			slot_close(k);
		else
			slot_open(k, ways[random() % N_WAYS]);
		if (random() % 6 == 0)
			cut();
		look_all();
	}
	end();
}

static void wait_line(void)
{
	int c;

	while ((c = getchar()) != '\n')
		if (c == EOF)
			exit(1);
}

/*
 * hold - a shared mapping that has outlived its descriptor. It is made beside
 * a reader, so that it is unseen where there is passthrough. Says "ready",
 * waits for a line, stores, says "stored", waits for a line, and ends: "exit",
 * or "kill" by SIGKILL.
 */
static void hold(const char *file, const char *how)
{
	int reader, fd;
	uint8_t *p;

	OK(reader = open(file, O_RDONLY));
	OK(fd = open(file, O_RDWR));
	p = map_fd(fd, PROT_READ | PROT_WRITE);
	memset(p, 'a', 100);
	OK(close(fd));
	OK(close(reader));
	puts("ready");
	fflush(stdout);
	wait_line();
	memset(p + 4096, 'b', 100);
	puts("stored");
	fflush(stdout);
	wait_line();
	memset(p + 8192, 'c', 100);
	if (!strcmp(how, "kill"))
		raise(SIGKILL);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: passprobe DIR SEED ROUNDS\n"
		      "       passprobe hold FILE exit|kill\n",
		      stderr);
		return 2;
	}
	if (!strcmp(argv[1], "hold")) {
		hold(argv[2], argv[3]);
		return 0;
	}
	srandom((unsigned)atoi(argv[2]));
	OK(memory = memfd_create("passprobe", MFD_CLOEXEC));
	int end_n = N_TRIPLE + atoi(argv[3]);
	prepare(argv[1], end_n);
	for (int n = 0; n < N_TRIPLE; n++)
		triple(argv[1], n);
	for (int n = N_TRIPLE; n < end_n; n++)
		random_steps(argv[1], n);
	return 0;
}
