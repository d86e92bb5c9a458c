/*
 * Objects that the replica has not got yet although they have a name: made
 * open, not settled. Between batches a rename of such a file would look like
 * a rename of something that is there.
 */
#include "confdefs.h"

#include <stdlib.h>

#include "memo.h"
#include "sync/plan-build.h"

struct plan_memory {
	struct plan_absent *absent;
	struct fhandle *dropped; /* that the journal keeps still */
	unsigned n_dropped;
	uint64_t epoch;
};

struct plan_memory *plan_memory_new(void)
{
	struct plan_memory *m = calloc(1, sizeof(*m));

	if (!m)
		abort();
	return m;
}

void plan_memory_free(struct plan_memory *m)
{
	if (m) {
		memory_clear(m);
		free(m->dropped);
	}
	free(m);
}

struct plan_absent *memory_find(struct plan_memory *m,
				const struct fhandle *obj)
{
	struct plan_absent *a;

	HASH_FIND(hh, m->absent, obj, fhandle_size(obj), a);
	return a;
}

void memory_add(struct plan_memory *m, const struct fhandle *obj, bool shadow)
{
	struct plan_absent *a = memory_find(m, obj);

	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			abort();
		a->obj = *obj;
		HASH_ADD_KEYPTR(hh, m->absent, &a->obj, fhandle_size(obj), a);
	}
	a->shadow |= shadow;
}

static void drop(struct plan_memory *m, struct plan_absent *a)
{
	if (a->kept) {
		m->dropped = reallocarray(m->dropped, m->n_dropped + 1,
					  sizeof(*m->dropped));
		if (!m->dropped)
			abort();
		m->dropped[m->n_dropped++] = a->obj;
	}
	HASH_DEL(m->absent, a);
	free(a);
}

void memory_del(struct plan_memory *m, const struct fhandle *obj)
{
	struct plan_absent *a = memory_find(m, obj);

	if (a)
		drop(m, a);
}

void memory_clear(struct plan_memory *m)
{
	struct plan_absent *a, *tmp;

	HASH_ITER(hh, m->absent, a, tmp)
	drop(m, a);
}

void memory_epoch(struct plan_memory *m, uint64_t epoch)
{
	struct plan_absent *a, *tmp;

	if (epoch <= m->epoch)
		return;
	m->epoch = epoch;
	HASH_ITER(hh, m->absent, a, tmp)
	{
		if (a->restored)
			drop(m, a);
	}
}

void plan_memory_clear(struct plan_memory *m)
{
	memory_clear(m);
}

void plan_memory_absent(struct plan_memory *m, const struct fhandle *obj,
			bool linked)
{
	memory_add(m, obj, true);
	struct plan_absent *a = memory_find(m, obj);
	a->restored = false;
	a->linked |= linked;
}

void plan_memory_gone(struct plan_memory *m, const struct fhandle *obj,
		      bool shadow, uint64_t until)
{
	memory_add(m, obj, shadow);
	memory_find(m, obj)->until = until;
}

void plan_memory_forget(struct plan_memory *m, uint64_t upto)
{
	struct plan_absent *a, *tmp;

	HASH_ITER(hh, m->absent, a, tmp)
	{
		if (a->until && a->until <= upto)
			drop(m, a);
	}
}

void plan_memory_linked(struct plan_memory *m, const struct fhandle *obj)
{
	struct plan_absent *a = memory_find(m, obj);

	if (a)
		a->linked = true;
}

void plan_memory_present(struct plan_memory *m, const struct fhandle *obj)
{
	memory_del(m, obj);
}

/* ---- beyond a connection ---- */

static void set_kept(struct plan_absent *a)
{
	a->kept = true;
	a->kept_shadow = a->shadow;
	a->kept_linked = a->linked;
}

void plan_memory_restore(struct plan_memory *m, uint64_t epoch,
			 const struct absent_row *rows, unsigned n)
{
	m->epoch = epoch;
	for (unsigned i = 0; i < n; i++) {
		memory_add(m, &rows[i].obj, rows[i].shadow);
		struct plan_absent *a = memory_find(m, &rows[i].obj);
		a->linked = rows[i].linked;
		a->restored = true;
		set_kept(a);
	}
}

static bool is_kept(const struct plan_absent *a)
{
	return a->kept && a->kept_shadow == a->shadow &&
	       a->kept_linked == a->linked;
}

int plan_memory_save(struct plan_memory *m,
		     int (*put)(void *arg, const struct absent_row *row),
		     int (*del)(void *arg, const struct fhandle *obj),
		     void *arg)
{
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < m->n_dropped; i++)
		r = del(arg, &m->dropped[i]);
	for (struct plan_absent *a = m->absent; r >= 0 && a; a = a->hh.next) {
		const struct absent_row row = {.obj = a->obj,
					       .shadow = a->shadow,
					       .linked = a->linked};
		/* who is gone is forgotten with these records */
		if (a->until || is_kept(a))
			continue;
		r = put(arg, &row);
		set_kept(a);
	}
	if (r >= 0)
		m->n_dropped = 0;
	return r < 0 ? r : 0;
}
