/*
 * Replicas and their cursors.
 *
 * A replica whose url changes is another replica: it gets a row and an id of
 * its own, so that a sync thread that still serves the old url can do no harm
 * to the new one: all it calls then says -ENOENT.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "paths.h"
#include "lib/journal/db.h"
#include "memo.h"

#define REPLICA_COLUMNS                                                        \
	"id, name, url, identity, known_hosts, accept_new, adopt, paused, "    \
	"from_config, state, error, error_ns, cursor, inflight, seeded, "      \
	"(SELECT 1 FROM seed WHERE replica = replica.id)"

const char *replica_state_word(enum replica_state state)
{
	static const char *const words[] = {
		[REPLICA_CONNECTING] = "connecting",
		[REPLICA_COPYING] = "copying",
		[REPLICA_REPLAYING] = "replaying",
		[REPLICA_SYNCED] = "synced",
		[REPLICA_OFFLINE] = "offline",
		[REPLICA_REFUSED] = "refused",
		[REPLICA_PAUSED] = "paused",
		[REPLICA_STOPPED] = "stopped",
		[REPLICA_STALE] = "stale",
	};
	unsigned i = (unsigned)state;
	return i < sizeof(words) / sizeof(words[0]) ? words[i] : "?";
}

void replica_row_done(struct replica_row *row)
{
	if (!row)
		return;
	free(row->name);
	free(row->url);
	free(row->identity);
	free(row->known_hosts);
	free(row->error);
	replica_given_done(&row->given);
	replica_given_done(&row->in_force);
	replica_options_done(&row->options);
	row->name = row->url = row->identity = NULL;
	row->known_hosts = row->error = NULL;
}

static void replica_from_row(sqlite3_stmt *st, struct replica_row *row)
{
	memset(row, 0, sizeof(*row));
	row->id = sqlite3_column_int64(st, 0);
	row->name = text_copy(db_str(st, 1));
	row->url = text_copy(db_str(st, 2));
	row->identity = db_text(st, 3);
	row->known_hosts = db_text(st, 4);
	row->accept_new = sqlite3_column_int(st, 5);
	row->adopt = sqlite3_column_int(st, 6);
	row->paused = sqlite3_column_int(st, 7);
	row->from_config = sqlite3_column_int(st, 8);
	row->state = (enum replica_state)sqlite3_column_int(st, 9);
	row->error = db_text(st, 10);
	row->error_ns = sqlite3_column_int64(st, 11);
	row->cursor = (uint64_t)sqlite3_column_int64(st, 12);
	row->inflight = (uint64_t)sqlite3_column_int64(st, 13);
	row->seeded = sqlite3_column_int(st, 14);
	row->seeding = sqlite3_column_int(st, 15);
}

int journal_replica_get(struct journal *j, const char *name,
			struct replica_row *ret)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT " REPLICA_COLUMNS " FROM replica "
			 "WHERE name = ? AND removed_ns = 0", "t", name);
	if (r == 0)
		r = db_next(j, st);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	replica_from_row(st, ret);
	r = db_replica_options(j, ret);
	if (r < 0)
		replica_row_done(ret);
	return r;
}

/* ---- lag: some look-ups by seq, whatever the backlog is ---- */

#define LAG_EXACT 16 /* events do not matter among many */

/* lag_count - seq has no holes in an epoch, so the ends of each epoch are
 * enough. Some rows may be pruned or lost; none is counted below `after`. */
static int lag_count(struct journal *j, uint64_t after, uint64_t *ret)
{
	uint64_t n = 0;
	for (;;) {
		int64_t first, last;
		int r = db_number(j, &first, 0,
				  "SELECT min(seq) FROM record WHERE seq > ?",
				  "l", after);
		if (r < 0)
			return r;
		if (first == 0)
			break;
		r = db_number(j, &last, 0,
			      "SELECT max(seq) FROM record WHERE seq < ?", "l",
			      SEQ_FIRST(SEQ_EPOCH(first) + 1));
		if (r < 0)
			return r;
		if (last < first || (uint64_t)first <= after)
			return -EUCLEAN;
		n += (uint64_t)(last - first) + 1;
		after = (uint64_t)last;
	}
	*ret = n;
	return 0;
}

int db_lag_records(struct journal *j, uint64_t after, uint64_t *ret)
{
	int64_t n;
	int r = lag_count(j, after, ret);
	if (r < 0 || *ret == 0 || *ret > LAG_EXACT)
		return r;
	r = db_number(j, &n, 0,
		      "SELECT count(*) FROM record WHERE seq > ? " DB_NO_EVENTS,
		      "l", after);
	if (r == 0)
		*ret = (uint64_t)n;
	return r;
}

int db_lag_since(struct journal *j, uint64_t after, int64_t *ret_ns)
{
	return db_number(j, ret_ns, 0,
			 "SELECT time_ns FROM record WHERE seq > ? " DB_NO_EVENTS
			 "ORDER BY seq LIMIT 1",
			 "l", after);
}

int db_lag_bytes(struct journal *j, uint64_t after, uint64_t *ret)
{
	int64_t before, newest;
	int r = db_number(j, &before, 0,
			  "SELECT coalesce("
			  "(SELECT total FROM record WHERE seq <= ?1 "
			  " ORDER BY seq DESC LIMIT 1), "
			  "(SELECT max(total - size, 0) FROM record "
			  " WHERE seq > ?1 ORDER BY seq LIMIT 1))",
			  "l", after);
	if (r == 0)
		r = db_number(j, &newest, 0,
			      "SELECT total FROM record "
			      "ORDER BY seq DESC LIMIT 1",
			      "");
	if (r == 0)
		*ret = newest > before ? (uint64_t)(newest - before) : 0;
	return r;
}

/* lag_aside - files that are still being sent, or owed, behind the cursor. */
static int lag_aside(struct journal *j, struct replica_row *row)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT count(*), sum(size), min(time_ns) FROM "
			 "(SELECT obj, max(size) AS size, min(time_ns) AS "
			 "time_ns FROM aside WHERE replica = ? GROUP BY obj)",
			 "l", row->id);
	if (r == 0)
		r = db_next(j, st);
	if (r <= 0)
		return r;
	uint64_t n = (uint64_t)sqlite3_column_int64(st, 0);
	if (n == 0)
		return 0;
	row->lag_records += n;
	row->lag_bytes += (uint64_t)sqlite3_column_int64(st, 1);
	int64_t ns = clock_wall_ns() - sqlite3_column_int64(st, 2);
	if (ns > row->lag_ns)
		row->lag_ns = ns;
	return 0;
}

static int replica_lag(struct journal *j, struct replica_row *row)
{
	int64_t first_ns, parked;
	int r = db_lag_records(j, row->cursor, &row->lag_records);
	if (r == 0)
		r = db_number(j, &parked, 0,
			      "SELECT count(*) FROM parked WHERE replica = ?",
			      "l", row->id);
	if (r < 0)
		return r;
	row->parked = (uint64_t)parked;
	if (row->lag_records == 0)
		return lag_aside(j, row);
	r = db_lag_since(j, row->cursor, &first_ns);
	if (r == 0)
		r = db_lag_bytes(j, row->cursor, &row->lag_bytes);
	if (r < 0)
		return r;
	row->lag_ns = clock_wall_ns() - first_ns;
	if (row->lag_ns < 0) /* the clock was set back */
		row->lag_ns = 0;
	return lag_aside(j, row);
}

/* replica_more - what is not in its row. */
static int replica_more(struct journal *j, struct replica_row *row)
{
	int r = db_replica_options(j, row);
	return r < 0 ? r : replica_lag(j, row);
}

static int replica_rows(struct journal *j, struct replica_row **list,
			unsigned *n)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT " REPLICA_COLUMNS " FROM replica "
			 "WHERE removed_ns = 0 ORDER BY name", "");
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(list, *n, sizeof(**list));
		replica_from_row(st, &(*list)[(*n)++]);
		r = 0;
	}
	return r;
}

int journal_replica_list(struct journal *j, struct replica_row **ret,
			 unsigned *ret_n)
{
	struct replica_row *list = NULL;
	unsigned n = 0;
	int r = db_snapshot_begin(j);
	if (r < 0)
		return r;
	r = replica_rows(j, &list, &n);
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = replica_more(j, &list[i]);
	db_snapshot_end(j);
	if (r < 0) {
		for (unsigned i = 0; i < n; i++)
			replica_row_done(&list[i]);
		free(list);
		return r;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* ---- changing ---- */

/* replica_forget - all but its row, its deliveries and what tells that it is older
 * than its number: for who adds it again, as long as prune.c leaves its row. */
static int replica_forget(struct journal *j, int64_t id)
{
	int r = db_run(j, NULL, "DELETE FROM parked WHERE replica = ?", "l",
		       id);
	if (r == 0)
		r = db_run(j, NULL,
			   "DELETE FROM parked_cause WHERE replica = ?", "l",
			   id);
	if (r == 0)
		r = db_left_forget(j, id);
	if (r == 0)
		r = db_run(j, NULL,
			   "DELETE FROM replica_ability WHERE replica = ?",
			   "l", id);
	if (r == 0)
		r = db_run(j, NULL,
			   "DELETE FROM late WHERE replica = ? AND "
			   "parked_as IS NOT NULL", "l", id);
	if (r == 0)
		r = db_run(j, NULL, "DELETE FROM link WHERE replica = ?", "l",
			   id);
	if (r == 0)
		r = db_run(j, NULL, "DELETE FROM fence WHERE replica = ?", "l",
			   id);
	if (r == 0)
		r = journal_absent_clear(j, id);
	if (r == 0)
		r = journal_aside_clear(j, id);
	if (r == 0)
		r = db_replica_options_put(j, id, NULL);
	if (r == 0)
		r = journal_unsafe_clear(j, id);
	if (r == 0)
		r = journal_seed_end(j, id);
	if (r == 0)
		r = db_run(j, NULL, "DELETE FROM comparison WHERE replica = ?",
			   "l", id);
	if (r == 0)
		r = db_run(j, NULL, "DELETE FROM uncarried WHERE replica = ?",
			   "l", id);
	if (r == 0)
		r = db_run(j, NULL,
			   "DELETE FROM meta WHERE key = 'taken.' || ?", "l",
			   id);
	if (r == 0)
		r = db_run(j, NULL,
			   "UPDATE replica SET removed_ns = ? WHERE id = ?",
			   "ll", clock_wall_ns(), id);
	return r;
}

static int replica_insert(struct journal *j, struct replica_row *row)
{
	int r = db_run(j, NULL,
		       "INSERT INTO replica(name, url, identity, known_hosts, "
		       "accept_new, adopt, paused, from_config) "
		       "VALUES(?, ?, ?, ?, ?, ?, ?, ?)", "ttttdddd", row->name,
		       row->url, row->identity, row->known_hosts,
		       (int)row->accept_new, (int)row->adopt,
		       (int)row->paused, (int)row->from_config);
	if (r < 0)
		return r;
	row->id = sqlite3_last_insert_rowid(j->db);
	return db_replica_options_put(j, row->id, &row->given);
}

static int replica_put(struct journal *j, struct replica_row *row)
{
	struct replica_row old;
	int r = journal_replica_get(j, row->name, &old);
	if (r == -ENOENT)
		return replica_insert(j, row);
	if (r < 0)
		return r;
	int64_t id = old.id;
	bool same_url = strcmp(old.url, row->url) == 0;
	replica_row_done(&old);
	if (!same_url) {
		r = replica_forget(j, id);
		return r < 0 ? r : replica_insert(j, row);
	}
	row->id = id;
	r = db_replica_options_put(j, id, &row->given);
	return r < 0 ? r
		     : db_run(j, NULL,
			      "UPDATE replica SET identity = ?, known_hosts = "
			      "?, "
			      "accept_new = ?, adopt = ?, from_config = ? "
			      "WHERE id = ?",
			      "ttdddl", row->identity, row->known_hosts,
			      (int)row->accept_new, (int)row->adopt,
			      (int)row->from_config, id);
}

/* replica_end - the end of what began with journal_transaction_begin; `r` if all
 * went well. */
static int replica_end(struct journal *j, int r)
{
	int closed = journal_transaction_close(j, r);
	return closed < 0 ? closed : r;
}

int journal_replica_put(struct journal *j, struct replica_row *row)
{
	int r = journal_transaction_begin(j);
	j->identity = true;
	return r < 0 ? r : replica_end(j, replica_put(j, row));
}

static int replica_remove(struct journal *j, const char *name)
{
	int64_t id;
	int r = db_number(j, &id, 0,
			  "SELECT id FROM replica "
			  "WHERE name = ? AND removed_ns = 0", "t", name);
	if (r < 0)
		return r;
	return id ? replica_forget(j, id) : -ENOENT;
}

int journal_replica_remove(struct journal *j, const char *name)
{
	int r = journal_transaction_begin(j);
	j->identity = true;
	return r < 0 ? r : replica_end(j, replica_remove(j, name));
}

static int replica_pause(struct journal *j, const char *name, bool paused)
{
	int n;
	int r = db_run(j, &n,
		       "UPDATE replica SET paused = ?1, state = "
		       "CASE WHEN ?1 THEN ?2 ELSE state END "
		       "WHERE name = ?3 AND removed_ns = 0", "ddt", (int)paused,
		       (int)REPLICA_STOPPED, name);
	return r < 0 ? r : n ? 0 : -ENOENT;
}

int journal_replica_pause(struct journal *j, const char *name, bool paused)
{
	int r = journal_transaction_begin(j);
	j->identity = true;
	return r < 0 ? r : replica_end(j, replica_pause(j, name, paused));
}

int journal_replica_report(struct journal *j, int64_t id,
			   enum replica_state state, const char *error)
{
	int n;
	int r = db_run(j, &n,
		       "UPDATE replica SET state = ?1, error = ?2, error_ns ="
		       " CASE WHEN ?1 = ?5 THEN error_ns"
		       " WHEN ?2 IS NULL THEN 0"
		       " WHEN error_ns > 0 AND state IN (?1, ?5) THEN error_ns"
		       " ELSE ?3 END "
		       "WHERE id = ?4 AND removed_ns = 0", "dtlld", (int)state,
		       error, clock_wall_ns(), id, REPLICA_CONNECTING);
	return r < 0 ? r : n ? 0 : -ENOENT;
}

/* ---- the cursor ---- */

int journal_batch_begin(struct journal *j, int64_t id, uint64_t inflight)
{
	int n;
	int r = db_run(j, &n,
		       "UPDATE replica SET inflight = ? "
		       "WHERE id = ? AND removed_ns = 0", "ll", inflight, id);
	return r < 0 ? r : n ? 0 : -ENOENT;
}

static int batch_end(struct journal *j, int64_t id, uint64_t cursor,
		     bool seeded)
{
	int64_t old, had;
	int r = db_number(j, &old, -1,
			  "SELECT cursor FROM replica "
			  "WHERE id = ? AND removed_ns = 0", "l", id);
	if (r == 0)
		r = db_number(j, &had, 1,
			      "SELECT seeded FROM replica WHERE id = ?", "l",
			      id);
	if (r < 0)
		return r;
	if (old < 0)
		return -ENOENT;
	if (seeded && !had)
		r = db_left_put(j, id);
	if (r < 0)
		return r;
	r = db_run(j, NULL,
		   "UPDATE replica SET cursor = ?1, inflight = ?1, seeded = ?2 "
		   "WHERE id = ?3", "ldl", cursor, (int)seeded, id);
	if (r < 0 || cursor <= (uint64_t)old)
		return r;
	return db_run(j, NULL,
		      "INSERT OR IGNORE INTO delivery"
		      "(replica, to_seq, from_seq, time_ns) "
		      "VALUES(?, ?, ?, ?)", "llll", id, cursor, old,
		      clock_wall_ns());
}

int journal_batch_end(struct journal *j, int64_t id, uint64_t cursor,
		      bool seeded)
{
	int r = journal_transaction_begin(j);
	return r < 0 ? r : replica_end(j, batch_end(j, id, cursor, seeded));
}
