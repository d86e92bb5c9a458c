/*
 * inih calls back for each key; the table says where its value goes. The
 * first fault ends the parse, and its line is what the user reads.
 */
#include "confdefs.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "paths.h"
#include "settings.h"
#include "values.h"

enum setting_type { SETTING_TEXT, SETTING_PATH, SETTING_BOOL, SETTING_SPAN,
		    SETTING_SIZE };
enum setting_section { IN_mount, IN_replica };

#define MEMBER_mount   struct settings
#define MEMBER_replica struct settings_replica

static const struct setting {
	enum setting_section section;
	const char *key;
	size_t offset;
	enum setting_type type;
} table[] = {
#define SETTING(section, key, member, type, text)                              \
	{IN_##section, key, offsetof(MEMBER_##section, member), SETTING_##type},
#include "tbl/settings.h"
#undef SETTING
};
#define N_TABLE (sizeof(table) / sizeof(table[0]))

void settings_init(struct settings *s)
{
	*s = (struct settings){
		.history_ns = 90 * 86400 * NS_PER_S,
		.settle_idle_ns = 300 * NS_PER_S,
		.settle_age_ns = 3600 * NS_PER_S,
		.delta_above = 1 << 20,
		.activity_log = true,
		.activity_lift_ns = 30 * NS_PER_S,
		.hang_ns = 60 * NS_PER_S,
	};
}

void settings_done(struct settings *s)
{
	for (unsigned i = 0; i < s->n_replicas; i++) {
		free(s->replicas[i].name);
		free(s->replicas[i].url);
		free(s->replicas[i].identity);
		free(s->replicas[i].known_hosts);
		replica_given_done(&s->replicas[i].options);
	}
	free(s->replicas);
	free(s->root);
	free(s->name);
	free(s->state_dir);
	free(s->identity);
	free(s->known_hosts);
	free(s->journal);
	free(s->without);
	replica_given_done(&s->options);
	*s = (struct settings){0};
}

struct settings_replica *settings_replica(struct settings *s, const char *name)
{
	for (unsigned i = 0; i < s->n_replicas; i++) {
		if (strcmp(s->replicas[i].name, name) == 0)
			return &s->replicas[i];
	}
	s->replicas = realloc(s->replicas,
			      (s->n_replicas + 1) * sizeof(*s->replicas));
	if (!s->replicas)
		abort();
	struct settings_replica *r = &s->replicas[s->n_replicas++];
	*r = (struct settings_replica){.name = strdup(name)};
	return r;
}

bool settings_name_ok(const char *name)
{
	if (!*name || *name == '.' || *name == '-' || strlen(name) > 200)
		return false;
	for (; *name; name++) {
		if (!isalnum((unsigned char)*name) && !strchr("_.-:\\", *name))
			return false;
	}
	return true;
}

struct parse {
	struct settings *s;
	const char *path;
	FILE *file;
	int line;
	char *why; /* the first fault */
};

/* parse_read - fgets that counts: Debian's inih does not pass line numbers. */
static char *parse_read(char *text, int size, void *stream)
{
	struct parse *p = stream;
	p->line++;
	return fgets(text, size, p->file);
}

__attribute__((format(printf, 2, 3))) static int parse_fault(struct parse *p,
							     const char *fmt,
							     ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!p->why &&
	    asprintf(&p->why, "%s:%d: %s", p->path, p->line, text) < 0)
		abort();
	return 0;
}

static int parse_value(struct parse *p, const struct setting *t, void *where,
		       const char *value)
{
	switch (t->type) {
	case SETTING_PATH:
		if (*value != '/')
			return parse_fault(p,
					   "%s: \"%s\" is not an absolute path",
					   t->key, value);
		/* fall through */
	case SETTING_TEXT:
		if (!*value)
			return parse_fault(p, "%s has no value", t->key);
		free(*(char **)where);
		*(char **)where = strdup(value);
		return 1;
	case SETTING_BOOL:
		if (value_bool(value, where) < 0)
			return parse_fault(p,
					   "%s: \"%s\" is neither yes nor no",
					   t->key, value);
		return 1;
	case SETTING_SPAN:
		if (strcmp(value, "never") == 0)
			*(int64_t *)where = 0;
		else if (clock_parse_span(value, where) < 0)
			return parse_fault(p,
					   "%s: \"%s\" is not a duration "
					   "(try 90s, 5m, 2h, 30d or never)",
					   t->key, value);
		return 1;
	case SETTING_SIZE:
		if (value_size(value, where) < 0)
			return parse_fault(p,
					   "%s: \"%s\" is not a size "
					   "(try 65536, 64K, 1M or never)",
					   t->key, value);
		return 1;
	}
	return 0;
}

static int parse_unknown(struct parse *p, enum setting_section section,
			 const char *key)
{
	const char *known[N_TABLE + REPLICA_OPTIONS];
	size_t n = 0;
	for (unsigned i = 0; i < REPLICA_OPTIONS; i++)
		known[n++] = replica_option_key(i);
	for (size_t i = 0; i < N_TABLE; i++) {
		if (table[i].section == section)
			known[n++] = table[i].key;
	}
	const char *near = text_nearest(key, known, n);
	if (near)
		return parse_fault(p,
				   "unknown key \"%s\": did you mean \"%s\"?",
				   key, near);
	return parse_fault(p, "unknown key \"%s\": see mirrorfs.conf(5)", key);
}

/* parse_replica - "replica web1" or "replica "web1"" -> its settings. */
static struct settings_replica *parse_replica(struct parse *p,
					      const char *section)
{
	char name[256];
	snprintf(name, sizeof(name), "%s", section + strlen("replica"));
	char *start = name + strspn(name, " \t\"");
	start[strcspn(start, " \t\"")] = 0;
	if (!settings_name_ok(start)) {
		parse_fault(p,
			    "[%s]: a replica needs a name of letters "
			    "and digits, as in [replica web1]",
			    section);
		return NULL;
	}
	struct settings_replica *r = settings_replica(p->s, start);
	r->configured = true;
	return r;
}

static int parse_line(void *user, const char *section, const char *key,
		      const char *value)
{
	struct parse *p = user;
	enum setting_section in = IN_mount;
	struct settings_replica *replica = NULL;
	void *base = p->s;

	if (strncmp(section, "replica", 7) == 0 &&
	    strchr(" \t\"", section[7])) {
		in = IN_replica;
		base = replica = parse_replica(p, section);
		if (!base)
			return 0;
	} else if (strcmp(section, "mount") != 0) {
		return parse_fault(p,
				   "unknown section [%s]: there are "
				   "[mount] and [replica NAME]",
				   section);
	}
	for (size_t i = 0; i < N_TABLE; i++) {
		if (table[i].section == in && strcmp(table[i].key, key) == 0)
			return parse_value(p, &table[i],
					   (char *)base + table[i].offset,
					   value);
	}
	struct replica_given *given =
		in == IN_replica ? &replica->options : &p->s->options;
	CLEANUP_FREE char *why = NULL;
	int r = replica_given_set(given, key, value, &why);
	if (r == -ENOENT)
		return parse_unknown(p, in, key);
	return r < 0 ? parse_fault(p, "%s", why) : 1;
}

int settings_load(struct settings *s, const char *path, char **ret_why)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	struct parse p = {.s = s, .path = path, .file = f};
	if (!f) {
		int e = errno;
		if (asprintf(ret_why, "%s: %s", path, strerror(e)) < 0)
			abort();
		return -e;
	}
	int line = ini_parse_stream(parse_read, &p, parse_line, &p);
	p.line = line;
	if (line > 0 && !p.why)
		parse_fault(&p, "not \"key = value\" nor \"[section]\"");
	for (unsigned i = 0; !p.why && i < s->n_replicas; i++) {
		if (!s->replicas[i].url)
			parse_fault(&p, "[replica %s] has no url",
				    s->replicas[i].name);
	}
	if (line == 0 && !p.why)
		return 0;
	*ret_why = p.why ? p.why : strdup("out of memory");
	return -EINVAL;
}
