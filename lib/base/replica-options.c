/*
 * The table, and the ways in which it is read. Texts are checked when they
 * are given, so that making a struct replica_options cannot fail; a text that
 * another version of the program left in the journal, and this one cannot
 * read, counts as not given.
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "filter.h"
#include "paths.h"
#include "rate.h"
#include "replica-options.h"
#include "values.h"

enum option_kind {
	KIND_BOOL,
	KIND_COUNT,
	KIND_SIZE,
	KIND_SPAN,
	KIND_WORD,
	KIND_TEXT,
	KIND_PERCENT,
	KIND_FILTER,
	KIND_RATE
};

static const struct replica_option {
	const char *key;
	enum option_kind kind;
	const char *words, *preset;
	size_t offset;
} table[] = {
#define REPLICA_OPTION(member, key, kind, words, preset, text)                 \
	{key, KIND_##kind, words, preset,                                      \
	 offsetof(struct replica_options, member)},
#include "tbl/replica-options.h"
#undef REPLICA_OPTION
};
_Static_assert(sizeof(table) / sizeof(table[0]) == REPLICA_OPTIONS, "ids");

const char *replica_option_key(unsigned id)
{
	return table[id].key;
}

const char *replica_option_preset(unsigned id)
{
	return table[id].preset;
}

/* ---- as given ---- */

static bool texts_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

void replica_given_done(struct replica_given *g)
{
	for (unsigned i = 0; i < REPLICA_OPTIONS; i++)
		free(g->text[i]);
	*g = (struct replica_given){0};
}

/* rules_append - one or more lines. */
static void rules_append(char **rules, const char *more)
{
	char *both;
	if (asprintf(&both, "%s%s%s", *rules ? *rules : "", *rules ? "\n" : "",
		     more) < 0)
		abort();
	free(*rules);
	*rules = both;
}

void replica_given_add(struct replica_given *to,
		       const struct replica_given *from)
{
	for (unsigned i = 0; i < REPLICA_OPTIONS; i++) {
		if (!to->text[i])
			to->text[i] = text_copy(from->text[i]);
		else if (table[i].kind == KIND_FILTER && from->text[i])
			rules_append(&to->text[i], from->text[i]);
	}
}

bool replica_given_same(const struct replica_given *a,
			const struct replica_given *b)
{
	for (unsigned i = 0; i < REPLICA_OPTIONS; i++) {
		if (!texts_same(a->text[i], b->text[i]))
			return false;
	}
	return true;
}

/* option_read - `text` into its member of a struct replica_options. */
static int option_read(const struct replica_option *o, const char *text,
		       void *member)
{
	switch (o->kind) {
	case KIND_BOOL:
		return value_bool(text, member);
	case KIND_COUNT:
		return value_count(text, member);
	case KIND_SIZE:
		return value_size(text, member);
	case KIND_WORD:
		return value_word(text, o->words, member);
	case KIND_FILTER: /* option_check parses it */
		free(*(char **)member);
		*(char **)member = *text ? text_copy(text) : NULL;
		return 0;
	case KIND_RATE:
		return rate_parse(text, member);
	case KIND_PERCENT:
		return value_percent(text, member);
	case KIND_SPAN:
		if (strcmp(text, "never") != 0)
			return clock_parse_span(text, member);
		*(int64_t *)member = 0;
		return 0;
	case KIND_TEXT:
		free(*(char **)member);
		*(char **)member = *text ? text_copy(text) : NULL;
		return 0;
	}
	return -EINVAL;
}

static int option_check(const struct replica_option *o, const char *text,
			char **ret_why)
{
	static const char *const expected[] = {
		[KIND_BOOL] = "yes or no",
		[KIND_COUNT] = "a number or \"never\"",
		[KIND_SIZE] = "a size (try 65536, 64K, 1M or never)",
		[KIND_SPAN] = "a duration (try 90s, 5m, 2h, 30d or never)",
		[KIND_WORD] = "one of",
		[KIND_TEXT] = "a text",
		[KIND_RATE] = "a rate (try 2M, or 08:00-18:00 2M, 20M)",
		[KIND_FILTER] = "a list of rules",
		[KIND_PERCENT] = "a percentage (0% to 100%)",
	};
	struct replica_options scratch = {0};
	int r = option_read(o, text, (char *)&scratch + o->offset);
	replica_options_done(&scratch);
	if (r < 0 &&
	    asprintf(ret_why, "%s: \"%s\" is not %s%s%s", o->key, text,
		     expected[o->kind], *o->words ? ": " : "", o->words) < 0)
		abort();
	return r;
}

static const struct replica_option *option_find(const char *key, char **ret_why)
{
	const char *words[REPLICA_OPTIONS];
	for (unsigned i = 0; i < REPLICA_OPTIONS; i++) {
		words[i] = table[i].key;
		if (strcmp(key, words[i]) == 0)
			return &table[i];
	}
	const char *near = text_nearest(key, words, REPLICA_OPTIONS);
	if (asprintf(ret_why, "unknown option \"%s\"%s%s%s", key,
		     near ? ": did you mean \"" : ": see mirrorfs.conf(5)",
		     near ? near : "", near ? "\"?" : "") < 0)
		abort();
	return NULL;
}

static int rules_check(const char *key, const char *rules, char **ret_why)
{
	struct filter *f = NULL;
	CLEANUP_FREE char *why = NULL;
	int r = filter_add(&f, rules, &why);
	filter_free(f);
	if (r < 0 && asprintf(ret_why, "%s: %s", key, why) < 0)
		abort();
	return r;
}

/* given_rule - exclude and include add a rule to "filter". */
static int given_rule(struct replica_given *g, const char *key,
		      const char *value, char **ret_why)
{
	CLEANUP_FREE char *rule = NULL;
	if (asprintf(&rule, "%c %s", *key == 'e' ? '-' : '+', value) < 0)
		abort();
	int r = rules_check(key, rule, ret_why);
	if (r == 0)
		rules_append(&g->text[REPLICA_OPTION_filter], rule);
	return r;
}

int replica_given_set(struct replica_given *g, const char *key,
		      const char *value, char **ret_why)
{
	if (strcmp(key, "exclude") == 0 || strcmp(key, "include") == 0)
		return given_rule(g, key, value, ret_why);
	const struct replica_option *o = option_find(key, ret_why);
	if (!o)
		return -ENOENT;
	int r = *value ? option_check(o, value, ret_why) : 0;
	if (r == 0 && o->kind == KIND_FILTER && *value)
		r = rules_check(o->key, value, ret_why);
	if (r < 0)
		return r;
	free(g->text[o - table]);
	g->text[o - table] = *value ? text_copy(value) : NULL;
	return 0;
}

/* list_item - up to the next comma that no backslash precedes; owned by the
 * caller, the backslashes before commas gone. */
static char *list_item(const char **list)
{
	char *item = text_copy(*list), *out = item;
	const char *p = *list;
	for (; *p && *p != ','; p++) {
		if (*p == '\\' && p[1] == ',')
			p++;
		*out++ = *p;
	}
	*out = 0;
	*list = *p ? p + 1 : p;
	return item;
}

int replica_given_list(struct replica_given *g, const char *list,
		       char **ret_why)
{
	int r = 0;
	while (r == 0 && *list) {
		CLEANUP_FREE char *item = list_item(&list);
		char *equals = strchr(item, '=');
		if (equals)
			*equals++ = 0;
		if (*item)
			r = replica_given_set(g, item, equals ? equals : "yes",
					      ret_why);
	}
	return r;
}

/* ---- as used ---- */

void replica_options_make(struct replica_options *ret,
			  const struct replica_given *given)
{
	*ret = (struct replica_options){0};
	for (unsigned i = 0; i < REPLICA_OPTIONS; i++) {
		const struct replica_option *o = &table[i];
		void *member = (char *)ret + o->offset;
		if (given->text[i] &&
		    option_read(o, given->text[i], member) == 0)
			continue;
		int r = option_read(o, o->preset, member);
		assert(r == 0);
	}
}

void replica_options_done(struct replica_options *o)
{
	for (unsigned i = 0; i < REPLICA_OPTIONS; i++) {
		if (table[i].kind == KIND_TEXT || table[i].kind == KIND_FILTER)
			free(*(char **)(void *)((char *)o + table[i].offset));
	}
	*o = (struct replica_options){0};
}
