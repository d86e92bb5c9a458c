/*
 * Slots in an array that grows, with a free list and a list by age through
 * them. The low bits of an id are the slot, the high bits count its uses.
 */
#include "confdefs.h"

#include <stdlib.h>

#include "sync/remote/requests.h"

#define NONE      UINT32_MAX
#define SLOT_BITS 20
#define SLOT_MASK (REQUESTS_MAX - 1)

void requests_done(struct requests *q)
{
	free(q->slots);
	*q = (struct requests)REQUESTS_INIT;
}

static void grow(struct requests *q)
{
	uint32_t n = q->n_slots ? q->n_slots * 2 : 64;
	struct request *slots = realloc(q->slots, n * sizeof(*slots));
	if (!slots)
		abort();
	for (uint32_t i = n; i-- > q->n_slots;) {
		slots[i] = (struct request){.id = i & SLOT_MASK,
					    .next = q->free};
		q->free = i;
	}
	q->slots = slots;
	q->n_slots = n;
}

uint32_t requests_add(struct requests *q, const struct request *what)
{
	if (q->free == NONE)
		grow(q);
	uint32_t at = q->free;
	struct request *s = &q->slots[at];
	q->free = s->next;
	uint32_t id = s->id + (1u << SLOT_BITS);
	*s = *what;
	s->id = id;
	s->used = true;
	s->next = NONE;
	s->prev = q->newest;
	if (q->newest != NONE)
		q->slots[q->newest].next = at;
	else
		q->oldest = at;
	q->newest = at;
	q->count++;
	q->local += s->status != 0;
	q->slow += s->slow;
	q->weight += s->weight;
	return id;
}

static void take_at(struct requests *q, uint32_t at, struct request *ret)
{
	struct request *s = &q->slots[at];
	*ret = *s;
	if (s->prev != NONE)
		q->slots[s->prev].next = s->next;
	else
		q->oldest = s->next;
	if (s->next != NONE)
		q->slots[s->next].prev = s->prev;
	else
		q->newest = s->prev;
	s->used = false;
	s->next = q->free;
	q->free = at;
	q->count--;
	q->local -= s->status != 0;
	q->slow -= s->slow;
	q->weight -= s->weight;
}

const struct request *requests_peek(const struct requests *q, uint32_t id)
{
	uint32_t at = id & SLOT_MASK;
	if (at >= q->n_slots)
		return NULL;
	const struct request *s = &q->slots[at];
	/* what is answered here was never sent */
	return s->used && s->id == id && s->status == 0 ? s : NULL;
}

bool requests_take(struct requests *q, uint32_t id, struct request *ret)
{
	if (!requests_peek(q, id))
		return false;
	take_at(q, id & SLOT_MASK, ret);
	return true;
}

bool requests_take_oldest(struct requests *q, struct request *ret)
{
	if (q->oldest == NONE)
		return false;
	take_at(q, q->oldest, ret);
	return true;
}

bool requests_take_local(struct requests *q, struct request *ret)
{
	if (q->local == 0)
		return false;
	uint32_t at = q->oldest;
	while (q->slots[at].status == 0)
		at = q->slots[at].next;
	take_at(q, at, ret);
	return true;
}
