/*
 * Who made a change: rows of the table `who`, and two caches over them.
 *
 * An upload makes some ten records with the same who, a busy server has some
 * dozens at a time: a small table in memory saves nearly all look-ups. Rows
 * that no record needs any more are removed by prune.c, which then tells the
 * cache of its connection to forget.
 */
#include "confdefs.h"

#include <stdlib.h>
#include <string.h>

#include "lib/journal/db.h"

#define WHO_SLOTS 512u /* a power of two */

struct who_table {
	struct {
		int64_t id; /* 0: empty */
		struct who who;
	} slots[WHO_SLOTS];
};

static struct who_table *who_table(struct who_table **t)
{
	if (!*t)
		*t = calloc(1, sizeof(**t));
	if (!*t)
		abort();
	return *t;
}

static uint32_t who_hash(const struct who *w)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	const uint32_t ids[] = {w->uid, w->gid, (uint32_t)w->pid};
	for (size_t i = 0; i < 3; i++)
		h = (h ^ ids[i]) * 16777619u;
	for (const char *p = w->program; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	for (const char *p = w->title; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return h ^ h >> 15;
}

static bool who_equal(const struct who *a, const struct who *b)
{
	return a->uid == b->uid && a->gid == b->gid && a->pid == b->pid &&
	       strcmp(a->program, b->program) == 0 &&
	       strcmp(a->title, b->title) == 0;
}

int db_who_id(struct journal *j, const struct who *who, int64_t *ret_id)
{
	struct who_table *t = who_table(&j->ids);
	uint32_t i = who_hash(who) % WHO_SLOTS;
	if (t->slots[i].id && who_equal(&t->slots[i].who, who)) {
		*ret_id = t->slots[i].id;
		return 0;
	}
	int64_t id;
	int r = db_number(j, &id, 0,
			  "SELECT id FROM who WHERE uid = ? AND gid = ? AND "
			  "pid = ? AND program = ? AND title = ?",
			  "lldtt", (int64_t)who->uid, (int64_t)who->gid,
			  (int)who->pid, who->program, who->title);
	if (r == 0 && id == 0) {
		r = db_run(j, NULL,
			   "INSERT INTO who(uid, gid, pid, program, title) "
			   "VALUES(?, ?, ?, ?, ?)",
			   "lldtt", (int64_t)who->uid, (int64_t)who->gid,
			   (int)who->pid, who->program, who->title);
		id = sqlite3_last_insert_rowid(j->db);
	}
	if (r < 0)
		return r;
	t->slots[i].id = id;
	t->slots[i].who = *who;
	*ret_id = id;
	return 0;
}

static void who_text(sqlite3_stmt *st, int column, char *out, size_t size)
{
	const char *s = (const char *)sqlite3_column_text(st, column);
	size_t n = s ? strnlen(s, size - 1) : 0;
	if (n)
		memcpy(out, s, n);
	out[n] = 0;
}

int db_who(struct journal *j, int64_t id, struct who *ret)
{
	struct who_table *t = who_table(&j->names);
	uint32_t i = (uint32_t)id % WHO_SLOTS;
	memset(ret, 0, sizeof(*ret));
	if (id <= 0)
		return 0;
	if (t->slots[i].id == id) {
		*ret = t->slots[i].who;
		return 0;
	}
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT uid, gid, pid, program, title FROM who "
			 "WHERE id = ?", "l", id);
	if (r == 0)
		r = db_next(j, st);
	if (r <= 0)
		return r; /* without a row: nobody */
	ret->uid = (uint32_t)sqlite3_column_int64(st, 0);
	ret->gid = (uint32_t)sqlite3_column_int64(st, 1);
	ret->pid = sqlite3_column_int(st, 2);
	who_text(st, 3, ret->program, sizeof(ret->program));
	who_text(st, 4, ret->title, sizeof(ret->title));
	t->slots[i].id = id;
	t->slots[i].who = *ret;
	return 0;
}

void db_who_forget(struct journal *j)
{
	free(j->ids);
	j->ids = NULL;
}

void db_who_done(struct journal *j)
{
	db_who_forget(j);
	free(j->names);
	j->names = NULL;
}
