/*
 * blob - files that can tell whether they are whole
 *
 *	blob write FILE SEED SIZE     make or replace one, in small pieces
 *	blob check FILE...            are they whole?
 *	blob writers DIR SEED ROUNDS  replace the files of DIR again and again
 *	blob readers DIR STOP-FILE    check those of DIR until STOP-FILE exists
 *
 * A blob is a header (magic, seed, size) and bytes that follow from the seed,
 * so a mixture of two versions, a part, or a hole is found. `writers` gives
 * each file its final mode and owner only after it is open and half written;
 * `readers` asks for these, too. On a replica nothing else may ever be seen.
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
#include <unistd.h>

#include "cleanup.h"

#define MAGIC 0x6d697272426c6f62ULL
#define FILES 12
#define MAX_SIZE 400000
#define FINAL_MODE 0640
#define FINAL_OWNER 1234

struct header {
	uint64_t magic, seed, size; /* size: of the whole file */
};

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static char *blob_make(uint64_t seed, uint64_t size)
{
	struct header h = {MAGIC, seed, size};
	uint64_t state = seed * 2654435761ULL + 1;
	char *data;

	if (size < sizeof(h))
		size = sizeof(h);
	h.size = size;
	data = malloc(size + sizeof(state));
	if (!data)
		abort();
	memcpy(data, &h, sizeof(h));
	for (uint64_t i = sizeof(h); i < size; i += sizeof(state)) {
		uint64_t v = next(&state);

		memcpy(data + i, &v, sizeof(v));
	}
	return data;
}

static void fail(const char *what, const char *path)
{
	fprintf(stderr, "blob: %s: %s: %s\n", path, what, strerror(errno));
	exit(1);
}

static void write_range(int fd, const char *data, uint64_t from, uint64_t to,
			const char *path)
{
	while (from < to) {
		uint64_t n = to - from < 9000 ? to - from : 9000;
		ssize_t r = pwrite(fd, data + from, n, (off_t)from);

		if (r < 0)
			fail("write", path);
		from += (uint64_t)r;
	}
}

/* `flags` beside O_WRONLY: O_TRUNC, O_EXCL … */
static void blob_write(const char *path, uint64_t seed, uint64_t size,
		       int flags, bool attributes)
{
	CLEANUP_FREE char *data = blob_make(seed, size);
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC |
					  flags, 0600);

	size = ((struct header *)data)->size;
	if (fd < 0)
		fail("open", path);
	write_range(fd, data, 0, size / 2, path);
	if (attributes && (fchmod(fd, FINAL_MODE) ||
			   fchown(fd, FINAL_OWNER, FINAL_OWNER)))
		fail("attributes", path);
	write_range(fd, data, size / 2, size, path);
	if (ftruncate(fd, (off_t)size))
		fail("truncate", path);
}

/* Returns NULL, or what is wrong with it. A file that vanished is fine. */
static const char *blob_check(const char *path, bool attributes)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE char *got = NULL, *want = NULL;
	struct header h;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? NULL : "cannot be opened";
	if (fstat(fd, &st))
		return "cannot be looked at";
	if (attributes && ((st.st_mode & 07777) != FINAL_MODE ||
			   st.st_uid != FINAL_OWNER))
		return "is without its mode or owner";
	if (st.st_size < (off_t)sizeof(h))
		return "is too short for a header";
	got = malloc((size_t)st.st_size);
	if (!got)
		abort();
	if (read(fd, got, (size_t)st.st_size) != (ssize_t)st.st_size)
		return "cannot be read whole";
	memcpy(&h, got, sizeof(h));
	if (h.magic != MAGIC || h.size != (uint64_t)st.st_size)
		return "is cut, or has a wrong header";
	want = blob_make(h.seed, h.size);
	return memcmp(got, want, h.size) ? "is a mixture" : NULL;
}

static int writers(const char *dir, uint64_t seed, unsigned long rounds)
{
	uint64_t state = seed * 7919 + 12345;

	while (rounds--) {
		uint64_t v = next(&state), size = 24 + (v >> 8) % MAX_SIZE;
		char path[4096], tmp[4200];

		snprintf(path, sizeof(path), "%s/blob%u", dir,
			 (unsigned int)(v % FILES));
		snprintf(tmp, sizeof(tmp), "%s.new", path);
		switch (v >> 60 & 3) {
		case 0: /* in place: a mixture until it is closed */
			blob_write(path, v, size, 0, true);
			break;
		case 1:
			blob_write(path, v, size, O_TRUNC, true);
			break;
		default:
			blob_write(tmp, v, size, O_EXCL, true);
			if (rename(tmp, path))
				fail("rename", tmp);
		}
	}
	return 0;
}

static int readers(const char *dir, const char *stop)
{
	unsigned long good = 0, rounds = 0;

	do {
		CLEANUP_CLOSEDIR DIR *d = opendir(dir);
		struct dirent *e;

		rounds++;
		while (d && (e = readdir(d))) {
			char path[4400];
			const char *why;

			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
			why = blob_check(path, true);
			if (why) {
				printf("%s %s (round %lu)\n", path, why,
				       rounds);
				return 1;
			}
			good++;
		}
	} while (access(stop, F_OK));
	printf("%lu whole files seen in %lu rounds\n", good, rounds);
	return good == 0;
}

static int usage(void)
{
	fputs("usage: blob write FILE SEED SIZE | check FILE... |\n"
	      "       writers DIR SEED ROUNDS | readers DIR STOP-FILE\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	int r = 0;

	umask(0);
	if (argc == 5 && !strcmp(argv[1], "write")) {
		blob_write(argv[2], strtoull(argv[3], NULL, 10),
			   strtoull(argv[4], NULL, 10), O_TRUNC, false);
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "writers"))
		return writers(argv[2], strtoull(argv[3], NULL, 10),
			       strtoul(argv[4], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "readers"))
		return readers(argv[2], argv[3]);
	if (argc < 3 || strcmp(argv[1], "check"))
		return usage();
	for (int i = 2; i < argc; i++) {
		const char *why = blob_check(argv[i], false);

		if (why)
			printf("%s %s\n", argv[i], why);
		r |= why != NULL;
	}
	return r;
}
