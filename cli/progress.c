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
#include "cli/terminal.h"
#include "clock.h"
#include "comparison.h"
#include "memo.h"
#include "paths.h"

#define POLL_US	    200000
#define ENTRY_BYTES 4096 /* what an entry costs beside its content */

/* part_done - from 0 to 1. */
static double part_done(const struct seed *s)
{
	double all =
		(double)s->all_bytes + (double)s->all_entries * ENTRY_BYTES;
	double part = (double)s->bytes + (double)s->entries * ENTRY_BYTES;
	return all <= 0 ? 0 : part < all ? part / all : 1;
}

/* seconds_left - by what was done so far; -1: cannot be told. */
static double seconds_left(const struct seed *s)
{
	double part = part_done(s);
	double took = (double)(s->updated_ns - s->started_ns) / 1e9;
	return part <= 0 || part >= 1 || took <= 0 ? -1
						   : took * (1 - part) / part;
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

static void time_text(long seconds, char out[32])
{
	snprintf(out, 32, "%ld:%02ld:%02ld", seconds / 3600, seconds / 60 % 60,
		 seconds % 60);
}

/* rate_text - bytes a second, on the average. */
static void rate_text(const struct seed *s, char out[24])
{
	double took = (double)(s->updated_ns - s->started_ns) / 1e9;
	size_text(took > 0 ? (uint64_t)((double)s->sent / took) : 0, out, 24);
}

bool progress_text(struct journal *j, int64_t id, char *out, size_t size)
{
	struct seed s;
	char bytes[24], all[24], sent[24], rate[24], left[32] = "";
	if (journal_seed_get(j, id, &s) < 0)
		return false;
	long seconds = (long)seconds_left(&s);
	size_text(s.bytes, bytes, sizeof(bytes));
	size_text(s.all_bytes, all, sizeof(all));
	size_text(s.sent, sent, sizeof(sent));
	rate_text(&s, rate);
	if (seconds >= 0)
		time_text(seconds, left);
	snprintf(out, size,
		 "%llu of %llu entries, %s of %s, %s sent, %s/s%s%s%s",
		 (unsigned long long)s.entries,
		 (unsigned long long)s.all_entries, bytes, all, sent, rate,
		 *left ? ", " : "", left, *left ? " left" : "");
	seed_done(&s);
	return true;
}

/* progress_short - what counts most comes first. */
static void progress_short(struct journal *j, int64_t id, char *out,
			   size_t size)
{
	struct seed s;
	char rate[24], left[32] = "";
	*out = 0;
	if (journal_seed_get(j, id, &s) < 0)
		return;
	double part = part_done(&s);
	long seconds = (long)seconds_left(&s);
	rate_text(&s, rate);
	if (seconds >= 0)
		time_text(seconds, left);
	snprintf(out, size, "%d%%%s%s, %s/s", (int)(part * 100),
		 *left ? ", " : "", left, rate);
	seed_done(&s);
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

/* progress_draw - the line that says how far the replica is, in a short form
 * where the window is too narrow. */
void progress_draw(struct journal *j, const struct replica_row *row,
		   const char *instead)
{
	unsigned columns = terminal_columns(STDERR_FILENO);
	char text[160];
	if (!progress_text(j, row->id, text, sizeof(text)))
		snprintf(text, sizeof(text), "%s", instead);
	else if (strlen(row->name) + strlen(text) + 3 > columns)
		progress_short(j, row->id, text, sizeof(text));
	CLEANUP_FREE char *line = NULL;
	if (asprintf(&line, "%s: %s", row->name, text) < 0)
		abort();
	line_draw(line);
}

int progress_goes_on(const struct target *t)
{
	struct target_pids pids;
	bool alive = target_pids(t, &pids);
	if (alive)
		return EXIT_YES;
	line_clear();
	return pids.silent ? target_silent(t, "")
			   : fail("%s is not mounted any more", t->root);
}

/* progress_once - 1 when it is complete, 0 when not yet, -1 when it asks. */
static int progress_once(struct journal *j, const char *name, bool draw)
{
	struct replica_row row;
	int r = journal_replica_get(j, name, &row);
	if (r < 0) {
		line_clear();
		if (r == -ENOENT)
			fail("replica %s was removed", name);
		else
			fail("reading the journal: %s", journal_error(j));
		return -1;
	}
	r = row.seeded && !row.seeding			? 1
	    : row.state == REPLICA_REFUSED && row.error ? -1
							: 0;
	if (r != 0)
		line_clear();
	else if (draw)
		progress_draw(j, &row, replica_state_word(row.state));
	if (r < 0)
		fail("replica %s: %s", name, row.error);
	replica_row_done(&row);
	return r;
}

int progress_wait(const struct target *t, struct journal *j, const char *name)
{
	bool draw = terminal_can(STDERR_FILENO);
	CLEANUP_FREE char *what = NULL;
	int r;
	if (asprintf(&what, "the first copy of %s", name) < 0)
		abort();
	interrupt_catch();
	while ((r = progress_once(j, name, draw)) == 0) {
		usleep(POLL_US);
		interrupt_end(what);
		/* which an interruption may have disturbed */
		r = progress_goes_on(t);
		interrupt_end(what);
		if (r != EXIT_YES)
			return r;
	}
	if (r > 0)
		printf("%s: the first copy is complete\n", name);
	return r > 0 ? EXIT_YES : EXIT_NO;
}
