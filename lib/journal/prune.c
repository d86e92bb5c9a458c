/*
 * Forgetting. A record goes when it is older than the history and every
 * replica has it; a replica without its first copy holds what happened since
 * that began, and one that was away for too long holds nothing. The newest
 * that every replica has stays: it carries the running total that the
 * backlog is counted from, or the last seq.
 */
#include "confdefs.h"

#include "clock.h"
#include "lib/journal/db.h"

#define PRUNE_ROWS 5000	  /* more than a batch of the writer */
#define PRUNE_WHO  100000 /* rows pruned until `who` is swept */

/* prune_limit - the newest record that may go, 0 for none. One transaction is
 * to be short, so only the first PRUNE_ROWS are looked at. */
static int prune_limit(struct journal *j, int64_t before_ns, int64_t *ret_seq,
		       int *ret_rows)
{
	int64_t upto = 0;
	int rows = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT seq, time_ns FROM record WHERE seq < "
			 "(SELECT max(seq) FROM record WHERE seq <="
			 " coalesce((SELECT min(" DB_REPLICA_HOLDS ")"
			 "  FROM replica WHERE removed_ns = 0),"
			 "  9223372036854775807)) "
			 "ORDER BY seq LIMIT ?",
			 "d", PRUNE_ROWS);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		if (sqlite3_column_int64(st, 1) >= before_ns) {
			r = 0;
			break;
		}
		upto = sqlite3_column_int64(st, 0);
		rows++;
		r = 0;
	}
	if (r < 0)
		return r;
	*ret_seq = upto;
	*ret_rows = rows;
	return 0;
}

/* prune_removed - replicas of which nothing is kept any more. */
static int prune_removed(struct journal *j)
{
	static const char *const left[] = {
		"DELETE FROM stale WHERE replica NOT IN "
		"(SELECT id FROM replica)",
		"DELETE FROM forgotten WHERE replica NOT IN "
		"(SELECT id FROM replica)",
		"DELETE FROM meta WHERE key LIKE 'filter.%' AND key NOT IN "
		"(SELECT 'filter.' || id FROM replica)"};
	int n;
	int r = db_run(j, &n,
		       "DELETE FROM replica WHERE removed_ns > 0 AND "
		       "NOT EXISTS(SELECT 1 FROM delivery"
		       "           WHERE replica = replica.id)",
		       "");
	if (r < 0 || n == 0)
		return r;
	for (unsigned i = 0; r == 0 && i < sizeof(left) / sizeof(*left); i++)
		r = db_run(j, NULL, left[i], "");
	return r;
}

static int prune_upto(struct journal *j, int64_t upto)
{
	int r = db_run(j, NULL, "DELETE FROM record WHERE seq <= ?", "l",
		       upto);
	if (r == 0)
		r = db_run(j, NULL,
			   "DELETE FROM delivery WHERE to_seq <= ? "
			   "AND replica IN (SELECT id FROM replica)", "l",
			   upto);
	if (r == 0)
		r = db_run(j, NULL,
			   "DELETE FROM late WHERE to_seq <= ? "
			   "AND replica IN (SELECT id FROM replica)", "l",
			   upto);
	return r < 0 ? r : prune_removed(j);
}

/* prune_who - those that no record needs. The newest stays, so that no id is
 * ever given twice: readers remember them. */
static int prune_who(struct journal *j)
{
	db_who_forget(j);
	return db_run(j, NULL,
		      "DELETE FROM who WHERE id < (SELECT max(id) FROM who) "
		      "AND id NOT IN (SELECT who FROM record)", "");
}

int db_prune(struct journal *j, int64_t history_ns)
{
	int64_t upto;
	int rows;
	int64_t now =
		clock_trust_ns(&j->trust, clock_wall_ns(), clock_mono_ns());
	int r = prune_limit(j, now - history_ns, &upto, &rows);
	if (r < 0 || upto == 0)
		return r;
	r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = prune_upto(j, upto);
	j->pruned += (unsigned)rows;
	if (r == 0 && j->pruned >= PRUNE_WHO) {
		r = prune_who(j);
		j->pruned = 0;
	}
	r = journal_transaction_close(j, r);
	if (r < 0)
		return r;
	return rows == PRUNE_ROWS;
}
