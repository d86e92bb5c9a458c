/*
 * The ring: what happened and is not in SQLite yet.
 *
 * Producers put under LOCK_ring, so that the order of the ring is the order
 * of seq. One taker reads from head without the lock: bytes between head and
 * tail never change. An entry is u32 length, u32 its complement, the record
 * (record.c), padded to 8 bytes; it may wrap around.
 *
 * Killed with the lock held, a producer leaves either no new record (tail not
 * stored: the bytes beyond it are nothing) or a whole one whose last_seq is
 * perhaps not stored yet: ring_repair does that. The intent of the record is
 * told its seq before the tail is stored: so it is known whether it is there.
 *
 * Full: whoever begins a change waits until the margin is free again. When
 * that was in vain for s->patience_ns, nobody waits any more until the writer
 * moves; the margin is used up, then records are dropped and a GAP is owed.
 * shared_last_seq counts the owed GAP already, so that nobody who asks "is all
 * there up to now?" gets a yes before the GAP was dealt with.
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "lib/journal/memory.h"

#define ENTRY_HEAD 8u
#define GAP_ROOM   256u /* more than a GAP takes */
/* what was dropped was done before; ctimes lag behind the clock */
#define GAP_SLACK_NS (60 * NS_PER_S)

/* ---- sleeping ---- */

static void futex_wait(_Atomic uint32_t *word, uint32_t seen, int64_t ns)
{
	struct timespec ts = clock_timespec(ns);
	syscall(SYS_futex, word, FUTEX_WAIT, seen, &ts, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* ---- the lock ---- */

int ring_init(struct ring *ring, uint64_t first_seq)
{
	pthread_mutexattr_t a;
	int r = pthread_mutexattr_init(&a);
	if (r == 0)
		r = pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	if (r == 0)
		r = pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	if (r == 0)
		r = pthread_mutex_init(&ring->lock, &a);
	pthread_mutexattr_destroy(&a);
	ring->next_seq = first_seq - 1;
	ring->last_seq = first_seq - 1;
	return -r;
}

#define LOCK_LOOK_NS (20 * NS_PER_MS)

/* An intent that was given the seq of a record that never came has none: the
 * next record will get this seq. */
static void ring_repair(struct ring *ring)
{
	struct memory *m =
		(void *)((char *)ring - offsetof(struct memory, ring));
	if (ring->tail == ring->next_tail)
		ring->last_seq = ring->next_seq;
	for (unsigned t = 0; t < SHARED_THREADS; t++) {
		uint64_t seq = m->intents[t].seq;
		if (seq > ring->last_seq && seq != SEQ_DROPPED)
			m->intents[t].seq = 0;
	}
}

/* ring_lock_patient - pthread_mutex_lock, but it looks again now and then. A
 * process that is killed just after it was woken, while another has taken the
 * lock, takes the wake-up of all others with it (glibc 2.36, seen with
 * producers in several processes): they would sleep for ever. */
static int ring_lock_patient(struct ring *ring)
{
	int r = pthread_mutex_trylock(&ring->lock);
	while (r == EBUSY || r == ETIMEDOUT) {
		int64_t until = clock_mono_ns() + LOCK_LOOK_NS;
		const struct timespec ts = clock_timespec(until);
		r = pthread_mutex_clocklock(&ring->lock, CLOCK_MONOTONIC, &ts);
	}
	return r;
}

static void ring_lock(struct ring *ring)
{
	int r = ring_lock_patient(ring);
	if (r == EOWNERDEAD) {
		ring_repair(ring);
		r = pthread_mutex_consistent(&ring->lock);
	}
	assert(r == 0);
}

static void ring_unlock(struct ring *ring)
{
	pthread_mutex_unlock(&ring->lock);
}

void ring_mend(struct shared *s)
{
	ring_lock(&s->mem->ring);
	ring_unlock(&s->mem->ring);
}

/* ---- bytes ---- */

static uint64_t ring_free(struct ring *ring)
{
	return RING_BYTES -
	       (atomic_load(&ring->tail) - atomic_load(&ring->head));
}

static uint32_t entry_size(size_t len)
{
	return (uint32_t)((ENTRY_HEAD + len + 7) & ~(size_t)7);
}

static void ring_copy_in(struct memory *m, uint64_t pos, const void *p,
			 size_t n)
{
	size_t at = pos % RING_BYTES, first = RING_BYTES - at;
	if (first > n)
		first = n;
	memcpy(m->bytes + at, p, first);
	memcpy(m->bytes, (const uint8_t *)p + first, n - first);
}

static void ring_copy_out(const struct memory *m, uint64_t pos, void *p,
			  size_t n)
{
	size_t at = pos % RING_BYTES, first = RING_BYTES - at;
	if (first > n)
		first = n;
	memcpy(p, m->bytes + at, first);
	memcpy((uint8_t *)p + first, m->bytes, n - first);
}

/* ---- putting ---- */

/* ring_put_locked - false when there is no room. `b` holds the encoded `r`,
 * whose first 16 bytes are seq and time. */
static bool ring_put_locked(struct memory *m, struct buf *b, struct record *r,
			    _Atomic uint64_t *intent_seq)
{
	struct ring *ring = &m->ring;
	uint32_t size = entry_size(b->len);
	if (b->len > RING_RECORD_MAX || size > ring_free(ring))
		return false;

	uint64_t tail = ring->tail, seq = ring->last_seq + 1;
	if (r->time_ns == 0)
		r->time_ns = clock_wall_ns();
	r->seq = seq;
	buf_set_u32(b, 0, (uint32_t)(seq >> 32));
	buf_set_u32(b, 4, (uint32_t)seq);
	buf_set_u32(b, 8, (uint32_t)((uint64_t)r->time_ns >> 32));
	buf_set_u32(b, 12, (uint32_t)r->time_ns);

	uint32_t head[2] = {(uint32_t)b->len, ~(uint32_t)b->len};
	ring_copy_in(m, tail, head, ENTRY_HEAD);
	ring_copy_in(m, tail + ENTRY_HEAD, b->data, b->len);
	if (r->op == OP_GAP) /* before anybody can see it */
		atomic_fetch_add(&m->doubts, 1);
	/* in this order: as long as next_tail is not tail, next_seq is nothing */
	ring->next_tail = tail + size;
	atomic_signal_fence(memory_order_seq_cst);
	ring->next_seq = seq;
	if (intent_seq)
		atomic_store(intent_seq, seq);
	atomic_store(&ring->tail, tail + size);
	atomic_store(&ring->last_seq, seq);
	return true;
}

/* ring_pay_gap_locked - put the GAP that stands for dropped records, if there
 * is room for it and for `more` bytes. */
static bool ring_pay_gap_locked(struct memory *m, size_t more)
{
	if (!m->ring.gap_owed)
		return true;
	if (ring_free(&m->ring) < GAP_ROOM + entry_size(more))
		return false;
	struct record gap = {.op = OP_GAP, .flags = RF_CONTENT};
	int64_t since = m->ring.gap_since_ns - GAP_SLACK_NS;
	gap.size = since > 0 ? (uint64_t)since : 0;
	struct buf b = BUF_INIT;
	record_encode(&b, &gap);
	bool ok = ring_put_locked(m, &b, &gap, NULL);
	buf_done(&b);
	if (ok)
		atomic_store(&m->ring.gap_owed, 0);
	return ok;
}

/* ring_drop_locked - a record cannot be had: a GAP will stand for it. */
static void ring_drop_locked(struct ring *ring)
{
	if (!atomic_exchange(&ring->gap_owed, 1))
		ring->gap_since_ns = clock_wall_ns();
	atomic_fetch_add(&ring->dropped, 1);
}

static void ring_announce(struct ring *ring)
{
	atomic_fetch_add(&ring->put_word, 1);
	if (atomic_load(&ring->put_sleep) &&
	    atomic_exchange(&ring->put_sleep, 0))
		futex_wake(&ring->put_word);
}

uint64_t ring_put(struct shared *s, struct buf *b, struct record *r,
		  _Atomic uint64_t *intent_seq)
{
	struct ring *ring = &s->mem->ring;
	buf_reset(b);
	record_encode(b, r);

	ring_lock(ring);
	if (!ring_pay_gap_locked(s->mem, b->len) ||
	    !ring_put_locked(s->mem, b, r, intent_seq)) {
		ring_drop_locked(ring);
		if (intent_seq)
			atomic_store(intent_seq, SEQ_DROPPED);
		r->seq = ring->last_seq + 1; /* what the GAP will get */
		if (r->time_ns == 0)
			r->time_ns = clock_wall_ns();
	}
	ring_unlock(ring);
	ring_announce(ring);
	return r->seq;
}

void ring_wait_room(struct shared *s)
{
	struct ring *ring = &s->mem->ring;
	if (ring_free(ring) >= RING_MARGIN || ring->stalled)
		return;
	int64_t deadline = clock_mono_ns() + s->patience_ns;
	for (;;) {
		uint32_t seen = atomic_load(&ring->room_word);
		atomic_store(&ring->room_sleep, 1);
		if (ring_free(ring) >= RING_MARGIN || ring->stalled)
			return;
		int64_t left = deadline - clock_mono_ns();
		if (left <= 0)
			break;
		futex_wait(&ring->room_word, seen, left);
	}
	atomic_store(&ring->stalled, 1);
	futex_wake(&ring->room_word);
}

bool shared_has_room(struct shared *s)
{
	ring_wait_room(s);
	return ring_free(&s->mem->ring) >= RING_MARGIN;
}

uint64_t shared_append(struct shared *s, struct record *r)
{
	struct buf b = BUF_INIT;
	ring_wait_room(s);
	uint64_t seq = ring_put(s, &b, r, NULL);
	buf_done(&b);
	return seq;
}

uint64_t shared_last_seq(const struct shared *s)
{
	struct ring *ring = &s->mem->ring;
	if (!atomic_load(&ring->gap_owed))
		return atomic_load(&ring->last_seq);
	ring_lock(ring);
	uint64_t seq = ring->last_seq + (ring->gap_owed ? 1 : 0);
	ring_unlock(ring);
	return seq;
}

uint64_t shared_epoch(const struct shared *s)
{
	return SEQ_EPOCH(shared_last_seq(s));
}

/* ---- taking ---- */

/*
 * ring_entry - the record at `pos`, in one piece, as a buffer to read from.
 * Returns its size in the ring, 0 when there is no sense in what is there.
 */
static uint32_t ring_entry(struct shared *s, uint64_t pos, uint64_t tail,
			   struct buf *ret_b)
{
	const struct memory *m = s->mem;
	uint32_t head[2];
	ring_copy_out(m, pos, head, ENTRY_HEAD);
	uint32_t len = head[0], size = entry_size(len);
	if (head[1] != ~len || len > RING_RECORD_MAX || size > tail - pos)
		return 0;
	uint64_t from = (pos + ENTRY_HEAD) % RING_BYTES;
	if (from + len <= RING_BYTES) {
		*ret_b = (struct buf){.data = s->mem->bytes + from, .len = len};
		return size;
	}
	buf_reset(&s->unwrapped);
	ring_copy_out(m, pos + ENTRY_HEAD, buf_reserve(&s->unwrapped, len),
		      len);
	*ret_b = (struct buf){.data = s->unwrapped.data, .len = len};
	return size;
}

static void ring_lost(struct ring *ring)
{
	ring_lock(ring);
	ring_drop_locked(ring);
	ring_unlock(ring);
}

unsigned shared_take(struct shared *s, struct record *out, unsigned max,
		     bool *ret_overflow)
{
	struct ring *ring = &s->mem->ring;
	uint64_t pos = atomic_load(&ring->head);
	uint64_t tail = atomic_load(&ring->tail);
	unsigned n = 0;
	while (pos < tail && n < max) {
		struct buf b;
		uint32_t size = ring_entry(s, pos, tail, &b);
		if (size == 0 || record_decode(&b, &out[n]) < 0)
			ring_lost(ring);
		else
			n++;
		/* without a length the rest cannot be told apart either */
		pos = size ? pos + size : tail;
	}
	s->taken_end = pos;
	uint64_t dropped = atomic_load(&ring->dropped);
	*ret_overflow = dropped != s->dropped_seen;
	s->dropped_seen = dropped;
	return n;
}

void shared_taken(struct shared *s)
{
	struct ring *ring = &s->mem->ring;
	ring_lock(ring);
	if (s->taken_end > ring->head)
		atomic_store(&ring->head, s->taken_end);
	ring_pay_gap_locked(s->mem, 0);
	ring_unlock(ring);
	atomic_store(&ring->stalled, 0);
	atomic_fetch_add(&ring->room_word, 1);
	if (atomic_exchange(&ring->room_sleep, 0))
		futex_wake(&ring->room_word);
}

bool ring_owes_gap(const struct shared *s)
{
	return atomic_load(&s->mem->ring.gap_owed);
}

void ring_owe_gap(struct shared *s)
{
	struct ring *ring = &s->mem->ring;
	ring_lock(ring);
	if (!atomic_exchange(&ring->gap_owed, 1))
		ring->gap_since_ns = clock_wall_ns();
	ring_pay_gap_locked(s->mem, 0);
	ring_unlock(ring);
}

void ring_pay_gap(struct shared *s)
{
	ring_lock(&s->mem->ring);
	ring_pay_gap_locked(s->mem, 0);
	ring_unlock(&s->mem->ring);
}

void shared_wait(struct shared *s, int timeout_ms)
{
	struct ring *ring = &s->mem->ring;
	uint32_t seen = atomic_load(&ring->put_word);
	atomic_store(&ring->put_sleep, 1);
	if (!atomic_exchange(&s->poked, 0) &&
	    atomic_load(&ring->dropped) == s->dropped_seen &&
	    atomic_load(&ring->head) == atomic_load(&ring->tail))
		futex_wait(&ring->put_word, seen, timeout_ms * NS_PER_MS);
	atomic_store(&ring->put_sleep, 0);
}

void ring_wake_taker(struct shared *s)
{
	atomic_fetch_add(&s->mem->ring.put_word, 1);
	futex_wake(&s->mem->ring.put_word);
}

void ring_poke(struct shared *s)
{
	atomic_store(&s->poked, 1);
	ring_wake_taker(s);
}

uint32_t shared_doubts(const struct shared *s)
{
	ring_lock(&s->mem->ring); /* a GAP that is counted is there */
	uint32_t n = s->mem->doubts;
	ring_unlock(&s->mem->ring);
	return n;
}

void shared_set_told(struct shared *s, uint32_t doubts)
{
	s->mem->told = doubts;
	ring_wake_taker(s);
}

uint32_t shared_told(const struct shared *s)
{
	uint32_t told = s->mem->told;
	return told == s->mem->doubts ? told + SHARED_SURE : 0;
}

void ring_set_patience(struct shared *s, int64_t ns)
{
	s->patience_ns = ns;
}
