/* Comparisons that were asked for. */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "comparison.h"
#include "paths.h"
#include "lib/journal/db.h"

#define KEPT_NS (24 * 3600 * NS_PER_S)

#define COLUMNS                                                                \
	"id, path, checksum, allowed, seq, begun_ns, ended_ns, entries, "      \
	"differed, bytes_read, error"

void comparison_done(struct comparison *c)
{
	free(c->path);
	free(c->error);
	*c = (struct comparison){0};
}

static int ask(struct journal *j, int64_t id, const struct comparison *c,
	       int64_t *ret_id)
{
	int n;
	int r = db_run(j, NULL,
		       "DELETE FROM comparison WHERE ended_ns BETWEEN 1 AND ?",
		       "l", clock_wall_ns() - KEPT_NS);
	if (r == 0)
		r = db_run(j, &n,
			   "INSERT INTO comparison(replica, path, checksum, "
			   "allowed, seq, asked_ns) SELECT id, ?2, ?3, ?4, ?5, "
			   "?6 FROM replica WHERE id = ?1 AND removed_ns = 0",
			   "ltddll", id, c->path, (int)c->checksum,
			   (int)c->allowed, c->seq, clock_wall_ns());
	if (r < 0 || n == 0)
		return r < 0 ? r : -ENOENT;
	*ret_id = sqlite3_last_insert_rowid(j->db);
	return 0;
}

int journal_comparison_ask(struct journal *j, int64_t id,
			   const struct comparison *c, int64_t *ret_id)
{
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = ask(j, id, c, ret_id);
	return journal_transaction_close(j, r);
}

static void from_row(sqlite3_stmt *st, struct comparison *ret)
{
	*ret = (struct comparison){
		.id = sqlite3_column_int64(st, 0),
		.path = text_copy(db_str(st, 1)),
		.checksum = sqlite3_column_int(st, 2),
		.allowed = sqlite3_column_int(st, 3),
		.seq = (uint64_t)sqlite3_column_int64(st, 4),
		.begun_ns = sqlite3_column_int64(st, 5),
		.ended_ns = sqlite3_column_int64(st, 6),
		.entries = (uint64_t)sqlite3_column_int64(st, 7),
		.differed = (uint64_t)sqlite3_column_int64(st, 8),
		.read = (uint64_t)sqlite3_column_int64(st, 9),
		.error = db_text(st, 10),
	};
}

int journal_comparison_next(struct journal *j, int64_t id, uint64_t cursor,
			    struct comparison *ret)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT " COLUMNS " FROM comparison "
			 "WHERE replica = ? AND ended_ns = 0 AND seq <= ? "
			 "ORDER BY id LIMIT 1",
			 "ll", id, cursor);
	if (r == 0)
		r = db_next(j, st);
	if (r > 0)
		from_row(st, ret);
	return r;
}

int journal_comparison_get(struct journal *j, int64_t comparison,
			   struct comparison *ret)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT " COLUMNS " FROM comparison WHERE id = ?", "l",
			 comparison);
	if (r == 0)
		r = db_next(j, st);
	if (r > 0)
		from_row(st, ret);
	return r < 0 ? r : r > 0 ? 0 : -ENOENT;
}

int journal_comparison_put(struct journal *j, const struct comparison *c)
{
	return db_run(j, NULL,
		      "UPDATE comparison SET begun_ns = ?, ended_ns = ?, "
		      "entries = ?, differed = ?, bytes_read = ?, error = ? "
		      "WHERE id = ?",
		      "llllltl", c->begun_ns, c->ended_ns, c->entries,
		      c->differed, c->read, c->error, c->id);
}

/* ---- of the whole tree ---- */

int journal_comparison_begin_all(struct journal *j, int64_t id, bool anew,
				 struct comparison *ret)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = !anew ? 0
		      : db_run(j, NULL,
			       "UPDATE comparison SET begun_ns = ?, "
			       "entries = 0, differed = 0, bytes_read = 0 "
			       "WHERE replica = ? AND path = '' "
			       "AND ended_ns = 0",
			       "ll", clock_wall_ns(), id);
	if (r == 0)
		r = db_query(j, &st,
			     "SELECT count(*), max(checksum), max(allowed), "
			     "max(entries), max(differed), max(bytes_read), "
			     "min(begun_ns), max(seq * allowed) FROM comparison "
			     "WHERE replica = ? AND path = '' "
			     "AND ended_ns = 0 AND begun_ns > 0",
			     "l", id);
	if (r == 0)
		r = db_next(j, st);
	if (r <= 0 || sqlite3_column_int64(st, 0) == 0)
		return r < 0 ? r : 0;
	*ret = (struct comparison){
		.checksum = sqlite3_column_int(st, 1),
		.allowed = sqlite3_column_int(st, 2),
		.entries = (uint64_t)sqlite3_column_int64(st, 3),
		.differed = (uint64_t)sqlite3_column_int64(st, 4),
		.read = (uint64_t)sqlite3_column_int64(st, 5),
		.begun_ns = sqlite3_column_int64(st, 6),
		.seq = (uint64_t)sqlite3_column_int64(st, 7),
	};
	return 1;
}

int journal_comparison_put_all(struct journal *j, int64_t id,
			       const struct comparison *c)
{
	return db_run(j, NULL,
		      "UPDATE comparison SET ended_ns = ?, entries = ?, "
		      "differed = ?, bytes_read = ?, error = ? "
		      "WHERE replica = ? AND path = '' AND ended_ns = 0 "
		      "AND begun_ns > 0",
		      "lllltl", c->ended_ns, c->entries, c->differed, c->read,
		      c->error, id);
}
