#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <uthash.h>

#include "sync/lower.h"
#include "sync/stale.h"

struct object {
	struct fhandle obj;
	struct stale_content is;
	bool kept;   /* the journal has it */
	bool sought; /* by its names */
	UT_hash_handle hh;
};

struct stale {
	struct journal *j;
	int64_t replica;
	struct object *objects;
	struct fhandle *dropped; /* that the journal has still */
	unsigned n_dropped;
	bool changed; /* since it was saved */
};

static struct object *find(const struct stale *s, const struct fhandle *obj)
{
	struct object *o;

	HASH_FIND(hh, s->objects, obj, fhandle_size(obj), o);
	return o;
}

/* add - the one that is there, too. */
static struct object *add(struct stale *s, const struct fhandle *obj,
			  uint64_t since)
{
	struct object *o = find(s, obj);

	if (o)
		return o;
	o = calloc(1, sizeof(*o));
	if (!o)
		abort();
	*o = (struct object){.obj = *obj, .is.since = since};
	HASH_ADD_KEYPTR(hh, s->objects, &o->obj, fhandle_size(&o->obj), o);
	s->changed = true;
	return o;
}

void stale_add(struct stale *s, const struct fhandle *obj)
{
	add(s, obj, 0)->is = (struct stale_content){0};
}

void stale_in_place(struct stale *s, const struct fhandle *obj,
		    struct stale_content is)
{
	struct object *o = find(s, obj);

	if (o && o->is.since)
		o->is = is;
}

bool stale_get(const struct stale *s, const struct fhandle *obj,
	       struct stale_content *ret)
{
	const struct object *o = find(s, obj);

	if (o)
		*ret = o->is;
	return o;
}

int stale_open(struct journal *j, int64_t replica, struct stale **ret)
{
	struct fhandle *list;
	unsigned n;
	int r = journal_stale_load(j, replica, &list, &n);
	if (r < 0)
		return r;
	struct stale *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->j = j;
	s->replica = replica;
	for (unsigned i = 0; i < n; i++)
		add(s, &list[i], 0)->kept = true;
	s->changed = false;
	free(list);
	*ret = s;
	return 0;
}

int stale_inherit(struct stale *s, int64_t replica)
{
	struct fhandle *list;
	unsigned n;
	int r = journal_stale_load(s->j, replica, &list, &n);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < n; i++)
		stale_add(s, &list[i]);
	free(list);
	return 0;
}

void stale_close(struct stale *s)
{
	struct object *o, *tmp;

	if (!s)
		return;
	HASH_ITER(hh, s->objects, o, tmp)
	{
		HASH_DEL(s->objects, o);
		free(o);
	}
	free(s->dropped);
	free(s);
}

void stale_record(struct stale *s, const struct record *r, uint64_t since)
{
	if (r->obj.len == 0)
		return;
	switch (r->op) {
	case OP_SETTLE:
	case OP_TRUNC:
		add(s, &r->obj, since);
		break;
	case OP_UNSURE: /* an object that was marked */
		if (r->flags & RF_CONTENT)
			stale_add(s, &r->obj);
		break;
	case OP_RMDIR:
	case OP_UNLINK:
		if (r->flags & RF_LAST)
			stale_published(s, &r->obj);
		break;
	default:
		break;
	}
}

void stale_published(struct stale *s, const struct fhandle *obj)
{
	struct object *o = find(s, obj);

	if (!o)
		return;
	if (o->kept) {
		s->dropped = reallocarray(s->dropped, s->n_dropped + 1,
					  sizeof(*s->dropped));
		if (!s->dropped)
			abort();
		s->dropped[s->n_dropped++] = o->obj;
		s->changed = true;
	}
	HASH_DEL(s->objects, o);
	free(o);
}

bool stale_has(const struct stale *s, const struct fhandle *obj)
{
	return find(s, obj);
}

bool stale_sought(struct stale *s, const struct fhandle *obj)
{
	struct object *o = find(s, obj);
	bool was = o && o->sought;

	if (o)
		o->sought = true;
	return was;
}

void stale_sweep(struct stale *s, int lower_fd)
{
	struct object *o, *tmp;

	HASH_ITER(hh, s->objects, o, tmp)
	{
		const struct fhandle obj = o->obj;
		if (!fhandle_is_number(&obj, NULL) &&
		    lower_is_gone(lower_fd, &obj, NULL))
			stale_published(s, &obj);
	}
}

/* Only what is different now: of what a replica refuses there may be very many.
 * Those that went come first, as one of them may be there again. */
int stale_save(struct stale *s)
{
	struct object *o, *tmp;
	int r = 0;

	if (!s->changed)
		return 0;
	for (unsigned i = 0; r == 0 && i < s->n_dropped; i++)
		r = journal_stale_del(s->j, s->replica, &s->dropped[i]);
	HASH_ITER(hh, s->objects, o, tmp)
	{
		if (r == 0 && !o->kept)
			r = journal_stale_add(s->j, s->replica, &o->obj);
		o->kept |= r == 0;
	}
	if (r == 0) {
		s->n_dropped = 0;
		s->changed = false;
	}
	return r == -ENOENT ? 0 : r;
}
