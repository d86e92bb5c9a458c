/* Stamps in the database; see stamps.h. */
#include "confdefs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "lib/journal/db.h"
#include "stamps.h"

#define SINCE	"stamps"
#define NOTICED "noticed"
#define KNOWN	"known"

int journal_recent_paths(struct journal *j,
			 int (*fn)(void *arg, const char *path), void *arg)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "WITH r AS (SELECT * FROM record"
			 " ORDER BY seq DESC LIMIT ?) "
			 "SELECT p FROM (SELECT path AS p, seq FROM r"
			 " UNION ALL SELECT path2, seq FROM r"
			 " WHERE op IN (?, ?)) WHERE p IS NOT NULL "
			 "GROUP BY p ORDER BY max(seq) DESC LIMIT ?",
			 "lddl", (int64_t)STAMPS_PATHS * 8, OP_RENAME, OP_LINK,
			 (int64_t)STAMPS_PATHS);
	while (r == 0 && (r = db_next(j, st)) > 0)
		r = fn(arg, db_str(st, 0));
	return r;
}

int journal_known_ns(struct journal *j, uint64_t before, int64_t *ret)
{
	CLEANUP_FREE char *kept = NULL;
	int r = db_number(j, ret, 0,
			  "SELECT max(time_ns) FROM (SELECT time_ns FROM record"
			  " WHERE seq < ? ORDER BY seq DESC LIMIT 1000)",
			  "l", (int64_t)before);
	if (r == 0)
		r = journal_meta_get(j, KNOWN, &kept);
	int64_t ns = kept ? strtoll(kept, NULL, 10) : 0;
	if (ns && ns < *ret)
		*ret = ns;
	return r;
}

int journal_known_keep(struct journal *j, int64_t ns)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRId64, ns);
	return journal_meta_set(j, KNOWN, text);
}

int journal_stamp_put(struct journal *j, const struct stamp *s)
{
	uint8_t obj[DB_HANDLE_MAX], dir[DB_HANDLE_MAX];
	int changes;
	int r = db_run(j, &changes,
		       "INSERT OR IGNORE INTO stamp(obj, dir, ctime_ns) "
		       "VALUES(?, ?, ?)",
		       "bbl", obj, db_handle_bytes(&s->obj, obj), dir,
		       db_handle_bytes(&s->dir, dir), s->ctime_ns);
	return r < 0 ? r : changes > 0;
}

int journal_stamps_since(struct journal *j, int64_t since_ns)
{
	CLEANUP_FREE char *before = NULL;
	char text[24];
	int r = journal_meta_get(j, SINCE, &before);
	if (r < 0 || before)
		return r;
	snprintf(text, sizeof(text), "%" PRId64, since_ns);
	return journal_meta_set(j, SINCE, text);
}

int journal_stamps_load(struct journal *j, struct stamp **ret, unsigned *ret_n,
			int64_t *ret_since_ns)
{
	DB_RESET sqlite3_stmt *st = NULL;
	CLEANUP_FREE char *since = NULL;
	*ret = NULL;
	*ret_n = 0;
	int r = journal_meta_get(j, SINCE, &since);
	if (r < 0 || !since)
		return r;
	*ret_since_ns = strtoll(since, NULL, 10);
	r = db_query(j, &st, "SELECT obj, dir, ctime_ns FROM stamp", "");
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(ret, *ret_n, sizeof(**ret));
		struct stamp *s = &(*ret)[(*ret_n)++];
		r = db_handle(st, 0, &s->obj);
		if (r == 0)
			r = db_handle(st, 1, &s->dir);
		s->ctime_ns = sqlite3_column_int64(st, 2);
	}
	return r;
}

int journal_stamps_done(struct journal *j, uint64_t upto, unsigned differed)
{
	uint64_t held;
	char text[24];
	int r = journal_last_seq(j, &held);
	if (r == 0 && held < upto)
		return -EAGAIN;
	if (r == 0)
		r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%u", differed);
	r = db_run(j, NULL, "DELETE FROM stamp", "");
	if (r == 0)
		r = db_run(j, NULL, "DELETE FROM meta WHERE key IN (?, ?)",
			   "tt", SINCE, KNOWN);
	if (r == 0)
		r = journal_meta_set(j, NOTICED, text);
	return journal_transaction_close(j, r);
}

int journal_stamps_noticed(struct journal *j, unsigned *ret)
{
	CLEANUP_FREE char *text = NULL;
	int r = journal_meta_get(j, NOTICED, &text);
	*ret = r == 0 && text ? (unsigned)strtoul(text, NULL, 10) : 0;
	return r;
}
