/* Paths and texts: two strings, a NUL between them. */
#include "confdefs.h"

#include <string.h>

#include "cleanup.h"
#include "paths.h"
#include "tests/fuzz/fuzz.h"

static void tree_paths(const char *a, const char *b)
{
	CLEANUP_FREE char *joined = path_join(a, b);
	CLEANUP_FREE char *parent = path_parent(a);

	FUZZ_CHECK(strlen(parent) <= strlen(a));
	FUZZ_CHECK(path_is_below(a, a) && path_related(a, a));
	FUZZ_CHECK(path_related(a, b) == path_related(b, a));
	FUZZ_CHECK(strlen(path_name(a)) <= strlen(a));
	path_is_reserved(a);
	if (!*a || a[strlen(a) - 1] == '/' || *b == '/' || !*b)
		return;
	FUZZ_CHECK(path_is_below(joined, a));
	CLEANUP_FREE char *moved = path_rebase(joined, a, b);
	CLEANUP_FREE char *back = path_rebase(moved, b, a);
	FUZZ_CHECK(strcmp(back, joined) == 0);
}

static void any_text(const char *a, const char *b)
{
	const char *words[] = {a, b, "root"};
	CLEANUP_FREE char *shown = text_printable(a);
	CLEANUP_FREE char *absolute = path_normalise(a, "/cwd");
	CLEANUP_FREE char *twice = path_normalise(absolute, "/");
	CLEANUP_FREE char *name = NULL;

	for (const char *c = shown; *c; c++)
		FUZZ_CHECK((unsigned char)*c >= ' ' && *c != 127);
	FUZZ_CHECK(*absolute == '/' && strcmp(absolute, twice) == 0);
	FUZZ_CHECK(!strstr(absolute, "//"));
	name = path_escape(absolute);
	FUZZ_CHECK(*name && !strchr(name, '/'));
	if (strlen(a) < 200 && strlen(b) < 200)
		text_nearest(a, words, 3);
	utf8_length((const unsigned char *)a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *a = fuzz_text(data, size);
	size_t n = strlen(a) + 1;
	CLEANUP_FREE char *b =
		n < size ? fuzz_text(data + n, size - n) : fuzz_text(data, 0);

	tree_paths(a, b);
	any_text(a, b);
	return 0;
}

#define SEED(text)                                                             \
	{                                                                      \
		text, sizeof(text) - 1                                         \
	}

bool fuzz_seed(unsigned n, struct buf *out)
{
	static const struct {
		const char *text;
		size_t len;
	} seeds[] = {
		SEED("a/b\0c"),
		SEED("/var/www/../x//y/./\0-"),
		SEED("\0"),
		SEED(".mirrorfs/stage\0."),
		SEED("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xff\0\x1b[31m"),
		SEED("../../..\0..a"),
		SEED("history\0histroy"),
	};
	const unsigned count = sizeof(seeds) / sizeof(*seeds);

	buf_put(out, seeds[n % count].text, seeds[n % count].len);
	return n < count;
}
