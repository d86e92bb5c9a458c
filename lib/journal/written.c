/* What was written into one file. */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>

#include "written.h"
#include "lib/journal/db.h"

int journal_is_dirty(struct journal *j, const struct fhandle *obj,
		     uint64_t *ret_seq)
{
	uint8_t bytes[DB_HANDLE_MAX];
	int64_t seq;
	int r = db_number(j, &seq, 0,
			  "SELECT seq FROM dirty "
			  "WHERE obj = ? AND gone < 2",
			  "b", bytes, db_handle_bytes(obj, bytes));
	if (r < 0 || seq == 0)
		return r;
	*ret_seq = (uint64_t)seq;
	return 1;
}

/* all_are_there - of those behind `after`: old ones go first. */
static int all_are_there(struct journal *j, uint64_t after)
{
	int64_t first;
	int r = db_number(j, &first, 0, "SELECT min(seq) FROM record", "");
	return r < 0 ? r : (uint64_t)first <= after + 1;
}

int journal_settled(struct journal *j, const struct fhandle *obj,
		    uint64_t after, uint64_t *ret_seq, uint64_t *ret_size)
{
	DB_RESET sqlite3_stmt *st = NULL;
	uint8_t bytes[DB_HANDLE_MAX];
	int r = db_query(j, &st,
			 "SELECT seq, size FROM record WHERE seq > ? AND op = ?"
			 " AND obj = ? AND mode <> 0 ORDER BY seq DESC LIMIT 1",
			 "llb", after, (int64_t)OP_SETTLE, bytes,
			 db_handle_bytes(obj, bytes));
	if (r == 0 && (r = db_next(j, st)) > 0) {
		*ret_seq = (uint64_t)sqlite3_column_int64(st, 0);
		*ret_size = (uint64_t)sqlite3_column_int64(st, 1);
	}
	return r;
}

int journal_is_overtaken(struct journal *j, const struct fhandle *obj,
			 uint64_t after, uint64_t upto)
{
	uint8_t bytes[DB_HANDLE_MAX];
	int64_t found = 1;
	if (after >= upto)
		return 0;
	int r = all_are_there(j, after);
	if (r > 0)
		r = db_number(j, &found, 1,
			      "SELECT EXISTS(SELECT 1 FROM record WHERE seq > ?"
			      " AND seq <= ? AND (op IN (?, ?) OR (obj = ? AND "
			      "op IN (?, ?))))",
			      "llllbll", after, upto, (int64_t)OP_GAP,
			      (int64_t)OP_UNSURE, bytes,
			      db_handle_bytes(obj, bytes), (int64_t)OP_SETTLE,
			      (int64_t)OP_TRUNC);
	return r < 0 ? r : found != 0;
}

int journal_is_kept(struct journal *j, const struct fhandle *obj,
		    uint64_t after, uint64_t size)
{
	uint8_t bytes[DB_HANDLE_MAX];
	int64_t changes = 1;
	int r = all_are_there(j, after);
	if (r > 0)
		r = db_number(j, &changes, 1,
			      "SELECT count(*) FROM record WHERE seq > ? AND "
			      "(op = ? OR (obj = ? AND (op IN (?, ?) OR (op = ?"
			      " AND (flags & ? = 0 OR size < ?)))))",
			      "llblllll", after, (int64_t)OP_GAP, bytes,
			      db_handle_bytes(obj, bytes), (int64_t)OP_TRUNC,
			      (int64_t)OP_UNSURE, (int64_t)OP_DIRTY,
			      (int64_t)RF_APPENDS, (int64_t)size);
	return r < 0 ? r : changes == 0;
}

/* A TRUNC without ranges changed nothing; any other without them may have
 * changed all. */
int journal_ranges(struct journal *j, const struct fhandle *obj, uint64_t after,
		   struct range *out, uint32_t *ret_n)
{
	DB_RESET sqlite3_stmt *st = NULL;
	uint8_t bytes[DB_HANDLE_MAX];
	*ret_n = 0;
	int r = all_are_there(j, after);
	if (r <= 0)
		return r < 0 ? r : -ENODATA;
	r = db_query(j, &st,
		     "SELECT " RECORD_COLUMNS " FROM record "
		     "WHERE seq > ? AND (op = ? OR"
		     " (obj = ? AND op IN (?, ?, ?)))",
		     "llblll", after, (int64_t)OP_GAP, bytes,
		     db_handle_bytes(obj, bytes), (int64_t)OP_SETTLE,
		     (int64_t)OP_TRUNC, (int64_t)OP_UNSURE);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		struct record one = {
			.op = (enum record_op)sqlite3_column_int(st, COL_OP)};
		r = db_ranges(st, &one);
		if (r == 0 && one.n_ranges == 0 && one.op != OP_TRUNC)
			r = -ENODATA;
		for (uint32_t i = 0; i < one.n_ranges; i++)
			range_add(out, ret_n, one.ranges[i].off,
				  one.ranges[i].len);
		free(one.ranges);
	}
	return r;
}
