/* Words, numbers and sizes, as people type them. */
#include "confdefs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

int value_bool(const char *text, bool *ret)
{
	static const char *const words[] = {"no",  "yes", "false", "true",
					    "off", "on",  "0",	   "1"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*ret = i & 1;
			return 0;
		}
	}
	return -EINVAL;
}

/* value_number - digits, then what *ret_rest is. */
static int value_number(const char *text, uint64_t *ret, const char **ret_rest)
{
	char *end;
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	*ret_rest = end;
	return errno ? -EINVAL : 0;
}

int value_count(const char *text, uint64_t *ret)
{
	const char *rest;
	uint64_t n = UINT64_MAX;
	if (strcmp(text, "never") != 0 &&
	    (value_number(text, &n, &rest) < 0 || *rest))
		return -EINVAL;
	*ret = n;
	return 0;
}

int value_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *rest;
	uint64_t n;
	if (strcmp(text, "never") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	if (value_number(text, &n, &rest) < 0)
		return -EINVAL;
	const char *unit = *rest ? strchr(units, *rest) : NULL;
	unsigned bits = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	if ((*rest && (!unit || rest[1])) || n << bits >> bits != n)
		return -EINVAL;
	*ret = n << bits;
	return 0;
}

int value_percent(const char *text, unsigned *ret)
{
	const char *rest;
	uint64_t n;
	if (value_number(text, &n, &rest) < 0 || n > 100 ||
	    (*rest && strcmp(rest, "%") != 0))
		return -EINVAL;
	*ret = (unsigned)n;
	return 0;
}

int value_word(const char *text, const char *words, unsigned *ret)
{
	size_t len = strlen(text);
	for (unsigned i = 0; *words; i++) {
		size_t n = strcspn(words, " ");
		if (n == len && memcmp(words, text, n) == 0) {
			*ret = i;
			return 0;
		}
		words += n + strspn(words + n, " ");
	}
	return -EINVAL;
}
