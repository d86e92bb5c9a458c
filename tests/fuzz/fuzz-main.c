/*
 * fuzz-NAME [--write FOLDER] [FILE...]
 *
 * What a fuzz target is without a fuzzer: runs its seeds, and FUZZ_ROUNDS
 * random mutations of them; or writes the seeds as files; or runs files.
 */
#include "confdefs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/fuzz/fuzz.h"

#define ROUNDS	20000
#define LEN_MAX 4096

static uint64_t state;

static unsigned rnd(unsigned n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(state >> 33) % n;
}

static void mutate(struct buf *b)
{
	static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff, '/', '.', '\n'};

	for (unsigned k = 1 + rnd(4); k > 0 && b->len > 0; k--) {
		unsigned at = rnd((unsigned)b->len);
		unsigned n = 1 + rnd(8);

		switch (rnd(5)) {
		case 0:
			b->data[at] ^= (uint8_t)(1 << rnd(8));
			break;
		case 1:
			b->data[at] = edges[rnd(sizeof(edges))];
			break;
		case 2: /* cut */
			b->len = at;
			break;
		case 3: /* leave out */
			n = n < b->len - at ? n : (unsigned)b->len - at;
			memmove(b->data + at, b->data + at + n,
				b->len - at - n);
			b->len -= n;
			break;
		default: /* twice */
			if (b->len + n > LEN_MAX || at + n > b->len)
				break;
			buf_reserve(b, n);
			memmove(b->data + at + n, b->data + at, b->len - at);
			b->len += n;
		}
	}
}

/* A copy that ends where its memory ends: reading behind it is seen. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void run_seeds(unsigned n, unsigned rounds)
{
	for (unsigned i = 0; i < n + rounds; i++) {
		struct buf b = BUF_INIT;

		fuzz_seed(i < n ? i : rnd(n), &b);
		if (i >= n)
			mutate(&b);
		run(b.data, b.len);
		buf_done(&b);
	}
}

static int write_seeds(const char *folder, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct buf b = BUF_INIT;
		char path[4096];
		FILE *f;

		snprintf(path, sizeof(path), "%s/seed%u", folder, i);
		f = fopen(path, "w");
		fuzz_seed(i, &b);
		if (!f || fwrite(b.data, 1, b.len, f) != b.len || fclose(f))
			return 1;
		buf_done(&b);
	}
	return 0;
}

static int run_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *f = fopen(path, "r");

	if (!f)
		return 1;
	size_t n = fread(data, 1, sizeof(data), f);
	fclose(f);
	run(data, n);
	return 0;
}

int main(int argc, char **argv)
{
	const char *rounds = getenv("FUZZ_ROUNDS"), *seed = getenv("FUZZ_SEED");
	struct buf b = BUF_INIT;
	unsigned n = 0;
	int r = 0;

	while (fuzz_seed(n, &b))
		n++;
	buf_done(&b);
	if (argc == 3 && strcmp(argv[1], "--write") == 0)
		return write_seeds(argv[2], n);
	for (int i = 1; i < argc; i++)
		r |= run_file(argv[i]);
	if (argc > 1)
		return r;
	state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	printf("%u seeds, FUZZ_SEED=%llu\n", n, (unsigned long long)state);
	fflush(stdout);
	run_seeds(n, rounds ? (unsigned)atoi(rounds) : ROUNDS);
	return 0;
}
