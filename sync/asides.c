/* See asides.h. Few are being sent; owed may be as many as files are open. */
#include "confdefs.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "paths.h"
#include "sync/asides.h"
#include "written.h"

#define FORMER_MAX 8u

struct entry {
	struct aside_row row; /* row.path is not used */
	uint64_t as_of;
	char **names; /* owned */
	unsigned n;
	char **former; /* owned: names of before, for the history */
	unsigned n_former;
	bool rests; /* owed, and not being written */
	UT_hash_handle hh; /* by row.obj */
};

struct asides {
	struct journal *j;
	int64_t replica;
	void (*gone)(void *arg, const struct fhandle *obj);
	void *arg;
	struct entry *entries;
	struct aside_row *arrived; /* since the last save */
	unsigned n_arrived;
	bool changed;
};

static void list_drop(char ***list, unsigned *n)
{
	while (*n)
		free((*list)[--*n]);
	free(*list);
	*list = NULL;
}

static void list_add(char ***list, unsigned *n, const char *name)
{
	*list = reallocarray(*list, *n + 1, sizeof(**list));
	if (!*list)
		abort();
	(*list)[(*n)++] = text_copy(name);
}

static void names_drop(struct entry *e)
{
	list_drop(&e->names, &e->n);
}

static void entry_free(struct asides *a, struct entry *e)
{
	HASH_DEL(a->entries, e);
	names_drop(e);
	list_drop(&e->former, &e->n_former);
	free(e);
}

static struct entry *find(const struct asides *a, const struct fhandle *obj)
{
	struct entry *e;

	HASH_FIND(hh, a->entries, obj, fhandle_size(obj), e);
	return e;
}

static void name_add(struct entry *e, const char *name)
{
	for (unsigned i = 0; i < e->n; i++) {
		if (strcmp(e->names[i], name) == 0)
			return;
	}
	list_add(&e->names, &e->n, name);
}

static bool name_del(struct entry *e, const char *name)
{
	for (unsigned i = 0; i < e->n; i++) {
		if (strcmp(e->names[i], name) != 0)
			continue;
		free(e->names[i]);
		e->names[i] = e->names[--e->n];
		return true;
	}
	return false;
}

static struct entry *entry_new(struct asides *a, const struct aside_row *row)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		abort();
	e->row = *row;
	e->row.path = NULL;
	HASH_ADD_KEYPTR(hh, a->entries, &e->row.obj,
			fhandle_size(&e->row.obj), e);
	return e;
}

int asides_open(struct journal *j, int64_t replica,
		void (*gone)(void *arg, const struct fhandle *obj), void *arg,
		struct asides **ret)
{
	struct aside_row *rows = NULL;
	unsigned n = 0;
	int r = journal_aside_load(j, replica, &rows, &n);

	if (r < 0)
		return r;
	struct asides *a = calloc(1, sizeof(*a));
	if (!a)
		abort();
	*a = (struct asides){
		.j = j, .replica = replica, .gone = gone, .arg = arg};
	for (unsigned i = 0; i < n; i++) {
		struct entry *e = find(a, &rows[i].obj);
		name_add(e ? e : entry_new(a, &rows[i]), rows[i].path);
	}
	asides_free(rows, n);
	*ret = a;
	return 0;
}

void asides_close(struct asides *a)
{
	struct entry *e, *tmp;

	if (!a)
		return;
	HASH_ITER(hh, a->entries, e, tmp)
		entry_free(a, e);
	asides_free(a->arrived, a->n_arrived);
	free(a);
}

bool asides_empty(const struct asides *a)
{
	return !a->entries;
}

void asides_each(struct asides *a,
		 void (*fn)(void *arg, const struct aside_row *row,
			    bool linked),
		 void *arg)
{
	for (struct entry *e = a->entries; e; e = e->hh.next) {
		struct aside_row row = e->row;
		row.path = e->names[0];
		fn(arg, &row, e->n > 1);
	}
}

static void forget(struct asides *a, struct entry *e)
{
	entry_free(a, e);
	a->changed = true;
}

void asides_put(struct asides *a, const struct aside_row *row, uint64_t as_of)
{
	struct entry *e = find(a, &row->obj);

	if (!e) {
		e = entry_new(a, row);
	} else { /* what told of it then has not arrived either */
		e->row.seq = row->seq;
		e->row.size = row->size;
		e->row.absent = row->absent;
		e->row.owed = row->owed;
		e->rests = false;
		if (!row->owed)
			names_drop(e);
	}
	e->as_of = as_of;
	name_add(e, row->path);
	a->changed = true;
}

static void add_arrived(struct asides *a, const struct entry *e)
{
	unsigned all = e->n + e->n_former;

	a->arrived = reallocarray(a->arrived, a->n_arrived + all,
				  sizeof(*a->arrived));
	if (!a->arrived)
		abort();
	for (unsigned i = 0; i < all; i++) {
		const char *name =
			i < e->n ? e->names[i] : e->former[i - e->n];
		a->arrived[a->n_arrived] = e->row;
		a->arrived[a->n_arrived++].path = text_copy(name);
	}
}

static bool end(struct asides *a, const struct fhandle *obj, bool arrived,
		bool owed)
{
	struct entry *e = find(a, obj);

	if (!e || e->row.owed != owed)
		return false;
	if (arrived)
		add_arrived(a, e);
	forget(a, e);
	return true;
}

bool asides_end(struct asides *a, const struct fhandle *obj, bool arrived)
{
	return end(a, obj, arrived, false);
}

void asides_paid(struct asides *a, const struct fhandle *obj, bool arrived)
{
	end(a, obj, arrived, true);
}

int asides_idle(struct asides *a)
{
	uint64_t dirty;
	int r = 0, some = 0;

	for (struct entry *e = a->entries, *next; r >= 0 && e; e = next) {
		next = e->hh.next;
		if (!e->row.owed)
			continue;
		if (e->rests) {
			forget(a, e);
			some = 1;
			continue;
		}
		r = journal_is_dirty(a->j, &e->row.obj, &dirty);
		e->rests = r == 0;
	}
	return r < 0 ? r : some;
}

/* ---- names ---- */

/* move_below - what is below `from` is below `to` now, and, with `swap`, the
 * other way round. */
static bool move_below(struct entry *e, const char *from, const char *to,
		       bool swap)
{
	bool moved = false;

	for (unsigned i = 0; i < e->n; i++) {
		const char *a = from, *b = to;
		if (swap && path_is_below(e->names[i], to)) {
			a = to;
			b = from;
		} else if (!path_is_below(e->names[i], from)) {
			continue;
		} else if (!swap && strcmp(e->names[i], from) == 0) {
			continue; /* that is another object's name */
		}
		char *name = path_rebase(e->names[i], a, b);
		free(e->names[i]);
		e->names[i] = name;
		moved = true;
	}
	return moved;
}

/* note_former - a temporary name, as by FTP: what was told of it arrives when the
 * file does, and so does the rename. */
static void note_former(struct entry *e, const struct record *r)
{
	if (r->seq > e->row.seq)
		e->row.seq = r->seq;
	if (e->n_former < FORMER_MAX)
		list_add(&e->former, &e->n_former, r->path);
}

static bool entry_renamed(struct entry *e, const struct record *r, bool ours)
{
	bool changed = false;

	if (r->flags & RF_EXCHANGE)
		return move_below(e, r->path, r->path2, true);
	if (!ours)
		changed = name_del(e, r->path2);
	else if (name_del(e, r->path)) {
		name_add(e, r->path2);
		note_former(e, r);
		changed = true;
	}
	return move_below(e, r->path, r->path2, false) || changed;
}

/* drop_long - the record may be about any name below this path, and is applied
 * by state: that brings what is there. */
static bool drop_long(struct entry *e, const char *path)
{
	bool dropped = false;

	for (unsigned i = e->n; path_is_long(path) && i > 0; i--) {
		if (!path_is_below(e->names[i - 1], path))
			continue;
		free(e->names[i - 1]);
		e->names[i - 1] = e->names[--e->n];
		dropped = true;
	}
	return dropped;
}

static bool entry_names(struct entry *e, const struct record *r)
{
	bool ours = fhandle_equal(&e->row.obj, &r->obj);

	switch (r->op) {
	case OP_RENAME:
		return entry_renamed(e, r, ours);
	case OP_LINK:
		if (ours)
			name_add(e, r->path2);
		return ours;
	case OP_UNLINK:
		return ours && name_del(e, r->path);
	default:
		return false;
	}
}

static bool drop_longs(struct entry *e, const struct record *r)
{
	bool dropped = drop_long(e, r->path);

	return (r->op != OP_UNLINK && drop_long(e, r->path2)) || dropped;
}

static bool entry_record(struct entry *e, const struct record *r)
{
	bool changed;

	changed = drop_longs(e, r);
	changed |= entry_names(e, r);
	return drop_longs(e, r) || changed;
}

void asides_record(struct asides *a, const struct record *r)
{
	if (!r->path || (r->op != OP_RENAME && r->op != OP_LINK &&
			 r->op != OP_UNLINK))
		return;
	for (struct entry *e = a->entries, *next; e; e = next) {
		next = e->hh.next;
		a->changed |= entry_record(e, r);
		if (e->n > 0)
			continue;
		if (!e->row.owed)
			a->gone(a->arg, &e->row.obj);
		forget(a, e);
	}
}

void asides_since(struct asides *a, const char *path, uint64_t seq)
{
	struct entry *e, *tmp;

	HASH_ITER(hh, a->entries, e, tmp)
	{
		for (unsigned i = 0; i < e->n; i++) {
			if (e->row.from_seq <= seq ||
			    !path_is_below(e->names[i], path))
				continue;
			e->row.from_seq = seq;
			a->changed = true;
		}
	}
}

bool asides_tells(const struct asides *a, const struct record *r)
{
	const struct entry *e = r->op == OP_SETTLE ? find(a, &r->obj) : NULL;

	/* a number may have been another one's when it was sent */
	return e && !fhandle_is_number(&r->obj, NULL) && r->seq <= e->as_of;
}

const char *asides_find(const struct asides *a, const struct fhandle *obj)
{
	const struct entry *e = find(a, obj);

	return e ? e->names[0] : NULL;
}

bool asides_is(const struct asides *a, const struct fhandle *obj,
	       const char *path)
{
	const struct entry *e = find(a, obj);

	for (unsigned i = 0; e && i < e->n; i++) {
		if (strcmp(e->names[i], path) == 0)
			return true;
	}
	return false;
}

bool asides_first(const struct asides *a, struct fhandle *ret)
{
	if (a->entries)
		*ret = a->entries->row.obj;
	return a->entries;
}

static int save_entry(struct asides *a, const struct entry *e)
{
	struct aside_row row = e->row;
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < e->n; i++) {
		row.path = e->names[i];
		r = journal_aside_add(a->j, a->replica, &row);
	}
	return r;
}

int asides_save(struct asides *a)
{
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < a->n_arrived; i++)
		r = journal_aside_arrived(a->j, a->replica, &a->arrived[i]);
	if (r >= 0 && a->changed)
		r = journal_aside_clear(a->j, a->replica);
	for (struct entry *e = a->entries; r >= 0 && a->changed && e;
	     e = e->hh.next)
		r = save_entry(a, e);
	if (r < 0)
		return r;
	asides_free(a->arrived, a->n_arrived);
	a->arrived = NULL;
	a->n_arrived = 0;
	a->changed = false;
	return 0;
}
