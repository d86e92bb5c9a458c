/*
 * mirrorfs retry: what is parked is due now, and a replica that is offline or
 * refused is tried at once. It says so in the journal and wakes the sync
 * process.
 */
#include "confdefs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "cli/status.h"
#include "clock.h"
#include "memo.h"
#include "paths.h"

struct retry_job {
	struct target target;
	struct journal *journal;
	char *replica; /* only this one, or NULL */
	char **paths;  /* only these, with all below and above, or NULL */
	int n_paths;
	unsigned due;
};

static bool is_meant(const struct retry_job *job, const char *path)
{
	for (int i = 0; i < job->n_paths; i++) {
		if (path_related(path, job->paths[i]))
			return true;
	}
	return job->n_paths == 0;
}

static int retry_replica(struct retry_job *job, const struct replica_row *row)
{
	struct parked *p = NULL;
	unsigned n = 0;
	int r = journal_parked_load(job->journal, row->id, &p, &n);

	for (unsigned i = 0; r >= 0 && i < n; i++) {
		if (!is_meant(job, p[i].path))
			continue;
		r = journal_parked_due(job->journal, row->id, p[i].path);
		job->due++;
	}
	parked_free(p, n);
	return r;
}

int retry_ask(struct journal *j)
{
	char now[32];

	snprintf(now, sizeof(now), "%lld", (long long)clock_wall_ns());
	return journal_meta_set(j, "retry", now);
}

static int retry_all(struct retry_job *job)
{
	struct replica_row *rows;
	unsigned n, found = 0;
	int r = journal_replica_list(job->journal, &rows, &n);

	for (unsigned i = 0; r >= 0 && i < n; i++) {
		if (job->replica && strcmp(job->replica, rows[i].name) != 0)
			continue;
		found++;
		r = retry_replica(job, &rows[i]);
	}
	if (r >= 0)
		replica_rows_free(rows, n);
	if (r >= 0)
		r = retry_ask(job->journal);
	if (r < 0)
		return fail("writing the journal: %s",
			    journal_error(job->journal));
	if (job->replica && !found)
		return fail("%s has no replica \"%s\"", job->target.root,
			    job->replica);
	if (target_wake(&job->target) != EXIT_YES)
		return EXIT_NO;
	printf("%u path%s will be tried %s\n", job->due,
	       job->due == 1 ? "" : "s",
	       job->target.alive ? "now" : "after the next mount");
	return EXIT_YES;
}

static int retry_run(struct retry_job *job, int n, char **operands)
{
	int r = EXIT_YES;

	job->paths = calloc((size_t)n + 1, sizeof(char *));
	if (!job->paths)
		abort();
	for (; job->n_paths < n; job->n_paths++) {
		job->paths[job->n_paths] =
			target_path(&job->target, operands[job->n_paths]);
		if (!job->paths[job->n_paths])
			r = EXIT_NO;
	}
	if (r == EXIT_YES)
		r = retry_all(job);
	for (int i = 0; i < n; i++)
		free(job->paths[i]);
	free(job->paths);
	return r;
}

int cmd_retry(int argc, char **argv)
{
	struct retry_job job = {0};
	struct target_choice choice = {0};
	const struct option options[] = {
		{"replica", "NAME", OPTION_TEXT, &job.replica,
		 "on this one only"},
		TARGET_OPTIONS(choice),
		{0},
	};
	int used, n = options_parse("retry", options, argc, argv);

	if (n < 0)
		return options_exit(n);
	int r = target_find(&choice, n, argv, &job.target, &used);
	if (r == 0)
		job.journal = target_journal(&job.target, JOURNAL_WRITE);
	r = job.journal ? retry_run(&job, n - used, argv + used) : EXIT_NO;
	journal_close(job.journal);
	target_done(&job.target);
	return r;
}
