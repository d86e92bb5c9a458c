#include "confdefs.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

char *fuzz_text(const uint8_t *data, size_t size)
{
	char *s = strndup(size ? (const char *)data : "", size);

	if (!s)
		abort();
	return s;
}
