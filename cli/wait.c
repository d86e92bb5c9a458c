/*
 * mirrorfs wait: "is it everywhere yet?" The newest record at the time of the
 * call is asked from the supervisor, as it may not be in the database yet;
 * then the journal is watched until each replica has what is meant.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "activity.h"
#include "cleanup.h"
#include "cli/cli.h"
#include "cli/status.h"
#include "clock.h"
#include "paths.h"

#define POLL_US 5000
#define LOOK_NS (NS_PER_S / 2)

struct wait_job {
	struct target target;
	struct journal *journal;
	const char *replica; /* or NULL: all */
	int64_t end_ns;	     /* monotonic; 0: no limit */
	int64_t look_ns;     /* monotonic: is it mounted still? */
	uint64_t seq;	     /* what was recorded before the call */
	char **names;	     /* the replicas waited for */
	unsigned n_names;
};

static bool wait_over(const struct wait_job *job)
{
	return job->end_ns && clock_mono_ns() >= job->end_ns;
}

/* wait_nap - and now and then a look whether it is mounted still: what has arrived
 * by then is looked for once more. */
static void wait_nap(struct wait_job *job)
{
	int64_t now = clock_mono_ns();
	usleep(POLL_US);
	if (!job->target.alive || now < job->look_ns)
		return;
	struct target_pids pids;
	job->target.alive = target_pids(&job->target, &pids) || pids.silent;
	job->look_ns = now + LOOK_NS;
}

/* behind - why what was changed is not in the database. */
static int behind(struct wait_job *job)
{
	struct target_pids pids;
	if (!target_pids(&job->target, &pids) || !pids.journal_error)
		return fail("timed out: the journal is behind");
	CLEANUP_FREE char *text = health_text(&job->target, &pids);
	return fail("timed out: the journal is %s", text);
}

/* wait_target - the seq that cursors must reach for `path`.
 * Returns 0, EXIT_NO when there is no time left (says so). */
static int wait_target(struct wait_job *job, const char *path,
		       uint64_t *ret_target)
{
	for (;;) {
		CLEANUP_FREE char *busy = NULL;
		int r = journal_wait_target(job->journal, job->seq, path,
					    ret_target, &busy);
		if (r == 0)
			return 0;
		if (r != -EAGAIN && r != -ENODATA)
			return fail("reading the journal: %s",
				    journal_error(job->journal));
		if (!job->target.alive && r == -ENODATA)
			return fail("the journal lost its newest records");
		if (wait_over(job) && busy) {
			CLEANUP_FREE char *name = text_printable(busy);
			return fail("timed out: /%s is still being written",
				    name);
		}
		if (wait_over(job))
			return behind(job);
		wait_nap(job);
	}
}

/* wait_complain - what a replica still lacks. */
static int wait_complain(struct wait_job *job, const char *name)
{
	struct replica_row *rows;
	unsigned n;
	if (journal_replica_list(job->journal, &rows, &n) < 0)
		return fail("timed out, and reading the journal: %s",
			    journal_error(job->journal));
	for (unsigned i = 0; i < n; i++) {
		const struct replica_row *r = &rows[i];
		if (strcmp(r->name, name) != 0)
			continue;
		char lacks[48] = "what is parked";
		if (r->seeded && !r->lag_records && !r->parked)
			snprintf(lacks, sizeof(lacks),
				 "what its new options ask for");
		else if (r->lag_records || !r->parked)
			snprintf(lacks, sizeof(lacks), "%llu record%s%s",
				 (unsigned long long)r->lag_records,
				 r->lag_records == 1 ? "" : "s",
				 r->parked ? ", some paths are parked" : "");
		fail("timed out: replica %s lacks %s%s%s%s", name, lacks,
		     r->paused ? ", it is paused" : "", r->error ? ": " : "",
		     r->error ? r->error : "");
	}
	replica_rows_free(rows, n);
	return EXIT_NO;
}

static int wait_replica(struct wait_job *job, const char *name, uint64_t target,
			const char *path)
{
	for (;;) {
		int r = journal_wait_done(job->journal, name, target, path);
		if (r == 1)
			return 0;
		if (r == -ENOENT)
			return fail("replica %s was removed", name);
		if (r < 0)
			return fail("reading the journal: %s",
				    journal_error(job->journal));
		if (!job->target.alive)
			return fail("%s is not mounted, and replica %s does "
				    "not have everything",
				    job->target.root, name);
		if (wait_over(job))
			return wait_complain(job, name);
		wait_nap(job);
	}
}

static int wait_path(struct wait_job *job, const char *path)
{
	uint64_t target;
	int r = wait_target(job, path, &target);
	for (unsigned i = 0; r == 0 && i < job->n_names; i++)
		r = wait_replica(job, job->names[i], target, path);
	return r;
}

/* wait_looked - for the records of what was changed while nothing was mounted,
 * which are put just behind the mount. */
static bool wait_looked(struct wait_job *job, struct target_pids *pids)
{
	bool there;
	while ((there = target_pids(&job->target, pids)) && pids->looking &&
	       !wait_over(job))
		usleep(POLL_US);
	return there;
}

static int wait_prepare(struct wait_job *job)
{
	struct target_pids pids;
	bool there = wait_looked(job, &pids);
	if (there && pids.looking)
		return fail("timed out: it is not known yet what was changed "
			    "while nothing was mounted");
	if (there)
		job->seq = pids.last_seq;
	else if (pids.silent)
		return target_silent(&job->target, "");
	else if (journal_ended(job->journal) == 0)
		return fail("%s is not mounted, or ends just now, and did not "
			    "end well: what was changed last may be missing in "
			    "the journal until it is mounted again",
			    job->target.root);
	else if (journal_last_seq(job->journal, &job->seq) < 0)
		return fail("reading the journal: %s",
			    journal_error(job->journal));
	struct replica_row *rows;
	unsigned n;
	if (journal_replica_list(job->journal, &rows, &n) < 0)
		return fail("reading the journal: %s",
			    journal_error(job->journal));
	job->names = calloc(n + 1, sizeof(char *));
	if (!job->names)
		abort();
	for (unsigned i = 0; i < n; i++) {
		if (job->replica && strcmp(job->replica, rows[i].name) != 0)
			continue;
		job->names[job->n_names++] = strdup(rows[i].name);
	}
	replica_rows_free(rows, n);
	if (job->n_names)
		return 0;
	return job->replica ? fail("%s has no replica \"%s\"", job->target.root,
				   job->replica)
			    : fail("%s has no replicas", job->target.root);
}

static int wait_run(struct wait_job *job, int n, char **operands)
{
	int r = wait_prepare(job);
	if (r == 0 && n == 0)
		return wait_path(job, NULL);
	for (int i = 0; r == 0 && i < n; i++) {
		struct ways ways;
		r = target_ways(&job->target, operands[i], job->end_ns, &ways);
		for (unsigned k = 0; r == 0 && k < ways.n; k++)
			r = wait_path(job, ways.paths[k]);
		ways_done(&ways);
	}
	return r;
}

int cmd_wait(int argc, char **argv)
{
	struct wait_job job = {0};
	struct target_choice choice = {0};
	int64_t timeout_ns = -1;
	char *replica = NULL;
	const struct option options[] = {
		{"replica", "NAME", OPTION_TEXT, &replica,
		 "wait for this one only"},
		{"timeout", "SECONDS", OPTION_SPAN, &timeout_ns,
		 "give up after that long (exit status 1)"},
		TARGET_OPTIONS(choice),
		{0},
	};
	int n = options_parse("wait", options, argc, argv);
	if (n < 0)
		return options_exit(n);
	if (timeout_ns >= 0)
		job.end_ns = clock_mono_ns() + timeout_ns;
	job.replica = replica;
	int used;
	int r = target_find(&choice, n, argv, &job.target, &used);
	if (r == 0)
		job.journal = target_journal(&job.target, JOURNAL_READ);
	r = job.journal ? wait_run(&job, n - used, argv + used) : EXIT_NO;
	for (unsigned i = 0; i < job.n_names; i++)
		free(job.names[i]);
	free(job.names);
	journal_close(job.journal);
	target_done(&job.target);
	return r;
}
