/*
 * Files that a replica has not got although its cursor has moved past the
 * records that told of them: large ones whose upload goes on, and owed ones. One
 * row for each name of an object.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "lib/journal/db.h"
#include "memo.h"

/* the column `absent` */
enum { PRESENT, ABSENT, OWED };

int journal_aside_load(struct journal *j, int64_t id, struct aside_row **ret,
		       unsigned *ret_n)
{
	struct aside_row *list = NULL;
	unsigned n = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT obj, path, from_seq, seq, time_ns, size, "
			 "absent FROM aside WHERE replica = ?", "l", id);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(&list, n, sizeof(*list));
		list[n] = (struct aside_row){
			.path = db_text(st, 1),
			.from_seq = (uint64_t)sqlite3_column_int64(st, 2),
			.seq = (uint64_t)sqlite3_column_int64(st, 3),
			.time_ns = sqlite3_column_int64(st, 4),
			.size = (uint64_t)sqlite3_column_int64(st, 5),
			.absent = sqlite3_column_int(st, 6) == ABSENT,
			.owed = sqlite3_column_int(st, 6) == OWED,
		};
		r = db_handle(st, 0, &list[n++].obj);
	}
	if (r < 0) {
		asides_free(list, n);
		return r;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int journal_aside_add(struct journal *j, int64_t id,
		      const struct aside_row *row)
{
	uint8_t bytes[DB_HANDLE_MAX];
	size_t len = db_handle_bytes(&row->obj, bytes);
	int what = row->owed ? OWED : row->absent ? ABSENT : PRESENT;

	return db_run(j, NULL,
		      "INSERT OR REPLACE INTO aside(replica, obj, path, "
		      "from_seq, seq, time_ns, size, absent) "
		      "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS("
		      "SELECT 1 FROM replica WHERE id = ?1 AND removed_ns = 0)",
		      "lbtlllld", id, bytes, len, row->path, row->from_seq,
		      row->seq, row->time_ns, row->size, what);
}

int journal_aside_clear(struct journal *j, int64_t id)
{
	return db_run(j, NULL, "DELETE FROM aside WHERE replica = ?", "l", id);
}

int journal_aside_arrived(struct journal *j, int64_t id,
			  const struct aside_row *row)
{
	return db_run(j, NULL,
		      "INSERT OR REPLACE INTO late(replica, to_seq, path, "
		      "from_seq, time_ns) VALUES(?, ?, ?, ?, ?)", "lltll", id,
		      row->seq, row->path, row->from_seq, clock_wall_ns());
}

void asides_free(struct aside_row *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(rows[i].path);
	free(rows);
}
