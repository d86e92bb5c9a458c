/*
 * What a replica remembers besides its cursor: names of multi-linked objects,
 * fences, parked paths, and what could not be carried. Nothing is added for a
 * replica that was removed: -ENOENT.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "paths.h"
#include "lib/journal/db.h"
#include "memo.h"

/* for the end of an INSERT … SELECT: replica ?1 is in use */
#define IF_REPLICA                                                             \
	"WHERE EXISTS(SELECT 1 FROM replica WHERE id = ?1 AND removed_ns = 0) "

static int found(int r, int n)
{
	return r < 0 ? r : n ? 0 : -ENOENT;
}

/* ---- links ---- */

int journal_links_load(struct journal *j, int64_t id, struct link_name **ret,
		       unsigned *ret_n)
{
	struct link_name *list = NULL;
	unsigned n = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT obj, path FROM link WHERE replica = ?", "l",
			 id);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(&list, n, sizeof(*list));
		r = db_handle(st, 0, &list[n].obj);
		list[n++].path = text_copy(db_str(st, 1));
	}
	if (r < 0) {
		links_free(list, n);
		return r;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int journal_link_add(struct journal *j, int64_t id, const struct fhandle *obj,
		     const char *path)
{
	uint8_t bytes[DB_HANDLE_MAX];
	size_t len = db_handle_bytes(obj, bytes);
	int n = 0;
	int r = db_run(j, &n,
		       "INSERT INTO link(replica, path, obj) "
		       "SELECT ?1, ?2, ?3 " IF_REPLICA
		       "ON CONFLICT(replica, path) DO "
		       "UPDATE SET obj = excluded.obj", "ltb", id, path, bytes,
		       len);
	return found(r, n);
}

int journal_link_del(struct journal *j, int64_t id, const char *path)
{
	return db_run(j, NULL,
		      "DELETE FROM link WHERE replica = ? AND path = ?", "lt",
		      id, path);
}

int journal_links_clear(struct journal *j, int64_t id)
{
	return db_run(j, NULL, "DELETE FROM link WHERE replica = ?", "l", id);
}

void links_free(struct link_name *links, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(links[i].path);
	free(links);
}

/* ---- stale objects ---- */

int journal_stale_load(struct journal *j, int64_t id, struct fhandle **ret,
		       unsigned *ret_n)
{
	struct fhandle *list = NULL;
	unsigned n = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st, "SELECT obj FROM stale WHERE replica = ?",
			 "l", id);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(&list, n, sizeof(*list));
		r = db_handle(st, 0, &list[n++]);
	}
	if (r < 0) {
		free(list);
		return r;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int journal_stale_add(struct journal *j, int64_t id, const struct fhandle *obj)
{
	uint8_t bytes[DB_HANDLE_MAX];
	size_t len = db_handle_bytes(obj, bytes);
	int n = 0;
	int r = db_run(j, &n,
		       "INSERT OR IGNORE INTO stale(replica, obj) "
		       "SELECT ?1, ?2 " IF_REPLICA, "lb", id, bytes, len);
	return found(r, n);
}

int journal_stale_del(struct journal *j, int64_t id, const struct fhandle *obj)
{
	uint8_t bytes[DB_HANDLE_MAX];
	return db_run(j, NULL,
		      "DELETE FROM stale WHERE replica = ? AND obj = ?", "lb",
		      id, bytes, db_handle_bytes(obj, bytes));
}

/* ---- absent objects ---- */

int journal_absent_load(struct journal *j, int64_t id, struct absent_row **ret,
			unsigned *ret_n)
{
	struct absent_row *list = NULL;
	unsigned n = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(
		j, &st,
		"SELECT obj, shadow, linked FROM absent WHERE replica = ?", "l",
		id);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(&list, n, sizeof(*list));
		struct absent_row *row = &list[n++];
		r = db_handle(st, 0, &row->obj);
		row->shadow = sqlite3_column_int(st, 1);
		row->linked = sqlite3_column_int(st, 2);
	}
	if (r < 0) {
		free(list);
		return r;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int journal_absent_put(struct journal *j, int64_t id,
		       const struct absent_row *row)
{
	uint8_t bytes[DB_HANDLE_MAX];
	size_t len = db_handle_bytes(&row->obj, bytes);
	int n = 0;
	int r = db_run(j, &n,
		       "INSERT OR REPLACE INTO absent(replica, obj, shadow, "
		       "linked) SELECT ?1, ?2, ?3, ?4 " IF_REPLICA,
		       "lbdd", id, bytes, len, (int)row->shadow,
		       (int)row->linked);
	return found(r, n);
}

int journal_absent_del(struct journal *j, int64_t id,
		       const struct fhandle *obj)
{
	uint8_t bytes[DB_HANDLE_MAX];
	size_t len = db_handle_bytes(obj, bytes);
	return db_run(j, NULL,
		      "DELETE FROM absent WHERE replica = ? AND obj = ?", "lb",
		      id, bytes, len);
}

int journal_absent_clear(struct journal *j, int64_t id)
{
	return db_run(j, NULL, "DELETE FROM absent WHERE replica = ?", "l", id);
}

/* ---- fences ---- */

int journal_fences_load(struct journal *j, int64_t id, struct fence **ret,
			unsigned *ret_n)
{
	struct fence *list = NULL;
	unsigned n = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT path, seq FROM fence WHERE replica = ?", "l",
			 id);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(&list, n, sizeof(*list));
		list[n].path = text_copy(db_str(st, 0));
		list[n++].seq = (uint64_t)sqlite3_column_int64(st, 1);
		r = 0;
	}
	if (r < 0) {
		fences_free(list, n);
		return r;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int journal_fence_put(struct journal *j, int64_t id, const char *path,
		      uint64_t seq)
{
	int n = 0;
	int r = db_run(j, &n,
		       "INSERT INTO fence(replica, path, seq) "
		       "SELECT ?1, ?2, ?3 " IF_REPLICA
		       "ON CONFLICT(replica, path) DO "
		       "UPDATE SET seq = max(seq, excluded.seq)", "ltl", id,
		       path, seq);
	return found(r, n);
}

int journal_fences_drop(struct journal *j, int64_t id, uint64_t upto)
{
	return db_run(j, NULL,
		      "DELETE FROM fence WHERE replica = ? AND seq <= ?", "ll",
		      id, upto);
}

void fences_free(struct fence *fences, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(fences[i].path);
	free(fences);
}

/* ---- parked ---- */

int journal_parked_load(struct journal *j, int64_t id, struct parked **ret,
			unsigned *ret_n)
{
	struct parked *list = NULL;
	unsigned n = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT path, seq, error, tries, first_ns, next_ns, "
			 " cause FROM parked LEFT JOIN parked_cause "
			 " USING(replica, path) WHERE replica = ?", "l", id);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(&list, n, sizeof(*list));
		list[n++] = (struct parked){
			.path = text_copy(db_str(st, 0)),
			.seq = (uint64_t)sqlite3_column_int64(st, 1),
			.error = db_text(st, 2),
			.tries = (unsigned)sqlite3_column_int(st, 3),
			.first_ns = sqlite3_column_int64(st, 4),
			.next_ns = sqlite3_column_int64(st, 5),
			.cause = cause_from_word(
				(const char *)sqlite3_column_text(st, 6)),
		};
		r = 0;
	}
	if (r < 0) {
		parked_free(list, n);
		return r;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* A path is first parked by the batch behind the cursor, so what it holds
 * back begins there; or where it began for a file that was aside. Where a
 * comparison of everything has found it, all that was told of it may be what is
 * not there: then seq is where it begins (see wait.c), as long as it is parked. */
static int parked_put(struct journal *j, int64_t id, const struct parked *p)
{
	int n = 0;
	int r = db_run(j, &n,
		       "INSERT INTO parked(replica, path, from_seq, seq, "
		       " error, tries, first_ns, next_ns) "
		       "SELECT ?1, ?2, began, "
		       " CASE WHEN seeded THEN ?3 ELSE began END, "
		       " ?4, ?5, ?6, ?7 FROM ("
		       "  SELECT seeded, ifnull((SELECT min(from_seq) FROM aside"
		       "   WHERE replica = ?1 AND (?2 IN ('', path) OR "
		       "   substr(path, 1, length(?2) + 1) = ?2 || '/')), "
		       "   cursor) AS began FROM replica "
		       "  WHERE id = ?1 AND removed_ns = 0) WHERE true "
		       "ON CONFLICT(replica, path) DO UPDATE SET "
		       " seq = CASE WHEN from_seq >= seq THEN from_seq"
		       "  ELSE max(seq, excluded.seq) END,"
		       " error = excluded.error,"
		       " tries = excluded.tries, next_ns = excluded.next_ns",
		       "ltltdll", id, p->path, p->seq, p->error, (int)p->tries,
		       p->first_ns, p->next_ns);
	if (r == 0 && n)
		r = db_run(j, NULL,
			   "INSERT OR REPLACE INTO parked_cause"
			   "(replica, path, cause) VALUES(?, ?, ?)",
			   "ltt", id, p->path, cause_word(p->cause));
	return found(r, n);
}

int journal_parked_put(struct journal *j, int64_t id, const struct parked *p)
{
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = parked_put(j, id, p);
	return journal_transaction_close(j, r);
}

int journal_parked_since(struct journal *j, int64_t id, const char *path,
			 uint64_t *seq)
{
	int64_t from;
	int r = db_number(j, &from, (int64_t)*seq,
			  "SELECT min(from_seq) FROM parked WHERE replica = ?1 "
			  "AND (path IN ('', ?2) OR "
			  "substr(?2, 1, length(path) + 1) = path || '/')",
			  "lt", id, path);

	if (r == 0 && (uint64_t)from < *seq)
		*seq = (uint64_t)from;
	return r;
}

int journal_parked_due(struct journal *j, int64_t id, const char *path)
{
	return db_run(j, NULL,
		      "UPDATE parked SET next_ns = 0 "
		      "WHERE replica = ? AND path = ?", "lt", id, path);
}

int journal_parked_asked(struct journal *j, int64_t id)
{
	int64_t n;
	int r = db_number(j, &n, 0,
			  "SELECT EXISTS(SELECT 1 FROM parked "
			  "WHERE replica = ? AND next_ns = 0)", "l", id);
	return r < 0 ? r : (int)n;
}

/* parked_leave - `path` is not parked any more: note it in `late`, as arrived
 * at `time_ns`, or as parked under another path (then time_ns is 0). */
static int parked_leave(struct journal *j, int64_t id, const char *path,
			int64_t time_ns, const char *parked_as)
{
	int r = db_run(j, NULL,
		       "UPDATE late SET time_ns = ?3, parked_as = ?4 "
		       "WHERE replica = ?1 AND parked_as = ?2", "ltlt", id,
		       path, time_ns, parked_as);
	if (r == 0)
		r = db_run(j, NULL,
			   "INSERT INTO late"
			   "(replica, to_seq, path, from_seq, time_ns,"
			   " parked_as) "
			   "SELECT replica, max(seq, (SELECT cursor FROM "
			   " replica WHERE id = ?1)), path, from_seq, ?3, ?4 "
			   "FROM parked WHERE replica = ?1 AND path = ?2 "
			   "ON CONFLICT DO UPDATE SET from_seq ="
			   " excluded.from_seq, time_ns = excluded.time_ns,"
			   " parked_as = excluded.parked_as "
			   "WHERE late.parked_as IS NULL",
			   "ltlt", id, path, time_ns, parked_as);
	if (r == 0)
		r = db_run(j, NULL,
			   "DELETE FROM parked WHERE replica = ? AND path = ?",
			   "lt", id, path);
	if (r == 0)
		r = db_run(j, NULL,
			   "DELETE FROM parked_cause "
			   "WHERE replica = ? AND path = ?",
			   "lt", id, path);
	return r;
}

static int parked_move(struct journal *j, int64_t id, const char *from,
		       const char *to)
{
	int r = db_run(j, NULL,
		       "INSERT OR IGNORE INTO parked_cause(replica, path, "
		       " cause) SELECT replica, ?3, cause FROM parked_cause "
		       "WHERE replica = ?1 AND path = ?2", "ltt", id, from, to);
	if (r < 0)
		return r;
	r = db_run(j, NULL,
		       "INSERT INTO parked(replica, path, from_seq, seq, "
		       " error, tries, first_ns, next_ns) "
		       "SELECT replica, ?3, from_seq, seq, error, tries,"
		       " first_ns, next_ns FROM parked "
		       "WHERE replica = ?1 AND path = ?2 "
		       "ON CONFLICT(replica, path) DO UPDATE SET "
		       " seq = CASE WHEN from_seq >= seq OR"
		       "  excluded.from_seq >= excluded.seq THEN"
		       "  min(from_seq, excluded.from_seq) ELSE"
		       "  max(seq, excluded.seq) END,"
		       " from_seq = min(from_seq, excluded.from_seq)",
		       "ltt", id, from, to);
	return r < 0 ? r : parked_leave(j, id, from, 0, to);
}

int journal_parked_move(struct journal *j, int64_t id, const char *from,
			const char *to)
{
	if (strcmp(from, to) == 0)
		return 0;
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = parked_move(j, id, from, to);
	return journal_transaction_close(j, r);
}

static int parked_carry(struct journal *j, int64_t id,
			const struct parked_rename *p)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT from_seq, from_seq >= seq FROM parked "
			 "WHERE replica = ? AND path = ?", "lt", id, p->over);
	if (r == 0)
		r = db_next(j, st);
	if (r <= 0)
		return r;
	int64_t began = sqlite3_column_int64(st, 0);
	int all = sqlite3_column_int(st, 1);
	sqlite3_reset(st);
	r = db_run(j, NULL,
		   "UPDATE parked SET from_seq = min(from_seq, ?3), seq = CASE "
		   "WHEN ?4 OR from_seq >= seq THEN min(from_seq, ?3) "
		   "ELSE seq END WHERE replica = ?1 AND path = ?2",
		   "ltld", id, p->over2, began, all);
	if (r < 0)
		return r;
	return db_run(j, NULL,
		      "INSERT OR REPLACE INTO late(replica, to_seq, path, "
		      "from_seq, time_ns, parked_as) VALUES(?, ?, ?, ?, 0, ?)",
		      "lltlt", id, p->seq, p->path, began, p->over2);
}

int journal_parked_carry(struct journal *j, int64_t id,
			 const struct parked_rename *p)
{
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = parked_carry(j, id, p);
	return journal_transaction_close(j, r);
}

int journal_parked_del(struct journal *j, int64_t id, const char *path)
{
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = parked_leave(j, id, path, clock_wall_ns(), NULL);
	if (r == 0)
		r = db_left_clear(j, id);
	return journal_transaction_close(j, r);
}

void parked_free(struct parked *parked, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		free(parked[i].path);
		free(parked[i].error);
	}
	free(parked);
}

/* ---- uncarried ---- */

int journal_uncarried_count(struct journal *j, int64_t id, const char *kind,
			    uint64_t n, const char *example, bool *ret_first)
{
	int64_t count = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "INSERT INTO uncarried(replica, kind, count, example)"
			 " SELECT ?1, ?2, ?3, ?4 " IF_REPLICA
			 "ON CONFLICT(replica, kind) DO "
			 "UPDATE SET count = count + excluded.count "
			 "RETURNING count", "ltlt", id, kind, n, example);
	if (r == 0)
		r = db_next(j, st);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	count = sqlite3_column_int64(st, 0);
	r = db_next(j, st); /* to its end: that is when it is committed */
	if (r == 0)
		*ret_first = count == (int64_t)n;
	return r;
}

int journal_uncarried_load(struct journal *j, int64_t id,
			   struct uncarried **ret, unsigned *ret_n)
{
	struct uncarried *list = NULL;
	unsigned n = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT kind, count, example FROM uncarried "
			 "WHERE replica = ? ORDER BY kind", "l", id);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(&list, n, sizeof(*list));
		list[n++] = (struct uncarried){
			.kind = text_copy(db_str(st, 0)),
			.count = (uint64_t)sqlite3_column_int64(st, 1),
			.example = db_text(st, 2),
		};
		r = 0;
	}
	if (r < 0) {
		uncarried_free(list, n);
		return r;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

void uncarried_free(struct uncarried *u, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		free(u[i].kind);
		free(u[i].example);
	}
	free(u);
}
