/* What is held back: a few lines of `mirrorfs status`, all of it with
 * --parked. */
#include "confdefs.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "cli/status.h"
#include "clock.h"
#include "memo.h"
#include "paths.h"

#define SHORT_MAX 5

void parked_short(struct journal *j, const struct replica_row *r)
{
	struct parked *p = NULL;
	unsigned n = 0;

	if (journal_parked_load(j, r->id, &p, &n) < 0)
		return;
	for (unsigned i = 0; i < n && i < SHORT_MAX; i++) {
		CLEANUP_FREE char *path = text_printable(p[i].path);
		printf("%s: parked: /%s: %s (tried %u time%s)\n", r->name, path,
		       p[i].error ? p[i].error : cause_text(p[i].cause),
		       p[i].tries, p[i].tries == 1 ? "" : "s");
	}
	if (n > SHORT_MAX)
		printf("%s: parked: and %u more: see mirrorfs status "
		       "--parked\n",
		       r->name, n - SHORT_MAX);
	parked_free(p, n);
}

static void when_text(int64_t ns, char *out, size_t size)
{
	if (ns)
		clock_format(ns, out, size);
	else
		snprintf(out, size, "now");
	if (ns && strlen(out) > 19)
		out[19] = 0; /* to the second */
}

static json_t *parked_json(const struct replica_row *r, const struct parked *p)
{
	json_t *o =
		json_pack("{s:o, s:o, s:s, s:o, s:s, s:f, s:I, s:f}", "path",
			  json_text(p->path), "replica", json_text(r->name),
			  "cause", cause_word(p->cause), "error",
			  json_text(p->error ? p->error : cause_text(p->cause)),
			  "remedy", cause_remedy(p->cause), "since",
			  (double)p->first_ns / (double)NS_PER_S, "tries",
			  (json_int_t)p->tries, "next",
			  (double)p->next_ns / (double)NS_PER_S);
	json_add_bytes(o, "path_hex", p->path);
	return o;
}

static void parked_row(struct libscols_table *t, const struct replica_row *r,
		       const struct parked *p)
{
	CLEANUP_FREE char *name = text_printable(p->path);
	char path[4200], since[32], next[32], tries[16];

	snprintf(path, sizeof(path), "/%s", name);
	snprintf(tries, sizeof(tries), "%u", p->tries);
	when_text(p->first_ns, since, sizeof(since));
	when_text(p->next_ns, next, sizeof(next));
	table_row(t, (const char *const[]){
			     r->name, since, tries, next, cause_word(p->cause),
			     path, p->error ? p->error : cause_text(p->cause),
			     NULL});
}

int parked_list(struct journal *j, const struct replica_row *rows, unsigned n,
		bool json)
{
	static const char *const columns[] = {"REPLICA", "SINCE", "TRIES",
					      "NEXT",	 "CAUSE", "PATH",
					      "ERROR",	 NULL};
	struct libscols_table *t = json ? NULL : table_new(columns);
	json_t *list = json ? json_array() : NULL;
	bool seen[CAUSES] = {0};
	unsigned total = 0;

	for (unsigned i = 0; i < n; i++) {
		struct parked *p = NULL;
		unsigned m = 0;
		if (journal_parked_load(j, rows[i].id, &p, &m) < 0)
			continue;
		for (unsigned k = 0; k < m; k++) {
			seen[p[k].cause] = true;
			if (json)
				json_array_append_new(
					list, parked_json(&rows[i], &p[k]));
			else
				parked_row(t, &rows[i], &p[k]);
		}
		total += m;
		parked_free(p, m);
	}
	if (json) {
		json_print(list, true);
		return EXIT_YES;
	}
	if (!total)
		printf("nothing is parked\n");
	table_print(t);
	for (unsigned i = 0; i < CAUSES; i++) {
		if (seen[i])
			printf("%s: %s\n", cause_word((enum cause)i),
			       cause_remedy((enum cause)i));
	}
	return EXIT_YES;
}
