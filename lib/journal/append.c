/*
 * Appending records, and keeping `dirty` in step with them: a row for each
 * object that was opened for writing (or created so) and has not settled.
 *
 * What a GAP stands for may have settled any of them: they are in doubt. The
 * worker tells again which are dirty (shared_doubts), and then the others go
 * (db_dirty_told). Killed before that, all of them are looked at.
 *
 * A batch may come a second time: a writer that dies after its commit has not
 * told the ring. So what is not newer than the table is skipped.
 */
#include "confdefs.h"

#include <stdlib.h>

#include "activity.h"
#include "memo.h"
#include "paths.h"
#include "lib/journal/db.h"

#define FOLLOW 32 /* renames at once */

struct append {
	struct journal *j;
	uint64_t last_seq; /* newest in the table */
	int64_t total;	   /* running total of that record, see schema.c */
	bool any_dirty;	   /* `dirty` may have rows */
};

struct blob {
	uint8_t bytes[16 * RECORD_RANGES_MAX];
	size_t len;
};

static void put_be64(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static void append_ranges(const struct record *r, struct blob *out)
{
	out->len = 0;
	for (uint32_t i = 0; i < r->n_ranges && i < RECORD_RANGES_MAX; i++) {
		put_be64(out->bytes + out->len, r->ranges[i].off);
		put_be64(out->bytes + out->len + 8, r->ranges[i].len);
		out->len += 16;
	}
}

/* append_written - what this record will cost on the wire, at most. */
static int64_t append_written(const struct record *r)
{
	if (r->op != OP_SETTLE && r->op != OP_TRUNC)
		return 0;
	uint64_t n = range_total(r->ranges, r->n_ranges);
	if (r->op == OP_SETTLE && r->n_ranges == 0) /* perhaps all of it */
		n = r->size;
	return (int64_t)(n < r->size ? n : r->size);
}

static int append_row(struct append *a, const struct record *r, int64_t since)
{
	uint8_t obj[DB_HANDLE_MAX];
	struct blob ranges;
	int64_t who;
	int rc = db_who_id(a->j, &r->who, &who);
	if (rc < 0)
		return rc;
	append_ranges(r, &ranges);
	int64_t total = a->total + append_written(r);
	size_t obj_len = db_handle_bytes(&r->obj, obj);
	rc = db_run(a->j, NULL,
		    "INSERT INTO record(seq, time_ns, op, flags, who, obj, "
		    "path, path2, mode, uid, gid, size, ranges, since, total) "
		    "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,nullif(?,0),?)",
		    "lldllbttllllbll", r->seq, r->time_ns, (int)r->op,
		    (int64_t)r->flags, who, obj_len ? obj : NULL, obj_len,
		    r->path, r->path2, (int64_t)r->mode, (int64_t)r->uid,
		    (int64_t)r->gid, r->size, ranges.len ? ranges.bytes : NULL,
		    ranges.len, since, total);
	if (rc < 0)
		return rc;
	a->total = total;
	a->last_seq = r->seq;
	return 0;
}

/* ---- dirty ---- */

static int dirty_begin(struct append *a, const struct record *r)
{
	uint8_t obj[DB_HANDLE_MAX];
	a->any_dirty = true;
	return db_run(a->j, NULL,
		      "INSERT INTO dirty(obj, seq, path, gone) "
		      "VALUES(?, ?, ?, ?) "
		      "ON CONFLICT(obj) DO UPDATE SET path = excluded.path,"
		      " gone = excluded.gone",
		      "bltd", obj, db_handle_bytes(&r->obj, obj), r->seq,
		      r->path, r->flags & RF_LAST ? 1 : 0);
}

/* dirty_gone - nobody can wait for it any more, but it is written still. */
static int dirty_gone(struct append *a, const struct record *r)
{
	uint8_t obj[DB_HANDLE_MAX];
	if (!a->any_dirty)
		return 0;
	return db_run(a->j, NULL,
		      "UPDATE dirty SET gone = gone | 1 WHERE obj = ?", "b",
		      obj, db_handle_bytes(&r->obj, obj));
}

/* dirty_end - *ret_since: when it began, 0 when that is not known. */
static int dirty_end(struct append *a, const struct record *r,
		     int64_t *ret_since)
{
	uint8_t obj[DB_HANDLE_MAX];
	size_t len = db_handle_bytes(&r->obj, obj);
	int rc =
		db_number(a->j, ret_since, 0,
			  "SELECT seq FROM dirty WHERE obj = ?", "b", obj, len);
	if (rc == 0 && *ret_since)
		rc = db_run(a->j, NULL, "DELETE FROM dirty WHERE obj = ?", "b",
			    obj, len);
	return rc;
}

struct dirty_path {
	struct fhandle obj;
	char *path; /* the new one */
	bool gone;  /* what it is called in there is not known */
};

static void dirty_paths_free(struct dirty_path *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(list[i].path);
	free(list);
}

/* dirty_path_after - where `obj`, which was at `path`, is after the rename, or
 * NULL: where it was. One from a long path tells of its object alone, as it may
 * be about anything below. */
static char *dirty_path_after(const struct record *r, const struct fhandle *obj,
			      const char *path)
{
	if (path_is_long(r->path) && fhandle_equal(&r->obj, obj))
		return text_copy(r->path2);
	if (!path_is_long(r->path) && path_is_below(path, r->path))
		return path_rebase(path, r->path, r->path2);
	if (r->flags & RF_EXCHANGE && !path_is_long(r->path2) &&
	    path_is_below(path, r->path2))
		return path_rebase(path, r->path2, r->path);
	return NULL;
}

/* dirty_moved - those whose path a rename changes, with the new path. */
static int dirty_moved(struct append *a, const struct record *r,
		       struct dirty_path **list, unsigned *n)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int rc = db_query(a->j, &st, "SELECT obj, path FROM dirty", "");
	while (rc == 0 && (rc = db_next(a->j, st)) > 0) {
		struct dirty_path d;
		const char *path = db_str(st, 1);
		rc = db_handle(st, 0, &d.obj);
		d.path = rc < 0 ? NULL : dirty_path_after(r, &d.obj, path);
		if (!d.path)
			continue;
		d.gone = path_is_long(path) && !path_is_long(d.path) &&
			 !fhandle_equal(&r->obj, &d.obj);
		db_grow(list, *n, sizeof(**list));
		(*list)[(*n)++] = d;
	}
	return rc;
}

static int dirty_rename(struct append *a, const struct record *r)
{
	struct dirty_path *list = NULL;
	unsigned n = 0;
	if (!a->any_dirty)
		return 0;
	int rc = dirty_moved(a, r, &list, &n);
	for (unsigned i = 0; rc == 0 && i < n; i++) {
		uint8_t obj[DB_HANDLE_MAX];
		size_t len = db_handle_bytes(&list[i].obj, obj);
		rc = db_run(a->j, NULL,
			    "UPDATE dirty SET path = ?, gone = gone | ? "
			    "WHERE obj = ?",
			    "tdb", list[i].path, (int)list[i].gone, obj, len);
	}
	dirty_paths_free(list, n);
	return rc;
}

/* append_gap - what was being written may have ended in what was lost: it may have
 * been written before that, and whoever waits for it waits for the GAP. */
static int append_gap(struct append *a, const struct record *r)
{
	struct record gap = *r;
	int64_t since, from_ns;
	int rc = db_number(a->j, &since, 0, "SELECT min(seq) FROM dirty", "");
	if (rc == 0 && since && r->flags & RF_CONTENT) {
		rc = journal_dirty_since(a->j, &from_ns);
		if (rc == 0 && from_ns < (int64_t)gap.size)
			gap.size = from_ns > 0 ? (uint64_t)from_ns : 0;
	}
	if (rc == 0)
		rc = db_run(a->j, NULL, "UPDATE dirty SET gone = gone | 2", "");
	return rc < 0 ? rc : append_row(a, &gap, since);
}

static int append_record(struct append *a, const struct record *r)
{
	int64_t since = 0;
	int rc = 0;
	if (r->seq <= a->last_seq)
		return 0;
	switch (r->op) {
	case OP_CREATE:
		if (!(r->flags & RF_OPEN))
			break;
		/* fall through */
	case OP_DIRTY:
		if (r->obj.len && r->path)
			rc = dirty_begin(a, r);
		break;
	case OP_SETTLE:
		rc = dirty_end(a, r, &since);
		break;
	case OP_UNLINK:
		if (r->flags & RF_LAST)
			rc = dirty_gone(a, r);
		break;
	case OP_RENAME:
		if (r->path && r->path2)
			rc = dirty_rename(a, r);
		break;
	case OP_GAP:
		return append_gap(a, r);
	default:
		break;
	}
	return rc < 0 ? rc : append_row(a, r, since);
}

int db_dirty_told(struct journal *j)
{
	return db_run(j, NULL, "DELETE FROM dirty WHERE gone >= 2", "");
}

/* ---- what an intent has left ---- */

int db_follow(struct journal *j, struct record *r)
{
	struct record moves[FOLLOW];
	uint64_t after = r->seq;
	int n;
	do {
		n = journal_read_moves(j, after, moves, FOLLOW);
		for (int i = 0; i < n; i++) {
			char *path =
				dirty_path_after(&moves[i], &r->obj, r->path);
			if (path) {
				free(r->path);
				r->path = path;
			}
			after = moves[i].seq;
			record_done(&moves[i]);
		}
	} while (n == FOLLOW);
	return n < 0 ? n : 0;
}

/* ---- a batch ---- */

static int append_load(struct append *a)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int rc = db_query(a->j, &st,
			  "SELECT seq, total FROM record "
			  "ORDER BY seq DESC LIMIT 1",
			  "");
	if (rc == 0)
		rc = db_next(a->j, st);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		a->last_seq = (uint64_t)sqlite3_column_int64(st, 0);
		a->total = sqlite3_column_int64(st, 1);
	}
	int64_t any;
	rc = db_number(a->j, &any, 0, "SELECT EXISTS(SELECT 1 FROM dirty)", "");
	a->any_dirty = rc == 0 && any;
	return rc;
}

int db_append(struct journal *j, const struct record *records, unsigned n)
{
	struct append a = {.j = j};
	if (n == 0)
		return 0;
	int rc = journal_transaction_begin(j);
	if (rc < 0)
		return rc;
	rc = append_load(&a);
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = append_record(&a, &records[i]);
	rc = journal_transaction_close(j, rc);
	if (rc < 0)
		db_who_forget(j);
	return rc;
}
