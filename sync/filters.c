/*
 * The filter of a replica: the rules of its own, those for all replicas, those
 * of its file. The journal keeps the text by which the replica was compared
 * last; when that is another one, everything is compared again. What was sent
 * and is excluded now stays on the replica, as with rsync(1).
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "sync/engine.h"

#define FILE_MAX (1 << 20)

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

void filters_done(struct engine *e)
{
	filter_free(e->filter);
	e->filter = NULL;
	free(e->rules);
	e->rules = NULL;
}

static int renew(struct engine *e, const char *key)
{
	int r = journal_replica_drop(e->journal, e->row.id);

	return r < 0 ? r : journal_meta_set(e->journal, key, e->rules);
}

int filters_apply(struct engine *e)
{
	CLEANUP_FREE char *old = NULL;
	char key[40];

	snprintf(key, sizeof(key), "filter.%lld", (long long)e->row.id);
	int r = journal_meta_get(e->journal, key, &old);
	if (r < 0 || strcmp(old ? old : "\n", e->rules) == 0)
		return r;
	r = journal_transaction_begin(e->journal);
	if (r < 0)
		return r;
	r = renew(e, key);
	r = journal_transaction_close(e->journal, r);
	if (e->seeded)
		log_notice("%s: comparing everything: its filter has changed",
			   e->row.name);
	e->seeded = false;
	return r;
}
