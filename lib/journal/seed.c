/*
 * First copies under way. The row is there from the moment at which the walk
 * begins until its end is committed with the cursor; while it is there, the
 * records after its seq are kept.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "lib/journal/db.h"
#include "memo.h"

int journal_seed_get(struct journal *j, int64_t id, struct seed *ret)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT seq, path, started_ns, updated_ns, entries, "
			 "bytes, sent, all_entries, all_bytes, there, extra, "
			 "listed, walked, allowed FROM seed "
			 "LEFT JOIN seed_guard USING(replica) "
			 "WHERE replica = ?",
			 "l", id);
	if (r == 0)
		r = db_next(j, st);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret = (struct seed){
		.seq = (uint64_t)sqlite3_column_int64(st, 0),
		.path = db_text(st, 1),
		.started_ns = sqlite3_column_int64(st, 2),
		.updated_ns = sqlite3_column_int64(st, 3),
		.entries = (uint64_t)sqlite3_column_int64(st, 4),
		.bytes = (uint64_t)sqlite3_column_int64(st, 5),
		.sent = (uint64_t)sqlite3_column_int64(st, 6),
		.all_entries = (uint64_t)sqlite3_column_int64(st, 7),
		.all_bytes = (uint64_t)sqlite3_column_int64(st, 8),
		.there = (uint64_t)sqlite3_column_int64(st, 9),
		.extra = (uint64_t)sqlite3_column_int64(st, 10),
		.listed = sqlite3_column_int(st, 11),
		.walked = sqlite3_column_int(st, 12),
		.allowed = sqlite3_column_int(st, 13),
	};
	return 0;
}

void seed_done(struct seed *s)
{
	free(s->path);
	*s = (struct seed){0};
}

static int seed_begin(struct journal *j, int64_t id, struct seed *s)
{
	uint64_t last;
	int64_t inflight;
	int r = journal_last_seq(j, &last);
	if (r == 0)
		r = db_number(j, &inflight, -1,
			      "SELECT inflight FROM replica "
			      "WHERE id = ? AND removed_ns = 0", "l", id);
	if (r < 0)
		return r;
	if (inflight < 0)
		return -ENOENT;
	if (last < (uint64_t)inflight)
		last = (uint64_t)inflight;
	*s = (struct seed){
		.seq = last, .listed = true, .started_ns = clock_wall_ns()};
	r = journal_batch_begin(j, id, last);
	return r < 0 ? r : journal_seed_put(j, id, s);
}

int journal_seed_begin(struct journal *j, int64_t id, struct seed *ret)
{
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = seed_begin(j, id, ret);
	return journal_transaction_close(j, r);
}

static int seed_put(struct journal *j, int64_t id, const struct seed *s)
{
	int r = db_run(j, NULL,
		       "INSERT OR REPLACE INTO seed(replica, seq, path, "
		       "started_ns, updated_ns, entries, bytes, sent, "
		       "all_entries, all_bytes) "
		       "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 "
		       "FROM replica WHERE id = ?1 AND removed_ns = 0",
		       "lltlllllll", id, s->seq, s->path, s->started_ns,
		       clock_wall_ns(), s->entries, s->bytes, s->sent,
		       s->all_entries, s->all_bytes);
	if (r < 0)
		return r;
	return db_run(j, NULL,
		      "INSERT INTO seed_guard(replica, there, extra, listed, "
		      "walked, allowed) VALUES(?, ?, ?, ?, ?, 0) "
		      "ON CONFLICT(replica) DO UPDATE SET "
		      "there = excluded.there, extra = excluded.extra, "
		      "listed = excluded.listed, walked = excluded.walked",
		      "llldd", id, s->there, s->extra, (int)s->listed,
		      (int)s->walked);
}

int journal_seed_put(struct journal *j, int64_t id, const struct seed *s)
{
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = seed_put(j, id, s);
	return journal_transaction_close(j, r);
}

int journal_seed_tick(struct journal *j, int64_t id, const struct seed *s)
{
	return db_run(j, NULL,
		      "UPDATE seed SET updated_ns = ?, entries = ?, bytes = ?, "
		      "sent = ? WHERE replica = ?",
		      "lllll", clock_wall_ns(), s->entries, s->bytes, s->sent,
		      id);
}

int journal_seed_end(struct journal *j, int64_t id)
{
	int r = db_run(j, NULL, "DELETE FROM seed WHERE replica = ?", "l", id);
	if (r == 0)
		r = db_run(j, NULL, "DELETE FROM seed_guard WHERE replica = ?",
			   "l", id);
	return r < 0 ? r
		     : db_run(j, NULL,
			      "DELETE FROM seed_extra WHERE replica = ?", "l",
			      id);
}

/* ---- what would be deleted ---- */

int journal_seed_extra(struct journal *j, int64_t id, const char *path)
{
	return db_run(j, NULL,
		      "INSERT OR IGNORE INTO seed_extra(replica, path) "
		      "VALUES(?, ?)",
		      "lt", id, path);
}

int journal_seed_extras(struct journal *j, int64_t id, char ***ret,
			unsigned *ret_n)
{
	DB_RESET sqlite3_stmt *st = NULL;
	char **list = NULL;
	unsigned n = 0;
	int r = db_query(j, &st,
			 "SELECT path FROM seed_extra WHERE replica = ? "
			 "ORDER BY path",
			 "l", id);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(&list, n, sizeof(*list));
		list[n++] = db_text(st, 0);
		r = 0;
	}
	*ret = list;
	*ret_n = n;
	return r;
}

int journal_seed_allow(struct journal *j, int64_t id)
{
	return db_run(j, NULL,
		      "INSERT INTO seed_guard(replica, there, extra, listed, "
		      "walked, allowed) VALUES(?, 0, 0, 0, 0, 1) "
		      "ON CONFLICT(replica) DO UPDATE SET allowed = 1",
		      "l", id);
}
