/*
 * The sync process: keeps one thread for each replica in the journal's list
 * that is not paused, and passes wake-ups on.
 */
#include "confdefs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "log.h"
#include "privileges.h"
#include "shared.h"
#include "sync.h"
#include "sync/ahead.h"
#include "sync/lower.h"
#include "sync/moves.h"
#include "sync/replica.h"

#define REPAIR_MS 100
#define LIST_MS	  1000 /* the list is read at least that often */

struct fleet {
	const struct sync_config *cfg;
	struct shared *shared;
	struct journal *journal;
	struct replica **replicas;
	unsigned n;
	struct sync_ahead *ahead; /* for the first ones */
};

/* fleet_prune - stop what is not in the list any more, or has changed. */
static void fleet_prune(struct fleet *f, const struct replica_row *rows,
			unsigned n)
{
	for (unsigned i = 0; i < f->n;) {
		bool keep = false;
		for (unsigned k = 0; k < n; k++)
			keep |= !rows[k].paused &&
				replica_is(f->replicas[i], &rows[k]);
		if (keep) {
			i++;
			continue;
		}
		replica_stop(f->replicas[i]);
		f->replicas[i] = f->replicas[--f->n];
	}
}

/* fleet_paused - it has no thread that would see that it is overdue. */
static void fleet_paused(struct fleet *f, const struct replica_row *row)
{
	const struct moves m = {.journal = f->journal,
				.replica = row->id,
				.lower_fd = f->cfg->lower_fd};
	uint64_t n;

	if (row->state != REPLICA_PAUSED)
		journal_replica_report(f->journal, row->id, REPLICA_PAUSED,
				       NULL);
	if (journal_replica_overdue(f->journal, row, &n) <= 0 ||
	    moves_note_all(&m, row->cursor ? row->cursor : row->inflight) < 0 ||
	    journal_replica_drop(f->journal, row->id) < 0)
		return;
	log_notice("%s: stale: %llu records behind: they are dropped, and "
		   "everything is compared when it is resumed",
		   row->name, (unsigned long long)n);
}

static void fleet_start(struct fleet *f, const struct replica_row *row)
{
	struct replica *r;

	for (unsigned i = 0; i < f->n; i++) {
		if (replica_id(f->replicas[i]) == row->id)
			return;
	}
	if (row->paused) {
		fleet_paused(f, row);
		return;
	}
	r = replica_start(f->cfg, row, ahead_take(&f->ahead, row));
	if (!r) {
		if (row->state != REPLICA_OFFLINE)
			journal_replica_report(f->journal, row->id,
					       REPLICA_OFFLINE,
					       "no thread or memory for it");
		return;
	}
	f->replicas =
		reallocarray(f->replicas, f->n + 1, sizeof(struct replica *));
	if (!f->replicas)
		abort();
	f->replicas[f->n++] = r;
}

static void fleet_update(struct fleet *f)
{
	struct replica_row *rows;
	unsigned n;

	int r = journal_replica_list(f->journal, &rows, &n);
	if (r == -EUCLEAN)
		shared_journal_damaged(f->shared);
	if (r < 0) {
		log_warning("reading the list of replicas: %s",
			    journal_error(f->journal));
		return;
	}
	fleet_prune(f, rows, n);
	for (unsigned i = 0; i < n; i++) {
		fleet_start(f, &rows[i]);
		replica_row_done(&rows[i]);
	}
	free(rows);
}

static bool is_damaged(struct fleet *f)
{
	int64_t since;

	return shared_journal(f->shared, &since) == -EUCLEAN;
}

/* await_repair - a damaged journal is left alone until the writer has put a
 * new one in its place. False: a signal came first. */
static bool await_repair(struct fleet *f, int signal_fd)
{
	struct pollfd p = {.fd = signal_fd, .events = POLLIN};

	while (is_damaged(f)) {
		if (poll(&p, 1, REPAIR_MS) > 0)
			return false;
	}
	return true;
}

static void fleet_run(struct fleet *f, int signal_fd)
{
	struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN},
			       {.fd = f->cfg->wake_fd, .events = POLLIN}};

	for (;;) {
		int r = poll(fds, 2, LIST_MS);
		uint64_t count;
		if (r > 0 && fds[0].revents)
			return;
		if (is_damaged(f) || journal_replaced(f->journal))
			return;
		if (r > 0 && fds[1].revents) {
			(void)!read(f->cfg->wake_fd, &count, sizeof(count));
			for (unsigned i = 0; i < f->n; i++)
				replica_wake(f->replicas[i]);
		}
		fleet_update(f);
	}
}

/* fleet_open - the journal; false after it was told why not. */
static bool fleet_open(struct fleet *f)
{
	int r = journal_open(f->cfg->state_dir, JOURNAL_WRITE, &f->journal);

	if (r == 0) {
		journal_tell_lost(f->journal, f->shared);
		return true;
	}
	if (r == -EUCLEAN || r == -ENOENT)
		shared_journal_damaged(f->shared);
	log_error("cannot open the journal in %s: %s", f->cfg->state_dir,
		  journal_error(NULL));
	return false;
}

static int fleet_serve(struct fleet *f, int signal_fd)
{
	if (!await_repair(f, signal_fd))
		return 0;
	if (!fleet_open(f))
		return 1;
	int r = privileges_drop(SYNC);
	if (r < 0)
		log_warning("cannot drop privileges: %s", strerror(-r));
	fleet_update(f);
	sync_ahead_end(f->ahead);
	f->ahead = NULL;
	fleet_run(f, signal_fd);
	for (unsigned i = 0; i < f->n; i++)
		replica_quit(f->replicas[i]);
	while (f->n)
		replica_stop(f->replicas[--f->n]);
	free(f->replicas);
	journal_close(f->journal);
	return 0;
}

int sync_main(const struct sync_config *cfg)
{
	struct fleet f = {.cfg = cfg, .ahead = cfg->ahead};
	struct rlimit files;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	int r = signal_fd < 0 ? -errno : shared_map(cfg->shared_fd, &f.shared);
	if (r < 0) {
		log_error("cannot map shared memory: %s", strerror(-r));
		return 1;
	}
	shared_want_nothing(f.shared);
	if (shared_pinned(f.shared))
		lower_without_handles();
	r = fleet_serve(&f, signal_fd);
	sync_ahead_end(f.ahead);
	shared_unmap(f.shared);
	close(signal_fd);
	return r;
}
