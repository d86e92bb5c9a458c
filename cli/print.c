/* Tables as in lsblk(8), JSON, and numbers for people. */
#include "confdefs.h"

#include <jansson.h>
#include <libsmartcols.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "paths.h"

struct libscols_table *table_new(const char *const *columns)
{
	struct libscols_table *t = scols_new_table();
	if (!t)
		abort();
	for (; *columns; columns++)
		scols_table_new_column(t, *columns, 0,
				       columns[1] ? 0 : SCOLS_FL_WRAP);
	return t;
}

void table_row(struct libscols_table *t, const char *const *cells)
{
	struct libscols_line *line = scols_table_new_line(t, NULL);
	if (!line)
		abort();
	for (size_t i = 0; cells[i]; i++) {
		CLEANUP_FREE char *text = text_printable(cells[i]);
		scols_line_set_data(line, i, text);
	}
}

void table_print(struct libscols_table *t)
{
	scols_print_table(t);
	scols_unref_table(t);
}

json_t *json_text(const char *s)
{
	char *out = malloc(strlen(s) * 3 + 1), *o = out;
	if (!out)
		abort();
	while (*s) {
		size_t n = utf8_length((const unsigned char *)s);
		if (n) {
			memcpy(o, s, n);
			o += n;
			s += n;
		} else {
			memcpy(o, "\xef\xbf\xbd", 3);
			o += 3;
			s++;
		}
	}
	*o = 0;
	json_t *j = json_string(out);
	free(out);
	return j;
}

static bool is_utf8(const char *s)
{
	for (size_t n; *s; s += n) {
		n = utf8_length((const unsigned char *)s);
		if (!n)
			return false;
	}
	return true;
}

void json_add_bytes(json_t *o, const char *key, const char *s)
{
	if (!s || is_utf8(s))
		return;
	char *hex = malloc(strlen(s) * 2 + 1), *at = hex;
	if (!hex)
		abort();
	for (; *s; s++)
		at += sprintf(at, "%02x", (unsigned char)*s);
	json_object_set_new(o, key, json_string(hex));
	free(hex);
}

void json_print(json_t *o, bool indent)
{
	json_dumpf(o, stdout, indent ? JSON_INDENT(2) : JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

const char *user_name(uint32_t uid)
{
	static char name[64];
	static uint32_t last = UINT32_MAX;
	if (uid == last)
		return name;
	struct passwd *pw = getpwuid(uid);
	if (pw)
		snprintf(name, sizeof(name), "%s", pw->pw_name);
	else
		snprintf(name, sizeof(name), "%u", uid);
	last = uid;
	return name;
}
