/*
 * SQLite: opening, errors, statements, transactions.
 *
 * WAL with synchronous=NORMAL: a commit survives the death of any process and
 * costs no fsync; a power cut may take the newest commits, which is what
 * epochs are for (record.h). Writers begin with BEGIN IMMEDIATE, so that a
 * transaction never fails half way for want of the lock.
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "paths.h"
#include "lib/journal/db.h"
#include "lib/journal/identity.h"

#define DB_LOCK	   "journal.lock"
#define DB_WAIT_NS (10 * NS_PER_S)

/* words of the last journal_open that failed in this thread */
static _Thread_local char open_error[256];

/* ---- errors ---- */

/* last_errno - of the call that failed: SQLite tells it of some calls only;
 * else the file does, the log first. */
static int last_errno(sqlite3 *db)
{
	sqlite3_file *wal = NULL;
	int e = sqlite3_system_errno(db);
	if (e == 0)
		sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER,
				     &wal);
	if (wal && wal->pMethods)
		wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &e);
	if (e == 0)
		sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &e);
	return e;
}

static int db_errno(sqlite3 *db, int rc)
{
	int sys = db ? sqlite3_system_errno(db) : 0;
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_IOERR:
		sys = db ? last_errno(db) : 0;
		return sys == ENOSPC || sys == EDQUOT ? -ENOSPC
		       : sys == EROFS		      ? -EROFS
						      : -EIO;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return -EUCLEAN;
	case SQLITE_CANTOPEN:
		return sys ? -sys : -EIO;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EROFS;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_TOOBIG:
		return -E2BIG;
	default:
		return -EIO;
	}
}

int db_error(struct journal *j, int rc)
{
	int r = db_errno(j->db, rc);
	if (rc == SQLITE_IOERR_FSYNC)
		db_lost(j);
	if (r < 0)
		snprintf(j->error, sizeof(j->error), "%s",
			 r == -EROFS ? strerror(EROFS)
			 : j->db     ? sqlite3_errmsg(j->db)
				     : sqlite3_errstr(rc));
	return r;
}

const char *journal_error(const struct journal *j)
{
	return j ? j->error : open_error;
}

/* ---- memory ---- */

void db_grow(void *array, unsigned n, size_t item)
{
	void **p = array;
	if (n & (n - 1)) /* full only at 0, 1, 2, 4, 8 … */
		return;
	void *q = realloc(*p, (n ? (size_t)n * 2 : 1) * item);
	if (!q)
		abort();
	*p = q;
}

/* ---- statements ---- */

static int db_prepare(struct journal *j, const char *sql, sqlite3_stmt **ret)
{
	size_t i = ((uintptr_t)sql >> 3) * 0x9e3779b1u % DB_STATEMENTS;
	for (size_t tries = 0; tries < DB_STATEMENTS; tries++) {
		if (j->cache[i].sql == sql) {
			*ret = j->cache[i].st;
			sqlite3_reset(*ret);
			return 0;
		}
		if (!j->cache[i].sql)
			break;
		i = (i + 1) % DB_STATEMENTS;
	}
	assert(!j->cache[i].sql);
	int rc = sqlite3_prepare_v3(j->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
				    ret, NULL);
	if (rc != SQLITE_OK)
		return db_error(j, rc);
	j->cache[i].sql = sql;
	j->cache[i].st = *ret;
	return 0;
}

static int db_bind(sqlite3_stmt *st, const char *types, va_list ap)
{
	int rc = SQLITE_OK;
	for (int i = 1; *types && rc == SQLITE_OK; types++, i++) {
		const void *p;
		switch (*types) {
		case 'd':
			rc = sqlite3_bind_int(st, i, va_arg(ap, int));
			break;
		case 'l':
			rc = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 't':
			p = va_arg(ap, const char *);
			rc = sqlite3_bind_text(st, i, p, -1, SQLITE_STATIC);
			break;
		case 'b':
			p = va_arg(ap, const void *);
			rc = sqlite3_bind_blob64(st, i, p, va_arg(ap, size_t),
						 SQLITE_STATIC);
			break;
		default:
			assert(false);
		}
	}
	return rc;
}

static int db_vquery(struct journal *j, sqlite3_stmt **ret, const char *sql,
		     const char *types, va_list ap)
{
	sqlite3_stmt *st;
	int r = db_prepare(j, sql, &st);
	if (r < 0)
		return r;
	r = db_error(j, db_bind(st, types, ap));
	if (r == 0)
		*ret = st;
	return r;
}

int db_query(struct journal *j, sqlite3_stmt **ret, const char *sql,
	     const char *types, ...)
{
	va_list ap;
	va_start(ap, types);
	int r = db_vquery(j, ret, sql, types, ap);
	va_end(ap);
	return r;
}

int db_next(struct journal *j, sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		return 1;
	int r = db_error(j, rc);
	sqlite3_reset(st);
	return r;
}

static int db_finish(struct journal *j, sqlite3_stmt *st)
{
	int r;
	while ((r = db_next(j, st)) > 0)
		;
	return r;
}

int db_run(struct journal *j, int *ret_changes, const char *sql,
	   const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	va_start(ap, types);
	int r = db_vquery(j, &st, sql, types, ap);
	va_end(ap);
	if (r == 0)
		r = db_finish(j, st);
	if (r == 0 && ret_changes)
		*ret_changes = sqlite3_changes(j->db);
	return r;
}

int db_number(struct journal *j, int64_t *ret, int64_t none, const char *sql,
	      const char *types, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	va_start(ap, types);
	int r = db_vquery(j, &st, sql, types, ap);
	va_end(ap);
	if (r == 0)
		r = db_next(j, st);
	if (r < 0)
		return r;
	*ret = r > 0 && sqlite3_column_type(st, 0) != SQLITE_NULL
		       ? sqlite3_column_int64(st, 0)
		       : none;
	sqlite3_reset(st);
	return 0;
}

int db_script(struct journal *j, const char *sql)
{
	return db_error(j, sqlite3_exec(j->db, sql, NULL, NULL, NULL));
}

/* ---- columns ---- */

const char *db_str(sqlite3_stmt *st, int column)
{
	const char *s = (const char *)sqlite3_column_text(st, column);
	return s ? s : "";
}

char *db_text(sqlite3_stmt *st, int column)
{
	return text_copy((const char *)sqlite3_column_text(st, column));
}

int db_handle(sqlite3_stmt *st, int column, struct fhandle *ret)
{
	const uint8_t *p = sqlite3_column_blob(st, column);
	int n = sqlite3_column_bytes(st, column);
	memset(ret, 0, sizeof(*ret));
	if (n == 0)
		return 0;
	if (n < 4 || n > DB_HANDLE_MAX)
		return -EUCLEAN;
	ret->type = (int32_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
			      (uint32_t)p[2] << 8 | p[3]);
	ret->len = (uint32_t)n - 4;
	memcpy(ret->bytes, p + 4, ret->len);
	return 0;
}

size_t db_handle_bytes(const struct fhandle *h, uint8_t out[DB_HANDLE_MAX])
{
	uint32_t type = (uint32_t)h->type;
	if (h->len == 0)
		return 0;
	out[0] = (uint8_t)(type >> 24);
	out[1] = (uint8_t)(type >> 16);
	out[2] = (uint8_t)(type >> 8);
	out[3] = (uint8_t)type;
	memcpy(out + 4, h->bytes, h->len);
	return 4 + h->len;
}

/* ---- transactions ---- */

int journal_transaction_begin(struct journal *j)
{
	if (j->depth == 0) {
		int r = db_run(j, NULL, "BEGIN IMMEDIATE", "");
		if (r < 0)
			return r;
		j->undo = j->identity = false;
	}
	j->depth++;
	return 0;
}

static int transaction_end(struct journal *j, bool ok)
{
	assert(j->depth > 0);
	if (!ok)
		j->undo = true;
	if (--j->depth > 0)
		return 0;
	/* After some errors SQLite has rolled back by itself. */
	if (sqlite3_get_autocommit(j->db))
		return ok ? -EIO : 0;
	int saved = j->identity && !j->undo ? identity_save(j) : 0;
	if (saved < 0) {
		db_run(j, NULL, "ROLLBACK", "");
		return saved;
	}
	if (!j->undo) {
		int r = db_run(j, NULL, "COMMIT", "");
		if (r == 0 || sqlite3_get_autocommit(j->db))
			return r;
		db_run(j, NULL, "ROLLBACK", "");
		return r;
	}
	int r = db_run(j, NULL, "ROLLBACK", "");
	return r < 0 ? r : ok ? -ECANCELED : 0;
}

int journal_transaction_close(struct journal *j, int result)
{
	int r = transaction_end(j, result >= 0);
	return result < 0 ? result : r;
}

/* A sync of the log is enough, as SQLite takes nothing out of it that is not
 * in the database, synced. Through its own file: closing another descriptor
 * of a file would drop its locks. */
int db_sync(struct journal *j)
{
	sqlite3_file *wal = NULL;
	int rc = sqlite3_file_control(j->db, "main",
				      SQLITE_FCNTL_JOURNAL_POINTER, &wal);
	if (rc == SQLITE_OK && wal && wal->pMethods) {
		rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
		if (rc != SQLITE_OK)
			rc = SQLITE_IOERR_FSYNC;
	} else if (rc == SQLITE_OK) {
		rc = SQLITE_IOERR;
	}
	return db_error(j, rc);
}

int db_snapshot_begin(struct journal *j)
{
	if (j->reads && db_moved(j)) {
		snprintf(j->error, sizeof(j->error),
			 "it was replaced meanwhile: ask again");
		return -ESTALE;
	}
	return j->depth ? 0 : db_run(j, NULL, "BEGIN", "");
}

void db_snapshot_end(struct journal *j)
{
	if (j->depth == 0)
		db_run(j, NULL, "COMMIT", "");
}

/* ---- the WAL ---- */

#define WAL_CHECKPOINT 1000 /* pages, SQLite's own default */
#define WAL_WAIT_NS    NS_PER_S

static int wal_grown(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct journal *j = arg;
	j->wal_pages = pages;
	if (pages < WAL_CHECKPOINT)
		return SQLITE_OK;
	int rc = sqlite3_wal_checkpoint_v2(
		db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	if (rc == SQLITE_IOERR_FSYNC)
		db_lost(j);
	return SQLITE_OK;
}

int db_restart_wal(struct journal *j)
{
	/* SQLite lets new readers read the database alone as soon as all of
	 * the WAL is in it, so only those that read now are waited for */
	j->wait_ns = WAL_WAIT_NS;
	int rc = sqlite3_wal_checkpoint_v2(
		j->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	j->wait_ns = DB_WAIT_NS;
	return db_error(j, rc);
}

/* ---- opening ---- */

static void db_nap(long ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/*
 * db_wait - another connection has the lock. SQLite's own handler sleeps up
 * to 100 ms at a time, which is most of the time that a change may take to
 * its replica; transactions here last some 100 µs.
 */
static int db_wait(void *arg, int tries)
{
	const struct journal *j = arg;
	static _Thread_local int64_t since;
	int64_t now = clock_mono_ns();
	if (tries == 0)
		since = now;
	if (now - since > j->wait_ns)
		return 0;
	db_nap(tries < 40 ? (tries + 1) * 50000L : 2000000L);
	return 1;
}

/* make_folder - if missing. It is durable: a journal that is lost with its
 * folder leaves replicas that belong to nobody. */
static int make_folder(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : -errno;
	CLEANUP_FREE char *up = path_parent(path);
	CLEANUP_CLOSE int fd = open(*up		   ? up
				    : *path == '/' ? "/"
						   : ".",
				    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* make_folders - with those above it; the last one is private. */
static int make_folders(const char *path)
{
	int r = make_folder(path, 0700);
	if (r != -ENOENT)
		return r;
	CLEANUP_FREE char *up = text_copy(path);
	for (char *p = up + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = 0;
		r = make_folder(up, 0755);
		if (r < 0)
			return r;
		*p = '/';
	}
	return make_folder(path, 0700);
}

/* db_create - WAL, and all tables. Of two that do this at once one is told
 * "locked" without any wait, as both may hold what the other needs. */
static int db_create(struct journal *j)
{
	int64_t end = clock_mono_ns() + DB_WAIT_NS;
	for (;;) {
		int r = db_script(j, "PRAGMA journal_mode = WAL");
		if (r == 0)
			r = schema_create(j);
		if (r == 0)
			r = schema_upgrade(j);
		if (r != -EBUSY || clock_mono_ns() > end)
			return r;
		db_nap(2000000L);
	}
}

static int db_set_up(struct journal *j, enum journal_mode mode)
{
	sqlite3_extended_result_codes(j->db, 1);
	j->wait_ns = DB_WAIT_NS;
	sqlite3_busy_handler(j->db, db_wait, j);
	sqlite3_wal_hook(j->db, wal_grown, j);
	/* who holds no lock removes nothing: see rescue.c */
	if (mode == JOURNAL_READ)
		sqlite3_db_config(j->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
				  NULL);
	int r = db_script(j, "PRAGMA synchronous = NORMAL;"
			     "PRAGMA journal_size_limit = 67108864;"
			     "PRAGMA cache_size = -8192;");
	if (r < 0)
		return r;
	if (mode == JOURNAL_CREATE)
		r = db_create(j);
	if (r == 0)
		r = schema_check(j);
	if (r == 0 && mode == JOURNAL_READ)
		r = db_script(j, "PRAGMA query_only = 1");
	return r;
}

int db_open(const char *file, enum journal_mode mode, struct journal **ret)
{
	struct journal *j = calloc(1, sizeof(*j));
	if (!j)
		abort();
	j->lock_fd = -1;
	j->reads = mode == JOURNAL_READ;
	j->trust = clock_trusted();
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    (mode == JOURNAL_CREATE ? SQLITE_OPEN_CREATE : 0);
	if (mode == JOURNAL_CREATE && strcmp(file, ":memory:") != 0)
		db_private(file, true);
	int r = db_error(j, sqlite3_open_v2(file, &j->db, flags, NULL));
	if (r == 0) {
		db_placed(j);
		shm_guard(j->db, file);
		r = db_set_up(j, mode);
	}
	/* on a read-only disk SQLite misses what it cannot make */
	if (r == -ENOENT && access(file, W_OK) < 0)
		r = -errno;
	if (r < 0) {
		memcpy(open_error, j->error, sizeof(open_error));
		journal_close(j);
		return r;
	}
	*ret = j;
	return 0;
}

int db_lock(const char *state_dir, int how)
{
	CLEANUP_FREE char *path = path_join(state_dir, DB_LOCK);
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, how) < 0)
		return -errno;
	int r = fd;
	fd = -1;
	return r;
}

int journal_open(const char *state_dir, enum journal_mode mode,
		 struct journal **ret)
{
	int r = mode == JOURNAL_CREATE ? make_folders(state_dir) : 0;
	if (r < 0) {
		snprintf(open_error, sizeof(open_error),
			 "cannot make the folder: %s", strerror(-r));
		return r;
	}
	CLEANUP_CLOSE int lock =
		mode == JOURNAL_READ ? -1 : db_lock(state_dir, LOCK_SH);
	if (mode != JOURNAL_READ && lock < 0) {
		snprintf(open_error, sizeof(open_error), "%s: %s", DB_LOCK,
			 strerror(-lock));
		return lock == -ENOTDIR ? -ENOENT : lock;
	}
	CLEANUP_FREE char *file = path_join(state_dir, DB_FILE);
	r = db_open(file, mode, ret);
	if (r < 0)
		return r;
	(*ret)->dir = text_copy(state_dir);
	(*ret)->lock_fd = lock;
	lock = -1;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < DB_STATEMENTS; i++)
		sqlite3_finalize(j->cache[i].st);
	sqlite3_close(j->db);
	db_who_done(j);
	if (j->lock_fd >= 0)
		close(j->lock_fd);
	free(j->dir);
	free(j);
}

const char *journal_uuid(const struct journal *j)
{
	return j->uuid;
}
