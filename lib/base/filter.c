/*
 * A list of rules, asked for each folder that leads to the path, from the top:
 * rsync does not look into a folder that is excluded, so a rule that includes
 * something in it is not asked.
 */
#include "confdefs.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "filter.h"
#include "paths.h"

struct rule {
	char *pattern; /* without the slashes at its ends */
	bool include;
	bool anchored, only_dirs;
	bool wild;   /* has wildcards */
	bool deep;   /* has "**" */
	bool prefix; /* … in front */
	bool whole;  /* ends in three stars: the folder as well */
	unsigned slashes;
};

struct filter {
	struct rule *rules;
	unsigned n;
};

void filter_free(struct filter *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->n; i++)
		free(f->rules[i].pattern);
	free(f->rules);
	free(f);
}

/* ---- patterns ---- */

static bool in_named_class(const char *name, size_t len, int c)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} classes[] = {
		{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank},
		{"cntrl", iscntrl}, {"digit", isdigit}, {"graph", isgraph},
		{"lower", islower}, {"print", isprint}, {"punct", ispunct},
		{"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
	};
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (strlen(classes[i].name) == len &&
		    memcmp(classes[i].name, name, len) == 0)
			return classes[i].is(c);
	}
	return false;
}

/* class_char - a character of a class, perhaps quoted; moves *p behind it. */
static int class_char(const char **p)
{
	if (**p == '\\' && (*p)[1])
		(*p)++;
	return (unsigned char)*(*p)++;
}

/*
 * class_match - `p` is behind "[". Moves *ret_end behind the "]"; false as
 * well when there is none.
 */
static bool class_match(const char *p, int c, const char **ret_end)
{
	bool negated = *p == '!' || *p == '^', found = false;
	if (negated)
		p++;
	for (bool first = true; first || *p != ']'; first = false) {
		const char *end;
		if (!*p)
			return false;
		if (p[0] == '[' && p[1] == ':' && (end = strstr(p, ":]"))) {
			found |=
				in_named_class(p + 2, (size_t)(end - p - 2), c);
			p = end + 2;
			continue;
		}
		int low = class_char(&p), high = low;
		if (p[0] == '-' && p[1] && p[1] != ']') {
			p++;
			high = class_char(&p);
		}
		found |= low <= c && c <= high;
	}
	*ret_end = p + 1;
	return found != negated && c != '/';
}

static bool glob_match(const char *p, const char *s);

static bool star_match(const char *p, const char *s)
{
	bool deep = p[1] == '*';
	p += strspn(p, "*");
	for (;; s++) {
		if (glob_match(p, s))
			return true;
		if (!*s || (*s == '/' && !deep))
			return false;
	}
}

static bool glob_match(const char *p, const char *s)
{
	for (; *p; s++) {
		if (*p == '*')
			return star_match(p, s);
		if (!*s)
			return false;
		if (*p == '?') {
			if (*s == '/')
				return false;
			p++;
		} else if (*p == '[') {
			if (!class_match(p + 1, (unsigned char)*s, &p))
				return false;
		} else {
			if (*p == '\\' && p[1])
				p++;
			if (*p++ != *s)
				return false;
		}
	}
	return !*s;
}

static bool text_match(const struct rule *r, const char *s)
{
	return r->wild ? glob_match(r->pattern, s) : strcmp(r->pattern, s) == 0;
}

/* tail - the last `n` names of a path, NULL when it has less. */
static const char *tail(const char *path, unsigned n)
{
	for (const char *p = path + strlen(path); p > path; p--) {
		if (p[-1] == '/' && --n == 0)
			return p;
	}
	return n <= 1 ? path : NULL;
}

/* after_slashes - does it match after any slash of the path, or the whole? */
static bool after_slashes(const struct rule *r, const char *path)
{
	for (;;) {
		if (text_match(r, path))
			return true;
		path = strchr(path, '/');
		if (!path++)
			return false;
	}
}

static bool rule_match(const struct rule *r, const char *path, bool is_dir)
{
	char *text;
	if (r->only_dirs && !is_dir)
		return false;
	if (r->anchored || r->deep) {
		bool slash = r->prefix && !r->anchored;
		if (asprintf(&text, "%s%s%s", slash ? "/" : "", path,
			     r->whole && is_dir ? "/" : "") < 0)
			abort();
		bool same = r->anchored || r->prefix ? text_match(r, text)
						     : after_slashes(r, text);
		free(text);
		return same;
	}
	const char *end = tail(path, r->slashes + 1);
	return end && text_match(r, end);
}

/* ---- rules ---- */

/* other_kind - a rule that rsync has besides these, or one with modifiers: it
 * would be taken for a pattern. */
static bool other_kind(const char *line, size_t len)
{
	static const char *const words[] = {
		"exclude", "include", "merge", "dir-merge", "hide",
		"show",	   "protect", "risk",  "H",	    "S",
		"P",	   "R",	      ".",     ":"};
	const char *space = memchr(line, ' ', len);
	if (!space)
		return len == 1 && *line == '!';
	size_t n = (size_t)(space - line);
	if (n > 1 && (*line == '-' || *line == '+') &&
	    strspn(line + 1, "!/Csrpx,") == n - 1)
		return true;
	const char *comma = memchr(line, ',', n);
	if (comma)
		n = (size_t)(comma - line);
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strlen(words[i]) == n && strncmp(line, words[i], n) == 0)
			return true;
	}
	return false;
}

static int rule_parse(const char *line, size_t len, struct rule *ret)
{
	struct rule r = {0};
	if (len >= 2 && (line[0] == '-' || line[0] == '+') && line[1] == ' ') {
		r.include = line[0] == '+';
		line += 2;
		len -= 2;
	}
	if (len > 0 && line[0] == '/') {
		r.anchored = true;
		line++;
		len--;
	}
	if (len > 0 && line[len - 1] == '/') {
		r.only_dirs = true;
		len--;
	}
	if (len == 0)
		return -EINVAL;
	r.pattern = strndup(line, len);
	if (!r.pattern)
		abort();
	r.wild = strpbrk(r.pattern, "*?[");
	r.deep = strstr(r.pattern, "**");
	r.prefix = strncmp(r.pattern, "**", 2) == 0;
	r.whole = len >= 4 && strcmp(r.pattern + len - 4, "/***") == 0;
	for (const char *p = r.pattern; *p; p++)
		r.slashes += *p == '/';
	*ret = r;
	return 0;
}

static void filter_put(struct filter **f, const struct rule *r)
{
	if (!*f)
		*f = calloc(1, sizeof(**f));
	if (!*f)
		abort();
	(*f)->rules = reallocarray((*f)->rules, (*f)->n + 1, sizeof(*r));
	if (!(*f)->rules)
		abort();
	(*f)->rules[(*f)->n++] = *r;
}

int filter_add(struct filter **f, const char *text, char **ret_why)
{
	for (unsigned line = 1; *text; line++) {
		size_t len = strcspn(text, "\n");
		size_t used = len > 0 && text[len - 1] == '\r' ? len - 1 : len;
		struct rule r;
		if (used > 0 && *text != '#' && *text != ';') {
			const char *wrong = NULL;
			if (other_kind(text, used))
				wrong = "is a kind of rule that is not known: "
					"there are \"- PATTERN\" and \"+ "
					"PATTERN\"";
			else if (rule_parse(text, used, &r) < 0)
				wrong = "is no pattern";
			if (wrong && asprintf(ret_why, "%u: \"%.*s\" %s", line,
					      (int)used, text, wrong) < 0)
				abort();
			if (wrong)
				return -EINVAL;
			filter_put(f, &r);
		}
		text += len + (text[len] == '\n');
	}
	return 0;
}

static bool excludes_name(const struct filter *f, const char *path, bool is_dir)
{
	for (unsigned i = 0; i < f->n; i++) {
		if (rule_match(&f->rules[i], path, is_dir))
			return !f->rules[i].include;
	}
	return false;
}

bool filter_excludes(const struct filter *f, const char *path, bool is_dir)
{
	if (!f || !*path)
		return false;
	CLEANUP_FREE char *part = strdup(path);
	if (!part)
		abort();
	for (char *p = part; (p = strchr(p, '/')); p++) {
		*p = 0;
		if (excludes_name(f, part, true))
			return true;
		*p = '/';
	}
	return excludes_name(f, path, is_dir);
}

/* literal - the folders in front of the first one with a wildcard. */
static char *literal(const struct rule *r)
{
	char *text = strdup(r->pattern);
	if (!text)
		abort();
	if (r->wild) {
		text[strcspn(text, "*?[\\")] = 0;
		char *slash = strrchr(text, '/');
		*(slash ? slash : text) = 0;
	}
	return text;
}

bool filter_tells_apart(const struct filter *f, const char *a, const char *b)
{
	for (unsigned i = 0; f && i < f->n; i++) {
		const struct rule *r = &f->rules[i];
		if (!r->deep && r->slashes == 0)
			continue;
		CLEANUP_FREE char *top = literal(r);
		if (!r->anchored || path_related(top, a) ||
		    path_related(top, b))
			return true;
	}
	return false;
}
