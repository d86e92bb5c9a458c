/*
 * Objects that the replica has not got yet although they have a name: made
 * open, not settled. Between batches a rename of such a file would look like
 * a rename of something that is there.
 */
#include "confdefs.h"

#include <stdlib.h>

#include "sync/plan-build.h"

struct plan_memory {
	struct plan_absent *absent;
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
	if (m)
		memory_clear(m);
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

void memory_del(struct plan_memory *m, const struct fhandle *obj)
{
	struct plan_absent *a = memory_find(m, obj);

	if (!a)
		return;
	HASH_DEL(m->absent, a);
	free(a);
}

void memory_clear(struct plan_memory *m)
{
	struct plan_absent *a, *tmp;

	HASH_ITER(hh, m->absent, a, tmp)
	{
		HASH_DEL(m->absent, a);
		free(a);
	}
}

void plan_memory_absent(struct plan_memory *m, const struct fhandle *obj,
			bool linked)
{
	memory_add(m, obj, true);
	if (linked)
		memory_find(m, obj)->linked = true;
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
		if (!a->until || a->until > upto)
			continue;
		HASH_DEL(m->absent, a);
		free(a);
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
