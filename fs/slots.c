/*
 * Chunks of 1024 items that are never moved or freed before the end; the
 * table of chunks has its full size from the start (untouched pages cost
 * nothing), so that readers need no lock. A dropped place goes on a free list
 * and is taken again with the next use count.
 */
#include "confdefs.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fs/slots.h"

#define CHUNK_ITEMS 1024u
#define CHUNKS	    65536u
#define NO_INDEX    UINT32_MAX

struct slot {
	_Atomic uint64_t id; /* 0: free */
	uint32_t uses;	     /* guard: lock */
	uint32_t next_free;  /* guard: lock */
	max_align_t item[];
};

struct slots {
	size_t stride;	      /* constant */
	pthread_mutex_t lock; /* LOCK_slots: a leaf */
	uint32_t used, free;  /* guard: lock */
	_Atomic(char *) chunk[CHUNKS];
};

static struct slot *slot_at(const struct slots *s, uint32_t index)
{
	char *chunk = atomic_load_explicit(&s->chunk[index / CHUNK_ITEMS],
					   memory_order_acquire);
	if (!chunk)
		return NULL;
	return (struct slot *)(chunk + index % CHUNK_ITEMS * s->stride);
}

struct slots *slots_new(size_t item_bytes)
{
	struct slots *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	size_t align = _Alignof(struct slot);
	s->stride = (sizeof(struct slot) + item_bytes + align - 1) / align;
	s->stride *= align;
	s->free = NO_INDEX;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void slots_free(struct slots *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < CHUNKS && s->chunk[i]; i++)
		free(s->chunk[i]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct slot *slot_find_free_locked(struct slots *s, uint32_t *ret_index)
{
	if (s->free != NO_INDEX) {
		struct slot *slot = slot_at(s, s->free);
		*ret_index = s->free;
		s->free = slot->next_free;
		return slot;
	}
	if (s->used == CHUNKS * CHUNK_ITEMS)
		return NULL;
	if (s->used % CHUNK_ITEMS == 0) {
		char *chunk = calloc(CHUNK_ITEMS, s->stride);
		if (!chunk)
			return NULL;
		atomic_store_explicit(&s->chunk[s->used / CHUNK_ITEMS], chunk,
				      memory_order_release);
	}
	*ret_index = s->used++;
	return slot_at(s, *ret_index);
}

void *slots_take(struct slots *s, uint64_t *ret_id)
{
	uint32_t index;
	pthread_mutex_lock(&s->lock);
	struct slot *slot = slot_find_free_locked(s, &index);
	if (slot) {
		uint64_t id = (uint64_t)slot->uses++ << 32 | (index + 1);
		memset(slot->item, 0, s->stride - sizeof(*slot));
		atomic_store_explicit(&slot->id, id, memory_order_release);
		*ret_id = id;
	}
	pthread_mutex_unlock(&s->lock);
	return slot ? slot->item : NULL;
}

void *slots_get(const struct slots *s, uint64_t id)
{
	uint32_t index = (uint32_t)id - 1;
	if (id == 0 || index >= CHUNKS * CHUNK_ITEMS)
		return NULL;
	struct slot *slot = slot_at(s, index);
	if (!slot ||
	    atomic_load_explicit(&slot->id, memory_order_acquire) != id)
		return NULL;
	return slot->item;
}

void slots_drop(struct slots *s, uint64_t id)
{
	uint32_t index = (uint32_t)id - 1;
	struct slot *slot = slot_at(s, index);
	assert(slot && slot->id == id);
	pthread_mutex_lock(&s->lock);
	atomic_store(&slot->id, 0);
	slot->next_free = s->free;
	s->free = index;
	pthread_mutex_unlock(&s->lock);
}

void slots_each(struct slots *s, void (*fn)(void *item))
{
	for (uint32_t index = 0; index < s->used; index++) {
		struct slot *slot = slot_at(s, index);
		if (slot->id)
			fn(slot->item);
	}
}
