/* layer: journal, private */
#ifndef MIRRORFS_JOURNAL_DB_H
#define MIRRORFS_JOURNAL_DB_H

/*
 * One connection to the journal's database, and the few ways to use it that
 * the other files of this folder need. SQLite's errors become negative errno
 * in db.c and nowhere else.
 *
 * SQL is always a string literal: statements are prepared once and found
 * again by the address of their text.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "journal.h"

#define DB_STATEMENTS 256 /* slots of the cache; a power of two */

struct who_table;

struct journal {
	sqlite3 *db;
	struct {
		const char *sql;
		sqlite3_stmt *st;
	} cache[DB_STATEMENTS];
	int depth;        /* of journal_transaction_begin */
	bool undo;        /* an inner transaction failed */
	struct clock_trust trust; /* for what cannot be undone */
	unsigned pruned;  /* rows since the last sweep of who */
	char *dir;        /* the state folder; NULL: it has none */
	dev_t dev;        /* of its file, when it was opened */
	ino_t ino;
	int lock_fd;      /* db_lock, for all that may write; or -1 */
	bool reads;       /* JOURNAL_READ */
	bool identity;    /* the transaction changes what identity.c keeps */
	int64_t wait_ns;  /* for a lock, at most */
	int wal_pages;    /* of the WAL after the newest commit */
	bool lost;        /* a sync has failed … */
	struct shared *tell; /* … and this is told; borrowed, or NULL */
	char uuid[37];
	char error[256];  /* newest, in SQLite's words */
	struct who_table *ids;   /* who.c: who → id, for appending */
	struct who_table *names; /* who.c: id → who, for reading */
};

#define DB_FILE "journal.db"

/* db_open - a database by its file, without a lock; the caller sets dir. */
int db_open(const char *file, enum journal_mode mode, struct journal **ret);
/* db_lock - of all connections; flock(2)'s `how`. Returns a descriptor. */
int db_lock(const char *state_dir, int how);
/* db_private - root's alone, though others may look into the folder: the names of
 * private ones are in it, and who may read it may lock it. What SQLite makes
 * beside it is as open as it is. `make`: if it is missing, empty. */
void db_private(const char *file, bool make);
/* shm_guard - what SQLite maps of the database at `path` cannot kill us when
 * its disk is full: shm.c. */
void shm_guard(sqlite3 *db, const char *path);
/* db_placed - note which file was opened, for db_moved. */
void db_placed(struct journal *j);
/* db_moved - the file that it has open is the journal no more. */
bool db_moved(const struct journal *j);

/* db_lost - a sync has failed: health.c */
void db_lost(struct journal *j);
/* db_error - note SQLite's words for `rc` and translate it. */
int db_error(struct journal *j, int rc);

/*
 * db_query - a statement, bound and ready for db_next. One letter of `types`
 * for each value: d int, l int64_t or uint64_t, t const char * (NULL is
 * fine), b const void * and size_t. Texts and bytes are borrowed until the
 * statement has ended: by db_next() ≤ 0, or DB_RESET at the end of the scope.
 */
int db_query(struct journal *j, sqlite3_stmt **ret, const char *sql,
	     const char *types, ...);
/* db_next - 1: a row; 0: no more; else a negative errno. */
int db_next(struct journal *j, sqlite3_stmt *st);
/* db_run - a statement without rows; *ret_changes (may be NULL) rows hit. */
int db_run(struct journal *j, int *ret_changes, const char *sql,
	   const char *types, ...);
/* db_number - the first column of the first row, or `none`. */
int db_number(struct journal *j, int64_t *ret, int64_t none, const char *sql,
	      const char *types, ...);
/* db_script - statements without values, not cached. */
int db_script(struct journal *j, const char *sql);

/* db_restart_wal - copy all of the WAL into the database, and have the next
 * commit begin it anew. Waits at most 1 s for readers: -EBUSY. */
int db_restart_wal(struct journal *j);
/* db_sync - what was committed is on the disk. */
int db_sync(struct journal *j);

/* db_snapshot_begin / _end - several queries see one state; may be inside a
 * transaction, where they do nothing. */
int db_snapshot_begin(struct journal *j);
void db_snapshot_end(struct journal *j);

/* db_str - a column that has no NULL; where a damaged database has one, "". */
const char *db_str(sqlite3_stmt *st, int column);
/* db_text - a copy of a column, NULL for NULL; owned by the caller. */
char *db_text(sqlite3_stmt *st, int column);
/* db_handle - a column with a handle: type in 4 bytes, then its bytes. */
int db_handle(sqlite3_stmt *st, int column, struct fhandle *ret);
#define DB_HANDLE_MAX (4 + FHANDLE_MAX)
/* db_handle_bytes - the same the other way; returns how many bytes. */
size_t db_handle_bytes(const struct fhandle *h, uint8_t out[DB_HANDLE_MAX]);

static inline void db_reset(sqlite3_stmt **st)
{
	if (*st)
		sqlite3_reset(*st);
}
#define DB_RESET __attribute__((cleanup(db_reset)))

/* db_grow - room for one more in an array of `n` that doubles: moves *array */
void db_grow(void *array, unsigned n, size_t item);

/* schema.c: make the tables in a new database / bring the tables of an older
 * one up to date / is it ours, and of the version that we know? An older one
 * that is only read has the tables that it lacks as empty temporary ones. */
int schema_create(struct journal *j);
int schema_upgrade(struct journal *j);
int schema_check(struct journal *j);
/* schema_version - of the format that this program knows. */
int schema_version(void);

/* The record that a row of `replica` needs those after: NULL when none. A
 * replica that was never copied, or whose backlog was dropped, needs none. */
#define DB_REPLICA_HOLDS                                                       \
	"CASE WHEN seeded THEN cursor ELSE "                                   \
	"(SELECT seq FROM seed WHERE replica = replica.id) END"

/* START and STOP bring nothing to a replica: the STOP of a tree that is not
 * mounted must not look like a backlog. */
#define DB_NO_EVENTS "AND op <> 17 AND op <> 18 "
_Static_assert(OP_START == 17 && OP_STOP == 18, "as in DB_NO_EVENTS");

/* replicas.c: what lies after `after`: how many records, bytes written in them,
 * when the first of them was made (0: there is none). */
int db_lag_records(struct journal *j, uint64_t after, uint64_t *ret);
int db_lag_bytes(struct journal *j, uint64_t after, uint64_t *ret);
int db_lag_since(struct journal *j, uint64_t after, int64_t *ret_ns);
/* patience.c: everything was compared, so what was forgotten matters for what is
 * parked only, which was left out. _clear: if nothing is any more. _forget: the
 * replica is removed. */
int db_left_put(struct journal *j, int64_t id);
int db_left_clear(struct journal *j, int64_t id);
int db_left_forget(struct journal *j, int64_t id);

/* options.c: 1 unless sync goes by other options than those of `row` that
 * decide what the replica has: filter, filter-file, owner. */
int db_replica_taken(struct journal *j, const struct replica_row *row);
/* options.c: fill given and options of a row / exactly these are given for
 * replica `id` (0: for all; NULL: none). */
int db_replica_options(struct journal *j, struct replica_row *row);
int db_replica_options_put(struct journal *j, int64_t id,
			   const struct replica_given *given);

/* read.c: the columns that db_row_record expects, in its order. */
#define RECORD_COLUMNS                                                         \
	"seq, time_ns, op, flags, who, obj, path, path2, mode, uid, gid, "     \
	"size, ranges"
enum {
	COL_SEQ, COL_TIME, COL_OP, COL_FLAGS, COL_WHO, COL_OBJ, COL_PATH,
	COL_PATH2, COL_MODE, COL_UID, COL_GID, COL_SIZE, COL_RANGES,
	COL_NEXT, /* first column behind them */
};
int db_row_record(struct journal *j, sqlite3_stmt *st, struct record *r);
/* db_ranges - only the ranges of this row, owned by `r`. */
int db_ranges(sqlite3_stmt *st, struct record *r);
/* record_has_path2 - is path2 of such a record a tree path? */
bool record_has_path2(enum record_op op);
/* db_row_related - does the record of this row concern `path` (NULL: the whole
 * tree)? A GAP concerns all; START and STOP concern nothing. */
bool db_row_related(sqlite3_stmt *st, const char *path);

/* who.c */
int db_who_id(struct journal *j, const struct who *who, int64_t *ret_id);
int db_who(struct journal *j, int64_t id, struct who *ret);
/* db_who_forget - after a roll-back: ids of rows that never came to be. */
void db_who_forget(struct journal *j);
void db_who_done(struct journal *j);

/* append.c: the one way into the table of records, in one transaction.
 * They come in the order of seq; what is there already is skipped. */
int db_append(struct journal *j, const struct record *records, unsigned n);
/* db_dirty_told - all that is being written has a record behind the last GAP. */
int db_dirty_told(struct journal *j);

/* db_follow - while a large file is cut, folders above it may be renamed: r->path,
 * which is as of r->seq, becomes what it is now. */
int db_follow(struct journal *j, struct record *r);

/* recover.c: records that the time before leaves to a new epoch. */
struct opening {
	struct record *list;
	unsigned n;
	uint64_t seq; /* of the next one */
};
/* opening_fill - 0, or a negative errno. `older`: the database is not what it
 * was. *ret_cut: the last run did not end well, so what replicas have may be
 * ahead of what is known of them. */
int opening_fill(struct journal *j, uint64_t last_epoch, bool older,
		 struct opening *o, bool *ret_cut);

/* rescue.c: keep, in STATE/identity, too, since when replicas may lack something,
 * for the case that the database is lost. _set: in a transaction; _note: not more
 * often than once in an hour. */
int db_complete_set(struct journal *j);
int db_complete_note(struct journal *j);

/* prune.c: forget the oldest records, some at a time.
 * Returns 1 when there may be more to do, 0, or a negative errno. */
int db_prune(struct journal *j, int64_t history_ns);

#endif
