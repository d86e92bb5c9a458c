/*
 * Which objects are being written. One word a hash, so a twin may look busy
 * too: that costs a delay, never a wrong answer. A mark is the word itself:
 * whatever begins or ends changes its upper half.
 */
#include "confdefs.h"

#include <stdlib.h>

#include "lib/journal/memory.h"

#define BUSY_STEP (1ULL << 32)

static unsigned busy_hash(const struct fhandle *obj)
{
	uint64_t h = 14695981039346656037ULL ^ (uint32_t)obj->type; /* FNV-1a */
	for (uint32_t i = 0; i < obj->len; i++)
		h = (h ^ obj->bytes[i]) * 1099511628211ULL;
	h ^= h >> 32;
	return (h ^ h >> 16) % BUSY_SLOTS;
}

static _Atomic uint64_t *busy_slot(struct memory *m, const struct fhandle *obj)
{
	return &m->busy[busy_hash(obj)];
}

void shared_busy_begin(struct shared *s, const struct fhandle *obj)
{
	atomic_fetch_add(busy_slot(s->mem, obj), BUSY_STEP + 1);
}

void shared_busy_end(struct shared *s, const struct fhandle *obj)
{
	atomic_fetch_add(busy_slot(s->mem, obj), BUSY_STEP - 1);
}

/* One store a word: nobody sees an object idle that is not. */
void shared_busy_restore(struct shared *s, const struct fhandle *objs,
			 unsigned n)
{
	uint32_t *counts = calloc(BUSY_SLOTS, sizeof(*counts));
	if (!counts)
		abort();
	for (unsigned i = 0; i < n; i++)
		counts[busy_hash(&objs[i])]++;
	for (unsigned i = 0; i < BUSY_SLOTS; i++) {
		uint64_t is = s->mem->busy[i];
		if ((uint32_t)is != counts[i])
			s->mem->busy[i] =
				((is >> 32) + 1) << 32 | counts[i];
	}
	free(counts);
}

uint64_t shared_busy_mark(const struct shared *s, const struct fhandle *obj,
			  bool *ret_busy)
{
	uint64_t mark = atomic_load(busy_slot(s->mem, obj));
	*ret_busy = (uint32_t)mark != 0;
	return mark;
}

static uint32_t want_of(const struct fhandle *obj)
{
	return busy_hash(obj) + 1;
}

int shared_want(struct shared *s, const struct fhandle *obj)
{
	for (int i = 0; i < SHARED_WANTS; i++) {
		uint32_t none = 0;
		if (atomic_compare_exchange_strong(&s->mem->wanted[i], &none,
						   want_of(obj)))
			return i;
	}
	return -1;
}

void shared_unwant(struct shared *s, int place)
{
	s->mem->wanted[place] = 0;
}

void shared_want_nothing(struct shared *s)
{
	for (int i = 0; i < SHARED_WANTS; i++)
		s->mem->wanted[i] = 0;
}

bool shared_is_wanted(const struct shared *s, const struct fhandle *obj)
{
	for (int i = 0; i < SHARED_WANTS; i++) {
		if (s->mem->wanted[i] == want_of(obj))
			return true;
	}
	return false;
}

void shared_set_passthrough(struct shared *s, unsigned state)
{
	s->mem->passthrough = state;
}

unsigned shared_passthrough(const struct shared *s)
{
	return s->mem->passthrough;
}

void shared_set_pinned(struct shared *s, unsigned n)
{
	s->mem->pinned = n;
}

unsigned shared_pinned(const struct shared *s)
{
	return s->mem->pinned;
}
