/*
 * A set of objects with numbers. It is as large as there were uploads since
 * the replica fell behind, up to a limit: then it is forgotten.
 */
#include "confdefs.h"

#include <stdlib.h>
#include <uthash.h>

#include "sync/fresh.h"

#define FRESH_MAX 100000

struct fresh {
	struct fhandle obj;
	uint64_t seq;	/* of content and attributes; 0: unknown */
	uint64_t attrs; /* of attributes alone */
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

void fresh_put(struct fresh **f, const struct fhandle *obj, uint64_t seq)
{
	struct fresh *o = need(f, obj);

	if (o->seq < seq)
		o->seq = seq;
}

void fresh_put_attrs(struct fresh **f, const struct fhandle *obj, uint64_t seq)
{
	struct fresh *o = need(f, obj);

	if (o->attrs < seq)
		o->attrs = seq;
}

bool fresh_tells(const struct fresh *f, const struct record *r)
{
	if (!f || r->obj.len == 0 || r->flags & RF_LAST ||
	    (r->op != OP_SETTLE && r->op != OP_TRUNC && r->op != OP_SETATTR))
		return false;
	const struct fresh *o = find(f, &r->obj);
	return o && (r->seq <= o->seq ||
		     (r->op == OP_SETATTR && r->seq <= o->attrs));
}

void fresh_drop(struct fresh **f, uint64_t seq)
{
	struct fresh *o, *tmp;

	HASH_ITER(hh, *f, o, tmp)
	{
		if (o->seq > seq || o->attrs > seq)
			continue;
		HASH_DEL(*f, o);
		free(o);
	}
}

void fresh_clear(struct fresh **f)
{
	fresh_drop(f, UINT64_MAX);
}
