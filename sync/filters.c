/* See filters.h. */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "sync/filters.h"

#define FILE_MAX (1 << 20)
#define KEY_MAX	 40

/* In the journal: the rules, and behind each of these the ones of before. It is
 * a line that no rule is. */
#define FORMER "\n\x1e\n"

static int read_rules(const char *path, char **ret)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
	char *text = calloc(1, FILE_MAX + 1);
	if (!text)
		abort();
	size_t n = fread(text, 1, FILE_MAX, f);
	int r = ferror(f) ? -EIO : n == FILE_MAX ? -EFBIG : 0;
	if (r == 0)
		*ret = text;
	else
		free(text);
	return r;
}

int filters_load(struct engine *e, char **ret_why)
{
	const struct replica_options *o = &e->row.options;
	CLEANUP_FREE char *more = NULL;
	CLEANUP_FREE char *why = NULL;
	int r = o->filter_file ? read_rules(o->filter_file, &more) : 0;

	filters_done(e);
	if (r < 0) {
		if (asprintf(ret_why, "filter-file %s: %s", o->filter_file,
			     strerror(-r)) < 0)
			abort();
		return r;
	}
	if (asprintf(&e->rules, "%s\n%s", o->filter ? o->filter : "",
		     more ? more : "") < 0)
		abort();
	r = filter_add(&e->filter, o->filter ? o->filter : "", &why);
	if (r == 0)
		r = filter_add(&e->filter, more ? more : "", &why);
	if (r < 0 &&
	    asprintf(ret_why, "%s: line %s",
		     o->filter_file ? o->filter_file : "filter", why) < 0)
		abort();
	return r;
}

static void former_done(struct engine *e)
{
	for (unsigned i = 0; i < e->n_former; i++)
		filter_free(e->former[i]);
	free(e->former);
	e->former = NULL;
	e->n_former = 0;
}

void filters_done(struct engine *e)
{
	former_done(e);
	filter_free(e->filter);
	e->filter = NULL;
	free(e->rules);
	e->rules = NULL;
}

static char *key_of(int64_t replica, char key[KEY_MAX])
{
	snprintf(key, KEY_MAX, "filter.%lld", (long long)replica);
	return key;
}

/* part_end - of the rules that begin at `text`. */
static const char *part_end(const char *text)
{
	const char *end = strstr(text, FORMER);

	return end ? end : text + strlen(text);
}

/* has_part - `text` has the rules of `part` already. */
static bool has_part(const char *text, const char *part, size_t n)
{
	for (;;) {
		const char *end = part_end(text);
		if ((size_t)(end - text) == n && strncmp(text, part, n) == 0)
			return true;
		if (!*end)
			return false;
		text = end + strlen(FORMER);
	}
}

/* with_former - `text`, and behind it the parts of `old` that it has not got;
 * takes `text`, and what it returns is owned by the caller. */
static char *with_former(char *text, const char *old)
{
	for (;;) {
		const char *end = part_end(old);
		size_t n = (size_t)(end - old);
		char *longer;
		if (n > 1 && !has_part(text, old, n)) { /* "\n": no rules */
			if (asprintf(&longer, "%s" FORMER "%.*s", text,
				     (int)n, old) < 0)
				abort();
			free(text);
			text = longer;
		}
		if (!*end)
			return text;
		old = end + strlen(FORMER);
	}
}

/* know_former - what is behind the first part of `text`. */
static void know_former(struct engine *e, const char *text)
{
	former_done(e);
	for (const char *end = part_end(text); *end; end = part_end(text)) {
		text = end + strlen(FORMER);
		CLEANUP_FREE char *why = NULL;
		CLEANUP_FREE char *part =
			strndup(text, (size_t)(part_end(text) - text));
		struct filter *f = NULL;
		if (!part)
			abort();
		/* they were taken once */
		if (filter_add(&f, part, &why) < 0 || !f)
			continue;
		e->former = reallocarray(e->former, e->n_former + 1,
					 sizeof(struct filter *));
		if (!e->former)
			abort();
		e->former[e->n_former++] = f;
	}
}

bool filters_hid(const struct engine *e, const char *path)
{
	for (unsigned i = 0; i < e->n_former; i++) {
		if (filter_excludes(e->former[i], path, false))
			return true;
	}
	return false;
}

static int renew(struct engine *e, const char *key, const char *text)
{
	int r = journal_replica_drop(e->journal, e->row.id);

	return r < 0 ? r : journal_meta_set(e->journal, key, text);
}

int filters_apply(struct engine *e)
{
	CLEANUP_FREE char *old = NULL;
	char key[KEY_MAX];
	int r = journal_meta_get(e->journal, key_of(e->row.id, key), &old);
	if (r < 0)
		return r;
	const char *had = old ? old : "\n";
	bool same = has_part(e->rules, had, (size_t)(part_end(had) - had));
	CLEANUP_FREE char *text = strdup(e->rules);
	if (!text)
		abort();
	text = with_former(text, had);
	know_former(e, text);
	if (same)
		return 0;
	r = journal_transaction_begin(e->journal);
	if (r < 0)
		return r;
	r = renew(e, key, text);
	r = journal_transaction_close(e->journal, r);
	if (e->seeded)
		log_notice("%s: comparing everything: its filter has changed",
			   e->row.name);
	e->seeded = false;
	return r;
}

int filters_inherit(struct engine *e, int64_t replica)
{
	CLEANUP_FREE char *own = NULL;
	CLEANUP_FREE char *old = NULL;
	char key[KEY_MAX];
	int r = journal_meta_get(e->journal, key_of(replica, key), &old);
	if (r == 0)
		r = journal_meta_get(e->journal, key_of(e->row.id, key), &own);
	if (r < 0 || !old)
		return r;
	if (!own && !(own = strdup(e->rules)))
		abort();
	own = with_former(own, old);
	know_former(e, own);
	return journal_meta_set(e->journal, key, own);
}

int filters_settle(struct engine *e)
{
	char key[KEY_MAX];

	if (!e->n_former)
		return 0;
	former_done(e);
	return journal_meta_set(e->journal, key_of(e->row.id, key), e->rules);
}
