/*
 * Ranges of bytes that were written: sorted, disjoint and not even touching,
 * few. What is merged too much costs some bytes on the wire; what is
 * forgotten would be a replica with old content, so all merging grows.
 */
#include "confdefs.h"

#include <string.h>

#include "record.h"

static uint64_t range_end(const struct range *g)
{
	return g->off + g->len;
}

/* range_join_closest - make one of the two with the smallest gap. */
static void range_join_closest(struct range *ranges, uint32_t *n)
{
	uint32_t best = 0;
	uint64_t best_gap = UINT64_MAX;
	for (uint32_t i = 0; i + 1 < *n; i++) {
		uint64_t gap = ranges[i + 1].off - range_end(&ranges[i]);
		if (gap < best_gap) {
			best_gap = gap;
			best = i;
		}
	}
	ranges[best].len = range_end(&ranges[best + 1]) - ranges[best].off;
	memmove(&ranges[best + 1], &ranges[best + 2],
		(*n - best - 2) * sizeof(*ranges));
	(*n)--;
}

void range_add(struct range *ranges, uint32_t *n, uint64_t off, uint64_t len)
{
	if (len > UINT64_MAX - off)
		len = UINT64_MAX - off;
	if (len == 0)
		return;
	uint64_t end = off + len;

	/* [first, last) are those that overlap or touch the new one */
	uint32_t first = 0;
	while (first < *n && range_end(&ranges[first]) < off)
		first++;
	uint32_t last = first;
	while (last < *n && ranges[last].off <= end)
		last++;

	if (first == last) {
		/* Full: `spare` holds one more until two have become one. */
		struct range spare[RECORD_RANGES_MAX + 1];
		memcpy(spare, ranges, first * sizeof(*ranges));
		spare[first] = (struct range){off, len};
		memcpy(spare + first + 1, ranges + first,
		       (*n - first) * sizeof(*ranges));
		uint32_t total = *n + 1;
		if (total > RECORD_RANGES_MAX)
			range_join_closest(spare, &total);
		memcpy(ranges, spare, total * sizeof(*ranges));
		*n = total;
		return;
	}
	if (ranges[first].off < off)
		off = ranges[first].off;
	if (range_end(&ranges[last - 1]) > end)
		end = range_end(&ranges[last - 1]);
	ranges[first] = (struct range){off, end - off};
	memmove(&ranges[first + 1], &ranges[last],
		(*n - last) * sizeof(*ranges));
	*n -= last - first - 1;
}

uint64_t range_total(const struct range *ranges, uint32_t n)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < n; i++)
		total += ranges[i].len;
	return total;
}
