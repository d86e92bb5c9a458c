/*
 * A small parser in place of getopt_long(3): the table also prints --help, a
 * wrong word is answered with the nearest right one, and operands and options
 * may mix, as administrators type them.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "clock.h"
#include "paths.h"

/* print_key - and what its value looks like: the words, or a kind. */
static void print_key(const char *key, const char *kind, const char *words,
		      const char *text)
{
	printf("  %s=", key);
	for (const char *w = words; *w; w++)
		putchar(*w == ' ' ? '|' : *w);
	printf("%s\n      %s\n", *words ? "" : kind, text);
}

static void print_keys(void)
{
	printf("\nOptions of a replica, for -o and \"replica set\":\n");
#define REPLICA_OPTION(member, key, kind, words, preset, text)                 \
	print_key(key, #kind, strcmp(#kind, "BOOL") ? words : "yes no", text);
#include "tbl/replica-options.h"
#undef REPLICA_OPTION
	print_key("exclude", "PATTERN", "", "one more rule of the filter");
	print_key("include", "PATTERN", "", "one more rule of the filter");
}

static void print_options(const char *command, const struct option *options)
{
	bool keyed = false; /* it takes options of replicas */

#define COMMAND(word, function, synopsis, text)                                \
	if (strcmp(command, word) == 0)                                        \
		printf("Usage: mirrorfs %s %s\n\n%s\n\n", word, synopsis, text);
#include "cli/commands.h"
#undef COMMAND
	for (const struct option *o = options; o->name; o++) {
		char left[64];
		snprintf(left, sizeof(left), "%s%s%s%s",
			 o->name[1] ? "--" : "-", o->name, o->value ? " " : "",
			 o->value ? o->value : "");
		printf("  %-24s %s\n", left, o->text);
		keyed |= o->type == OPTION_LIST && !o->name[1];
	}
	printf("  %-24s %s\n", "--help", "this text");
	if (keyed)
		print_keys();
}

static const struct option *option_find(const char *command,
					const struct option *options,
					const char *name, size_t len)
{
	const char *words[64];
	size_t n = 0;
	for (const struct option *o = options; o->name; o++) {
		if (!o->name[1])
			continue;
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
		words[n++] = o->name;
	}
	char word[64];
	snprintf(word, sizeof(word), "%.*s", (int)(len < 60 ? len : 60), name);
	const char *near = text_nearest(word, words, n);
	if (near)
		fail_usage("%s: unknown option --%s: did you mean --%s?",
			   command, word, near);
	else
		fail_usage("%s: unknown option --%s: see mirrorfs %s --help",
			   command, word, command);
	return NULL;
}

static int option_set(const char *command, const struct option *o, char *value)
{
	struct option_list *list = o->where;
	char *end;
	switch (o->type) {
	case OPTION_FLAG:
		*(bool *)o->where = true;
		return 0;
	case OPTION_TEXT:
		if (!*value)
			return fail_usage("%s: --%s is empty", command,
					  o->name);
		*(char **)o->where = value;
		return 0;
	case OPTION_LIST:
		list->items =
			realloc(list->items, (list->n + 1) * sizeof(char *));
		if (!list->items)
			abort();
		list->items[list->n++] = value;
		return 0;
	case OPTION_SPAN:
		if (clock_parse_span(value, o->where) < 0)
			return fail_usage("%s: --%s: \"%s\" is not a duration "
					  "(try 90, 90s, 5m, 2h)",
					  command, o->name, value);
		return 0;
	case OPTION_COUNT:
		errno = 0;
		*(uint64_t *)o->where = strtoull(value, &end, 10);
		if (errno || *end || end == value || *value == '-')
			return fail_usage("%s: --%s: \"%s\" is not a number",
					  command, o->name, value);
		return 0;
	}
	return 0;
}

/* option_take - one option at argv[i]; returns how many words it took. */
static int option_take(const char *command, const struct option *options, int i,
		       int argc, char **argv)
{
	char *word = argv[i] + 2;
	char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct option *o = option_find(command, options, word, len);
	if (!o)
		return -1;
	if (o->type == OPTION_FLAG) {
		if (equals) {
			fail_usage("%s: --%s takes no value", command, o->name);
			return -1;
		}
		return option_set(command, o, NULL) == 0 ? 1 : -1;
	}
	char *value = equals ? equals + 1 : i + 1 < argc ? argv[i + 1] : NULL;
	if (!value) {
		fail_usage("%s: --%s needs %s", command, o->name, o->value);
		return -1;
	}
	if (option_set(command, o, value) != 0)
		return -1;
	return equals ? 1 : 2;
}

/* option_take_short - "-o VALUE" or "-oVALUE". */
static int option_take_short(const char *command, const struct option *options,
			     int i, int argc, char **argv)
{
	const char *word = argv[i] + 1;
	for (const struct option *o = options; o->name; o++) {
		if (o->name[1] || o->name[0] != *word)
			continue;
		char *value = word[1]	     ? argv[i] + 2
			      : i + 1 < argc ? argv[i + 1]
					     : NULL;
		if (!value) {
			fail_usage("%s: -%s needs %s", command, o->name,
				   o->value);
			return -1;
		}
		if (option_set(command, o, value) != 0)
			return -1;
		return word[1] ? 1 : 2;
	}
	fail_usage("%s: unknown option %s: see mirrorfs %s --help", command,
		   argv[i], command);
	return -1;
}

int options_parse(const char *command, const struct option *options, int argc,
		  char **argv)
{
	int n = 0;
	for (int i = 0; i < argc;) {
		if (strcmp(argv[i], "--") == 0) {
			for (i++; i < argc; i++)
				argv[n++] = argv[i];
			break;
		}
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0) {
			print_options(command, options);
			return -2;
		}
		if (argv[i][0] != '-' || !argv[i][1]) {
			argv[n++] = argv[i++];
			continue;
		}
		int took =
			argv[i][1] == '-'
				? option_take(command, options, i, argc, argv)
				: option_take_short(command, options, i, argc,
						    argv);
		if (took < 0)
			return -1;
		i += took;
	}
	return n;
}

int options_exit(int r)
{
	return r == -2 ? EXIT_YES : EXIT_USAGE;
}
