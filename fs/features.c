/* The names of what can be switched off: see fs.h. */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs.h"

static const struct {
	const char *name;
	enum feature feature;
} names[] = {
	{"passthrough", FEATURE_PASSTHROUGH},
	{"direct-writes", FEATURE_DIRECT_WRITES},
	{"handles", FEATURE_HANDLES},
};

static unsigned feature_of(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strlen(names[i].name) == len &&
		    !strncmp(names[i].name, name, len))
			return names[i].feature;
	}
	return 0;
}

int features_parse(const char *text, unsigned *ret, char why[32])
{
	static const char between[] = ", \t";
	*ret = 0;
	why[0] = '\0';
	while (text && *(text += strspn(text, between))) {
		size_t len = strcspn(text, between);
		unsigned feature = feature_of(text, len);
		if (!feature) {
			snprintf(why, 32, "%.*s", (int)len, text);
			return -EINVAL;
		}
		*ret |= feature;
		text += len;
	}
	return 0;
}
