/* Words for people: the nearest known one, and names that are safe to print. */
#include "confdefs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"

/* edit_distance - Levenshtein, of words up to 63 bytes. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t na = strlen(a), nb = strlen(b);
	if (na > 63 || nb > 63)
		return 1000;
	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[nb];
}

const char *text_nearest(const char *word, const char *const *words, size_t n)
{
	const char *nearest = NULL;
	unsigned best = (unsigned)strlen(word) / 2 + 2;
	for (size_t i = 0; i < n; i++) {
		unsigned d = edit_distance(word, words[i]);
		if (d < best) {
			best = d;
			nearest = words[i];
		}
	}
	return nearest;
}

char *text_printable(const char *s)
{
	char *out = malloc(strlen(s) * 4 + 1), *o = out;
	if (!out)
		abort();
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c < 0x20 || c == 0x7f || c == '\\')
			o += sprintf(o, "\\x%02x", c);
		else
			*o++ = (char)c;
	}
	*o = 0;
	return out;
}
