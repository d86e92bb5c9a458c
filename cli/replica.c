/*
 * mirrorfs replica: changes the list in the journal, then wakes the sync
 * process, which reads it again.
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
#include "clock.h"
#include "memo.h"
#include "paths.h"

#define POLL_US	      5000
#define PAUSE_WAIT_NS (60 * NS_PER_S)

struct replica_job {
	struct target target;
	struct journal *journal;
	char *operand; /* NAME or NAME=URL */
	struct settings settings;
	char **more; /* set: KEY=VALUE... */
	int n_more;
	bool json, verbose, accept_new, adopt, allow_delete, wait;
	char *identity, *known_hosts;
	struct option_list options;
};

static int job_result(struct replica_job *job, int r)
{
	if (r == -ENOENT)
		return fail("%s has no replica \"%s\": see mirrorfs replica "
			    "list",
			    job->target.root, job->operand);
	if (r < 0)
		return fail("writing the journal: %s",
			    journal_error(job->journal));
	return target_wake(&job->target);
}

static char *absolute(const char *path)
{
	CLEANUP_FREE char *cwd = getcwd(NULL, 0);
	return path ? path_normalise(path, cwd ? cwd : "/") : NULL;
}

/* refuse_taken - another replica has this name or url already. */
static int refuse_taken(struct replica_job *job,
			const struct settings_replica *s)
{
	struct replica_row *rows;
	unsigned n;
	int r = journal_replica_list(job->journal, &rows, &n);
	if (r < 0)
		return job_result(job, r);
	for (unsigned i = 0; r == 0 && i < n; i++) {
		if (strcmp(rows[i].name, s->name) == 0)
			r = fail("replica %s exists already: remove it first",
				 s->name);
		else if (strcmp(rows[i].url, s->url) == 0)
			r = fail("replica %s has this url already",
				 rows[i].name);
	}
	replica_rows_free(rows, n);
	return r;
}

static int replica_add(struct replica_job *job)
{
	struct settings_replica *s =
		replica_parse(&job->settings, job->operand);
	if (!s)
		return EXIT_USAGE;
	s->identity = absolute(job->identity);
	s->known_hosts = absolute(job->known_hosts);
	s->accept_new = job->accept_new;
	s->adopt = job->adopt;
	if (!options_given(&job->options, &s->options))
		return EXIT_USAGE;
	int r = refuse_taken(job, s);
	if (r != 0)
		return r;
	if (!preflight_replica(s, job->target.root, journal_uuid(job->journal),
			       false))
		return EXIT_NO;
	struct replica_row row = replica_row_from(s);
	r = job_result(job, journal_replica_put(job->journal, &row));
	if (r != EXIT_YES || !job->wait)
		return r;
	if (!job->target.alive)
		return fail("%s is not mounted: noted, and copied after the "
			    "next mount",
			    job->target.root);
	return progress_wait(&job->target, job->journal, s->name);
}

static int replica_remove(struct replica_job *job)
{
	return job_result(job,
			  journal_replica_remove(job->journal, job->operand));
}

/* pause_wait - until nothing is under way any more, as the sync process says:
 * then the replica's disk may be taken away. */
static int pause_wait(struct replica_job *job)
{
	int64_t end = clock_mono_ns() + PAUSE_WAIT_NS;
	while (clock_mono_ns() < end) {
		struct replica_row row;
		int r = journal_replica_get(job->journal, job->operand, &row);
		if (r < 0)
			return r == -ENOENT ? EXIT_YES : job_result(job, r);
		bool over = !row.paused || row.state == REPLICA_PAUSED;
		replica_row_done(&row);
		if (over)
			return EXIT_YES;
		usleep(POLL_US);
	}
	return fail("replica %s is paused, but what is under way has not ended "
		    "yet",
		    job->operand);
}

static int replica_pause(struct replica_job *job)
{
	int r = job_result(
		job, journal_replica_pause(job->journal, job->operand, true));
	return r == EXIT_YES && job->target.alive ? pause_wait(job) : r;
}

/* allow_delete - what the first copy has asked about may go. */
static int allow_delete(struct replica_job *job)
{
	struct replica_row row;
	int r = journal_replica_get(job->journal, job->operand, &row);
	if (r < 0)
		return r;
	r = journal_seed_allow(job->journal, row.id);
	replica_row_done(&row);
	return r < 0 ? r : retry_ask(job->journal);
}

static int replica_resume(struct replica_job *job)
{
	int r = job->allow_delete ? allow_delete(job) : 0;
	if (r < 0)
		return job_result(job, r);
	return job_result(
		job, journal_replica_pause(job->journal, job->operand, false));
}

static int replica_change(struct replica_job *job)
{
	struct replica_row row;
	int r = journal_replica_get(job->journal, job->operand, &row);
	if (r < 0)
		return job_result(job, r);
	CLEANUP_FREE char *why = NULL;
	for (int i = 0; r == 0 && i < job->n_more; i++) {
		char *equals = strchr(job->more[i], '=');
		*equals = 0;
		r = replica_given_set(&row.given, job->more[i], equals + 1,
				      &why);
	}
	if (r < 0)
		r = fail_usage("%s", why);
	else if ((r = journal_replica_set(job->journal, job->operand,
					  &row.given)) < 0)
		r = job_result(job, r);
	replica_row_done(&row);
	return r;
}

/* replica_set - the sync process sees the change and connects again. */
static int replica_set(struct replica_job *job)
{
	int r = journal_transaction_begin(job->journal);
	if (r < 0)
		return job_result(job, r);
	int result = replica_change(job);
	if (result != EXIT_YES) {
		journal_transaction_close(job->journal, -ECANCELED);
		return result;
	}
	return job_result(job, journal_transaction_close(job->journal, 0));
}

static int replica_list(struct replica_job *job)
{
	struct target_pids pids;
	bool alive = target_pids(&job->target, &pids) || pids.silent;
	struct replica_row *rows;
	unsigned n;
	int r = replicas_load(job->journal, &pids, &rows, &n);
	if (r < 0)
		return fail("reading the journal: %s",
			    journal_error(job->journal));
	if (job->json)
		json_print(replicas_json(job->journal, rows, n, alive), true);
	else
		replicas_table(rows, n, alive);
	if (job->verbose && !job->json)
		replicas_options(rows, n);
	for (unsigned i = 0; job->verbose && !job->json && i < n; i++)
		abilities_print(job->journal, &rows[i]);
	replica_rows_free(rows, n);
	return EXIT_YES;
}

static const struct verb {
	const char *word;
	int (*run)(struct replica_job *job);
	bool needs_name, writes, needs_more;
} verbs[] = {
	{"add", replica_add, true, true, false},
	{"remove", replica_remove, true, true, false},
	{"list", replica_list, false, false, false},
	{"pause", replica_pause, true, true, false},
	{"resume", replica_resume, true, true, false},
	{"set", replica_set, true, true, true},
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct verb *verb_find(const char *word)
{
	const char *words[N_VERBS];
	for (size_t i = 0; i < N_VERBS; i++) {
		if (strcmp(verbs[i].word, word) == 0)
			return &verbs[i];
		words[i] = verbs[i].word;
	}
	const char *near = text_nearest(word, words, N_VERBS);
	if (near)
		fail_usage("replica: unknown verb \"%s\": did you mean "
			   "\"%s\"?",
			   word, near);
	else
		fail_usage("replica: unknown verb \"%s\": add, remove, list, "
			   "pause, resume or set",
			   word);
	return NULL;
}

static int replica_run(struct replica_job *job, const struct verb *verb,
		       const struct target_choice *choice, int n, char **argv)
{
	int used = 0;
	int operands = verb->needs_name ? 1 : 0;
	/* a root has a slash in front, a key never */
	while (verb->needs_more && n > 0 && strchr(argv[n - 1], '=') &&
	       *argv[n - 1] != '/') {
		job->more = &argv[--n];
		job->n_more++;
	}
	if (verb->needs_more && !job->n_more)
		return fail_usage("replica %s: which KEY=VALUE?", verb->word);
	/* with two operands the first is ROOT, whatever it looks like */
	int roots = n > operands ? 1 : 0;
	int r = target_find(choice, roots, argv, &job->target, &used);
	if (r != 0)
		return r;
	if (roots && !used)
		return fail("%s is not the root of a mount", argv[0]);
	if (n - used < operands)
		return fail_usage("replica %s: name the replica", verb->word);
	if (n - used > operands)
		return fail_usage("replica %s: \"%s\" is too much", verb->word,
				  argv[used + operands]);
	job->operand = operands ? argv[used] : NULL;
	job->journal = target_journal(
		&job->target, verb->writes ? JOURNAL_WRITE : JOURNAL_READ);
	return job->journal ? verb->run(job) : EXIT_NO;
}

int cmd_replica(int argc, char **argv)
{
	struct replica_job job = {0};
	struct target_choice choice = {0};
	const struct option options[] = {
		{"identity", "FILE", OPTION_TEXT, &job.identity,
		 "add: private key to log in with"},
		{"known-hosts", "FILE", OPTION_TEXT, &job.known_hosts,
		 "add: host keys"},
		{"accept-new", NULL, OPTION_FLAG, &job.accept_new,
		 "add: store the key of a host that is not known yet"},
		{"adopt", NULL, OPTION_FLAG, &job.adopt,
		 "add: take over a folder that is not empty"},
		{"o", "KEY=VALUE,...", OPTION_LIST, &job.options,
		 "add: options of the replica, see mirrorfs.conf(5)"},
		{"wait", NULL, OPTION_FLAG, &job.wait,
		 "add: until its first copy is complete"},
		{"allow-delete", NULL, OPTION_FLAG, &job.allow_delete,
		 "resume: what it has asked about may be deleted"},
		{"json", NULL, OPTION_FLAG, &job.json, "list: as JSON"},
		{"verbose", NULL, OPTION_FLAG, &job.verbose,
		 "list: with the options that are not as by default, and what "
		 "the servers can do"},
		TARGET_OPTIONS(choice),
		{0},
	};
	int n = options_parse("replica", options, argc, argv);
	if (n < 0)
		return options_exit(n);
	if (n == 0)
		return fail_usage("replica: add, remove, list, pause, "
				  "resume or set?");
	const struct verb *verb = verb_find(argv[0]);
	if (!verb)
		return EXIT_USAGE;
	settings_init(&job.settings);
	int r = replica_run(&job, verb, &choice, n - 1, argv + 1);
	journal_close(job.journal);
	settings_done(&job.settings);
	free(job.options.items);
	target_done(&job.target);
	return r;
}
