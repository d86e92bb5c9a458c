/* The options of replicas: those given for one, those given for all (id 0). */
#include "confdefs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "lib/journal/db.h"

static int options_load(struct journal *j, int64_t id,
			struct replica_given *given)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT key, value FROM replica_option "
			 "WHERE replica = ?",
			 "l", id);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		char *why = NULL;
		/* what another version of the program wrote may be unknown */
		r = replica_given_set(
			given, db_str(st, 0),
			db_str(st, 1), &why);
		if (r < 0)
			log_debug("an option in the journal: %s", why);
		free(why);
		r = 0;
	}
	return r;
}

int db_replica_options(struct journal *j, struct replica_row *row)
{
	struct replica_given all = {0};
	int r = options_load(j, 0, &all);
	if (r == 0)
		r = options_load(j, row->id, &row->given);
	replica_given_add(&row->in_force, &row->given);
	replica_given_add(&row->in_force, &all);
	replica_options_make(&row->options, &row->in_force);
	replica_given_done(&all);
	return r;
}

int db_replica_options_put(struct journal *j, int64_t id,
			   const struct replica_given *given)
{
	j->identity = true;
	int r = db_run(j, NULL, "DELETE FROM replica_option WHERE replica = ?",
		       "l", id);
	for (unsigned i = 0; given && r == 0 && i < REPLICA_OPTIONS; i++) {
		if (given->text[i])
			r = db_run(j, NULL,
				   "INSERT INTO replica_option"
				   "(replica, key, value) VALUES(?, ?, ?)",
				   "ltt", id, replica_option_key(i),
				   given->text[i]);
	}
	return r;
}

static int options_put(struct journal *j, int64_t id,
		       const struct replica_given *given)
{
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = db_replica_options_put(j, id, given);
	return journal_transaction_close(j, r);
}

int journal_replica_defaults(struct journal *j,
			     const struct replica_given *given)
{
	return options_put(j, 0, given);
}

int journal_replica_set(struct journal *j, const char *name,
			const struct replica_given *given)
{
	int64_t id;
	int r = db_number(j, &id, 0,
			  "SELECT id FROM replica "
			  "WHERE name = ? AND removed_ns = 0",
			  "t", name);
	if (r < 0)
		return r;
	return id ? options_put(j, id, given) : -ENOENT;
}

/* ---- which of them sync goes by ---- */

#define TAKEN_BYTES 32

static void taken_key(int64_t id, char out[TAKEN_BYTES])
{
	snprintf(out, TAKEN_BYTES, "taken.%" PRId64, id);
}

/* taken_text - what decides which things the replica has, and how. */
static char *taken_text(const struct replica_options *o)
{
	char *text;
	if (asprintf(&text, "%s\n%s\n%s", o->filter ? o->filter : "",
		     o->filter_file ? o->filter_file : "",
		     o->owner ? o->owner : "") < 0)
		abort();
	return text;
}

int journal_replica_taken(struct journal *j, const struct replica_row *row)
{
	CLEANUP_FREE char *text = taken_text(&row->options);
	CLEANUP_FREE char *before = NULL;
	char key[TAKEN_BYTES];
	taken_key(row->id, key);
	int r = journal_meta_get(j, key, &before);
	if (r < 0 || (before && strcmp(before, text) == 0))
		return r;
	return journal_meta_set(j, key, text);
}

int db_replica_taken(struct journal *j, const struct replica_row *row)
{
	CLEANUP_FREE char *text = taken_text(&row->options);
	CLEANUP_FREE char *taken = NULL;
	char key[TAKEN_BYTES];
	taken_key(row->id, key);
	int r = journal_meta_get(j, key, &taken);
	return r < 0 ? r : !taken || strcmp(taken, text) == 0;
}
