/*
 * A database that is damaged or gone.
 *
 * Nobody can tell which of its records are still right, but they are needed
 * no more: the replicas can be compared with the tree. So it is set aside, for
 * people to look into, and a new one begins with the old uuid and replicas.
 *
 * SQLite's files must not be renamed while somebody writes: a connection that
 * has the old ones open would remove the new journal.db-wal by its name. So
 * every connection that may write holds a shared lock on STATE/journal.lock,
 * and this is done under the exclusive one. Those that only read hold none,
 * and remove nothing (db.c).
 *
 * Of one that is gone nothing is kept: its log alone tells nobody anything, and
 * takes the room that the new one needs.
 *
 * Killed half way: while journal.db.new is being made, nothing has happened;
 * later journal.db is missing, which is the same case again.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

#define CHECK_BYTES (64 << 20) /* more takes too long at each mount */
#define FILE_NEW    DB_FILE ".new"
#define COMPLETE_NS (3600 * NS_PER_S) /* an fsync or two */
#define COMPLETE    "complete" /* a key of meta, and so in STATE/identity */

static const char *const parts[] = {"", "-wal", "-shm"};
#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

static char *part_of(const char *state_dir, const char *file, size_t i)
{
	char *path;
	if (asprintf(&path, "%s/%s%s", state_dir, file, parts[i]) < 0)
		abort();
	return path;
}

static void remove_new(const char *state_dir)
{
	for (size_t i = 0; i < N_PARTS; i++) {
		CLEANUP_FREE char *path = part_of(state_dir, FILE_NEW, i);
		unlink(path);
	}
}

void db_private(const char *file, bool make)
{
	struct stat st;
	int fd = make ? open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
		      : -1;
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < N_PARTS; i++) {
		CLEANUP_FREE char *path = NULL;
		if (asprintf(&path, "%s%s", file, parts[i]) < 0)
			abort();
		if (stat(path, &st) == 0 && st.st_uid == geteuid() &&
		    st.st_mode & 077)
			chmod(path, 0600);
	}
}

#define NEVER (-1) /* something may be missing, of whatever age */

/* doubts_since - what is to be looked at, and not for when that was put: a record
 * of a power cut is younger than what it tells of. */
static int doubts_since(struct journal *j, int64_t *ret_ns)
{
	return db_number(
		j, ret_ns, INT64_MAX,
		"SELECT coalesce(min(CASE WHEN size = 0 OR"
		" (op = ?1 AND flags & ?3 <> 0) THEN ?5 ELSE size END),"
		" 9223372036854775807) FROM record WHERE seq >"
		" (SELECT min(cursor) FROM replica WHERE removed_ns = 0)"
		" AND op IN (?1, ?2) AND flags & ?4 <> 0",
		"ddddl", OP_UNSURE, OP_GAP, RF_CONTENT, RF_OBJECT | RF_CONTENT,
		(int64_t)NEVER);
}

int db_complete_set(struct journal *j)
{
	char text[24];
	int64_t ns, doubts_ns;
	int r = doubts_since(j, &doubts_ns);
	if (r < 0)
		return r;
	r = db_number(
		j, &ns, 0,
		"SELECT min(t) FROM (SELECT ?1 AS t"
		" UNION ALL SELECT coalesce(r.time_ns, 0) FROM dirty AS d"
		" LEFT JOIN record AS r ON r.seq = d.seq"
		" UNION ALL SELECT coalesce(r.time_ns, 0) FROM parked AS p"
		" LEFT JOIN record AS r ON r.seq = p.from_seq"
		" UNION ALL SELECT coalesce(r.time_ns, 0) FROM aside AS a"
		" LEFT JOIN record AS r ON r.seq = a.from_seq"
		" UNION ALL SELECT CASE seeded WHEN 0 THEN 0 ELSE"
		" coalesce((SELECT time_ns FROM record WHERE seq > cursor "
		DB_NO_EVENTS "ORDER BY seq LIMIT 1), ?1) END"
		" FROM replica WHERE removed_ns = 0)",
		"l", clock_wall_ns());
	if (doubts_ns < ns)
		ns = doubts_ns;
	if (r < 0 || ns == 0)
		return r;
	j->identity = true;
	snprintf(text, sizeof(text), "%" PRId64, ns == NEVER ? 0 : ns);
	return journal_meta_set(j, COMPLETE, text);
}

int db_complete_note(struct journal *j)
{
	CLEANUP_FREE char *noted = NULL;
	int r = journal_meta_get(j, COMPLETE, &noted);
	int64_t age = noted ? clock_wall_ns() - strtoll(noted, NULL, 10)
			    : COMPLETE_NS;
	if (r < 0 || (age >= 0 && age < COMPLETE_NS))
		return r;
	r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = db_complete_set(j);
	return journal_transaction_close(j, r);
}

/* forget - how far each replica was is lost, too. Files that changed since all of
 * them had everything, as far as that was noted, are sent again, however equal
 * they look: within a second size and time may well be those of the version
 * before. */
static int forget(struct journal *j)
{
	CLEANUP_FREE char *complete = NULL;
	int r = journal_meta_get(j, COMPLETE, &complete);
	int64_t ns = complete ? strtoll(complete, NULL, 10) : 0;
	ns = ns > CTIME_SLACK_NS ? ns - CTIME_SLACK_NS : 0;
	return r < 0 ? r
		     : db_run(j, NULL,
			      "INSERT INTO forgotten(replica, since_ns) "
			      "SELECT id, ? FROM replica",
			      "l", ns);
}

/* make_new - complete, and one file only, when it returns. */
static int make_new(const char *state_dir)
{
	CLEANUP_FREE char *path = part_of(state_dir, FILE_NEW, 0);
	struct journal *j;
	remove_new(state_dir);
	int r = db_open(path, JOURNAL_CREATE, &j);
	if (r < 0)
		return r;
	r = db_script(j, "PRAGMA synchronous = FULL");
	if (r == 0)
		r = identity_load(j, state_dir);
	if (r == 0) /* they are ours, though their state file were gone, too */
		r = db_script(j, "UPDATE replica SET adopt = 1");
	if (r == 0)
		r = forget(j);
	if (r == 0)
		r = db_script(j, "PRAGMA wal_checkpoint(TRUNCATE)");
	journal_close(j);
	if (r < 0)
		remove_new(state_dir);
	return r;
}

/* aside_name - journal.db.damaged-TIME, a name that is free. */
static void aside_name(const char *state_dir, char *out, size_t size)
{
	time_t now = (time_t)(clock_wall_ns() / NS_PER_S);
	struct tm tm;
	struct stat st;
	char text[32];
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm);
	for (unsigned n = 0; n < 1000; n++) {
		snprintf(out, size, "%s%s%.0u", JOURNAL_DAMAGED, text, n);
		CLEANUP_FREE char *path = path_join(state_dir, out);
		if (lstat(path, &st) < 0)
			return;
	}
}

/* drop_rest - of one that is gone. Returns whether there is one. */
static bool drop_rest(const char *state_dir)
{
	struct stat st;
	CLEANUP_FREE char *db = part_of(state_dir, DB_FILE, 0);
	if (lstat(db, &st) == 0)
		return true;
	for (size_t i = 1; i < N_PARTS; i++) {
		CLEANUP_FREE char *path = part_of(state_dir, DB_FILE, i);
		unlink(path);
	}
	return false;
}

static int set_aside(const char *state_dir, const char *name)
{
	CLEANUP_FREE char *file = part_of(state_dir, DB_FILE, 0);
	db_private(file, false);
	for (size_t i = N_PARTS; i-- > 0;) {
		CLEANUP_FREE char *from = part_of(state_dir, DB_FILE, i);
		CLEANUP_FREE char *to = part_of(state_dir, name, i);
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int put_in_place(const char *state_dir)
{
	CLEANUP_FREE char *from = part_of(state_dir, FILE_NEW, 0);
	CLEANUP_FREE char *to = part_of(state_dir, DB_FILE, 0);
	if (rename(from, to) < 0)
		return -errno;
	CLEANUP_CLOSE int fd =
		open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static char *rescue_text(const char *state_dir, const char *aside, bool made)
{
	char *text;
	if (asprintf(&text, "the journal in %s was %s%s; %s", state_dir,
		     aside ? "damaged and is kept as " : "lost",
		     aside ? aside : "",
		     made ? "a new one has its replicas, which are compared "
			    "as a whole"
			  : "who its replicas were is lost, too: name them "
			    "again") < 0)
		abort();
	return text;
}

int journal_rescue(const char *state_dir, bool anyway, char **ret_text)
{
	CLEANUP_CLOSE int lock = db_lock(state_dir, LOCK_EX | LOCK_NB);
	if (lock < 0)
		return lock == -EWOULDBLOCK ? -EBUSY : lock;
	bool was = drop_rest(state_dir);
	int r = make_new(state_dir);
	bool made = r == 0;
	if (r < 0 && !(r == -ENODATA && anyway))
		return r;
	char aside[64];
	aside_name(state_dir, aside, sizeof(aside));
	r = set_aside(state_dir, aside);
	if (r == 0 && made)
		r = put_in_place(state_dir);
	if (r < 0)
		return r;
	*ret_text = rescue_text(state_dir, was ? aside : NULL, made);
	return 0;
}

int journal_check(struct journal *j)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int64_t pages, size;
	int r = db_number(j, &pages, 0, "PRAGMA page_count", "");
	if (r == 0)
		r = db_number(j, &size, 0, "PRAGMA page_size", "");
	if (r < 0 || pages * size > CHECK_BYTES)
		return r;
	r = db_query(j, &st, "PRAGMA quick_check(1)", "");
	if (r == 0)
		r = db_next(j, st);
	if (r <= 0)
		return r;
	const char *text = (const char *)sqlite3_column_text(st, 0);
	if (text && strcmp(text, "ok") == 0)
		return 0;
	snprintf(j->error, sizeof(j->error), "%s", text ? text : "");
	return -EUCLEAN;
}
