/*
 * The history: which records match, and when each replica got them.
 *
 * A reader may stop at a pager for hours, and an open read transaction keeps
 * the write-ahead log growing. So rows are read in chunks, and the caller's
 * function runs between them, outside of any transaction.
 */
#include "confdefs.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "paths.h"
#include "lib/journal/db.h"
#include "lib/journal/history.h"

#define CHUNK_MATCHES 256u   /* records handed over at a time */
#define CHUNK_ROWS    20000u /* rows looked at in one transaction */

struct history {
	struct journal *j;
	const struct history_filter *f;
	int64_t uid;           /* of f->user, -1: not a user of this host */
	uint64_t after, upto;  /* seq: after < seq ≤ upto */
	uint64_t *newest;      /* with a limit: matches, the newest first */
	unsigned n_newest;
};

/* ---- which ---- */

static int64_t user_id(const char *user)
{
	char *end, space[4096];
	struct passwd pw, *found = NULL;
	if (!user)
		return -1;
	errno = 0;
	unsigned long n = strtoul(user, &end, 10);
	if (*user >= '0' && *user <= '9' && !*end && !errno && n < UINT32_MAX)
		return (int64_t)n;
	if (getpwnam_r(user, &pw, space, sizeof(space), &found) == 0 && found)
		return (int64_t)found->pw_uid;
	return -1;
}

static bool is_word_char(char c)
{
	unsigned char u = (unsigned char)c;
	return (u >= '0' && u <= '9') || (u >= 'a' && u <= 'z') ||
	       (u >= 'A' && u <= 'Z') || u >= 0x80 || (u && strchr("_-.@+", u));
}

/* has_word - "vsftpd: 192.0.2.7/bob: STOR x" has the word "bob". */
static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);
	if (n == 0)
		return false;
	for (const char *p = text; (p = strstr(p, word)) != NULL; p++)
		if ((p == text || !is_word_char(p[-1])) &&
		    !is_word_char(p[n]))
			return true;
	return false;
}

static int match_user(struct history *h, sqlite3_stmt *st)
{
	struct who who;
	int r = db_who(h->j, sqlite3_column_int64(st, COL_WHO), &who);
	if (r < 0)
		return r;
	return (h->uid >= 0 && who.uid == (uint64_t)h->uid) ||
	       has_word(who.title, h->f->user);
}

/* match_path - at or below the path of the question, or a folder above it
 * that was renamed. */
static bool match_path(sqlite3_stmt *st, const char *path)
{
	enum record_op op = (enum record_op)sqlite3_column_int(st, COL_OP);
	const char *p1 = (const char *)sqlite3_column_text(st, COL_PATH);
	const char *p2 = record_has_path2(op)
		? (const char *)sqlite3_column_text(st, COL_PATH2) : NULL;
	if (!*path)
		return true;
	if ((p1 && path_is_below(p1, path)) || (p2 && path_is_below(p2, path)))
		return true;
	return op == OP_RENAME && ((p1 && path_is_below(path, p1)) ||
				   (p2 && path_is_below(path, p2)));
}

/* history_match - 1, 0, or a negative errno */
static int history_match(struct history *h, sqlite3_stmt *st)
{
	const struct history_filter *f = h->f;
	int64_t when = sqlite3_column_int64(st, COL_TIME);
	if (f->op && sqlite3_column_int(st, COL_OP) != f->op)
		return 0;
	if ((f->since_ns && when < f->since_ns) ||
	    (f->until_ns && when > f->until_ns))
		return 0;
	if (f->path && !match_path(st, f->path))
		return 0;
	return f->user ? match_user(h, st) : 1;
}

/* ---- with a limit: the newest matches, by looking downwards ---- */

/* newest_chunk - look at some rows below *before. Returns how many, 0 at the
 * end. */
static int newest_chunk(struct history *h, uint64_t *before)
{
	unsigned rows = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(h->j, &st,
			 "SELECT " RECORD_COLUMNS " FROM record "
			 "WHERE seq < ? AND seq > ? ORDER BY seq DESC", "ll",
			 *before, h->after);
	while (r == 0 && h->n_newest < h->f->limit && rows < CHUNK_ROWS &&
	       (r = db_next(h->j, st)) > 0) {
		*before = (uint64_t)sqlite3_column_int64(st, COL_SEQ);
		rows++;
		r = history_match(h, st);
		if (r > 0) {
			db_grow(&h->newest, h->n_newest, sizeof(*h->newest));
			h->newest[h->n_newest++] = *before;
			r = 0;
		}
	}
	return r < 0 ? r : (int)rows;
}

static int history_newest(struct history *h)
{
	uint64_t before = h->upto + 1;
	int r = 1;
	while (h->n_newest < h->f->limit && r > 0)
		r = newest_chunk(h, &before);
	return r < 0 ? r : 0;
}

/* newest_records - the oldest that were found and not yet handed over.
 * Returns how many it looked at: one may be pruned meanwhile. */
static int newest_records(struct history *h, struct record *out, unsigned *n)
{
	unsigned rows = 0;
	int r = 0;
	while (h->n_newest > 0 && *n < CHUNK_MATCHES) {
		DB_RESET sqlite3_stmt *st = NULL;
		r = db_query(h->j, &st,
			     "SELECT " RECORD_COLUMNS " FROM record "
			     "WHERE seq = ?", "l", h->newest[h->n_newest - 1]);
		if (r == 0)
			r = db_next(h->j, st);
		if (r > 0)
			r = db_row_record(h->j, st, &out[*n]) ?: 1;
		if (r < 0)
			return r;
		*n += (unsigned)r;
		h->n_newest--;
		rows++;
	}
	return (int)rows;
}

/* ---- without: upwards ---- */

/* next_records - the next matches; moves h->after. Returns how many rows it
 * looked at, 0 at the end. */
static int next_records(struct history *h, struct record *out, unsigned *n)
{
	unsigned rows = 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(h->j, &st,
			 "SELECT " RECORD_COLUMNS " FROM record "
			 "WHERE seq > ? AND seq <= ? ORDER BY seq", "ll",
			 h->after, h->upto);
	while (r == 0 && *n < CHUNK_MATCHES && rows < CHUNK_ROWS &&
	       (r = db_next(h->j, st)) > 0) {
		h->after = (uint64_t)sqlite3_column_int64(st, COL_SEQ);
		rows++;
		r = history_match(h, st);
		if (r > 0) {
			r = db_row_record(h->j, st, &out[*n]);
			if (r == 0)
				++*n;
		}
	}
	return r < 0 ? r : (int)rows;
}

/* ---- handing over ---- */

static int history_give(struct history *h, struct arrivals *a,
			struct record *list, unsigned n, history_fn *fn,
			void *arg)
{
	int r = arrivals_refresh(a);
	for (unsigned i = 0; r == 0 && i < n; i++) {
		r = arrivals_find(a, &list[i]);
		if (r == 0)
			r = fn(arg, &list[i], a->deliveries, a->n);
	}
	return r;
}

static int history_run(struct history *h, struct arrivals *a,
		       struct record *list, history_fn *fn, void *arg)
{
	bool limited = h->f->limit > 0;
	int rows, r = limited ? history_newest(h) : 0;
	if (r < 0)
		return r;
	do {
		unsigned n = 0;
		rows = limited ? newest_records(h, list, &n)
			       : next_records(h, list, &n);
		r = rows < 0 ? rows : history_give(h, a, list, n, fn, arg);
		for (unsigned i = 0; i < n; i++)
			record_done(&list[i]);
	} while (r == 0 && rows > 0);
	return r;
}

int journal_history(struct journal *j, const struct history_filter *f,
		    history_fn *fn, void *arg)
{
	int64_t newest;
	struct history h = {.j = j, .f = f, .after = f->after_seq,
			    .uid = user_id(f->user)};
	int r = db_number(j, &newest, 0, "SELECT max(seq) FROM record", "");
	if (r < 0)
		return r;
	h.upto = (uint64_t)newest;
	struct arrivals a = {.j = j, .only = f->replica};
	struct record *list = calloc(CHUNK_MATCHES, sizeof(*list));
	if (!list)
		abort();
	r = history_run(&h, &a, list, fn, arg);
	free(list);
	free(h.newest);
	arrivals_done(&a);
	return r;
}
