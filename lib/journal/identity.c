/*
 * STATE/identity: a small durable copy of what must not be lost with the
 * database: uuid, epoch, and the replicas with their settings. By the uuid
 * replicas know their master, so a new database that lacked it would be
 * refused by all of them.
 *
 * It is SQL, so that it follows the tables without knowing their columns, and
 * can be read by people. The last line is a checksum. It is written before the
 * transaction that it copies is committed: what it says that the database does
 * not (a replica just added) does no harm.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "owed.h"
#include "paths.h"
#include "lib/journal/db.h"
#include "lib/journal/identity.h"

#define IDENTITY_FILE "identity"
#define IDENTITY_NEW  "identity.new"
#define IDENTITY_MAX  (16u << 20)
#define SUM_MARK      "-- sum "
#define SUM_LINE      (sizeof(SUM_MARK) - 1 + 16 + 1)

/* ---- writing ---- */

/* How far a replica is does not belong to what it is. */
static bool is_progress(const char *table, const char *column)
{
	static const char *const words[] = {"state",  "error",	  "error_ns",
					    "cursor", "inflight", "seeded"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(table, "replica") == 0 &&
		    strcmp(column, words[i]) == 0)
			return true;
	}
	return false;
}

static void put_value(FILE *out, sqlite3_stmt *st, int i)
{
	if (sqlite3_column_type(st, i) == SQLITE_INTEGER) {
		fprintf(out, "%lld", (long long)sqlite3_column_int64(st, i));
		return;
	}
	char *quoted = sqlite3_mprintf("%Q", sqlite3_column_text(st, i));
	if (!quoted)
		abort();
	fputs(quoted, out);
	sqlite3_free(quoted);
}

static void put_row(FILE *out, const char *table, sqlite3_stmt *st)
{
	int n = sqlite3_column_count(st), k = 0;
	fprintf(out, "INSERT INTO %s(", table);
	for (int i = 0; i < n; i++) {
		const char *column = sqlite3_column_name(st, i);
		if (!is_progress(table, column))
			fprintf(out, "%s%s", k++ ? ", " : "", column);
	}
	fputs(") VALUES(", out);
	k = 0;
	for (int i = 0; i < n; i++) {
		if (is_progress(table, sqlite3_column_name(st, i)))
			continue;
		fputs(k++ ? ", " : "", out);
		put_value(out, st, i);
	}
	fputs(");\n", out);
}

static int put_table(struct journal *j, FILE *out, const char *table,
		     const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t there;
	int r = db_number(j, &there, 0,
			  "SELECT count(*) FROM sqlite_master WHERE name = ?",
			  "t", table);
	if (r < 0 || !there) /* an older program's database */
		return r;
	int rc = sqlite3_prepare_v2(j->db, sql, -1, &st, NULL);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			put_row(out, table, st);
	}
	r = rc == SQLITE_DONE ? 0 : db_error(j, rc);
	sqlite3_finalize(st);
	return r;
}

static int identity_text(struct journal *j, char **ret, size_t *ret_len)
{
	FILE *out = open_memstream(ret, ret_len);
	if (!out)
		abort();
	fputs("-- What the journal is made from anew when it is lost. "
	      "Do not edit.\n",
	      out);
	int r = put_table(j, out, "meta", "SELECT * FROM meta");
	if (r == 0)
		r = put_table(j, out, "replica",
			      "SELECT * FROM replica WHERE removed_ns = 0");
	if (r == 0)
		r = put_table(j, out, "replica_option",
			      "SELECT * FROM replica_option");
	fflush(out);
	uint64_t sum = text_sum(*ret, *ret_len);
	fprintf(out, SUM_MARK "%016" PRIx64 "\n", sum);
	fclose(out);
	return r;
}

static int write_durably(int dir_fd, const char *text, size_t len)
{
	CLEANUP_CLOSE int fd =
		openat(dir_fd, IDENTITY_NEW,
		       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, text + done, len - done);
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	if (fsync(fd) < 0 ||
	    renameat(dir_fd, IDENTITY_NEW, dir_fd, IDENTITY_FILE) < 0 ||
	    fsync(dir_fd) < 0)
		return -errno;
	return 0;
}

int identity_save(struct journal *j)
{
	CLEANUP_FREE char *text = NULL;
	size_t len = 0;
	if (!j->dir)
		return 0;
	CLEANUP_CLOSE int dir_fd =
		open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir_fd < 0 ? -errno : identity_text(j, &text, &len);
	if (r == 0)
		r = write_durably(dir_fd, text, len);
	if (r < 0 && !*j->error)
		snprintf(j->error, sizeof(j->error), "%s/%s: %s", j->dir,
			 IDENTITY_FILE, strerror(-r));
	return r;
}

/* ---- reading ---- */

bool identity_missing(const char *state_dir)
{
	CLEANUP_FREE char *path = path_join(state_dir, IDENTITY_FILE);
	return access(path, F_OK) < 0;
}

/* identity_read - the text without its checksum. */
static int identity_read(const char *state_dir, char **ret)
{
	CLEANUP_FREE char *path = path_join(state_dir, IDENTITY_FILE);
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENODATA : -errno;
	size_t len = (size_t)st.st_size;
	if (len < SUM_LINE || len > IDENTITY_MAX)
		return -ENODATA;
	CLEANUP_FREE char *text = calloc(1, len + 1);
	if (!text)
		abort();
	if (read(fd, text, len) != (ssize_t)len)
		return -EIO;
	char want[SUM_LINE + 1];
	len -= SUM_LINE;
	snprintf(want, sizeof(want), SUM_MARK "%016" PRIx64 "\n",
		 text_sum(text, len));
	if (memcmp(text + len, want, SUM_LINE) != 0)
		return -ENODATA;
	text[len] = 0;
	*ret = text;
	text = NULL;
	return 0;
}

int identity_load(struct journal *j, const char *state_dir)
{
	CLEANUP_FREE char *text = NULL;
	int r = identity_read(state_dir, &text);
	if (r == 0)
		r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = db_script(j, "DELETE FROM meta");
	if (r == 0)
		r = db_script(j, text);
	return journal_transaction_close(j, r);
}

int journal_recall(const char *state_dir, struct journal **ret)
{
	int r = db_open(":memory:", JOURNAL_CREATE, ret);
	if (r < 0)
		return r;
	CLEANUP_FREE char *uuid = NULL;
	r = identity_load(*ret, state_dir);
	if (r == 0)
		r = journal_meta_get(*ret, "uuid", &uuid);
	if (r == 0 && (!uuid || strlen(uuid) != 36))
		r = -ENODATA;
	if (r == 0) {
		strcpy((*ret)->uuid, uuid);
		return 0;
	}
	journal_close(*ret);
	*ret = NULL;
	return r;
}

bool journal_may_recover(int error)
{
	return error == -EROFS || error == -EIO || error == -ENOSPC ||
	       error == -EDQUOT;
}

int journal_identity(const char *state_dir, struct journal_identity *ret)
{
	struct journal *j;
	CLEANUP_FREE char *epoch = NULL;
	*ret = (struct journal_identity){.uuid = ""};
	int r = journal_recall(state_dir, &j);
	if (r < 0)
		return r;
	strcpy(ret->uuid, journal_uuid(j));
	r = journal_meta_get(j, "epoch", &epoch);
	if (r == 0)
		r = journal_meta_get(j, "root", &ret->root);
	journal_close(j);
	if (r < 0)
		return r;
	ret->epoch = epoch ? strtoull(epoch, NULL, 10) : 0;
	return 0;
}
