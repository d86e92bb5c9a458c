/* How far first copies are, as sync notes each second, and waiting for one. */
#include "confdefs.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "cli/status.h"
#include "clock.h"
#include "comparison.h"
#include "memo.h"
#include "paths.h"

#define ENTRY_BYTES 4096 /* what an entry costs beside its content */

/* seconds_left - by what was done so far; -1: cannot be told. */
static double seconds_left(const struct seed *s)
{
	double all =
		(double)s->all_bytes + (double)s->all_entries * ENTRY_BYTES;
	double part = (double)s->bytes + (double)s->entries * ENTRY_BYTES;
	double took = (double)(s->updated_ns - s->started_ns) / 1e9;
	if (part < 1 || took <= 0 || all <= part)
		return -1;
	return took * (all - part) / part;
}

json_t *progress_json(struct journal *j, int64_t id)
{
	struct seed s;
	if (journal_seed_get(j, id, &s) < 0)
		return json_null();
	double left = seconds_left(&s);
	json_t *o = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:o, s:f, s:o, s:I}", "entries",
		(json_int_t)s.entries, "bytes", (json_int_t)s.bytes, "sent",
		(json_int_t)s.sent, "all_entries", (json_int_t)s.all_entries,
		"all_bytes", (json_int_t)s.all_bytes, "path",
		s.path ? json_text(s.path) : json_null(), "seconds",
		(double)(s.updated_ns - s.started_ns) / 1e9, "seconds_left",
		left < 0 ? json_null() : json_real(left), "extra",
		(json_int_t)s.extra);
	seed_done(&s);
	return o;
}

bool progress_text(struct journal *j, int64_t id, char *out, size_t size)
{
	struct seed s;
	char bytes[24], all[24], sent[24], rate[24], left[32] = "";
	if (journal_seed_get(j, id, &s) < 0)
		return false;
	double took = (double)(s.updated_ns - s.started_ns) / 1e9;
	long seconds = (long)seconds_left(&s);
	size_text(s.bytes, bytes, sizeof(bytes));
	size_text(s.all_bytes, all, sizeof(all));
	size_text(s.sent, sent, sizeof(sent));
	size_text(took > 0 ? (uint64_t)((double)s.sent / took) : 0, rate,
		  sizeof(rate));
	if (seconds >= 0)
		snprintf(left, sizeof(left), ", %ld:%02ld:%02ld left",
			 seconds / 3600, seconds / 60 % 60, seconds % 60);
	snprintf(out, size, "%llu of %llu entries, %s of %s, %s sent, %s/s%s",
		 (unsigned long long)s.entries,
		 (unsigned long long)s.all_entries, bytes, all, sent, rate,
		 left);
	seed_done(&s);
	return true;
}

void comparison_text(const struct comparison *c, char *out, size_t size)
{
	char bytes[24];
	size_text(c->read, bytes, sizeof(bytes));
	if (!c->begun_ns)
		snprintf(out, size, "waits for its turn");
	else
		snprintf(out, size,
			 "%llu entries compared, %llu differ, %s read back",
			 (unsigned long long)c->entries,
			 (unsigned long long)c->differed, bytes);
}

void comparison_print(struct journal *j, const struct replica_row *r)
{
	struct comparison c;
	char text[160];
	/* the oldest is the one that is worked on */
	if (journal_comparison_next(j, r->id, UINT64_MAX >> 1, &c) <= 0)
		return;
	CLEANUP_FREE char *path = text_printable(c.path);
	comparison_text(&c, text, sizeof(text));
	printf("%s: reconcile /%s: %s\n", r->name, path, text);
	comparison_done(&c);
}

/* progress_once - 1 when it is complete, 0 when not yet, -1 when it asks. */
static int progress_once(struct journal *j, const char *name, bool tty)
{
	struct replica_row row;
	char text[160];
	int r = journal_replica_get(j, name, &row);
	if (r < 0)
		return fail("reading the journal: %s", journal_error(j)), -1;
	if (tty && progress_text(j, row.id, text, sizeof(text)))
		fprintf(stderr, "\r\033[K%s: %s", name, text);
	r = row.seeded && !row.seeding			? 1
	    : row.state == REPLICA_REFUSED && row.error ? -1
							: 0;
	if (r != 0 && tty)
		fprintf(stderr, "\r\033[K");
	if (r < 0)
		fail("replica %s: %s", name, row.error);
	replica_row_done(&row);
	return r;
}

int progress_wait(struct journal *j, const char *name)
{
	bool tty = isatty(STDERR_FILENO);
	int r;
	while ((r = progress_once(j, name, tty)) == 0)
		usleep(200000);
	return r > 0 ? EXIT_YES : EXIT_NO;
}
