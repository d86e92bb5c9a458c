/* mirrorfs status, and the list of `mirrorfs replica list`. */
#include "confdefs.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "cli/holders.h"
#include "mounts.h"
#include "cli/status.h"
#include "cli/terminal.h"
#include "memo.h"
#include "clock.h"
#include "paths.h"
#include "stamps.h"

/* shown_state - what the sync process last said, seen from now. */
static const char *shown_state(const struct replica_row *r, bool alive)
{
	if (!alive)
		return replica_state_word(REPLICA_STOPPED);
	if (r->paused)
		return replica_state_word(REPLICA_PAUSED);
	if (r->state == REPLICA_SYNCED && r->lag_records > 0)
		return replica_state_word(REPLICA_REPLAYING);
	return replica_state_word(r->state);
}

/* away_since - out of reach, or refused, since when; NULL: it is not. */
static const char *away_since(const struct replica_row *r, bool alive,
			      char text[64])
{
	bool away = r->state == REPLICA_OFFLINE ||
		    r->state == REPLICA_REFUSED || r->state == REPLICA_STALE;
	if (!alive || r->paused || !away || !r->error_ns)
		return NULL;
	clock_format(r->error_ns, text, 64);
	return text;
}

static void print_away(const struct replica_row *r, bool alive)
{
	char since[64];
	if (away_since(r, alive, since))
		printf("%s: %s since %.19s\n", r->name, shown_state(r, alive),
		       since);
}

static json_t *uncarried_json(struct journal *j, int64_t id)
{
	struct uncarried *u = NULL;
	unsigned n = 0;
	json_t *o = json_object();
	if (journal_uncarried_load(j, id, &u, &n) < 0)
		return o;
	for (unsigned i = 0; i < n; i++) {
		const char *example = u[i].example ? u[i].example : "";
		json_t *kind =
			json_pack("{s:I, s:o}", "count", (json_int_t)u[i].count,
				  "example", json_text(example));
		json_add_bytes(kind, "example_hex", example);
		json_object_set_new(o, u[i].kind, kind);
	}
	uncarried_free(u, n);
	return o;
}

/* option_changed - NULL, or the value of an option that is not the preset. */
static const char *option_changed(const struct replica_row *r, unsigned id)
{
	const char *value = r->in_force.text[id];
	return value && strcmp(value, replica_option_preset(id)) ? value : NULL;
}

static json_t *options_json(const struct replica_row *r)
{
	json_t *o = json_object();
	for (unsigned i = 0; i < REPLICA_OPTIONS; i++) {
		const char *value = option_changed(r, i);
		if (value)
			json_object_set_new(o, replica_option_key(i),
					    json_text(value));
	}
	return o;
}

void replicas_options(const struct replica_row *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < REPLICA_OPTIONS; k++) {
			const char *value = option_changed(&rows[i], k);
			CLEANUP_FREE char *text = text_printable(value ?: "");
			if (value)
				printf("%s: %s = %s\n", rows[i].name,
				       replica_option_key(k), text);
		}
	}
}

static json_t *replica_json(struct journal *j, const struct replica_row *r,
			    bool alive)
{
	char since[64];
	json_t *o = json_pack(
		"{s:o, s:o, s:s, s:I, s:I, s:f, s:I, s:o, s:s?, s:o, s:o, s:o, "
		"s:o}",
		"name", json_text(r->name), "url", json_text(r->url), "state",
		shown_state(r, alive), "lag_records",
		(json_int_t)r->lag_records, "lag_bytes",
		(json_int_t)r->lag_bytes, "lag_seconds",
		(double)r->lag_ns / (double)NS_PER_S, "parked",
		(json_int_t)r->parked, "error",
		r->error ? json_text(r->error) : json_null(), "since",
		away_since(r, alive, since), "uncarried",
		uncarried_json(j, r->id), "options", options_json(r),
		"abilities", abilities_json(j, r->id), "progress",
		progress_json(j, r->id));
	return o;
}

json_t *replicas_json(struct journal *j, const struct replica_row *rows,
		      unsigned n, bool alive)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, replica_json(j, &rows[i], alive));
	return list;
}

void replicas_table(const struct replica_row *rows, unsigned n, bool alive)
{
	static const char *const columns[] = {"REPLICA", "STATE",   "RECORDS",
					      "BYTES",	 "SECONDS", "PARKED",
					      "URL",	 "ERROR",   NULL};
	struct libscols_table *t = table_new(columns);
	for (unsigned i = 0; i < n; i++) {
		const struct replica_row *r = &rows[i];
		char records[24], bytes[24], seconds[24], parked[24];
		snprintf(records, sizeof(records), "%llu",
			 (unsigned long long)r->lag_records);
		size_text(r->lag_bytes, bytes, sizeof(bytes));
		snprintf(seconds, sizeof(seconds), "%.1f",
			 (double)r->lag_ns / (double)NS_PER_S);
		snprintf(parked, sizeof(parked), "%llu",
			 (unsigned long long)r->parked);
		table_row(t, (const char *const[]){
				     r->name, shown_state(r, alive), records,
				     bytes, seconds, parked, r->url,
				     r->error ? r->error : "", NULL});
	}
	table_print(t);
}

int replicas_load(struct journal *j, const struct target_pids *pids,
		  struct replica_row **ret, unsigned *ret_n)
{
	uint64_t last = pids->last_seq, held;
	int r = journal_last_seq(j, &held);
	if (r == 0)
		r = journal_replica_list(j, ret, ret_n);
	if (r < 0 || last <= held)
		return r;
	for (unsigned i = 0; i < *ret_n; i++)
		(*ret)[i].lag_records += SEQ_EPOCH(last) == SEQ_EPOCH(held)
						 ? last - held
						 : SEQ_COUNT(last);
	return 0;
}

void replica_rows_free(struct replica_row *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		replica_row_done(&rows[i]);
	free(rows);
}

static void print_uncarried(struct journal *j, const struct replica_row *r)
{
	struct uncarried *u = NULL;
	unsigned n = 0;
	if (journal_uncarried_load(j, r->id, &u, &n) < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		CLEANUP_FREE char *example =
			text_printable(u[i].example ? u[i].example : "");
		printf("%s: not carried by SFTP: %s, %llu time%s, as in /%s\n",
		       r->name, u[i].kind, (unsigned long long)u[i].count,
		       u[i].count == 1 ? "" : "s", example);
	}
	uncarried_free(u, n);
}

/* Who holds the tree below since before the mount. */
static unsigned around(const struct target *t, const struct target_pids *pids,
		       struct holder **ret)
{
	const pid_t ours[] = {getpid(), (pid_t)pids->supervisor,
			      (pid_t)pids->worker, (pid_t)pids->sync};
	*ret = NULL;
	return pids->worker ? holders_list(t->root, HOLDERS_BELOW, ours, 4, ret)
			    : 0;
}

static json_t *around_json(const struct target *t,
			   const struct target_pids *pids)
{
	struct holder *h;
	unsigned n = around(t, pids, &h);
	json_t *list = json_array();
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:i, s:o, s:o}", "pid", (int)h[i].pid,
					"program", json_text(h[i].program),
					"holds", json_text(h[i].what)));
	free(h);
	return list;
}

static void print_around(const struct target *t, const struct target_pids *pids)
{
	struct holder *h;
	unsigned n = around(t, pids, &h);
	CLEANUP_FREE char *who = holders_text(h, n);
	free(h);
	if (n)
		printf("%u process%s may write around the mount, unseen: "
		       "restart %s\n",
		       n, n == 1 ? "" : "es", who);
}

static json_t *mounts_json(const struct target *t)
{
	struct mount_around *m;
	unsigned n = mounts_around(t->root, &m);
	json_t *list = json_array();
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(
			list, json_pack("{s:o, s:o}", "at", json_text(m[i].at),
					"shows", json_text(m[i].what)));
	mounts_around_free(m, n);
	return list;
}

static void print_mounts(const struct target *t)
{
	struct mount_around *m;
	unsigned n = mounts_around(t->root, &m);
	for (unsigned i = 0; i < n && i < HOLDER_SHOWN; i++) {
		CLEANUP_FREE char *what = text_printable(m[i].what);
		CLEANUP_FREE char *at = text_printable(m[i].at);
		printf("another mount shows %s at %s: what is written there "
		       "goes around mirrorfs\n",
		       what, at);
	}
	if (n > HOLDER_SHOWN)
		printf("and %u more mounts show something of the tree\n",
		       n - HOLDER_SHOWN);
	mounts_around_free(m, n);
}

/* print_within - what is not mirrored, as it hides the tree. */
static void print_within(const char *over, const char *inner)
{
	if (over)
		printf("mounted over it: %s: nobody gets at the tree, and what "
		       "is written there is not mirrored\n",
		       over);
	CLEANUP_FREE char *names = inner ? text_printable(inner) : NULL;
	if (names)
		printf("mounted inside, and not mirrored: %s\n", names);
}

static long long pins_of(const struct target_pids *pids)
{
	return pids->pinned ? pids->pinned - 1 : 0;
}

static void print_progress(struct journal *j, const struct replica_row *r)
{
	char text[160];
	if (progress_text(j, r->id, text, sizeof(text)))
		printf("%s: copying: %s\n", r->name, text);
}

/* What was changed while nothing was mounted, as far as it was noticed. */
static unsigned noticed(struct journal *j)
{
	unsigned n = 0;
	if (j)
		journal_stamps_noticed(j, &n);
	return n;
}

static void print_noticed(struct journal *j)
{
	unsigned n = noticed(j);
	if (n)
		printf("changed before the mount, past mirrorfs: %u file%s or "
		       "folder%s; compared with the replicas\n",
		       n, n == 1 ? "" : "s", n == 1 ? "" : "s");
}

/* served - is it mounted, and who serves it? */
static const char *served(const struct target *t,
			  const struct target_pids *pids, bool alive)
{
	if (!alive && mount_count(t->root))
		return "DEAD: its processes have ended, whoever uses it is "
		       "told \"not connected\"; \"mirrorfs mount\" mounts it "
		       "again and recovers";
	if (!alive)
		return "not mounted";
	if (pids->failed)
		return "OUT OF SERVICE: no fs worker can be started, see "
		       "mirrorfs.log, then umount and mount";
	return pids->worker ? "mounted"
			    : "mounted, but the fs worker has died: another "
			      "one is being started, see mirrorfs.log";
}

static void print_silence(const struct target_pids *p)
{
	if (p->worker_silent_s)
		printf("the fs worker has not answered for %d s: it was "
		       "stopped, or a disk hangs: see mirrorfs.log\n",
		       p->worker_silent_s);
	if (p->sync_silent_s)
		printf("the sync process has not gone on for %d s: if it does "
		       "not, another one is started\n",
		       p->sync_silent_s);
}

static void print_head(const struct target *t, const struct target_pids *pids,
		       bool alive)
{
	CLEANUP_FREE char *silence =
		pids->silent ? silence_text(t->root, t->state_dir, t->pid)
			     : NULL;
	if (silence)
		printf("%s: mounted, but %s\n"
		       "users are served as long as nothing else fails; below "
		       "is what the journal tells\n",
		       t->root, silence);
	else
		printf("%s: %s\n", t->root, served(t, pids, alive));
	print_silence(pids);
}

static int print_status(const struct target *t, struct journal *j, bool json)
{
	struct target_pids pids;
	CLEANUP_FREE char *inner = mount_all_below(t->root);
	CLEANUP_FREE char *over = mount_covered_by(t->root);
	bool alive = target_pids(t, &pids) || pids.silent;
	struct replica_row *rows = NULL;
	unsigned n = 0;
	bool readable = j && replicas_load(j, &pids, &rows, &n) == 0;
	if (j && !readable)
		fail("reading the journal: %s", journal_error(j));
	if (json) {
		json_print(
			json_pack("{s:o, s:o, s:o, s:b, s:b, s:I, s:I, s:I, "
				  "s:I, s:I, s:i, s:i, "
				  "s:o, s:b, s:I, s:s, s:o, s:o, s:o, s:o, "
				  "s:I, s:o}",
				  "name", json_text(t->name), "root",
				  json_text(t->root), "state_dir",
				  json_text(t->state_dir), "mounted", alive,
				  "answers", alive && !pids.silent,
				  "supervisor_pid", (json_int_t)pids.supervisor,
				  "worker_pid", (json_int_t)pids.worker,
				  "worker_restarts", (json_int_t)pids.restarts,
				  "sync_pid", (json_int_t)pids.sync, "last_seq",
				  (json_int_t)pids.last_seq, "worker_silent_s",
				  pids.worker_silent_s, "sync_silent_s",
				  pids.sync_silent_s, "journal",
				  health_json(t, &pids), "handles",
				  !pids.pinned, "pinned",
				  (json_int_t)pins_of(&pids), "passthrough",
				  pids.passthrough, "around",
				  around_json(t, &pids), "mounts_around",
				  mounts_json(t), "mounted_over",
				  over ? json_text(over) : json_null(),
				  "mounted_inside",
				  inner ? json_text(inner) : json_null(),
				  "noticed", (json_int_t)noticed(j), "replicas",
				  replicas_json(j, rows, n, alive)),
			true);
	} else {
		print_head(t, &pids, alive);
		if (pids.restarts)
			printf("the fs worker was replaced %lld time%s since "
			       "the mount\n",
			       pids.restarts, pids.restarts == 1 ? "" : "s");
		if (pids.worker)
			printf("passthrough: %s\n", pids.passthrough);
		CLEANUP_FREE char *health = health_text(t, &pids);
		if (alive && !pids.silent)
			printf("journal: %s\n",
			       readable || pids.journal_error
				       ? health
				       : "it cannot be read, see above");
		health_print_aside(t);
		if (alive)
			print_noticed(j);
		if (pids.pinned)
			printf("no file handles below: slower, %lld "
			       "descriptors in use; after a mount everything "
			       "is compared\n",
			       pins_of(&pids));
		print_around(t, &pids);
		print_mounts(t);
		print_within(over, alive ? inner : NULL);
		if (n)
			replicas_table(rows, n, alive);
		else if (readable)
			printf("no replicas: see mirrorfs replica add\n");
		for (unsigned i = 0; i < n; i++) {
			print_away(&rows[i], alive);
			print_progress(j, &rows[i]);
			comparison_print(j, &rows[i]);
			parked_short(j, &rows[i]);
			print_uncarried(j, &rows[i]);
		}
	}
	replica_rows_free(rows, n);
	bool well = readable && !pids.journal_error && !pids.worker_silent_s;
	return alive && pids.worker && well ? EXIT_YES : EXIT_NO;
}

static int print_all_parked(struct journal *j, bool json)
{
	struct replica_row *rows;
	unsigned n;
	if (journal_replica_list(j, &rows, &n) < 0)
		return fail("reading the journal: %s", journal_error(j));
	int r = parked_list(j, rows, n, json);
	replica_rows_free(rows, n);
	return r;
}

/* watch_page - in place, as much as has room. */
static int watch_page(const struct target *t, struct journal *j)
{
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *terminal = stdout, *page = open_memstream(&text, &size);
	if (!page)
		abort();
	stdout = page; /* for libsmartcols, too */
	print_status(t, j, false);
	stdout = terminal;
	if (fclose(page) != 0)
		abort();
	return page_draw(text);
}

/* watch - each second, until it is interrupted. It may be mounted, or get another
 * journal, meanwhile. */
static int watch(struct target *t)
{
	bool draw = terminal_can(STDOUT_FILENO);
	for (;;) {
		struct journal *j = target_journal(t, JOURNAL_READ);
		if (!draw) {
			print_status(t, j, false);
			printf("\n");
		}
		int r = draw ? watch_page(t, j) : fflush(stdout);
		journal_close(j);
		if (r != 0)
			return EXIT_NO;
		sleep(1);
		target_again(t);
	}
}

/* is_within - `path` is a place in the tree. */
static bool is_within(const struct target *t, const char *path)
{
	CLEANUP_FREE char *cwd = getcwd(NULL, 0);
	CLEANUP_FREE char *whole = path_normalise(path, cwd ? cwd : "/");
	CLEANUP_FREE char *real = realpath(path, NULL);
	return path_is_below(whole, t->root) ||
	       (real && path_is_below(real, t->root));
}

struct question {
	struct target_choice choice;
	char **roots;
	int n_roots;
	bool json, parked, again;
};

static int show(void *arg)
{
	struct question *q = arg;
	struct target t = {0};
	int used;
	int r = target_find(&q->choice, q->n_roots, q->roots, &t, &used);
	if (r == 0 && q->n_roots && !used && !is_within(&t, q->roots[0]))
		r = fail("%s: no mirrorfs mount is there, and none is known "
			 "that it lies in",
			 q->roots[0]);
	struct journal *j = r == 0 ? target_journal(&t, JOURNAL_READ) : NULL;
	if (j && q->again && !q->json)
		r = watch(&t);
	else if (j && q->parked)
		r = print_all_parked(j, q->json);
	else
		r = r == 0 && (j || t.alive) ? print_status(&t, j, q->json)
					     : EXIT_NO;
	journal_close(j);
	target_done(&t);
	return r;
}

int cmd_status(int argc, char **argv)
{
	struct question q = {.roots = argv};
	const struct option options[] = {
		{"json", NULL, OPTION_FLAG, &q.json, "as JSON"},
		{"watch", NULL, OPTION_FLAG, &q.again, "again each second"},
		{"parked", NULL, OPTION_FLAG, &q.parked,
		 "what is held back: why, what to do, when it is tried again"},
		TARGET_OPTIONS(q.choice),
		{0},
	};
	q.n_roots = options_parse("status", options, argc, argv);
	if (q.n_roots < 0)
		return options_exit(q.n_roots);
	if (q.n_roots > 1)
		return fail_usage("status: one ROOT only");
	return ask_apart(show, &q);
}
