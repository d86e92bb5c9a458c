/*
 * mirrorfs log: one line a record, oldest first, as journalctl(1) prints:
 *
 *   when  user program  operation path  [what]  replica time …  (title)
 *
 * It reads the journal and needs no mount; where there is one, it has what was
 * recorded before the call.
 */
#include "confdefs.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "clock.h"
#include "paths.h"

#define FOLLOW_US 100000
#define NEWEST_NS NS_PER_S /* of patience with the journal's disk */
#define NEWEST_US 2000

struct log_job {
	struct target target;
	struct journal *journal;
	struct history_filter filter;
	char *path;
	bool json;
	bool broken; /* nobody reads our output any more */
};

/* what_changed - the part that differs by operation. */
static void what_changed(const struct record *r, char *out, size_t size)
{
	char bytes[24];
	out[0] = 0;
	switch (r->op) {
	case OP_SETTLE:
		size_text(range_total(r->ranges, r->n_ranges), bytes,
			  sizeof(bytes));
		snprintf(out, size, " [%s%s]", bytes,
			 r->flags & RF_IDLE ? ", still open" : "");
		break;
	case OP_TRUNC:
		size_text(r->size, bytes, sizeof(bytes));
		snprintf(out, size, " [to %s]", bytes);
		break;
	case OP_SETATTR:
		if (r->flags & RF_MODE)
			snprintf(out, size, " [mode %04o]", r->mode & 07777);
		else if (r->flags & RF_OWNER)
			snprintf(out, size, " [owner %u:%u]", r->uid, r->gid);
		else
			snprintf(out, size, " [times]");
		break;
	default:
		break;
	}
}

#define DAY_LEN 11 /* "2026-11-22 " */

/* print_deliveries - with the day where that is not the one of the record, which
 * was at `then`. */
static void print_deliveries(const char *then, const struct delivery *d,
			     unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char when[32] = "           -", *from = when;
		if (d[i].parked)
			snprintf(when, sizeof(when), "parked");
		else if (d[i].time_ns) {
			clock_format(d[i].time_ns, when, sizeof(when));
			from += strncmp(when, then, DAY_LEN) ? 0 : DAY_LEN;
		}
		printf("  %s %s", d[i].replica, from);
	}
}

static void print_record(const struct record *r, const struct delivery *d,
			 unsigned n)
{
	char when[32], what[48];
	clock_format(r->time_ns, when, sizeof(when));
	what_changed(r, what, sizeof(what));
	CLEANUP_FREE char *path = text_printable(r->path ? r->path : "");
	CLEANUP_FREE char *path2 = text_printable(r->path2 ? r->path2 : "");
	CLEANUP_FREE char *title = text_printable(r->who.title);
	CLEANUP_FREE char *program = text_printable(r->who.program);
	const char *arrow =
		r->op == OP_RENAME && r->flags & RF_EXCHANGE ? " <-> " : " -> ";
	if (r->op == OP_XATTR)
		arrow = " ";
	printf("%s  %-8s %-10s %-8s /%s%s%s%s%s", when, user_name(r->who.uid),
	       program, record_op_word(r->op), path, r->path2 ? arrow : "",
	       r->path2 && r->op != OP_SYMLINK && r->op != OP_XATTR ? "/" : "",
	       path2, what);
	print_deliveries(when, d, n);
	if (*title)
		printf("  (%.120s)", title);
	putchar('\n');
}

static json_t *time_json(int64_t ns)
{
	return ns ? json_real((double)ns / (double)NS_PER_S) : json_null();
}

/* In the order of their bits. */
static json_t *flags_json(uint32_t flags)
{
	static const char *const words[] = {
		"open", "exchange", "mode", "owner",	"times",
		"idle", "replaced", "last", "whiteout",
	};
	json_t *a = json_array();
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (flags & 1u << i)
			json_array_append_new(a, json_string(words[i]));
	}
	return a;
}

static void print_json(const struct record *r, const struct delivery *d,
		       unsigned n)
{
	json_t *replicas = json_object();
	for (unsigned i = 0; i < n; i++)
		json_object_set_new(replicas, d[i].replica,
				    json_pack("{s:o, s:b}", "time",
					      time_json(d[i].time_ns), "parked",
					      d[i].parked));
	json_t *o = json_pack(
		"{s:I, s:o, s:s, s:o, s:o, s:o, s:I, s:s, s:I, s:I, s:o, s:o, "
		"s:I, "
		"s:I, s:I, s:I, s:I, s:o}",
		"seq", (json_int_t)r->seq, "time", time_json(r->time_ns), "op",
		record_op_word(r->op), "path",
		r->path ? json_text(r->path) : json_null(), "path2",
		r->path2 ? json_text(r->path2) : json_null(), "flags",
		flags_json(r->flags), "uid", (json_int_t)r->who.uid, "user",
		user_name(r->who.uid), "gid", (json_int_t)r->who.gid, "pid",
		(json_int_t)r->who.pid, "program", json_text(r->who.program),
		"title", json_text(r->who.title), "mode", (json_int_t)r->mode,
		"owner_uid", (json_int_t)r->uid, "owner_gid",
		(json_int_t)r->gid, "size", (json_int_t)r->size, "written",
		(json_int_t)range_total(r->ranges, r->n_ranges), "replicas",
		replicas);
	json_add_bytes(o, "path_hex", r->path);
	json_add_bytes(o, "path2_hex", r->path2);
	json_print(o, false);
}

static int log_record(void *arg, const struct record *r,
		      const struct delivery *d, unsigned n)
{
	struct log_job *job = arg;
	if (job->json)
		print_json(r, d, n);
	else
		print_record(r, d, n);
	job->filter.after_seq = r->seq;
	job->broken = ferror(stdout);
	return job->broken;
}

/* log_newest - what was recorded before the call is in the database some
 * milliseconds later: wait for it, and say so where it does not come. */
static void log_newest(const struct log_job *job)
{
	struct target_pids pids;
	int64_t end_ns = clock_mono_ns() + NEWEST_NS;
	uint64_t held = 0;

	if (!target_pids(&job->target, &pids))
		return;
	for (;;) {
		if (journal_last_seq(job->journal, &held) < 0 ||
		    held >= pids.last_seq)
			return;
		if (clock_mono_ns() >= end_ns)
			break;
		usleep(NEWEST_US);
	}
	fprintf(stderr, "mirrorfs: warning: the newest records are not in the "
			"journal yet (see \"mirrorfs status\")\n");
}

static int log_run(struct log_job *job, bool follow)
{
	log_newest(job);
	do {
		uint64_t held;
		int r = journal_last_seq(job->journal, &held);
		if (r == 0)
			r = journal_history(job->journal, &job->filter,
					    log_record, job);
		if (r < 0)
			return fail("reading the journal: %s",
				    journal_error(job->journal));
		if (follow && fflush(stdout) != 0)
			break;
		job->filter.limit = 0;
		/* what does not match was looked at, too */
		if (job->filter.after_seq < held)
			job->filter.after_seq = held;
		if (follow && !job->broken)
			usleep(FOLLOW_US);
	} while (follow && !job->broken);
	return EXIT_YES;
}

struct log_options {
	char *since, *until, *user, *op, *replica;
	uint64_t limit;
};

static int log_filter(struct log_job *job, const struct log_options *o)
{
	struct history_filter *f = &job->filter;
	int64_t now = clock_wall_ns();
	if (o->since && clock_parse(o->since, now, &f->since_ns) < 0)
		return fail_usage("log: --since: \"%s\" is not a time (try "
				  "\"10m\", \"today\", \"2026-11-22 15:01\")",
				  o->since);
	if (o->until && clock_parse(o->until, now, &f->until_ns) < 0)
		return fail_usage("log: --until: \"%s\" is not a time (try "
				  "\"10m\", \"today\", \"2026-11-22 15:01\")",
				  o->until);
	if (o->op) {
		static const char *const words[] = {
#define OP(sym, num, word, text) word,
#include "tbl/ops.h"
#undef OP
		};
		f->op = record_op_parse(o->op);
		const char *near = text_nearest(
			o->op, words, sizeof(words) / sizeof(words[0]));
		if (f->op < 0)
			return fail_usage("log: no operation \"%s\"%s%s%s",
					  o->op,
					  near ? ": did you mean \"" : "",
					  near ? near : "", near ? "\"?" : "");
	}
	f->user = o->user;
	f->replica = o->replica;
	f->limit = (unsigned)o->limit;
	return 0;
}

static int log_open_target(struct log_job *job, struct target_choice *choice,
			   int n, char **operands)
{
	int used;
	int r = target_find(choice, n, operands, &job->target, &used);
	if (r != 0)
		return r;
	if (n - used > 1)
		return fail_usage("log: one PATH only, \"%s\" is too much",
				  operands[used + 1]);
	if (n > used) {
		job->path = target_path(&job->target, operands[used]);
		if (!job->path)
			return EXIT_NO;
		job->filter.path = job->path;
	}
	job->journal = target_journal(&job->target, JOURNAL_READ);
	if (!job->journal)
		return EXIT_NO;
	if (!job->filter.replica)
		return 0;
	struct replica_row row;
	if (journal_replica_get(job->journal, job->filter.replica, &row) < 0)
		return fail("%s has no replica \"%s\"", job->target.root,
			    job->filter.replica);
	replica_row_done(&row);
	return 0;
}

int cmd_log(int argc, char **argv)
{
	struct log_job job = {0};
	struct log_options o = {0};
	struct target_choice choice = {0};
	bool follow = false;
	const struct option options[] = {
		{"since", "TIME", OPTION_TEXT, &o.since,
		 "not older: \"10m\", \"today\", \"2026-11-22 15:01\""},
		{"until", "TIME", OPTION_TEXT, &o.until, "not newer"},
		{"user", "USER", OPTION_TEXT, &o.user,
		 "changes by this user (system or FTP)"},
		{"op", "OP", OPTION_TEXT, &o.op,
		 "this operation: create, write, rename, unlink ..."},
		{"replica", "NAME", OPTION_TEXT, &o.replica,
		 "tell delivery to this replica only"},
		{"follow", NULL, OPTION_FLAG, &follow,
		 "go on with new records as they come"},
		{"limit", "N", OPTION_COUNT, &o.limit, "the newest N only"},
		{"json", NULL, OPTION_FLAG, &job.json,
		 "one JSON object a line"},
		TARGET_OPTIONS(choice),
		{0},
	};
	int n = options_parse("log", options, argc, argv);
	if (n < 0)
		return options_exit(n);
	int r = log_filter(&job, &o);
	if (r == 0)
		r = log_open_target(&job, &choice, n, argv);
	if (r == 0)
		r = log_run(&job, follow);
	journal_close(job.journal);
	free(job.path);
	target_done(&job.target);
	return r;
}
