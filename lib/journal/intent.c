/*
 * Intents: what each worker thread is about to change. A thread that was
 * killed between its lower call and its record leaves one behind. An intent
 * that is left although its record was put is harmless: an UNSURE record only
 * asks to look.
 */
#include "confdefs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "paths.h"
#include "lib/journal/memory.h"

/* A change that takes longer has died, or waits for a disk that does not
 * answer. */
#define SETTLE_NS (2 * NS_PER_S)
/* Records that may come before its own: a guess, with nothing to go by. */
#define UNSETTLED 4096

static struct intent *intent_of(struct shared *s, unsigned thread)
{
	assert(thread < SHARED_THREADS);
	return &s->mem->intents[thread];
}

/* intent_shorten - a folder above `path` whose path is short enough. */
static char *intent_shorten(const char *path)
{
	size_t len = strlen(path);
	if (len > INTENT_BYTES / 4)
		for (len = INTENT_BYTES / 4; len > 0 && path[len] != '/'; len--)
			;
	char *p = strndup(path, len);
	if (!p)
		abort();
	return p;
}

static void intent_encode(struct buf *b, const struct record *r)
{
	buf_reset(b);
	record_encode(b, r);
	if (b->len <= sizeof(((struct intent *)0)->bytes))
		return;
	struct record wide = *r;
	wide.op = OP_UNSURE;
	wide.n_ranges = 0;
	wide.ranges = NULL;
	wide.path = r->path ? intent_shorten(r->path) : NULL;
	wide.path2 = r->path2 ? intent_shorten(r->path2) : NULL;
	if (r->op != OP_RENAME && r->op != OP_LINK && r->op != OP_UNSURE) {
		free(wide.path2); /* a text, not a path */
		wide.path2 = NULL;
	}
	buf_reset(b);
	record_encode(b, &wide);
	free(wide.path);
	free(wide.path2);
}

void shared_begin(struct shared *s, unsigned thread,
		  const struct record *intent)
{
	struct intent *slot = intent_of(s, thread);
	struct buf *b = &s->scratch[thread];
	struct record r = *intent;
	ring_wait_room(s);
	r.seq = shared_last_seq(s); /* its path is as of then */
	intent_encode(b, &r);
	if (atomic_load_explicit(&slot->len, memory_order_relaxed))
		atomic_store(&slot->len, 0); /* never cancelled */
	/* the tag last: what is told of it is what it says */
	atomic_store(&slot->tag, 0);
	atomic_store(&slot->seq, 0);
	memcpy(slot->bytes, b->data, b->len);
	slot->kept = (uint32_t)b->len;
	atomic_store(&slot->tag, s->tags[thread]);
	atomic_fetch_add(&slot->begun, 1);
	atomic_store_explicit(&slot->len, (uint32_t)b->len,
			      memory_order_release);
}

uint64_t shared_end(struct shared *s, unsigned thread, struct record *r)
{
	struct intent *slot = intent_of(s, thread);
	uint64_t seq = ring_put(s, &s->scratch[thread], r, &slot->seq);
	atomic_store_explicit(&slot->len, 0, memory_order_release);
	return seq;
}

/* With the tag gone it never was. */
void shared_cancel(struct shared *s, unsigned thread)
{
	atomic_store(&intent_of(s, thread)->tag, 0);
	atomic_store_explicit(&intent_of(s, thread)->len, 0,
			      memory_order_release);
}

void shared_tag(struct shared *s, unsigned thread, uint64_t tag)
{
	s->tags[thread] = tag;
}

void shared_untag(struct shared *s)
{
	for (unsigned t = 0; t < SHARED_THREADS; t++)
		atomic_store(&s->mem->intents[t].tag, 0);
}

enum shared_past shared_past(struct shared *s, unsigned thread, uint64_t tag,
			     struct record *ret)
{
	struct intent *slot = intent_of(s, thread);
	ring_mend(s);
	if (tag == 0 || slot->tag != tag || slot->kept > sizeof(slot->bytes))
		return PAST_NONE;
	struct buf b = {.data = slot->bytes, .len = slot->kept};
	if (record_decode(&b, ret) < 0)
		return PAST_NONE;
	return slot->seq ? PAST_RECORDED : PAST_BEGUN;
}

/* settle - false: one of them takes longer. */
static bool settle(const struct shared *s)
{
	int64_t end = clock_mono_ns() + SETTLE_NS;
	for (unsigned t = 0; t < SHARED_THREADS; t++) {
		const struct intent *slot = &s->mem->intents[t];
		uint32_t begun = atomic_load(&slot->begun);
		while (atomic_load(&slot->len) &&
		       atomic_load(&slot->begun) == begun) {
			if (clock_mono_ns() > end)
				return false;
			usleep(50);
		}
	}
	return true;
}

uint64_t shared_settled_seq(const struct shared *s)
{
	settle(s);
	return shared_last_seq(s);
}

uint64_t shared_fence_seq(const struct shared *s)
{
	bool all = settle(s);
	return shared_last_seq(s) + (all ? 0 : UNSETTLED);
}

/* intent_unsure - what the intent in `slot` leaves to be looked at. */
static void intent_unsure(struct intent *slot, uint32_t len, struct record *r)
{
	struct buf b = {.data = slot->bytes, .len = len};
	if (len > sizeof(slot->bytes) || record_decode(&b, r) < 0)
		memset(r, 0, sizeof(*r));
	record_unsure(r);
}

bool shared_leftover(struct shared *s, unsigned thread, struct record *ret)
{
	struct intent *slot = intent_of(s, thread);
	uint32_t len = atomic_load(&slot->len);
	if (len == 0)
		return false;
	atomic_store(&slot->tag, 0);
	bool put = slot->seq; /* killed just after that */
	if (!put)
		intent_unsure(slot, len, ret);
	atomic_store(&slot->len, 0);
	return !put;
}

unsigned shared_leftovers(struct shared *s, struct record *out)
{
	unsigned n = 0;
	for (unsigned t = 0; t < SHARED_THREADS; t++)
		n += shared_leftover(s, t, &out[n]);
	return n;
}
