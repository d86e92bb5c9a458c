/*
 * The end of patience: more is waiting for a replica than is kept for it, so
 * what it misses is forgotten, and everything is compared when it returns.
 *
 * One thing is not forgotten, as size and time do not tell it: since when
 * contents may be others than those that the replica has. That is the time of
 * the oldest record that it misses, or what the records behind that say of
 * doubtful contents. It is noted in the transaction that lets the records go,
 * and stays until the comparison is complete.
 */
#include "confdefs.h"

#include <errno.h>

#include "clock.h"
#include "lib/journal/db.h"
#include "memo.h"

#define STAMPS 100000

/*
 * missing_since - of the first record that it misses: no earlier than the
 * latest that those before it say, as a clock that was set back for a while
 * makes nobody impatient either. Looks at STAMPS of them.
 */
static int missing_since(struct journal *j, uint64_t after, int64_t *ret_ns)
{
	return db_number(j, ret_ns, 0,
			 "SELECT max(time_ns) FROM (SELECT time_ns FROM record "
			 "WHERE seq <= (SELECT seq FROM record "
			 "WHERE seq > ? " DB_NO_EVENTS "ORDER BY seq LIMIT 1) "
			 "ORDER BY seq DESC LIMIT ?)",
			 "ll", after, (int64_t)STAMPS);
}

int journal_replica_overdue(struct journal *j, const struct replica_row *row,
			    uint64_t *ret_records)
{
	const struct replica_options *o = &row->options;
	int64_t after, first_ns;
	/* a clock that jumps forward for a while makes nobody impatient */
	int64_t now_ns =
		clock_trust_ns(&j->trust, clock_wall_ns(), clock_mono_ns());
	uint64_t bytes = 0;
	int r = db_number(j, &after, -1,
			  "SELECT " DB_REPLICA_HOLDS " FROM replica "
			  "WHERE id = ?",
			  "l", row->id);
	if (r < 0 || after < 0) /* it holds nothing */
		return r;
	r = db_lag_records(j, (uint64_t)after, ret_records);
	if (r < 0 || *ret_records == 0)
		return r;
	r = db_lag_since(j, (uint64_t)after, &first_ns);
	if (r == 0 && o->max_backlog_bytes != UINT64_MAX)
		r = db_lag_bytes(j, (uint64_t)after, &bytes);
	if (r == 0 && o->max_away && now_ns - first_ns > o->max_away)
		r = missing_since(j, (uint64_t)after, &first_ns);
	if (r < 0)
		return r;
	return *ret_records > o->max_backlog || bytes > o->max_backlog_bytes ||
	       (o->max_away && now_ns - first_ns > o->max_away);
}

int journal_changed_since(struct journal *j, uint64_t after, int64_t *ret_ns)
{
	int64_t ns;
	int r = db_number(j, &ns, INT64_MAX,
			  "SELECT min(time_ns) FROM record WHERE seq > ? "
			  DB_NO_EVENTS, "l", after);
	if (r == 0)
		*ret_ns = ns == INT64_MAX ? ns : ns - CTIME_SLACK_NS;
	return r;
}

/* forgotten_put - an earlier moment stays. */
static int forgotten_put(struct journal *j, int64_t id, int64_t since_ns)
{
	return db_run(j, NULL,
		      "INSERT INTO forgotten(replica, since_ns) VALUES(?, ?) "
		      "ON CONFLICT(replica) DO UPDATE SET "
		      "since_ns = min(since_ns, excluded.since_ns)",
		      "ll", id, since_ns);
}

int journal_doubts_since(struct journal *j, uint64_t after, int64_t *ret_ns)
{
	return db_number(j, ret_ns, INT64_MAX,
			 "SELECT coalesce(min(size), 9223372036854775807) "
			 "FROM record WHERE seq > ? AND op IN (?, ?) AND "
			 "flags & ? <> 0 AND NOT (op = ? AND flags & ? <> 0)",
			 "lddddd", after, OP_UNSURE, OP_GAP,
			 RF_OBJECT | RF_CONTENT, OP_UNSURE, RF_CONTENT);
}

/* files_doubted - those of which an UNSURE says that their content is not
 * known, whatever their ctime is. */
static int files_doubted(struct journal *j, int64_t id, int64_t after)
{
	return db_run(j, NULL,
		      "INSERT OR IGNORE INTO stale(replica, obj) "
		      "SELECT ?, obj FROM record WHERE seq > ? AND op = ? AND "
		      "flags & ? <> 0 AND obj IS NOT NULL",
		      "lldd", id, after, OP_UNSURE, RF_CONTENT);
}

static int replica_forget_missed(struct journal *j, int64_t id)
{
	int64_t after, first_ns = 0, doubts_ns;
	int r = db_number(j, &after, 0,
			  "SELECT CASE WHEN cursor > 0 THEN cursor "
			  "ELSE inflight END FROM replica WHERE id = ?",
			  "l", id);
	if (r < 0 || after == 0) /* it has nothing */
		return r;
	r = journal_changed_since(j, (uint64_t)after, &first_ns);
	if (r == 0)
		r = journal_doubts_since(j, (uint64_t)after, &doubts_ns);
	if (r == 0)
		r = files_doubted(j, id, after);
	if (r < 0)
		return r;
	if (doubts_ns < first_ns)
		first_ns = doubts_ns;
	return first_ns == INT64_MAX ? 0 : forgotten_put(j, id, first_ns);
}

static int replica_drop(struct journal *j, int64_t id)
{
	int r = replica_forget_missed(j, id);
	if (r == 0)
		r = db_run(j, NULL,
			   "UPDATE replica SET seeded = 0 WHERE id = ?", "l",
			   id);
	return r < 0 ? r : journal_seed_end(j, id);
}

int journal_replica_drop(struct journal *j, int64_t id)
{
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = replica_drop(j, id);
	return journal_transaction_close(j, r);
}

int journal_replica_doubt(struct journal *j, int64_t id, uint64_t since_ns)
{
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	if (since_ns <= INT64_MAX)
		r = forgotten_put(j, id, (int64_t)since_ns);
	if (r == 0)
		r = db_run(j, NULL,
			   "UPDATE replica SET seeded = 0 WHERE id = ?", "l",
			   id);
	return journal_transaction_close(j, r);
}

int journal_forgotten_since(struct journal *j, int64_t id, uint64_t *ret_ns)
{
	int64_t ns;
	int r = db_number(j, &ns, INT64_MAX,
			  "SELECT max(since_ns, 0) FROM forgotten "
			  "WHERE replica = ?",
			  "l", id);
	if (r == 0)
		*ret_ns = ns == INT64_MAX ? UINT64_MAX : (uint64_t)ns;
	return r;
}

/* ---- what a comparison has left out ---- */

int db_left_put(struct journal *j, int64_t id)
{
	int r = db_run(j, NULL,
		       "INSERT INTO meta(key, value) "
		       "SELECT 'left.' || replica, CAST(since_ns AS TEXT) "
		       "FROM forgotten WHERE replica = ?1 AND "
		       "EXISTS(SELECT 1 FROM parked WHERE replica = ?1) "
		       "ON CONFLICT(key) DO UPDATE SET value = CAST(min("
		       "CAST(value AS INTEGER), CAST(excluded.value AS INTEGER)"
		       ") AS TEXT)",
		       "l", id);
	return r < 0 ? r
		     : db_run(j, NULL,
			      "DELETE FROM forgotten WHERE replica = ?", "l",
			      id);
}

int db_left_clear(struct journal *j, int64_t id)
{
	return db_run(j, NULL,
		      "DELETE FROM meta WHERE key = 'left.' || ?1 AND NOT "
		      "EXISTS(SELECT 1 FROM parked WHERE replica = ?1)",
		      "l", id);
}

int journal_left_since(struct journal *j, int64_t id, int64_t *ret_ns)
{
	return db_number(j, ret_ns, INT64_MAX,
			 "SELECT max(CAST(value AS INTEGER), 0) FROM meta "
			 "WHERE key = 'left.' || ?",
			 "l", id);
}

int db_left_forget(struct journal *j, int64_t id)
{
	int64_t ns;
	int r = journal_left_since(j, id, &ns);
	if (r == 0 && ns != INT64_MAX)
		r = forgotten_put(j, id, ns);
	return r < 0 ? r : db_left_clear(j, id);
}
