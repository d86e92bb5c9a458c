/*
 * "Has all of this arrived?"
 *
 * What was being written when somebody asks belongs to what was recorded:
 * its `write` record comes later and carries the content. So the answer waits
 * until such a file has settled, and then includes that record; `since` of a
 * `write` row tells when it began.
 *
 * A file with several names may have been changed by another one than that which
 * is asked for. Which objects have it is known from the replicas' names of such
 * files, and from the records that they still lack.
 */
#include "confdefs.h"

#include <errno.h>

#include "paths.h"
#include "lib/journal/db.h"

/* is `column` this path, or below it? (the same for each statement, as ?3) */
#define AT_PATH(column) \
	"(" column " = ?3 OR " \
	"(" column " > ?3 || '/' AND " column " < ?3 || '0'))"
/* Has the row's object a name there? ?1 is what was recorded, ?2 what all have.
 * That may be much to look at: not without a path. */
#define IS_NAMED \
	"CASE WHEN ?3 IS NULL THEN 0 ELSE " \
	"obj IN (SELECT obj FROM link WHERE replica IN " \
	"(SELECT id FROM replica WHERE removed_ns = 0) AND " AT_PATH("path") \
	" UNION SELECT obj FROM record WHERE seq <= ?1 AND seq > ?2 " \
	"AND op = ?4 AND (" AT_PATH("path") " OR " AT_PATH("path2") ")) END"

/* wait_busy_at - a file at `path`, above or below that began by `seq` and goes on. */
static int wait_busy_at(struct journal *j, uint64_t seq, const char *path,
			char **ret_busy)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT path FROM dirty "
			 "WHERE seq <= ? AND gone & 1 = 0",
			 "l", seq);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		const char *p = db_str(st, 0);
		r = 0;
		if (path && !path_related(p, path))
			continue;
		if (ret_busy)
			*ret_busy = text_copy(p);
		return -EAGAIN;
	}
	return r;
}

/* wait_busy - or by another name. */
static int wait_busy(struct journal *j, uint64_t seq, uint64_t have,
		     const char *path, char **ret_busy)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = wait_busy_at(j, seq, path, ret_busy);
	if (r < 0 || !path)
		return r;
	r = db_query(j, &st,
		     "SELECT path FROM dirty "
		     "WHERE seq <= ?1 AND gone & 1 = 0 AND " IS_NAMED,
		     "lltd", seq, have, path, OP_LINK);
	r = r < 0 ? r : db_next(j, st);
	if (r > 0 && ret_busy)
		*ret_busy = text_copy(db_str(st, 0));
	return r > 0 ? -EAGAIN : r;
}

/* is_meant - is the row of a record one that concerns `path`? */
static bool is_meant(sqlite3_stmt *st, const char *path)
{
	return db_row_related(st, path) || sqlite3_column_int(st, COL_NEXT);
}

/* wait_settled - the newest record that settles what began by `seq`. */
static int wait_settled(struct journal *j, uint64_t seq, uint64_t have,
			const char *path, uint64_t *ret_target)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT " RECORD_COLUMNS ", " IS_NAMED " FROM record "
			 "WHERE seq > ?1 AND since > 0 AND since <= ?1 "
			 "ORDER BY seq", "lltd", seq, have, path, OP_LINK);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		if (is_meant(st, path))
			*ret_target = (uint64_t)sqlite3_column_int64(st,
								     COL_SEQ);
		r = 0;
	}
	return r;
}

/*
 * wait_newest - the newest record up to `seq` that concerns `path`. What all
 * replicas `have` need not be looked at; when nothing is left, that is the
 * answer.
 */
static int wait_newest(struct journal *j, uint64_t seq, uint64_t have,
		       const char *path, uint64_t *ret_target)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT " RECORD_COLUMNS ", " IS_NAMED " FROM record "
			 "WHERE seq <= ?1 AND seq > ?2 ORDER BY seq DESC",
			 "lltd", seq, have, path, OP_LINK);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		r = 0;
		if (is_meant(st, path)) {
			*ret_target = (uint64_t)sqlite3_column_int64(st,
								     COL_SEQ);
			return 0;
		}
	}
	if (r == 0)
		*ret_target = have < seq ? have : seq;
	return r;
}

static int wait_target(struct journal *j, uint64_t seq, const char *path,
		       uint64_t *ret_target, char **ret_busy)
{
	uint64_t held, have = 0, target = 0;
	int64_t least;
	int r = journal_last_seq(j, &held);
	if (r < 0)
		return r;
	if (held < seq)
		return -ENODATA;
	r = db_number(j, &least, 0,
		      "SELECT min(cursor) FROM replica "
		      "WHERE removed_ns = 0", "");
	if (r == 0) {
		have = (uint64_t)least;
		r = wait_busy(j, seq, have, path, ret_busy);
	}
	if (r == 0)
		r = wait_newest(j, seq, have, path, &target);
	if (r == 0)
		r = wait_settled(j, seq, have, path, &target);
	if (r == 0)
		*ret_target = target;
	return r;
}

int journal_wait_target(struct journal *j, uint64_t seq, const char *path,
			uint64_t *ret_target, char **ret_busy)
{
	int r = db_snapshot_begin(j);
	if (r < 0)
		return r;
	r = wait_target(j, seq, path, ret_target, ret_busy);
	db_snapshot_end(j);
	return r;
}

/* wait_parked - 1: something up to `target` that concerns `path` is parked. What
 * holds no record back was found by a comparison of what it has. */
static int wait_parked(struct journal *j, int64_t id, uint64_t target,
		       const char *path)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT path FROM parked WHERE replica = ? "
			 "AND (from_seq < max(?, 1) OR from_seq >= seq)",
			 "ll", id, target);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		const char *p = db_str(st, 0);
		if (!path || path_related(p, path))
			return 1;
		r = 0;
	}
	return r;
}

/* wait_aside - 1: something up to `target` that concerns `path`, by this name or
 * another one of its object, is still being sent, or owed. */
static int wait_aside(struct journal *j, int64_t id, uint64_t target,
		      const char *path)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT path, obj IN (SELECT obj FROM link "
			 "WHERE replica = ?1 AND " AT_PATH("path") ") "
			 "FROM aside WHERE replica = ?1 "
			 "AND from_seq < max(?2, 1)",
			 "llt", id, target, path);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		if (!path || path_related(db_str(st, 0), path) ||
		    sqlite3_column_int(st, 1))
			return 1;
		r = 0;
	}
	return r;
}

int journal_wait_done(struct journal *j, const char *replica, uint64_t target,
		      const char *path)
{
	struct replica_row row;
	int r = db_snapshot_begin(j);
	if (r < 0)
		return r;
	r = journal_replica_get(j, replica, &row);
	if (r == 0) {
		bool there = row.seeded && row.cursor >= target;
		/* another filter: it is compared when sync has seen that */
		if (there)
			r = db_replica_taken(j, &row);
		there &= r > 0;
		if (r >= 0)
			r = there ? wait_parked(j, row.id, target, path) : 1;
		if (r == 0)
			r = wait_aside(j, row.id, target, path);
		if (r >= 0)
			r = !r;
		replica_row_done(&row);
	}
	db_snapshot_end(j);
	return r;
}
