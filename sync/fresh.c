/*
 * A set of objects with numbers. It is as large as there were uploads since
 * the replica fell behind, up to a limit: then it is forgotten.
 *
 * An upload reads its attributes ahead, and is published in its turn: behind
 * a step of the same batch that has sent newer ones to another name of the
 * object, which are gone then. Answers tell no order either. So of what is put
 * within one batch the oldest counts.
 */
#include "confdefs.h"

#include <stdlib.h>
#include <uthash.h>

#include "sync/fresh.h"

#define FRESH_MAX 100000

struct as_of {
	uint64_t seq;	/* 0: unknown */
	uint64_t batch; /* put in that one */
};

struct fresh {
	struct fhandle obj;
	struct as_of content, attrs;
	UT_hash_handle hh;
};

static struct fresh *find(const struct fresh *f, const struct fhandle *obj)
{
	struct fresh *o;

	HASH_FIND(hh, f, obj, fhandle_size(obj), o);
	return o;
}

static struct fresh *need(struct fresh **f, const struct fhandle *obj)
{
	struct fresh *o = find(*f, obj);

	if (o)
		return o;
	if (HASH_COUNT(*f) >= FRESH_MAX)
		fresh_clear(f);
	o = calloc(1, sizeof(*o));
	if (!o)
		abort();
	o->obj = *obj;
	HASH_ADD_KEYPTR(hh, *f, &o->obj, fhandle_size(&o->obj), o);
	return o;
}

static void put(struct as_of *was, uint64_t seq, uint64_t batch)
{
	if (was->seq && was->batch == batch && was->seq < seq)
		return;
	*was = (struct as_of){seq, batch};
}

void fresh_put(struct fresh **f, const struct fhandle *obj, uint64_t seq,
	       uint64_t batch)
{
	struct fresh *o = need(f, obj);

	put(&o->content, seq, batch);
	put(&o->attrs, seq, batch);
}

void fresh_put_attrs(struct fresh **f, const struct fhandle *obj, uint64_t seq,
		     uint64_t batch)
{
	put(&need(f, obj)->attrs, seq, batch);
}

bool fresh_tells(const struct fresh *f, const struct record *r)
{
	/* a number may have been another one's when it was sent */
	if (!f || r->obj.len == 0 || fhandle_is_number(&r->obj, NULL) ||
	    r->flags & RF_LAST ||
	    (r->op != OP_SETTLE && r->op != OP_TRUNC && r->op != OP_SETATTR))
		return false;
	const struct fresh *o = find(f, &r->obj);
	return o &&
	       r->seq <= (r->op == OP_SETATTR ? o->attrs.seq : o->content.seq);
}

void fresh_drop(struct fresh **f, uint64_t seq)
{
	struct fresh *o, *tmp;

	HASH_ITER(hh, *f, o, tmp)
	{
		if (o->content.seq > seq || o->attrs.seq > seq)
			continue;
		HASH_DEL(*f, o);
		free(o);
	}
}

void fresh_clear(struct fresh **f)
{
	fresh_drop(f, UINT64_MAX);
}
