/*
 * The thread that moves records from the ring into the database.
 *
 * wait, take, one transaction, taken, wake the sync process. What comes after
 * a pause is committed at once; what follows gathers for GATHER_NS, as a
 * transaction and a wake-up for each record would take the processors from
 * those who make the changes (docs/PERFORMANCE.md). Records stay in the
 * ring until the commit; killed at any point, the writer loses none. The first
 * batches are small: writers that are killed again and again shall get on, or
 * the ring would fill up. For the same reason nobody waits for this thread:
 * it opens the database itself, which may take as long as somebody has it
 * locked.
 *
 * When the database cannot be written, the batch is tried again each second
 * until it can; meanwhile the ring takes what comes (ring.c), and what does
 * not fit is owed as a GAP; or, by the policy journal = required, no change
 * is accepted (fs/gate.h). One that is damaged or gone, as this thread or the
 * sync process finds out, is replaced (rescue.c): everybody closes it, then
 * this thread puts a new one in its place. With the whole folder gone there is
 * nothing to make one from: then it waits for the folder, with the old one open.
 */
#include "confdefs.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "activity.h"
#include "clock.h"
#include "log.h"
#include "reserve.h"
#include "paths.h"
#include "lib/journal/db.h"
#include "lib/journal/identity.h"
#include "lib/journal/memory.h"

#define WRITER_BATCH	  4096u
#define WRITER_FIRST	  64u /* so many, then twice as many, … */
#define GATHER_NS	  (2 * NS_PER_MS)
#define PRUNE_INTERVAL_NS (60 * NS_PER_S)
#define SYNC_PATIENCE_NS  (5 * NS_PER_S) /* of users; a disk may be slow */
#define IDLE_MS		  60000 /* for pruning; records wake it */
#define STOP_TRIES	  3
#define WAL_PAGES	  2048 /* 8 MB */

struct journal_writer {
	char *state_dir;    /* constant */
	struct journal *j;  /* owned by the thread; NULL: not open */
	struct shared *s;   /* borrowed */
	int wake_fd;	    /* borrowed */
	int64_t history_ns; /* constant */
	pthread_t thread;
	atomic_bool stop;
	pthread_mutex_t lock; /* LOCK_writer: for nap and synced alone */
	pthread_cond_t nap;
	pthread_cond_t synced;	     /* sync_done has changed */
	_Atomic uint64_t sync_asked; /* LOCK_writer for writing */
	uint64_t sync_done;	     /* LOCK_writer */
	int sync_result;	     /* LOCK_writer */
	bool sync_hangs;	     /* LOCK_writer: it was waited for in vain */
	/* owned by the thread: */
	unsigned most;	  /* records in the next batch */
	int64_t prune_ns; /* not before, monotonic */
	int64_t complete_ns; /* likewise */
	uint32_t told;	     /* shared_told, when it was dealt with */
	int wal_next;	  /* pages, when to begin the WAL anew */
	bool away;	  /* `j` is open, and not in its place */
	struct record batch[WRITER_BATCH];
};

/* writer_nap - a second, or until it is to stop. */
static void writer_nap(struct journal_writer *w)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	pthread_mutex_lock(&w->lock);
	while (!w->stop &&
	       pthread_cond_timedwait(&w->nap, &w->lock, &until) == 0)
		;
	pthread_mutex_unlock(&w->lock);
	if (w->stop) /* then without a nap: a moment between the last tries */
		nanosleep(&(struct timespec){.tv_nsec = 200 * NS_PER_MS}, NULL);
}

/* writer_gather - let more come, unless somebody waits. */
static void writer_gather(struct journal_writer *w)
{
	int64_t end = clock_mono_ns() + GATHER_NS;
	struct timespec until = clock_timespec(end);
	pthread_mutex_lock(&w->lock);
	while (!w->stop && w->sync_asked == w->sync_done &&
	       pthread_cond_timedwait(&w->nap, &w->lock, &until) == 0)
		;
	pthread_mutex_unlock(&w->lock);
}

static void writer_wake(struct journal_writer *w)
{
	uint64_t one = 1;
	if (w->wake_fd >= 0 && write(w->wake_fd, &one, sizeof(one)) < 0 &&
	    errno != EAGAIN)
		log_error("cannot wake the sync process: %s", strerror(errno));
}

/* writer_mend - a new database in place of the damaged one, as soon as nobody
 * writes to that any more. */
static int writer_mend(struct journal_writer *w)
{
	CLEANUP_FREE char *text = NULL;
	journal_close(w->j);
	w->j = NULL;
	int r = journal_rescue(w->state_dir, false, &text);
	if (r < 0)
		return r == -EBUSY || r == -ENODATA ? -EUCLEAN : r;
	log_error("%s", text);
	/* who waits for the newest record, which is gone, waits for this one */
	ring_owe_gap(w->s);
	shared_journal_mended(w->s);
	return 0;
}

/* writer_find - what it has open is not where it was. With the whole folder gone
 * it stays open until that is back: then nothing was lost. */
static int writer_find(struct journal_writer *w)
{
	if (!db_moved(w->j)) {
		log_notice("the journal in %s is back", w->state_dir);
		shared_journal_mended(w->s);
		w->away = false;
		return 0;
	}
	if (identity_missing(w->state_dir))
		return -EUCLEAN;
	w->away = false;
	return writer_mend(w);
}

/* writer_ready - with a database that is whole, as far as anybody knows. */
static int writer_ready(struct journal_writer *w)
{
	int64_t since;
	int r = shared_late(w->s);
	if (r < 0)
		return r;
	if (w->j && db_moved(w->j)) {
		w->away = true;
		shared_journal_damaged(w->s);
	}
	if (shared_journal(w->s, &since) == -EUCLEAN)
		r = w->away ? writer_find(w) : writer_mend(w);
	if (r == 0 && !w->j) {
		r = journal_open(w->state_dir, JOURNAL_WRITE, &w->j);
		/* no record may come before this is said: journal = required */
		if (r == 0)
			shared_set_journal(w->s, 0);
		if (r == 0)
			journal_tell_lost(w->j, w->s);
	}
	return r;
}

/* writer_failed - it is told to all, and who waits for a sync looks. */
static void writer_failed(struct journal_writer *w, int error, bool *said)
{
	if (error == -EUCLEAN || error == -ENOENT)
		shared_journal_damaged(w->s);
	else
		shared_set_journal(w->s, error);
	if (!*said)
		log_error("the journal cannot be written: %s; changes are "
			  "kept in memory",
			  error == -EUCLEAN   ? "it is damaged or gone"
			  : shared_late(w->s) ? strerror(-error)
					      : journal_error(w->j));
	*said = true;
	pthread_mutex_lock(&w->lock);
	pthread_cond_broadcast(&w->synced);
	pthread_mutex_unlock(&w->lock);
}

/* writer_commit - until it is in the database; false: to stop, and it is not
 * there. */
static bool writer_commit(struct journal_writer *w, unsigned n)
{
	bool said = false;
	int tries = 0;
	for (;;) {
		int r = writer_ready(w);
		if (r == 0)
			r = db_append(w->j, w->batch, n);
		if (r == 0)
			break;
		writer_failed(w, r, &said);
		if (w->stop && ++tries >= STOP_TRIES)
			return false;
		writer_nap(w);
	}
	shared_set_journal(w->s, 0);
	if (said) {
		log_notice("the journal can be written again");
		journal_reserve_keep(w->state_dir, JOURNAL_RESERVE);
	}
	return true;
}

static void writer_prune(struct journal_writer *w)
{
	int64_t now = clock_mono_ns();
	if (w->history_ns == 0 || now < w->prune_ns || w->stop)
		return;
	int r = db_prune(w->j, w->history_ns);
	if (r < 0)
		log_debug("cannot prune the journal: %s", journal_error(w->j));
	int64_t pause = w->history_ns / 64; /* of a short history little */
	if (r <= 0)
		w->prune_ns =
			now +
			(pause < PRUNE_INTERVAL_NS ? pause : PRUNE_INTERVAL_NS);
}

static void writer_complete(struct journal_writer *w)
{
	int64_t now = clock_mono_ns();
	if (now < w->complete_ns || w->stop)
		return;
	w->complete_ns = now + PRUNE_INTERVAL_NS;
	if (db_complete_note(w->j) < 0)
		log_debug("cannot note what is complete: %s",
			  journal_error(w->j));
}

/* writer_checkpoint - the WAL begins anew only when nobody reads it, and with
 * many readers somebody always does: when it has grown, new readers are held
 * for the moment that the present ones need (db_restart_wal). */
static void writer_checkpoint(struct journal_writer *w)
{
	if (w->j->wal_pages < w->wal_next)
		return;
	int r = db_restart_wal(w->j);
	/* somebody reads for long: not again with each batch */
	w->wal_next = r < 0 ? w->j->wal_pages + WAL_PAGES / 4 : WAL_PAGES;
}

/* writer_sync - who asked for it before the ring was empty gets it, unless
 * what was dropped by then has not even its GAP there. */
static void writer_sync(struct journal_writer *w, uint64_t asked)
{
	if (w->sync_done == asked) /* only this thread writes it */
		return;
	int r = w->j ? db_sync(w->j) : -EIO;
	pthread_mutex_lock(&w->lock);
	w->sync_done = asked;
	w->sync_result = r;
	w->sync_hangs = false;
	pthread_cond_broadcast(&w->synced);
	pthread_mutex_unlock(&w->lock);
}

/* Users are served without it, too: it is tried again. */
static void writer_open(struct journal_writer *w)
{
	if (shared_late(w->s))
		return;
	int r = journal_open(w->state_dir, JOURNAL_WRITE, &w->j);
	if (r < 0)
		log_error("the journal cannot be opened: %s",
			  journal_error(NULL));
	else
		journal_tell_lost(w->j, w->s);
	shared_set_journal(w->s, r);
}

/* writer_told - all records of before `told` are in the database, and so none of
 * a later doubt: what is in doubt still is not dirty. */
static void writer_told(struct journal_writer *w, uint32_t told)
{
	if (told && told != w->told && told == shared_told(w->s) && w->j &&
	    db_dirty_told(w->j) == 0)
		w->told = told;
}

/* writer_turn - what the ring has by now is in the database, *ret_n records.
 * *ret_more: there is more of it already. False: to stop, and it is not. */
static bool writer_turn(struct journal_writer *w, unsigned *ret_n,
			bool *ret_more)
{
	bool overflow;
	uint64_t asked = w->sync_asked;
	uint32_t told = shared_told(w->s);
	bool owed = ring_owes_gap(w->s); /* of what was dropped before that */
	unsigned n = shared_take(w->s, w->batch, w->most, &overflow);
	if (overflow)
		log_error("the ring is full: changes were not recorded, "
			  "everything will be compared");
	bool ok = n == 0 || writer_commit(w, n);
	for (unsigned i = 0; i < n; i++)
		record_done(&w->batch[i]);
	if (!ok)
		return false;
	owed |= overflow;
	if (n > 0 || owed)
		shared_taken(w->s); /* the GAP comes into the ring */
	if (n > 0)
		writer_wake(w);
	*ret_n = n;
	*ret_more = n == w->most || owed;
	if (!*ret_more)
		writer_told(w, told);
	if (!*ret_more)
		writer_sync(w, asked);
	else if (n == w->most && n < WRITER_BATCH)
		w->most *= 2;
	return true;
}

static void *writer_loop(void *arg)
{
	struct journal_writer *w = arg;
	prctl(PR_SET_NAME, WRITER_THREAD);
	w->complete_ns = clock_mono_ns() + PRUNE_INTERVAL_NS;
	writer_open(w);
	ring_pay_gap(w->s);
	for (;;) {
		bool stop = w->stop, more;
		unsigned n;
		if (!writer_turn(w, &n, &more))
			break;
		if (n > 0) {
			writer_prune(w);
			writer_complete(w);
			writer_checkpoint(w);
			if (!more)
				writer_gather(w);
		}
		if (n > 0 || more)
			continue;
		if (stop)
			break;
		if (writer_ready(w) < 0) {
			writer_nap(w);
			continue;
		}
		writer_prune(w);
		writer_complete(w);
		shared_wait(w->s, IDLE_MS);
	}
	return NULL;
}

static int writer_start_thread(struct journal_writer *w)
{
	pthread_condattr_t a;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&w->nap, &a);
	pthread_cond_init(&w->synced, &a);
	pthread_condattr_destroy(&a);
	pthread_mutex_init(&w->lock, NULL);
	return -pthread_create(&w->thread, NULL, writer_loop, w);
}

static void writer_free(struct journal_writer *w)
{
	journal_close(w->j);
	free(w->state_dir);
	pthread_cond_destroy(&w->nap);
	pthread_cond_destroy(&w->synced);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int journal_writer_start(const char *state_dir, struct shared *s, int wake_fd,
			 int64_t history_ns, struct journal_writer **ret)
{
	struct journal_writer *w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	w->state_dir = text_copy(state_dir);
	w->s = s;
	w->most = WRITER_FIRST;
	w->told = SHARED_SURE;
	w->wake_fd = wake_fd;
	w->history_ns = history_ns;
	w->wal_next = WAL_PAGES;
	int r = writer_start_thread(w);
	if (r < 0) {
		writer_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

/* wait_synced - looks now and then whether the database works at all; and, for
 * who is impatient, whether it answers. */
static int wait_synced_locked(struct journal_writer *w, uint64_t ticket,
			      bool impatient)
{
	int64_t since, end = clock_mono_ns() + SYNC_PATIENCE_NS;
	while (w->sync_done < ticket) {
		int64_t now = clock_mono_ns();
		int r = shared_journal(w->s, &since);
		if (r < 0)
			return r;
		w->sync_hangs |= impatient && now >= end;
		if (impatient && w->sync_hangs)
			return -ETIMEDOUT;
		struct timespec until = clock_timespec(now + NS_PER_S);
		pthread_cond_timedwait(&w->synced, &w->lock, &until);
	}
	return w->sync_result;
}

static int wait_synced(struct journal_writer *w, uint64_t ticket,
		       bool impatient)
{
	pthread_mutex_lock(&w->lock);
	int r = wait_synced_locked(w, ticket, impatient);
	pthread_mutex_unlock(&w->lock);
	return r;
}

uint64_t journal_writer_sync_begin(struct journal_writer *w)
{
	pthread_mutex_lock(&w->lock);
	uint64_t ticket = ++w->sync_asked;
	pthread_cond_signal(&w->nap);
	pthread_mutex_unlock(&w->lock);
	ring_poke(w->s);
	return ticket;
}

int journal_writer_sync_end(struct journal_writer *w, uint64_t ticket)
{
	return wait_synced(w, ticket, true);
}

int journal_writer_sync(struct journal_writer *w)
{
	return wait_synced(w, journal_writer_sync_begin(w), false);
}

uint64_t journal_writer_last(const struct journal_writer *w)
{
	return shared_last_seq(w->s);
}

bool journal_writer_lost(const struct journal_writer *w)
{
	return shared_lost(w->s);
}

void journal_writer_stop(struct journal_writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->nap);
	pthread_mutex_unlock(&w->lock);
	ring_poke(w->s);
	pthread_join(w->thread, NULL);
	writer_free(w);
}

/* ---- without a thread: the supervisor after the worker's death ---- */

static int drain_ring(struct journal *j, struct shared *s, struct record *batch)
{
	int total = 0;
	for (;;) {
		bool overflow;
		unsigned n = shared_take(s, batch, WRITER_BATCH, &overflow);
		int r = db_append(j, batch, n);
		for (unsigned i = 0; i < n; i++)
			record_done(&batch[i]);
		if (r < 0)
			return r;
		total += (int)n;
		shared_taken(s);
		if (n == 0 && !overflow)
			return total;
	}
}

static int drain_intents(struct journal *j, struct shared *s)
{
	struct record left[SHARED_THREADS];
	unsigned n = shared_leftovers(s, left);
	int r = 0;
	for (unsigned i = 0; i < n; i++) {
		if (r == 0)
			r = db_follow(j, &left[i]);
		shared_append(s, &left[i]);
		record_done(&left[i]);
	}
	return r;
}

int journal_drain(struct journal *j, struct shared *s)
{
	struct record *batch = calloc(WRITER_BATCH, sizeof(*batch));
	if (!batch)
		abort();
	journal_tell_lost(j, s);
	ring_pay_gap(s);
	int r = drain_ring(j, s, batch);
	if (r >= 0) {
		int left = drain_intents(j, s);
		int more = drain_ring(j, s, batch);
		r = left < 0 ? left : more < 0 ? more : r + more;
	}
	if (r >= 0) { /* also what the worker's writer has left */
		int error = db_sync(j);
		r = error < 0 ? error : r;
	}
	free(batch);
	return r;
}
