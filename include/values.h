/* layer: base */
#ifndef MIRRORFS_VALUES_H
#define MIRRORFS_VALUES_H

/*
 * Values that administrators type (durations: clock.h). Each returns 0, or a
 * negative errno: -EINVAL.
 */

#include <stdbool.h>
#include <stdint.h>

/* value_bool - yes, no, true, false, on, off, 1, 0. */
int value_bool(const char *text, bool *ret);
/* value_count - a number, or "never": UINT64_MAX. */
int value_count(const char *text, uint64_t *ret);
/* value_size - "65536", "64K", "1M", "2G", powers of 1024, or "never":
 * UINT64_MAX. */
int value_size(const char *text, uint64_t *ret);
/* value_percent - "20%", or "20". */
int value_percent(const char *text, unsigned *ret);
/* value_word - the place of `text` in `words`, "one two three". */
int value_word(const char *text, const char *words, unsigned *ret);

#endif
