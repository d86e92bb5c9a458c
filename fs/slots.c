/*
 * Chunks of 1024 items that are never moved; the table of chunks has its full
 * size from the start (untouched pages cost nothing), so that readers need no
 * lock. A dropped place goes on its chunk's free list and is taken again with
 * a new use count. Places are taken from the lowest chunk that has one, so
 * that the upper ones become empty.
 *
 * The memory of an empty chunk goes back to the system, its addresses stay:
 * who reads there finds zeros, no number. Its places go on from the highest
 * use count that the chunk had, so a number still never comes twice.
 *
 * Items, their numbers and use counts lie in a memfd and outlive the process;
 * what is free is found out again from them. A process that is killed in
 * slots_take leaves nothing or an item of zeros, in slots_drop the whole item
 * or nothing.
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/slots.h"

#define CHUNK_ITEMS 1024u
#define CHUNKS	    65536u
#define NO_PLACE    0 /* places are counted from 1 */

struct slot {
	_Atomic uint64_t id; /* 0: free */
	uint32_t uses;	     /* guard: lock */
	uint32_t next_free;  /* guard: lock; a place */
	max_align_t item[];
};

struct head { /* at the beginning of the memfd's part; guard: lock */
	_Atomic uint32_t n_chunks;
	uint32_t stride;
	uint32_t uses[CHUNKS]; /* no place of the chunk was used more often */
};

struct chunk { /* guard: lock, but for `slots` */
	_Atomic(char *) slots;
	uint16_t fresh; /* from here on no place was taken yet */
	uint16_t taken; /* how many are in use */
	uint32_t free;	/* the first free place */
};

struct slots {
	size_t stride;	      /* constant */
	size_t chunk_bytes;   /* constant: whole pages */
	int fd;		      /* constant: the memfd */
	bool fd_owned;	      /* constant */
	off_t at;	      /* constant: our part of it */
	struct head *head;    /* constant */
	size_t head_bytes;    /* constant: whole pages */
	pthread_mutex_t lock; /* LOCK_slots: a leaf */
	uint32_t n_chunks;    /* guard: lock */
	uint32_t lowest;      /* guard: lock; no chunk below has room */
	uint32_t kept;	      /* guard: lock; the one that was empty last */
	struct chunk chunk[CHUNKS];
};

static struct slot *slot_at(const struct slots *s, uint32_t index)
{
	char *slots = atomic_load_explicit(&s->chunk[index / CHUNK_ITEMS].slots,
					   memory_order_acquire);
	if (!slots)
		return NULL;
	return (struct slot *)(slots + index % CHUNK_ITEMS * s->stride);
}

static off_t chunk_place(const struct slots *s, uint32_t n)
{
	return s->at + (off_t)s->head_bytes + (off_t)n * (off_t)s->chunk_bytes;
}

static bool chunk_map_locked(struct slots *s, uint32_t n)
{
	void *p = mmap(NULL, s->chunk_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		       s->fd, chunk_place(s, n));
	if (p == MAP_FAILED)
		return false;
	atomic_store_explicit(&s->chunk[n].slots, p, memory_order_release);
	return true;
}

static bool chunk_make_locked(struct slots *s)
{
	if (!chunk_map_locked(s, s->n_chunks))
		return false;
	s->head->n_chunks = ++s->n_chunks;
	return true;
}

/* ---- an earlier process's ---- */

static bool chunk_has_data(const struct slots *s, uint32_t n)
{
	off_t at = chunk_place(s, n), data = lseek(s->fd, at, SEEK_DATA);
	return data >= 0 && data < at + (off_t)s->chunk_bytes;
}

static void chunk_restore_locked(struct slots *s, uint32_t n)
{
	struct chunk *c = &s->chunk[n];
	if (!chunk_has_data(s, n))
		return;
	for (uint32_t i = 0; i < CHUNK_ITEMS; i++) {
		struct slot *slot = slot_at(s, n * CHUNK_ITEMS + i);
		if (slot->uses > s->head->uses[n])
			s->head->uses[n] = slot->uses;
		if (slot->id) {
			c->taken++;
			c->fresh = (uint16_t)(i + 1);
		}
	}
	for (uint32_t i = c->fresh; i-- > 0;) {
		struct slot *slot = slot_at(s, n * CHUNK_ITEMS + i);
		if (slot->id)
			continue;
		slot->next_free = c->free;
		c->free = i + 1;
	}
}

static int slots_restore(struct slots *s)
{
	uint32_t n = s->head->n_chunks;
	if (n > CHUNKS || (n && s->head->stride != s->stride))
		return -EPROTO;
	s->head->stride = (uint32_t)s->stride;
	while (s->n_chunks < n) {
		if (!chunk_map_locked(s, s->n_chunks))
			return -ENOMEM;
		chunk_restore_locked(s, s->n_chunks++);
	}
	return 0;
}

/* ---- all of it ---- */

static int slots_map(struct slots *s)
{
	if (s->fd_owned) {
		s->fd = memfd_create("mirrorfs-slots", MFD_CLOEXEC);
		if (s->fd < 0 || ftruncate(s->fd, SLOTS_BYTES) < 0)
			return -errno;
	}
	s->head = mmap(NULL, s->head_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		       s->fd, s->at);
	if (s->head == MAP_FAILED) {
		s->head = NULL;
		return -errno;
	}
	return slots_restore(s);
}

int slots_open(size_t item_bytes, int fd, off_t at, struct slots **ret)
{
	struct slots *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	size_t align = _Alignof(struct slot);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	s->stride = (sizeof(struct slot) + item_bytes + align - 1) / align;
	s->stride *= align;
	s->chunk_bytes = (CHUNK_ITEMS * s->stride + page - 1) / page * page;
	s->head_bytes = (sizeof(struct head) + page - 1) / page * page;
	s->fd = fd;
	s->fd_owned = fd < 0;
	s->at = at;
	pthread_mutex_init(&s->lock, NULL);
	int r = slots_map(s);
	if (r < 0)
		slots_close(s);
	else
		*ret = s;
	return r;
}

void slots_close(struct slots *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n_chunks; i++)
		munmap(s->chunk[i].slots, s->chunk_bytes);
	if (s->head)
		munmap(s->head, s->head_bytes);
	if (s->fd_owned && s->fd >= 0)
		close(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct slot *slot_find_free_locked(struct slots *s, uint32_t *ret_index)
{
	while (s->lowest < s->n_chunks &&
	       s->chunk[s->lowest].taken == CHUNK_ITEMS)
		s->lowest++;
	if (s->lowest == CHUNKS ||
	    (s->lowest == s->n_chunks && !chunk_make_locked(s)))
		return NULL;
	struct chunk *c = &s->chunk[s->lowest];
	uint32_t base = s->lowest * CHUNK_ITEMS;
	struct slot *slot;
	if (c->free != NO_PLACE) {
		*ret_index = base + c->free - 1;
		slot = slot_at(s, *ret_index);
		c->free = slot->next_free;
	} else {
		*ret_index = base + c->fresh++;
		slot = slot_at(s, *ret_index);
		slot->uses = s->head->uses[s->lowest];
	}
	c->taken++;
	return slot;
}

/* Nothing in `n` is in use any more. The last such chunk is kept as it is:
 * the next item would bring it back. */
static void chunk_empty_locked(struct slots *s, uint32_t n)
{
	struct chunk *c = &s->chunk[s->kept];
	if (s->kept != n && c->taken == 0) {
		c->fresh = 0;
		c->free = NO_PLACE;
		madvise(c->slots, s->chunk_bytes, MADV_REMOVE);
	}
	s->kept = n;
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

uint64_t slots_number(const void *item)
{
	const struct slot *slot = (const void *)((const char *)item -
						 offsetof(struct slot, item));
	return slot->id;
}

void slots_drop(struct slots *s, uint64_t id)
{
	uint32_t index = (uint32_t)id - 1, n = index / CHUNK_ITEMS;
	struct slot *slot = slot_at(s, index);
	assert(slot && slot->id == id);
	pthread_mutex_lock(&s->lock);
	struct chunk *c = &s->chunk[n];
	atomic_store(&slot->id, 0);
	slot->next_free = c->free;
	c->free = index % CHUNK_ITEMS + 1;
	if (slot->uses > s->head->uses[n])
		s->head->uses[n] = slot->uses;
	if (--c->taken == 0)
		chunk_empty_locked(s, n);
	if (n < s->lowest)
		s->lowest = n;
	pthread_mutex_unlock(&s->lock);
}

void slots_each(struct slots *s, void (*fn)(void *item))
{
	for (uint32_t n = 0; n < s->n_chunks; n++) {
		uint32_t index = n * CHUNK_ITEMS;
		uint32_t end = index + s->chunk[n].fresh;
		for (; index < end; index++) {
			struct slot *slot = slot_at(s, index);
			if (slot->id)
				fn(slot->item);
		}
	}
}
