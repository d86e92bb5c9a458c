/*
 * States: CONNECTING, then COPYING (not seeded, or the replica is not what it
 * was), REPLAYING, SYNCED. Whatever goes wrong with the connection: OFFLINE,
 * and again after a pause that doubles; what only the administrator can mend:
 * REFUSED, tried again all the same, slowly.
 */
#include "confdefs.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "shared.h"
#include "sync/ahead.h"
#include "sync/durable.h"
#include "sync/engine.h"
#include "sync/filters.h"
#include "sync/probe.h"
#include "sync/replica.h"
#include "sync/second.h"
#include "sync/trust.h"

#define TIMEOUT_MS     10000
#define KEEPALIVE_MS   15000
#define PARKED_MS      1000
#define LULL_MS	       20
#define WAKES_MS       100
#define PAUSE_FIRST_MS 500
#define PAUSE_MAX_MS   30000
#define JOIN_NS	       (100 * NS_PER_MS)

struct replica {
	struct engine e;
	pthread_t thread;
	struct sync_ahead *ahead; /* the first connection, or NULL */
	_Atomic bool stop;
	bool stale;		  /* its backlog was dropped */
	bool known;		  /* a first copy to it has begun */
	enum replica_state state; /* as reported */
	char told[512];		  /* error as reported */
	bool untold;		  /* the journal could not take that */
	char retry[32];		  /* stamp of the newest one that was heard */
};

static void poke(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

static void unpoke(int fd)
{
	uint64_t n;

	(void)!read(fd, &n, sizeof(n));
}

static void report(struct replica *r, enum replica_state state,
		   const char *error)
{
	bool same = state == r->state &&
		    strcmp(error ? error : "", r->told) == 0;

	if (same && !r->untold)
		return;
	if (state != r->state && state != REPLICA_REPLAYING &&
	    !(state == REPLICA_SYNCED && r->state == REPLICA_REPLAYING))
		log_notice("%s: %s%s%s", r->e.row.name,
			   replica_state_word(state), error ? ": " : "",
			   error ? error : "");
	r->state = state;
	snprintf(r->told, sizeof(r->told), "%s", error ? error : "");
	r->untold = journal_replica_report(r->e.journal, r->e.row.id, state,
					   error) < 0;
}

/* parked_error - what the table shows while paths are held back. */
static const char *parked_error(struct engine *e)
{
	return e->n_parked ? e->parked[0].error : NULL;
}

/* ---- connecting ---- */

static struct remote_config how_to(const struct engine *e)
{
	return (struct remote_config){.url = e->row.url,
				      .identity = e->row.identity,
				      .known_hosts = e->row.known_hosts,
				      .accept_new = e->row.accept_new,
				      .timeout_ms = TIMEOUT_MS,
				      .stop_fd = e->stop_fd};
}

/* enter - the visit has begun. */
static int enter(struct replica *r, struct stage_state *state,
		 struct remote_error *err)
{
	struct engine *e = &r->e;
	const struct remote_config cfg = how_to(e);
	CLEANUP_FREE char *owners = NULL;
	struct abilities had;

	if (r->ahead) {
		e->remote = ahead_open(r->ahead, e->stop_fd, e->stage, &e->can);
		r->ahead = NULL;
		*state = (struct stage_state){0};
		return 0;
	}
	if (remote_open(&cfg, &e->remote, err) < 0) {
		e->remote = NULL;
		return -1;
	}
	bool before = journal_abilities_load(e->journal, e->row.id, &had,
					     &owners) > 0;
	return stage_check(e->remote, e->row.url, journal_uuid(e->journal),
			   e->row.adopt, r->known, state, err) < 0
		       ? -1
		       : stage_prepare(e->remote, e->row.url, false,
				       &e->partials, before ? &had : NULL,
				       e->stage, &e->can, err);
}

static int connect_remote(struct replica *r, struct stage_state *state,
			  struct remote_error *err)
{
	struct engine *e = &r->e;

	if (enter(r, state, err) < 0 ||
	    owners_open(e->row.options.owner, e->can.can[CAN_OWNER], e->remote,
			&e->owners, err) < 0)
		return -1;
	/* as it was tried: a server may list what it refuses */
	e->durable = e->row.options.durable && e->can.can[CAN_FSYNC];
	return 0;
}

static int load_cursor(struct replica *r)
{
	struct replica_row row;
	int s = journal_replica_get(r->e.journal, r->e.row.name, &row);

	if (s < 0)
		return s;
	r->e.cursor = row.cursor;
	r->e.inflight = row.inflight;
	r->e.seeded = row.seeded;
	r->stale = row.cursor && !row.seeded && !row.seeding;
	r->known = row.cursor || row.inflight || row.seeded || row.seeding;
	replica_row_done(&row);
	return 0;
}

/* give_up - more is waiting than is kept for it: compare instead. Returns 1
 * when that came to be so now, 0, or a negative errno. `least`: not below so
 * many. */
static int give_up(struct replica *r, uint64_t least)
{
	struct engine *e = &r->e;
	uint64_t n;
	int s = journal_replica_overdue(e->journal, &e->row, &n);

	if (s <= 0 || n <= least)
		return s < 0 ? s : 0;
	/* while the records are there */
	s = e->exec ? unsure_all(e, e->cursor) : unsure_moves(e);
	if (s >= 0)
		s = journal_replica_drop(e->journal, e->row.id);
	if (s < 0)
		return s;
	log_notice("%s: stale: %llu records behind: they are dropped, and "
		   "everything is compared instead",
		   e->row.name, (unsigned long long)n);
	e->seeded = false;
	r->stale = true;
	return 1;
}

static int begin(struct replica *r, const struct stage_state *state)
{
	struct engine *e = &r->e;
	int s = filters_apply(e);

	if (s == 0)
		s = engine_start(e);
	if (s < 0)
		return s;
	if (!owners_carried(e->owners))
		engine_count(e, "owner", "");
	if (e->row.options.durable && !e->durable)
		engine_count(e, "durability", "");
	bool older;
	s = stage_turn_load(e, state, &older);
	if (s < 0)
		return s;
	const char *other = trust_is_other(e, state);
	bool trusted = trust(e, state, older, other);
	e->state.vague |= trusted && e->state.suspect;
	e->state.suspect = false;
	if (e->seeded && !trusted) /* it was restored, perhaps */
		partials_drop_all(&e->partials, e->remote);
	if (trusted) {
		s = journal_abilities_put(e->journal, e->row.id, &e->can,
					  owners_asked(e->owners));
		if (s >= 0)
			s = journal_replica_taken(e->journal, &e->row);
		if (s < 0)
			return s;
		report(r, REPLICA_REPLAYING, NULL);
		s = durable_resume(e);
		return s < 0 ? s : batch_resume(e);
	}
	if (!e->refusal[0]) /* else it is as before, until it is allowed */
		report(r, REPLICA_COPYING, NULL);
	uint64_t has = e->cursor ? e->cursor : e->inflight;
	/* restored from then; or it was removed, and has been added again */
	if (state->exists && state->seq && (has == 0 || state->seq < has))
		has = state->seq;
	s = unsure_all(e, has);
	if (s == 0 && state->replica && state->replica != e->row.id)
		s = unsure_inherit(e, state->replica);
	/* not what an earlier one left */
	if (s == 0)
		s = trust_doubt(e, !state->exists || state->seq || older || other);
	if (s == 0) /* from here on it is not complete, whatever is asked */
		s = journal_replica_taken(e->journal, &e->row);
	if (s < 0)
		return s;
	/* it is ours from the first entry on; 0: not complete */
	stage_write_first(e, 0); /* beside what seed_run looks at */
	return seed_run(e);
}

/* ---- connected ---- */

static int idle(struct replica *r)
{
	struct engine *e = &r->e;
	int ms = e->lull ? LULL_MS : e->n_parked ? PARKED_MS : KEEPALIVE_MS;
	bool sending = exec_has_asides(e->exec);
	int s = sending ? exec_serve(e->exec, ms, e->wake_fd)
			: remote_pump(e->remote, ms, e->wake_fd);

	unpoke(e->wake_fd);
	if (s < 0)
		return s == -ECANCELED ? s : -ENOTCONN;
	if (s == 0 && !sending && !e->n_parked && !e->lull)
		remote_keepalive(e->remote);
	return 0;
}

/* compare - everything, while connected. */
static int compare(struct replica *r)
{
	struct engine *e = &r->e;
	int s = unsure_all(e, e->cursor);

	if (s == 0)
		s = journal_replica_drop(e->journal, e->row.id);
	e->seeded = false;
	report(r, REPLICA_COPYING, NULL);
	if (s < 0)
		return s;
	s = stage_write(e, 0);
	/* where there is no room for it, the journal has it all the same */
	if (s == -ENOTCONN || s == -ECANCELED)
		return s;
	s = seed_run(e);
	if (s == 0)
		r->stale = false;
	return s;
}

/* compare_asked - what the administrator wants compared; *ret_some: there was
 * something. */
static int compare_asked(struct replica *r, bool *ret_some)
{
	struct engine *e = &r->e;
	struct comparison c;
	int s = journal_comparison_next(e->journal, e->row.id, e->cursor, &c);

	if (s <= 0)
		return s;
	*ret_some = true;
	report(r, REPLICA_COPYING, NULL);
	s = *c.path ? seed_part(e, &c) : compare(r);
	comparison_done(&c);
	return s;
}

static int serve(struct replica *r)
{
	struct engine *e = &r->e;
	uint64_t least = UINT64_MAX;
	bool some, more;
	int s = journal_replica_overdue(e->journal, &e->row, &least);

	/* one that cannot keep up: it must have fallen behind further */
	least = s <= 0 ? 0 : least + least / 2;
	s = s < 0 ? s : 0;
	while (s == 0 && !r->stop) {
		if (durable_review(e) < 0) /* then later */
			log_debug("%s: %s", e->row.name,
				  journal_error(e->journal));
		if (e->second && !exec_uses_second(e->exec))
			second_review(e->second, e->remote);
		s = batch_run(e, &some);
		if (s == 0 && some)
			s = give_up(r, least);
		if (s == 0)
			s = batch_aside(e);
		more = false;
		if (s == 0)
			s = batch_parked(e, &more);
		if (s > 0 || s == -ESTALE)
			s = compare(r);
		if (s == 0)
			s = compare_asked(r, &some);
		if (s < 0)
			break;
		if (!e->lull)
			report(r,
			       some || !asides_empty(e->asides)
				       ? REPLICA_REPLAYING
				       : REPLICA_SYNCED,
			       parked_error(e));
		if (!more && (!some || e->lull))
			s = idle(r);
	}
	return s;
}

static bool what_it_gets(struct replica *r, struct remote_error *err)
{
	CLEANUP_FREE char *why = NULL;

	if (filters_load(&r->e, &why) == 0)
		return true;
	err->kind = REMOTE_REFUSED;
	snprintf(err->text, sizeof(err->text), "%s", why);
	return false;
}

/* run_once - one connection; returns true when it had become useful. *err
 * says why it ended. */
static bool run_once(struct replica *r, struct remote_error *err)
{
	struct engine *e = &r->e;
	struct stage_state state;
	bool useful = false;
	int s;

	*err = (struct remote_error){0};
	s = durable_back(e);
	if (s == 0)
		s = load_cursor(r);
	if (s == 0)
		s = give_up(r, 0);
	if (s >= 0 && what_it_gets(r, err) &&
	    connect_remote(r, &state, err) == 0) {
		s = begin(r, &state);
		if (s == 0) {
			useful = true;
			r->stale = false;
			s = serve(r);
		}
	}
	if (s == -ENOTCONN) {
		err->kind = REMOTE_LOST;
		snprintf(err->text, sizeof(err->text), "%s",
			 remote_why(e->remote));
	} else if (s == -ECANCELED && e->refusal[0]) {
		err->kind = REMOTE_REFUSED;
		snprintf(err->text, sizeof(err->text), "%s", e->refusal);
	} else if (s < 0 && s != -ECANCELED) {
		err->kind = REMOTE_LOST;
		const char *why = journal_error(e->journal);
		snprintf(err->text, sizeof(err->text), "journal: %s",
			 *why ? why : strerror(-s));
		if (s == -EUCLEAN)
			shared_journal_damaged(e->shared);
	}
	engine_stop(e);
	return useful;
}

/* retry_asked - did the administrator say `mirrorfs retry` since? Nobody can
 * before there is a journal. */
static bool retry_asked(struct replica *r)
{
	CLEANUP_FREE char *stamp = NULL;

	if (!r->e.journal ||
	    journal_meta_get(r->e.journal, "retry", &stamp) < 0 || !stamp ||
	    strcmp(stamp, r->retry) == 0)
		return false;
	snprintf(r->retry, sizeof(r->retry), "%s", stamp);
	return true;
}

/* rest - sleep, but wake for replica_stop and for `mirrorfs retry`. */
static void rest(struct replica *r, int ms)
{
	struct pollfd p[] = {{.fd = r->e.stop_fd, .events = POLLIN},
			     {.fd = r->e.wake_fd, .events = POLLIN}};
	unsigned jitter = (unsigned)(clock_mono_ns() / 1000) % 100;
	int64_t end =
		clock_mono_ns() + ms * (75 + jitter / 2) * NS_PER_MS / 100;

	for (int64_t left; (left = end - clock_mono_ns()) > 0;) {
		poll(p, 2, (int)(left / NS_PER_MS) + 1);
		if (p[0].revents)
			return;
		unpoke(r->e.wake_fd);
		if (retry_asked(r))
			return;
		poll(p, 1, WAKES_MS); /* records wake us, too */
	}
}

/* open_journal - until it can be; false: to stop. */
static bool open_journal(struct replica *r)
{
	int s;

	while ((s = journal_open(r->e.cfg->state_dir, JOURNAL_WRITE,
				 &r->e.journal)) < 0) {
		log_error("%s: cannot open the journal: %s", r->e.row.name,
			  journal_error(NULL));
		if (s == -EUCLEAN || s == -ENOENT)
			shared_journal_damaged(r->e.shared);
		rest(r, PAUSE_MAX_MS);
		if (r->stop)
			return false;
	}
	journal_tell_lost(r->e.journal, r->e.shared);
	return true;
}

static void *replica_main(void *arg)
{
	struct replica *r = arg;
	int pause = PAUSE_FIRST_MS;

	prctl(PR_SET_NAME, SYNC_THREAD);
	if (!open_journal(r))
		return NULL;
	const struct remote_config cfg = how_to(&r->e);
	if (r->e.row.options.parallel_above != UINT64_MAX)
		r->e.second = second_new(&cfg);
	r->state = REPLICA_STOPPED;
	report(r, REPLICA_CONNECTING, NULL);
	retry_asked(r);
	while (!r->stop) {
		struct remote_error err;
		if (run_once(r, &err))
			pause = PAUSE_FIRST_MS;
		if (r->stop)
			break;
		report(r,
		       err.kind >= REMOTE_REFUSED ? REPLICA_REFUSED
		       : r->stale		  ? REPLICA_STALE
						  : REPLICA_OFFLINE,
		       err.text[0] ? err.text : "connection lost");
		rest(r, pause);
		pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	}
	journal_close(r->e.journal);
	return NULL;
}

/* ---- from outside ---- */

static void replica_free(struct replica *r)
{
	sync_ahead_end(r->ahead);
	second_free(r->e.second);
	replica_row_done(&r->e.row);
	filters_done(&r->e);
	engine_end(&r->e);
	shared_unmap(r->e.shared);
	close(r->e.stop_fd);
	close(r->e.wake_fd);
	free(r);
}

struct replica *replica_start(const struct sync_config *cfg,
			      const struct replica_row *row,
			      struct sync_ahead *ahead)
{
	struct replica *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->ahead = ahead;
	r->e.try_cut = true; /* sync was killed, perhaps */
	r->e.cfg = cfg;
	r->e.row =
		(struct replica_row){.id = row->id,
				     .name = text_copy(row->name),
				     .url = text_copy(row->url),
				     .identity = text_copy(row->identity),
				     .known_hosts = text_copy(row->known_hosts),
				     .accept_new = row->accept_new,
				     .adopt = row->adopt};
	replica_given_add(&r->e.row.in_force, &row->in_force);
	replica_options_make(&r->e.row.options, &row->in_force);
	r->e.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->e.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->e.stop_fd >= 0 && r->e.wake_fd >= 0 &&
	    shared_map(cfg->shared_fd, &r->e.shared) == 0 &&
	    pthread_create(&r->thread, NULL, replica_main, r) == 0)
		return r;
	log_error("%s: cannot start its thread", row->name);
	replica_free(r);
	return NULL;
}

void replica_wake(struct replica *r)
{
	poke(r->e.wake_fd);
}

void replica_quit(struct replica *r)
{
	r->stop = true;
	poke(r->e.stop_fd);
	poke(r->e.wake_fd);
}

/* join - waking up now and then: who waits for a lock without end is taken for one
 * that hangs (fs/supervisor-silent.c), and the thread may be busy. */
static void join(pthread_t thread)
{
	struct timespec until;

	do {
		until = clock_timespec(clock_wall_ns() + JOIN_NS);
	} while (pthread_timedjoin_np(thread, NULL, &until) == ETIMEDOUT);
}

void replica_stop(struct replica *r)
{
	replica_quit(r);
	join(r->thread);
	replica_free(r);
}

bool replica_is(const struct replica *r, const struct replica_row *row)
{
	const struct replica_row *have = &r->e.row;

	return have->id == row->id && text_same(have->url, row->url) &&
	       text_same(have->identity, row->identity) &&
	       text_same(have->known_hosts, row->known_hosts) &&
	       have->accept_new == row->accept_new &&
	       have->adopt == row->adopt &&
	       replica_given_same(&have->in_force, &row->in_force);
}

int64_t replica_id(const struct replica *r)
{
	return r->e.row.id;
}
