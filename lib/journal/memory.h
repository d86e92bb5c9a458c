/* layer: journal, private */
#ifndef MIRRORFS_JOURNAL_MEMORY_H
#define MIRRORFS_JOURNAL_MEMORY_H

/*
 * What lies in the shared memory (shared.h), and how this process sees it.
 * The layout belongs to memory.c, ring.c, intent.c and busy.c.
 *
 * Any process that has it mapped may be killed at any instruction. So each
 * change becomes visible by one store, and what one store cannot carry can be
 * told again from what was stored before (see ring_repair).
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "shared.h"

#define MEMORY_MAGIC   0x6d6972726f726673ULL /* "mirrorfs" */
#define MEMORY_VERSION 9

#define RING_BYTES     (32u << 20) /* a power of two */
#define RING_MARGIN    (2u << 20)  /* kept for changes that have begun */
#define RING_RECORD_MAX (RING_BYTES / 8)

#define INTENT_BYTES   (16u << 10)
#define BUSY_SLOTS     65536u

struct ring {
	pthread_mutex_t lock; /* LOCK_ring: robust, between processes */
	/* Positions only grow; the place in `bytes` is the position modulo
	 * RING_BYTES. head ≤ tail ≤ head + RING_BYTES. */
	_Atomic uint64_t head; /* first record that is not in SQLite yet */
	_Atomic uint64_t tail; /* end of the newest record: publishes it */
	uint64_t next_tail;    /* LOCK_ring: tail, once it is stored … */
	uint64_t next_seq;     /* LOCK_ring: … and last_seq of then */
	_Atomic uint64_t last_seq; /* stored under LOCK_ring */
	_Atomic uint32_t gap_owed; /* records were dropped and no GAP put yet */
	_Atomic int64_t gap_since_ns; /* the first of them; wall clock */
	_Atomic uint64_t dropped;  /* how many, ever */
	_Atomic uint32_t stalled;  /* waited in vain: drop at once from now */

	_Atomic uint32_t put_word;  /* futex: counts records put */
	_Atomic uint32_t put_sleep; /* the taker sleeps on it */
	_Atomic uint32_t room_word; /* futex: counts calls of shared_taken */
	_Atomic uint32_t room_sleep;/* somebody sleeps on it */
};

struct intent {
	_Atomic uint32_t len;   /* 0: none; stored last */
	_Atomic uint32_t begun; /* how many there were */
	_Atomic uint64_t tag;   /* of the request: shared_tag */
	/* of its record: valid when it is in the ring. 0: none was put */
	_Atomic uint64_t seq;
	uint32_t kept;          /* length of `bytes`, also when it has ended */
	uint8_t bytes[INTENT_BYTES - 7 * sizeof(uint32_t)];
};
#define SEQ_DROPPED UINT64_MAX /* a GAP stands for it */

struct memory {
	uint64_t magic;
	uint32_t version, size;
	uint32_t format; /* constant: schema_version of who made it */
	_Atomic uint32_t passthrough; /* shared_passthrough */
	_Atomic int32_t journal_error; /* of the last commit; 0: none */
	_Atomic uint32_t journal_damaged;
	_Atomic uint32_t journal_lost; /* shared_lost */
	_Atomic int32_t journal_late; /* shared_late */
	_Atomic int64_t journal_since_ns; /* failing since; wall clock */
	_Atomic uint32_t journal_required; /* constant */
	_Atomic uint32_t pinned;      /* shared_pinned */
	struct ring ring;
	/* Upper half: how often it began or ended; lower half: how many
	 * objects of this hash are being written. */
	_Atomic uint64_t busy[BUSY_SLOTS];
	_Atomic uint32_t wanted[SHARED_WANTS]; /* a hash, or 0 */
	_Atomic uint32_t doubts; /* counted; under LOCK_ring for a GAP */
	_Atomic uint32_t told;	 /* `doubts` of then */
	struct intent intents[SHARED_THREADS];
	uint8_t bytes[RING_BYTES];
};

struct shared {
	struct memory *mem;
	int64_t patience_ns;   /* constant: how long to wait for room */
	struct buf scratch[SHARED_THREADS]; /* owned by that worker thread */
	uint64_t tags[SHARED_THREADS];      /* likewise */
	/* owned by the taker: */
	uint64_t taken_end;    /* head after shared_taken */
	uint64_t dropped_seen;
	struct buf unwrapped;  /* a record that wraps around, in one piece */
	_Atomic uint32_t poked;
};

/* ring_init - in fresh memory; the first record gets `first_seq`.
 * Returns 0, or a negative errno: what pthread_mutex_init says. */
int ring_init(struct ring *ring, uint64_t first_seq);

/* ring_wait_room - sleep while the ring is nearly full, unless that was in
 * vain before. No lock of the ring is held. */
void ring_wait_room(struct shared *s);

/* ring_put - append `r`, encoded through the scratch `b`; never sleeps long.
 * What does not fit is dropped, and a GAP is owed. *intent_seq (or NULL) gets
 * the seq just before the record is there. Returns its seq. */
uint64_t ring_put(struct shared *s, struct buf *b, struct record *r,
		  _Atomic uint64_t *intent_seq);

/* ring_mend - repair what a dead process left, now. */
void ring_mend(struct shared *s);

/* ring_owe_gap - records are gone that had been taken: a GAP tells of them, as
 * soon as there is room for it. */
void ring_owe_gap(struct shared *s);

/* ring_pay_gap - put the GAP that a dead taker has left to be put. */
void ring_pay_gap(struct shared *s);

/* ring_owes_gap - dropped records have none yet, not even in the ring. */
bool ring_owes_gap(const struct shared *s);

/* ring_poke - end the present or the next shared_wait of this process. */
void ring_poke(struct shared *s);

/* ring_wake_taker - end the present shared_wait of whichever process. */
void ring_wake_taker(struct shared *s);

/* ring_set_patience - for tests: how long to wait for room. */
void ring_set_patience(struct shared *s, int64_t ns);

#endif
