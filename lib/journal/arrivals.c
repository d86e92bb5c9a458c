/* When records reached replicas; see history.h. */
#include "confdefs.h"

#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "lib/journal/history.h"

static void arrival_done(struct arrival *a)
{
	free(a->name);
	for (unsigned i = 0; i < a->n_paths; i++)
		free(a->paths[i].path);
	free(a->paths);
}

void arrivals_done(struct arrivals *a)
{
	for (unsigned i = 0; i < a->n_list; i++)
		arrival_done(&a->list[i]);
	free(a->list);
	free(a->deliveries);
	a->list = NULL;
	a->deliveries = NULL;
	a->n_list = a->n = 0;
}

static int load_paths(struct journal *j, struct arrival *a)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 /* what is told of it later is held back, too */
			 "SELECT path, from_seq, max(seq, ?2), 0, NULL "
			 "FROM parked WHERE replica = ?1 UNION ALL "
			 "SELECT path, from_seq, seq, -1, obj FROM aside "
			 "WHERE replica = ?1 UNION ALL "
			 "SELECT path, from_seq, to_seq, time_ns, NULL "
			 "FROM late WHERE replica = ?1", "ll", a->id, a->cursor);
	while (r == 0 && (r = db_next(j, st)) > 0) {
		db_grow(&a->paths, a->n_paths, sizeof(*a->paths));
		struct arrival_path *p = &a->paths[a->n_paths++];
		*p = (struct arrival_path){
			.path = text_copy(db_str(st, 0)),
			.from = (uint64_t)sqlite3_column_int64(st, 1),
			.to = (uint64_t)sqlite3_column_int64(st, 2),
			.time_ns = sqlite3_column_int64(st, 3),
		};
		r = p->time_ns < 0 ? db_handle(st, 4, &p->obj) : 0;
	}
	return r;
}

/* load_replicas - those in use by name, then those that were removed and
 * whose name no other has. */
static int load_replicas(struct arrivals *a)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(a->j, &st,
			 "SELECT id, name, removed_ns, cursor FROM replica "
			 "WHERE ?1 IS NULL OR name = ?1 "
			 "ORDER BY removed_ns > 0, name, id DESC", "t",
			 a->only);
	while (r == 0 && (r = db_next(a->j, st)) > 0) {
		const char *name = db_str(st, 1);
		bool known = false;
		for (unsigned i = 0; i < a->n_list; i++)
			known |= strcmp(a->list[i].name, name) == 0;
		r = 0;
		if (known)
			continue;
		db_grow(&a->list, a->n_list, sizeof(*a->list));
		a->list[a->n_list++] = (struct arrival){
			.id = sqlite3_column_int64(st, 0),
			.name = text_copy(name),
			.removed = sqlite3_column_int64(st, 2) > 0,
			.cursor = (uint64_t)sqlite3_column_int64(st, 3),
		};
	}
	return r;
}

int arrivals_refresh(struct arrivals *a)
{
	arrivals_done(a);
	int r = db_snapshot_begin(a->j);
	if (r < 0)
		return r;
	r = load_replicas(a);
	for (unsigned i = 0; r == 0 && i < a->n_list; i++)
		r = load_paths(a->j, &a->list[i]);
	db_snapshot_end(a->j);
	if (a->n_list > 0) {
		a->deliveries = calloc(a->n_list, sizeof(*a->deliveries));
		if (!a->deliveries)
			abort();
	}
	return r;
}

/* find_batch - the first batch that reached up to `seq`. */
static int find_batch(struct journal *j, struct arrival *a, uint64_t seq)
{
	if (seq > a->from && seq <= a->to)
		return 0;
	a->from = a->to = 0;
	a->time_ns = 0;
	if (seq > a->cursor && !a->removed)
		return 0;
	DB_RESET sqlite3_stmt *st = NULL;
	int r = db_query(j, &st,
			 "SELECT from_seq, to_seq, time_ns FROM delivery "
			 "WHERE replica = ? AND to_seq >= ? "
			 "ORDER BY to_seq LIMIT 1", "ll", a->id, seq);
	if (r == 0)
		r = db_next(j, st);
	if (r <= 0)
		return r;
	a->from = (uint64_t)sqlite3_column_int64(st, 0);
	a->to = (uint64_t)sqlite3_column_int64(st, 1);
	a->time_ns = sqlite3_column_int64(st, 2);
	return 0;
}

/* is_held - what is told of a folder above it is not. */
static bool is_held(const struct record *r, const struct arrival_path *p)
{
	if (!r->path)
		return false;
	return path_is_below(r->path, p->path) ||
	       (r->path2 && record_has_path2(r->op) &&
		path_is_below(r->path2, p->path)) ||
	       (p->obj.len && fhandle_equal(&r->obj, &p->obj));
}

static void find_delivery(const struct arrival *a, const struct record *r,
			  struct delivery *d)
{
	bool coming = false; /* is aside */

	*d = (struct delivery){.replica = a->name, .time_ns = a->time_ns};
	for (unsigned i = 0; i < a->n_paths; i++) {
		const struct arrival_path *p = &a->paths[i];
		if (r->seq <= p->from || r->seq > p->to ||
		    !is_held(r, p))
			continue;
		if (p->time_ns < 0)
			coming = true;
		else if (p->time_ns == 0)
			d->parked = true;
		else if (p->time_ns > d->time_ns)
			d->time_ns = p->time_ns;
	}
	if (d->parked || coming)
		d->time_ns = 0;
}

int arrivals_find(struct arrivals *a, const struct record *r)
{
	a->n = 0;
	for (unsigned i = 0; i < a->n_list; i++) {
		struct arrival *one = &a->list[i];
		int rc = find_batch(a->j, one, r->seq);
		if (rc < 0)
			return rc;
		if (one->removed && one->time_ns == 0)
			continue;
		find_delivery(one, r, &a->deliveries[a->n++]);
	}
	return 0;
}
