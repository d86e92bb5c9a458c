/*
 * mirrorfs reconcile: asks in the journal that a tree, a folder or a file be
 * compared with its replicas and made equal, and wakes the sync process.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "cli/status.h"
#include "cli/terminal.h"
#include "comparison.h"
#include "memo.h"
#include "paths.h"

#define POLL_US 200000

struct reconcile_job {
	struct target target;
	struct journal *journal;
	char *replica; /* only this one, or NULL */
	struct comparison wanted;
	bool wait;
	struct asked {
		int64_t id;
		char *name;
	} * asked;
	unsigned n_asked;
};

static int journal_failed(struct reconcile_job *job)
{
	return fail("the journal: %s", journal_error(job->journal));
}

/* ask_replica - a walk of the whole tree that has stopped to ask is answered,
 * too. */
static int ask_replica(struct reconcile_job *job, const struct replica_row *row)
{
	struct asked *a = &job->asked[job->n_asked];
	int r = journal_comparison_ask(job->journal, row->id, &job->wanted,
				       &a->id);

	if (r == 0 && job->wanted.allowed && row->seeding && !*job->wanted.path)
		r = journal_seed_allow(job->journal, row->id);
	if (r < 0)
		return r;
	a->name = strdup(row->name);
	job->n_asked++;
	return 0;
}

static int ask_all(struct reconcile_job *job)
{
	struct replica_row *rows;
	unsigned n;
	int r = journal_replica_list(job->journal, &rows, &n);

	if (r < 0)
		return journal_failed(job);
	job->asked = calloc(n + 1, sizeof(*job->asked));
	if (!job->asked)
		abort();
	for (unsigned i = 0; r == 0 && i < n; i++) {
		if (!job->replica || strcmp(job->replica, rows[i].name) == 0)
			r = ask_replica(job, &rows[i]);
	}
	replica_rows_free(rows, n);
	if (r == 0)
		r = retry_ask(job->journal);
	if (r < 0)
		return journal_failed(job);
	if (job->n_asked)
		return EXIT_YES;
	return job->replica ? fail("%s has no replica \"%s\"", job->target.root,
				   job->replica)
			    : fail("%s has no replicas", job->target.root);
}

/* ---- waiting ---- */

static int report(const struct asked *a, const struct comparison *c)
{
	printf("%s: %llu entr%s compared, %llu differed\n", a->name,
	       (unsigned long long)c->entries, c->entries == 1 ? "y" : "ies",
	       (unsigned long long)c->differed);
	return c->error ? fail("replica %s: %s", a->name, c->error) : EXIT_YES;
}

/* show - how far it is; the walk of the whole tree tells more of itself. */
static void show(struct reconcile_job *job, const struct asked *a,
		 const struct comparison *c, const struct replica_row *row)
{
	char text[160];
	CLEANUP_FREE char *line = NULL;

	comparison_text(c, text, sizeof(text));
	if (!*c->path)
		return progress_draw(job->journal, row, text);
	if (asprintf(&line, "%s: %s", a->name, text) < 0)
		abort();
	line_draw(line);
}

/* is_refused - not because of what was allowed just now. */
static bool is_refused(const struct reconcile_job *job,
		       const struct replica_row *row)
{
	return row->state == REPLICA_REFUSED && row->error &&
	       !(job->wanted.allowed && strstr(row->error, "--allow-delete"));
}

/* wait_once - 0: it has not ended; 1: it has, *ret is the exit status. */
static int wait_once(struct reconcile_job *job, const struct asked *a,
		     bool draw, int *ret)
{
	struct replica_row row = {0};
	struct comparison c;
	int r = journal_comparison_get(job->journal, a->id, &c);

	if (r == 0) {
		r = journal_replica_get(job->journal, a->name, &row);
		if (r < 0)
			comparison_done(&c);
	}
	if (r < 0)
		line_clear();
	if (r == -ENOENT)
		return *ret = fail("replica %s was removed", a->name), 1;
	if (r < 0)
		return *ret = journal_failed(job), 1;
	bool ended = c.ended_ns != 0, refused = is_refused(job, &row);
	if (ended || refused)
		line_clear();
	else if (draw)
		show(job, a, &c, &row);
	if (ended)
		*ret = report(a, &c);
	else if (refused)
		*ret = fail("replica %s: %s", a->name, row.error);
	comparison_done(&c);
	replica_row_done(&row);
	return ended || refused;
}

static int wait_all(struct reconcile_job *job)
{
	bool draw = terminal_can(STDERR_FILENO);
	int result = EXIT_YES;

	interrupt_catch();
	for (unsigned i = 0; i < job->n_asked; i++) {
		int r = EXIT_YES;
		while (wait_once(job, &job->asked[i], draw, &r) == 0) {
			usleep(POLL_US);
			interrupt_end("the comparison");
			/* which an interruption may have disturbed */
			r = progress_goes_on(&job->target);
			interrupt_end("the comparison");
			if (r != EXIT_YES)
				return r;
		}
		result = r != EXIT_YES ? r : result;
	}
	return result;
}

static int reconcile_run(struct reconcile_job *job, const char *operand)
{
	struct target_pids pids;
	CLEANUP_FREE char *path =
		operand ? target_path(&job->target, operand) : strdup("");

	if (!path)
		return EXIT_NO;
	if (path_is_reserved(path))
		return fail("/%s is not a part of the tree", path);
	bool alive = target_pids(&job->target, &pids);
	if (pids.silent)
		return target_silent(&job->target, "nothing was changed: ");
	if (!alive)
		return fail("%s is not mounted: mount it; with --rescan "
			    "everything is compared then",
			    job->target.root);
	job->wanted.path = path;
	job->wanted.seq = pids.last_seq;
	int r = ask_all(job);
	if (r != EXIT_YES)
		return r;
	if (target_wake(&job->target) != EXIT_YES)
		return EXIT_NO;
	if (job->wait)
		return wait_all(job);
	printf("/%s will be compared with %u replica%s: see mirrorfs status\n",
	       path, job->n_asked, job->n_asked == 1 ? "" : "s");
	return EXIT_YES;
}

int cmd_reconcile(int argc, char **argv)
{
	struct reconcile_job job = {0};
	struct target_choice choice = {0};
	const struct option options[] = {
		{"replica", "NAME", OPTION_TEXT, &job.replica,
		 "with this one only"},
		{"checksum", NULL, OPTION_FLAG, &job.wanted.checksum,
		 "contents, too, by reading back what the replica has"},
		{"allow-delete", NULL, OPTION_FLAG, &job.wanted.allowed,
		 "however much is only on the replica may be deleted there"},
		{"wait", NULL, OPTION_FLAG, &job.wait,
		 "until it is done; tell what came of it"},
		TARGET_OPTIONS(choice),
		{0},
	};
	int used, n = options_parse("reconcile", options, argc, argv);

	if (n < 0)
		return options_exit(n);
	int r = target_find(&choice, n, argv, &job.target, &used);
	if (r == 0 && n - used > 1)
		r = fail_usage("reconcile: one path only");
	else if (r == 0)
		job.journal = target_journal(&job.target, JOURNAL_WRITE);
	if (r == 0)
		r = job.journal
			    ? reconcile_run(&job, n > used ? argv[used] : NULL)
			    : EXIT_NO;
	for (unsigned i = 0; i < job.n_asked; i++)
		free(job.asked[i].name);
	free(job.asked);
	journal_close(job.journal);
	target_done(&job.target);
	return r;
}
