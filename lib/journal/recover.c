/*
 * What the time before leaves to a new epoch.
 *
 * STOP is the last record of a run, put when the tree was synced. Where it is
 * missing, records and cursors of the last moments may be lost, and the
 * changes that they told of may be on the disk or not, each by itself; the
 * replicas may have them or not. What was changed is among the marks of the
 * activity log, all of it. So for each of them there is a record that says
 * "look", the same for all replicas: a mark names an object, not a path, as
 * finding its path costs disk accesses for which no user shall wait. Whoever
 * works on the record finds it.
 *
 * The record of a file says that its content is not known: whoever meets the
 * file at any name brings it. So these come first; where to look for it is
 * said by that of its directory. It may have been moved from there since it
 * was marked; then the directories that it came from and went to are marked.
 */
#include "confdefs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "activity.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "lib/journal/db.h"

static struct record *opening_add(struct opening *o, enum record_op op)
{
	db_grow(&o->list, o->n, sizeof(*o->list));
	struct record *r = &o->list[o->n++];
	*r = (struct record){
		.op = op, .seq = o->seq++, .time_ns = clock_wall_ns()};
	return r;
}

/* opening_settle - what was being written when the last run ended is over. */
static int opening_settle(struct journal *j, struct opening *o)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT obj, path, gone & 1 FROM dirty ORDER BY seq",
			 "");
	while (r == 0 && (r = db_next(j, st)) > 0) {
		struct record *s = opening_add(o, OP_SETTLE);
		s->path = text_copy(db_str(st, 1));
		s->flags = sqlite3_column_int(st, 2) ? RF_LAST : 0;
		r = db_handle(st, 0, &s->obj);
	}
	return r;
}

static void opening_gap(struct opening *o, uint32_t flags, int64_t since_ns)
{
	struct record *r = opening_add(o, OP_GAP);
	r->flags = flags;
	r->size = since_ns > 0 ? (uint64_t)since_ns : 0;
}

/* ---- marks ---- */

static void opening_unsure(struct opening *o, const struct fhandle *obj,
			   uint32_t flags, int64_t since_ns, const char *name)
{
	struct record *r = opening_add(o, OP_UNSURE);
	r->flags = RF_OBJECT | flags;
	r->obj = *obj;
	r->path = text_copy("");
	r->path2 = text_copy(name);
	r->size = since_ns > 0 ? (uint64_t)since_ns : 0;
}

static int by_handle(const void *a, const void *b)
{
	const struct fhandle *x = a, *y = b;
	size_t n = fhandle_size(x), m = fhandle_size(y);
	int c = memcmp(x, y, n < m ? n : m);
	return c ? c : n < m ? -1 : n > m;
}

/* opening_parents - the directories that were marked, and where marked ones and
 * files were, each once: what cannot be read is met by its name there. */
static void opening_parents(struct opening *o, const struct activity_past *p)
{
	struct fhandle *list = calloc(2 * p->n + 1, sizeof(*list));
	unsigned n = 0;
	if (!list)
		abort();
	for (unsigned i = 0; i < p->n; i++) {
		const struct mark *m = &p->marks[i];
		if (m->kind != MARK_FILE && m->kind != MARK_DIR)
			continue;
		if (m->dir.len)
			list[n++] = m->dir;
		if (m->kind == MARK_DIR)
			list[n++] = m->obj;
	}
	qsort(list, n, sizeof(*list), by_handle);
	for (unsigned i = 0; i < n; i++) {
		if (i == 0 || by_handle(&list[i - 1], &list[i]) != 0)
			opening_unsure(o, &list[i], 0, p->since_ns, NULL);
	}
	free(list);
}

static void opening_marks(struct opening *o, const struct activity_past *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (p->marks[i].kind == MARK_FILE)
			opening_unsure(o, &p->marks[i].obj, RF_CONTENT, 0,
				       NULL);
	}
	opening_parents(o, p);
	for (unsigned i = 0; i < p->n; i++) {
		const struct mark *m = &p->marks[i];
		if (m->kind == MARK_TREE)
			opening_unsure(o, &m->obj, RF_DEEP, p->since_ns, NULL);
		if (m->kind == MARK_NEW_DIR)
			opening_unsure(o, &m->dir, RF_DEEP, p->since_ns,
				       m->name);
	}
}

/* ---- the whole tree ---- */

static void opening_recover(struct journal *j, uint64_t last_epoch,
			    struct opening *o)
{
	struct activity_past past;
	activity_load(j->dir, j->uuid, last_epoch, &past);
	switch (past.verdict) {
	case PAST_MARKS:
		opening_marks(o, &past);
		if (past.n == 0)
			break;
		log_notice("the last run did not end well: what was being "
			   "changed is compared with the replicas, marks=%u",
			   past.n);
		break;
	case PAST_OFF:
		opening_gap(o, 0, 0);
		log_notice("the last run did not end well, without an activity "
			   "log: everything is compared with the replicas, by "
			   "size and time");
		break;
	case PAST_DOUBT:
		opening_gap(o, RF_CONTENT, past.since_ns);
		log_notice("the last run did not end well, and the activity "
			   "log is no help (%s): everything is %s",
			   past.why,
			   past.since_ns > 0
				   ? "compared with the replicas, and what was "
				     "changed lately is sent"
				   : "sent to the replicas again");
		break;
	}
	activity_past_done(&past);
}

static int opening_rescan(struct journal *j, struct opening *o)
{
	CLEANUP_FREE char *since = NULL;
	int r = journal_meta_get(j, "rescan", &since);
	if (r < 0 || !since)
		return r;
	opening_gap(o, RF_CONTENT, strtoll(since, NULL, 10));
	log_notice("everything is compared with the replicas");
	return db_run(j, NULL, "DELETE FROM meta WHERE key = 'rescan'", "");
}

/* opening_older - records are missing, nobody knows how many: everything, and
 * for certain what was changed since the newest that is there. */
static int opening_older(struct journal *j, uint64_t last_epoch,
			 struct opening *o)
{
	struct activity_past past;
	int64_t newest_ns;
	int r = db_number(j, &newest_ns, INT64_MAX,
			  "SELECT time_ns FROM record "
			  "ORDER BY seq DESC LIMIT 1",
			  "");
	if (r < 0)
		return r;
	log_warning("the journal's database is an older copy: everything is "
		    "compared with the replicas");
	activity_load(j->dir, j->uuid, last_epoch, &past);
	if (past.verdict == PAST_MARKS)
		opening_marks(o, &past);
	newest_ns -= CTIME_SLACK_NS;
	opening_gap(o, RF_CONTENT,
		    newest_ns < past.since_ns ? newest_ns : past.since_ns);
	activity_past_done(&past);
	return 0;
}

/* ended_well - STOP is the last record, and of the last epoch: one of which no
 * record is left did not end well. */
static int ended_well(struct journal *j, uint64_t last_epoch, bool *ret)
{
	int64_t stop = 0;
	int r = db_number(j, &stop, 0,
			  "SELECT CASE op WHEN ? THEN seq ELSE 0 END "
			  "FROM record ORDER BY seq DESC LIMIT 1",
			  "d", OP_STOP);
	*ret = last_epoch == 0 || SEQ_EPOCH(stop) == last_epoch;
	return r;
}

int journal_ended(struct journal *j)
{
	int64_t epoch;
	bool well = false;
	int r = db_number(j, &epoch, 0,
			  "SELECT CAST(value AS INTEGER) FROM meta "
			  "WHERE key = 'epoch'",
			  "");
	if (r == 0)
		r = ended_well(j, (uint64_t)epoch, &well);
	return r < 0 ? r : well;
}

int opening_fill(struct journal *j, uint64_t last_epoch, bool older,
		 struct opening *o, bool *ret_cut)
{
	bool well = false;
	int r = opening_settle(j, o);
	if (r == 0)
		r = ended_well(j, last_epoch, &well);
	if (r < 0)
		return r;
	*ret_cut = !well;
	if (older)
		r = opening_older(j, last_epoch, o);
	else if (!well)
		opening_recover(j, last_epoch, o);
	return r < 0 ? r : opening_rescan(j, o);
}
