/* Words for people: the nearest known one, and names that are safe to print. */
#include "confdefs.h"

#include <stdbool.h>
#include <stdint.h>
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

uint64_t text_sum(const char *s, size_t n)
{
	uint64_t h = 14695981039346656037ULL;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 1099511628211ULL;
	return h;
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

size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80			 ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
		return 0;
	return n;
}

/* A terminal takes control characters of 8 bits, too: U+0080 to U+009F. */
static bool is_control(const unsigned char *s)
{
	return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

char *text_printable(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	char *out = malloc(strlen(text) * 4 + 1), *o = out;
	if (!out)
		abort();
	while (*s) {
		size_t n = utf8_length(s);
		if (n == 0 || *s == '\\' || is_control(s)) {
			o += sprintf(o, "\\x%02x", *s++);
			continue;
		}
		memcpy(o, s, n);
		o += n;
		s += n;
	}
	*o = 0;
	return out;
}

char *text_copy(const char *s)
{
	char *copy = s ? strdup(s) : NULL;
	if (s && !copy)
		abort();
	return copy;
}

bool text_same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

void size_text(uint64_t bytes, char *out, size_t size)
{
	static const char units[] = "KMGTPE";
	if (bytes < 1024) {
		snprintf(out, size, "%u", (unsigned)bytes);
		return;
	}
	double v = (double)bytes / 1024;
	size_t u = 0;
	for (; v >= 1024 && units[u + 1]; u++)
		v /= 1024;
	snprintf(out, size, v < 10 ? "%.1f%c" : "%.0f%c", v, units[u]);
}
