/* Rates: what is typed, and a bucket of a quarter of a second. */
#include "confdefs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "rate.h"
#include "values.h"

#define DAY	  (24 * 60)
#define FULL_TIME 0.25 /* s: so much may be sent at once after a pause */

static int parse_span(const char *text, struct rate *r)
{
	unsigned h1, m1, h2, m2;
	int used = 0;
	unsigned i = r->n;
	if (i == RATE_SPANS)
		return -EINVAL;
	if (sscanf(text, "%2u:%2u-%2u:%2u %n", &h1, &m1, &h2, &m2, &used) < 4)
		h1 = m1 = h2 = m2 = 0;
	if (h1 > 24 || h2 > 24 || m1 > 59 || m2 > 59 || !text[used])
		return -EINVAL;
	r->spans[i].from = (h1 * 60 + m1) % DAY;
	r->spans[i].to = (h2 * 60 + m2) % DAY;
	int e = value_size(text + used, &r->spans[i].bytes);
	if (e < 0 || r->spans[i].bytes == 0)
		return -EINVAL;
	r->n++;
	return 0;
}

int rate_parse(const char *text, struct rate *ret)
{
	struct rate r = {0};
	char item[64];
	do {
		text += strspn(text, " \t");
		size_t len = strcspn(text, ",");
		size_t used = len;
		while (used > 0 && strchr(" \t", text[used - 1]))
			used--;
		if (used == 0 || used >= sizeof(item))
			return -EINVAL;
		memcpy(item, text, used);
		item[used] = 0;
		if (parse_span(item, &r) < 0)
			return -EINVAL;
		text += len;
	} while (*text && *++text);
	if (text[-1] == ',')
		return -EINVAL;
	*ret = r;
	return 0;
}

uint64_t rate_at(const struct rate *r, unsigned minute)
{
	for (unsigned i = 0; i < r->n; i++) {
		unsigned from = r->spans[i].from, to = r->spans[i].to;
		bool in = from == to  ? true
			  : from < to ? from <= minute && minute < to
				      : from <= minute || minute < to;
		if (in)
			return r->spans[i].bytes == UINT64_MAX
				       ? 0
				       : r->spans[i].bytes;
	}
	return 0;
}

/* ---- the bucket ---- */

static void bucket_fill(struct bucket *b, int64_t now_ns)
{
	double full = (double)b->rate * FULL_TIME;
	b->level += (double)b->rate * (double)(now_ns - b->last_ns) /
		    (double)NS_PER_S;
	if (b->level > full)
		b->level = full;
	b->last_ns = now_ns;
}

void bucket_set(struct bucket *b, uint64_t rate, int64_t now_ns)
{
	if (rate == b->rate)
		return;
	*b = (struct bucket){.rate = rate, .last_ns = now_ns};
}

void bucket_take(struct bucket *b, uint64_t bytes)
{
	if (b->rate)
		b->level -= (double)bytes;
}

int64_t bucket_wait(struct bucket *b, double debt, int64_t now_ns)
{
	if (!b->rate)
		return 0;
	bucket_fill(b, now_ns);
	double lacks = -debt - b->level;
	return lacks < 1
		       ? 0
		       : (int64_t)(lacks / (double)b->rate * (double)NS_PER_S) +
				 1;
}
