/* Reading records back. */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "memo.h"
#include "paths.h"
#include "lib/journal/db.h"

bool record_has_path2(enum record_op op)
{
	return op == OP_RENAME || op == OP_LINK || op == OP_UNSURE;
}

bool db_row_related(sqlite3_stmt *st, const char *path)
{
	const char *p = (const char *)sqlite3_column_text(st, COL_PATH);
	int op = sqlite3_column_int(st, COL_OP);
	if (op == OP_START || op == OP_STOP)
		return false;
	if (!path || !p)
		return true;
	if (path_related(p, path))
		return true;
	if (!record_has_path2((enum record_op)op))
		return false;
	p = (const char *)sqlite3_column_text(st, COL_PATH2);
	return p && path_related(p, path);
}

static uint64_t get_be64(const uint8_t *p)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

int db_ranges(sqlite3_stmt *st, struct record *r)
{
	const uint8_t *p = sqlite3_column_blob(st, COL_RANGES);
	int len = sqlite3_column_bytes(st, COL_RANGES);
	if (len == 0)
		return 0;
	if (len % 16 || len / 16 > RECORD_RANGES_MAX)
		return -EUCLEAN;
	r->ranges = calloc((size_t)len / 16, sizeof(*r->ranges));
	if (!r->ranges)
		abort();
	r->n_ranges = (uint32_t)len / 16;
	for (uint32_t i = 0; i < r->n_ranges; i++) {
		r->ranges[i].off = get_be64(p + 16 * (size_t)i);
		r->ranges[i].len = get_be64(p + 16 * (size_t)i + 8);
	}
	return 0;
}

int db_row_record(struct journal *j, sqlite3_stmt *st, struct record *r)
{
	memset(r, 0, sizeof(*r));
	r->seq = (uint64_t)sqlite3_column_int64(st, COL_SEQ);
	r->time_ns = sqlite3_column_int64(st, COL_TIME);
	r->op = (enum record_op)sqlite3_column_int(st, COL_OP);
	r->flags = (uint32_t)sqlite3_column_int64(st, COL_FLAGS);
	r->mode = (uint32_t)sqlite3_column_int64(st, COL_MODE);
	r->uid = (uint32_t)sqlite3_column_int64(st, COL_UID);
	r->gid = (uint32_t)sqlite3_column_int64(st, COL_GID);
	r->size = (uint64_t)sqlite3_column_int64(st, COL_SIZE);
	r->path = db_text(st, COL_PATH);
	r->path2 = db_text(st, COL_PATH2);
	int rc = db_handle(st, COL_OBJ, &r->obj);
	if (rc == 0)
		rc = db_ranges(st, r);
	if (rc == 0)
		rc = db_who(j, sqlite3_column_int64(st, COL_WHO), &r->who);
	if (rc < 0)
		record_done(r);
	return rc;
}

/* The beginning of the epoch counts as well: a mount under which nothing has
 * changed yet has all its records in the database. */
int journal_last_seq(struct journal *j, uint64_t *ret_seq)
{
	int64_t seq;
	int r = db_number(j, &seq, 0,
			  "SELECT max(coalesce("
			  " (SELECT max(seq) FROM record), 0), coalesce("
			  " (SELECT CAST(value AS INTEGER) << 40 FROM meta"
			  "  WHERE key = 'epoch'), 0))",
			  "");
	if (r == 0)
		*ret_seq = (uint64_t)seq;
	return r;
}

/* Paths that users make by going down name by name have no limit: thousands of
 * records with such would be more than the memory of the machine. */
#define READ_BYTES (32u << 20)

static size_t path_bytes(const struct record *r)
{
	return (r->path ? strlen(r->path) : 0) +
	       (r->path2 ? strlen(r->path2) : 0);
}

static int read_rows(struct journal *j, sqlite3_stmt *st, struct record *out,
		     unsigned max, size_t bytes)
{
	size_t sum = 0;
	unsigned n = 0;
	int r = 0;
	while (r == 0 && n < max && sum < bytes && (r = db_next(j, st)) > 0) {
		r = db_row_record(j, st, &out[n]);
		if (r == 0)
			sum += path_bytes(&out[n++]);
	}
	if (r == 0)
		return (int)n;
	while (n > 0)
		record_done(&out[--n]);
	return r;
}

int journal_read(struct journal *j, uint64_t after, struct record *out,
		 unsigned max)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT " RECORD_COLUMNS " FROM record "
			 "WHERE seq > ? ORDER BY seq LIMIT ?",
			 "ll", after, (int64_t)max);
	return r < 0 ? r : read_rows(j, st, out, max, READ_BYTES);
}

int journal_read_doubts(struct journal *j, uint64_t after, struct record *out,
			unsigned max)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT " RECORD_COLUMNS " FROM record "
			 "WHERE seq > ? AND op IN (?, ?) ORDER BY seq LIMIT ?",
			 "lddl", after, OP_UNSURE, OP_GAP, (int64_t)max);
	return r < 0 ? r : read_rows(j, st, out, max, SIZE_MAX);
}

int journal_tail(struct journal *j, unsigned n, uint64_t *after)
{
	int64_t seq;
	int r = db_number(j, &seq, 0,
			  "SELECT seq FROM record ORDER BY seq DESC "
			  "LIMIT 1 OFFSET ?",
			  "l", (int64_t)n);
	if (r == 0 && (uint64_t)seq > *after)
		*after = (uint64_t)seq;
	return r;
}

int journal_read_moves(struct journal *j, uint64_t after, struct record *out,
		       unsigned max)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT " RECORD_COLUMNS " FROM record "
			 "WHERE seq > ? AND op = ? AND (flags & ? <> 0 OR "
			 "mode & ? IN (0, ?)) ORDER BY seq LIMIT ?",
			 "lddddl", after, OP_RENAME, RF_EXCHANGE, S_IFMT,
			 S_IFDIR, (int64_t)max);
	return r < 0 ? r : read_rows(j, st, out, max, SIZE_MAX);
}
