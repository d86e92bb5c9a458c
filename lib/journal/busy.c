/*
 * Which objects are being written. One word a hash, so a twin may look busy
 * too: that costs a delay, never a wrong answer. A mark is the word itself:
 * whatever begins or ends changes its upper half.
 */
#include "confdefs.h"

#include "lib/journal/memory.h"

#define BUSY_STEP (1ULL << 32)

static _Atomic uint64_t *busy_slot(struct memory *m, const struct fhandle *obj)
{
	uint64_t h = 14695981039346656037ULL ^ (uint32_t)obj->type; /* FNV-1a */
	for (uint32_t i = 0; i < obj->len; i++)
		h = (h ^ obj->bytes[i]) * 1099511628211ULL;
	h ^= h >> 32;
	return &m->busy[(h ^ h >> 16) % BUSY_SLOTS];
}

void shared_busy_begin(struct shared *s, const struct fhandle *obj)
{
	atomic_fetch_add(busy_slot(s->mem, obj), BUSY_STEP + 1);
}

void shared_busy_end(struct shared *s, const struct fhandle *obj)
{
	atomic_fetch_add(busy_slot(s->mem, obj), BUSY_STEP - 1);
}

uint64_t shared_busy_mark(const struct shared *s, const struct fhandle *obj,
			  bool *ret_busy)
{
	uint64_t mark = atomic_load(busy_slot(s->mem, obj));
	*ret_busy = (uint32_t)mark != 0;
	return mark;
}

void shared_set_passthrough(struct shared *s, unsigned state)
{
	s->mem->passthrough = state;
}

unsigned shared_passthrough(const struct shared *s)
{
	return s->mem->passthrough;
}
