/*
 * Named texts, and the beginning of an epoch.
 *
 * An epoch begins with a commit that is on the disk before the first record
 * gets a number of it: whatever a power cut takes, the next epoch is another.
 */
#include "confdefs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "activity.h"
#include "clock.h"
#include "owed.h"
#include "stamps.h"
#include "lib/journal/db.h"

int journal_meta_get(struct journal *j, const char *key, char **ret)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st, "SELECT value FROM meta WHERE key = ?", "t",
			 key);
	if (r == 0)
		r = db_next(j, st);
	if (r < 0)
		return r;
	*ret = r ? db_text(st, 0) : NULL;
	return 0;
}

int journal_meta_set(struct journal *j, const char *key, const char *value)
{
	return db_run(j, NULL,
		      "INSERT INTO meta(key, value) VALUES(?, ?) "
		      "ON CONFLICT(key) DO UPDATE SET value = excluded.value",
		      "tt", key, value);
}

static int epoch_get(struct journal *j, int64_t *ret_epoch)
{
	return db_number(j, ret_epoch, 0,
			 "SELECT CAST(value AS INTEGER) FROM meta "
			 "WHERE key = 'epoch'",
			 "");
}

/* epoch_used - of everything that carries a seq here. */
static int epoch_used(struct journal *j, int64_t *ret_epoch)
{
	int64_t seq;
	int r = db_number(j, &seq, 0,
			  "SELECT max("
			  " coalesce((SELECT max(seq) FROM record), 0),"
			  " coalesce((SELECT max(max(cursor, inflight))"
			  "           FROM replica), 0))",
			  "");
	if (r == 0)
		*ret_epoch = (int64_t)SEQ_EPOCH(seq);
	return r;
}

/* epoch_doubt - a power cut may have taken cursors back, and any part of what
 * comes after them may be on the replicas: in flight, as it were, up to the
 * end of the last epoch. */
static int epoch_doubt(struct journal *j, uint64_t epoch)
{
	return db_run(j, NULL,
		      "UPDATE replica SET inflight = max(inflight, ?) "
		      "WHERE seeded",
		      "l", SEQ_FIRST(epoch) - 1);
}

/* epoch_noted - by STATE/identity, if that is ours; else 0. When it is ahead,
 * the database is older than it was: records are missing. */
static int64_t epoch_noted(struct journal *j)
{
	struct journal_identity id;
	if (journal_identity(j->dir, &id) < 0)
		return 0;
	free(id.root);
	return strcmp(id.uuid, j->uuid) == 0 ? (int64_t)id.epoch : 0;
}

/* is_older - by STATE/activity, of the same epoch. A new one in place of one that
 * was lost has nothing yet, and is compared anyway. */
static int is_older(struct journal *j, bool *ret)
{
	int64_t newest;
	uint64_t synced = activity_synced(j->dir, j->uuid);
	/* the newest records may be pruned, when all replicas have them */
	int r = db_number(j, &newest, 0,
			  "SELECT max("
			  " coalesce((SELECT max(seq) FROM record), 0),"
			  " coalesce((SELECT max(cursor) FROM replica), 0))",
			  "");
	*ret = r == 0 && newest > 0 && (uint64_t)newest < synced;
	return r;
}

/* epoch_known - what was changed later was seen by nobody, and is looked for. */
static int epoch_known(struct journal *j, uint64_t epoch)
{
	int64_t ns;
	int r = journal_known_ns(j, SEQ_FIRST(epoch), &ns);
	return r < 0 || ns == 0 ? r : journal_known_keep(j, ns);
}

static int epoch_open(struct journal *j, uint64_t last, bool older,
		      uint64_t *seq)
{
	struct opening o = {.seq = *seq};
	bool cut;
	int r = opening_fill(j, last, older, &o, &cut);
	if (r == 0 && cut)
		r = epoch_doubt(j, SEQ_EPOCH(*seq));
	if (r == 0 && cut)
		r = epoch_known(j, SEQ_EPOCH(*seq));
	if (r == 0)
		r = db_append(j, o.list, o.n);
	for (unsigned i = 0; i < o.n; i++)
		record_done(&o.list[i]);
	free(o.list);
	*seq = o.seq;
	return r;
}

static int epoch_next(struct journal *j, int64_t noted, uint64_t *ret_first_seq)
{
	int64_t last, used = 0;
	int r = epoch_get(j, &last);
	if (r == 0)
		r = epoch_used(j, &used);
	if (r < 0)
		return r;
	int64_t epoch = last > used ? last : used;
	bool older;
	r = is_older(j, &older);
	if (r < 0)
		return r;
	if (noted > epoch) {
		older = true;
		epoch = last = noted;
	}
	char text[24];
	snprintf(text, sizeof(text), "%" PRId64, ++epoch);
	uint64_t seq = SEQ_FIRST(epoch);
	j->identity = true;
	r = journal_meta_set(j, "epoch", text);
	if (r == 0)
		r = epoch_open(j, (uint64_t)last, older, &seq);
	if (r == 0) /* with what that has put */
		r = db_complete_set(j);
	if (r == 0)
		*ret_first_seq = seq;
	return r;
}

static int rescan_put(struct journal *j, int64_t since_ns)
{
	char text[24];
	int64_t had;
	int r = 0;
	if (since_ns == 0)
		r = db_number(j, &since_ns, 0,
			      "SELECT time_ns FROM record "
			      "ORDER BY seq DESC LIMIT 1",
			      "");
	if (r == 0)
		r = db_number(j, &had, INT64_MAX,
			      "SELECT CAST(value AS INTEGER) FROM meta "
			      "WHERE key = 'rescan'",
			      "");
	if (r < 0)
		return r;
	since_ns -= CTIME_SLACK_NS;
	snprintf(text, sizeof(text), "%" PRId64,
		 had < since_ns ? had : since_ns);
	return journal_meta_set(j, "rescan", text);
}

/* epoch_reach - the next one has all that is owed, and `epoch`, which follows
 * in the same transaction, is empty. */
static int epoch_reach(struct journal *j, uint64_t epoch, int64_t since_ns,
		       uint64_t *ret_first_seq)
{
	int64_t last, used = 0, noted = epoch_noted(j);
	uint64_t first = 0;
	char text[24];
	int r = epoch_get(j, &last);
	if (r == 0)
		r = epoch_used(j, &used);
	if (r < 0)
		return r;
	*ret_first_seq = SEQ_FIRST(epoch);
	if ((uint64_t)last == epoch) /* by a try that was cut short? */
		return (uint64_t)used < epoch ? 0 : -ESTALE;
	if ((uint64_t)noted == epoch) /* by one whose commit failed */
		noted = 0;
	if (since_ns)
		r = rescan_put(j, since_ns);
	if (r == 0)
		r = epoch_next(j, noted, &first);
	if (r == 0 && SEQ_EPOCH(first) >= epoch)
		r = -ESTALE;
	snprintf(text, sizeof(text), "%" PRIu64, epoch);
	return r < 0 ? r : journal_meta_set(j, "epoch", text);
}

/* epoch_durably - the next one, or up to `reach`. */
static int epoch_durably(struct journal *j, uint64_t reach, int64_t since_ns,
			 uint64_t *ret_first_seq)
{
	uint64_t first = 0;
	int r = db_script(j, "PRAGMA synchronous = FULL");
	if (r == 0)
		r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = reach ? epoch_reach(j, reach, since_ns, &first)
		  : epoch_next(j, epoch_noted(j), &first);
	r = journal_transaction_close(j, r);
	/* The commit is durable; that the WAL becomes small again is a
	 * courtesy that a reader may prevent. */
	if (r == 0)
		db_script(j, "PRAGMA wal_checkpoint(TRUNCATE)");
	int restored = db_script(j, "PRAGMA synchronous = NORMAL");
	if (r == 0)
		r = restored;
	/* what was marked is in the journal now */
	if (r == 0)
		r = activity_reset(j->dir, j->uuid, SEQ_EPOCH(first), 0);
	if (r == 0)
		*ret_first_seq = first;
	return r;
}

int journal_epoch_begin(struct journal *j, uint64_t *ret_first_seq)
{
	return epoch_durably(j, 0, 0, ret_first_seq);
}

int journal_epoch_reach(struct journal *j, uint64_t epoch, int64_t since_ns)
{
	uint64_t first;
	return epoch_durably(j, epoch, since_ns, &first);
}

int journal_dirty_since(struct journal *j, int64_t *ret_ns)
{
	int64_t now = clock_wall_ns(), since;
	int r = db_number(j, &since, now,
			  "SELECT min(coalesce(r.time_ns, 0)) FROM dirty AS d"
			  " LEFT JOIN record AS r ON r.seq = d.seq",
			  "");
	if (r == 0)
		*ret_ns = (since < now ? since : now) - CTIME_SLACK_NS;
	return r;
}

int journal_rescan_next(struct journal *j, int64_t since_ns)
{
	int r = db_script(j, "PRAGMA synchronous = FULL");
	if (r == 0)
		r = since_ns < 0
			    ? db_run(j, NULL,
				     "DELETE FROM meta WHERE key = 'rescan'",
				     "")
			    : rescan_put(j, since_ns);
	int r2 = db_script(j, "PRAGMA synchronous = NORMAL");
	return r < 0 ? r : r2;
}
