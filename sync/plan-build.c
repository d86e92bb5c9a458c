/*
 * The books of the plan. For each path: which live action named it last (so
 * that an earlier action is moved or removed only when nothing in between
 * depends on it), and how many live actions lie below it. All look-ups are
 * by prefixes of borrowed strings.
 */
#include "confdefs.h"

#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "sync/plan-build.h"

static void *grow(void *array, unsigned n, unsigned *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 64;
	array = reallocarray(array, *cap, size);
	if (!array)
		abort();
	return array;
}

static struct plan_path *find_path(struct builder *b, const char *path,
				   size_t len)
{
	struct plan_path *p;

	HASH_FIND(hh, b->paths, path, len, p);
	return p;
}

static struct plan_path *need_path(struct builder *b, const char *path,
				   size_t len)
{
	struct plan_path *p = find_path(b, path, len);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	p->key = path;
	p->last = -1;
	p->state = -1;
	HASH_ADD_KEYPTR(hh, b->paths, p->key, len, p);
	return p;
}

struct plan_path *builder_path(struct builder *b, const char *path)
{
	return need_path(b, path, strlen(path));
}

struct plan_object *builder_object(struct builder *b, const struct fhandle *obj)
{
	struct plan_object *o;

	HASH_FIND(hh, b->objects, obj, fhandle_size(obj), o);
	if (o)
		return o;
	o = calloc(1, sizeof(*o));
	if (!o)
		abort();
	o->key = obj;
	o->last = -1;
	o->put = -1;
	o->attr = -1;
	o->state = -1;
	HASH_ADD_KEYPTR(hh, b->objects, o->key, fhandle_size(obj), o);
	return o;
}

void builder_renew(struct builder *b, const struct fhandle *obj)
{
	struct plan_object *o = builder_object(b, obj);

	o->gone = false;
	o->last = o->put = o->attr = o->state = -1;
	memory_del(b->memory, obj);
}

static void count_below(struct builder *b, const char *path, int change)
{
	size_t len = strlen(path);

	while (len > 0) {
		len = path_parent_len(path, len);
		need_path(b, path, len)->live_below += change;
	}
}

static bool has_path2(const struct action *a)
{
	return a->kind == ACT_LINK || a->kind == ACT_RENAME ||
	       a->kind == ACT_EXCHANGE;
}

int builder_emit(struct builder *b, enum action_kind kind,
		 const struct record *r, const char *path, const char *path2)
{
	struct plan *plan = b->plan;
	int index = plan->n;
	unsigned cap = b->cap;
	struct action *a;
	struct plan_path *p;
	struct plan_object *o = builder_object(b, &r->obj);

	plan->actions = grow(plan->actions, plan->n, &b->cap, sizeof(*a));
	b->slots = grow(b->slots, plan->n, &cap, sizeof(*b->slots));
	a = &plan->actions[plan->n++];
	*a = (struct action){.kind = kind,
			     .rec = r,
			     .path = path,
			     .path2 = path2,
			     .first_seq = r->seq};
	p = builder_path(b, path);
	b->slots[index] = (struct plan_slot){p->last, -1, o->last};
	p->last = index;
	o->last = index;
	count_below(b, path, 1);
	if (has_path2(a)) {
		p = builder_path(b, path2);
		b->slots[index].prev2 = p->last;
		p->last = index;
		count_below(b, path2, 1);
	}
	return index;
}

static void unlast(struct builder *b, const char *path, int index, int prev)
{
	struct plan_path *p = builder_path(b, path);

	if (p->last == index)
		p->last = prev;
	count_below(b, path, -1);
}

void builder_kill(struct builder *b, int index)
{
	struct action *a = &b->plan->actions[index];
	const struct plan_slot *slot = &b->slots[index];
	struct plan_object *o = builder_object(b, &a->rec->obj);

	unlast(b, a->path, index, slot->prev);
	if (has_path2(a))
		unlast(b, a->path2, index, slot->prev2);
	if (o->last == index)
		o->last = slot->prev_obj;
	if (o->put == index)
		o->put = -1;
	if (o->attr == index)
		o->attr = -1;
	a->kind = ACT_NONE;
}

void builder_gone(struct builder *b, int index)
{
	struct plan *p = b->plan;
	const struct fhandle *obj = &p->actions[index].rec->obj;

	p->gone = grow(p->gone, p->n_gone, &b->cap_gone, sizeof(*obj));
	p->gone[p->n_gone++] = *obj;
	builder_object(b, obj)->gone = true;
	builder_kill(b, index);
}

int builder_last(struct builder *b, const char *path, enum action_kind kind)
{
	struct plan_path *p = find_path(b, path, strlen(path));

	if (!p || p->last < 0 || b->plan->actions[p->last].kind != kind)
		return -1;
	return p->last;
}

bool builder_above(struct builder *b, const char *path, int index)
{
	size_t len = strlen(path);

	while (len > 0) {
		len = path_parent_len(path, len);
		struct plan_path *p = find_path(b, path, len);
		if (p && p->last > index)
			return true;
	}
	return false;
}

bool builder_touches(struct builder *b, const char *path)
{
	size_t len = strlen(path);
	struct plan_path *p = find_path(b, path, len);

	if (p && p->live_below > 0)
		return true;
	for (;;) {
		p = find_path(b, path, len);
		if (p && p->last >= 0)
			return true;
		if (len == 0)
			return false;
		len = path_parent_len(path, len);
	}
}

void builder_state(struct builder *b, const struct record *r, const char *path,
		   enum strictness strict, bool deep)
{
	struct plan_path *p = builder_path(b, path);
	size_t len = strlen(path);
	struct action *a;

	if (p->state < 0) {
		b->states = grow(b->states, b->n_states, &b->cap_states,
				 sizeof(*a));
		p->state = b->n_states++;
		b->states[p->state] = (struct action){.kind = ACT_RECONCILE,
						      .path = path,
						      .first_seq = r->seq};
		while (len > 0) {
			len = path_parent_len(path, len);
			need_path(b, path, len)->state_below = true;
		}
	}
	a = &b->states[p->state];
	a->rec = r;
	a->deep |= deep;
	if (strict > a->strict)
		a->strict = strict;
}

void builder_state_object(struct builder *b, const struct record *r,
			  enum strictness strict)
{
	struct plan_object *o = builder_object(b, &r->obj);
	struct action *a;

	if (o->state < 0) {
		b->states = grow(b->states, b->n_states, &b->cap_states,
				 sizeof(*a));
		o->state = b->n_states++;
		b->states[o->state] = (struct action){.kind = ACT_OBJECT,
						      .path = r->path,
						      .first_seq = r->seq};
	}
	a = &b->states[o->state];
	a->rec = r;
	if (strict > a->strict)
		a->strict = strict;
}

void builder_state_unsure(struct builder *b, const struct record *r)
{
	b->states = grow(b->states, b->n_states, &b->cap_states,
			 sizeof(*b->states));
	b->states[b->n_states++] = (struct action){.kind = ACT_UNSURE,
						   .path = r->path,
						   .rec = r,
						   .first_seq = r->seq};
}

bool builder_in_state(struct builder *b, const char *path)
{
	size_t len = strlen(path);
	struct plan_path *p;

	if (b->n_states == 0)
		return false;
	p = find_path(b, path, len);
	if (p && p->state_below)
		return true;
	for (;;) {
		p = find_path(b, path, len);
		if (p && p->state >= 0)
			return true;
		if (len == 0)
			return false;
		len = path_parent_len(path, len);
	}
}

void builder_count(struct builder *b, const char *kind, const struct record *r)
{
	struct plan *plan = b->plan;
	unsigned i;

	for (i = 0; i < plan->n_counts; i++)
		if (plan->counts[i].kind == kind)
			break;
	if (i == PLAN_KINDS)
		return;
	if (i == plan->n_counts)
		plan->counts[plan->n_counts++] =
			(struct plan_count){kind, 0, r->path};
	plan->counts[i].n++;
}

void builder_done(struct builder *b)
{
	struct plan_path *p, *ptmp;
	struct plan_object *o, *otmp;

	HASH_ITER(hh, b->paths, p, ptmp)
	{
		HASH_DEL(b->paths, p);
		free(p);
	}
	HASH_ITER(hh, b->objects, o, otmp)
	{
		HASH_DEL(b->objects, o);
		free(o);
	}
	free(b->slots);
	free(b->states);
}
