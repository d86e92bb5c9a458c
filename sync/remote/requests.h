/* layer: remote */
#ifndef MIRRORFS_REMOTE_REQUESTS_H
#define MIRRORFS_REMOTE_REQUESTS_H

/*
 * The requests that have no reply yet, in the order in which they were made.
 * Found by the id on the wire, which is a slot and a generation, so that an
 * answer to a finished request is recognised as wrong.
 */

#include <stdbool.h>

#include "sync/remote/codec.h"

struct request {
	remote_done_fn *fn; /* may be NULL: nobody wants to know */
	void *arg;
	uint32_t id;
	enum reply_kind kind;
	uint32_t weight;   /* bytes that it keeps in flight */
	bool slow;         /* the server has work with it: tells nothing of
			    * the wire */
	int64_t sent_ns;   /* on the monotonic clock */
	uint32_t max_data; /* READ: asked for */
	int status;        /* answered here, never sent: what to say; else 0 */
	/* private to requests.c */
	bool used;
	uint32_t next, prev;
};

struct requests {
	struct request *slots;
	uint32_t n_slots;
	uint32_t free;          /* list through .next */
	uint32_t oldest, newest;
	unsigned count;
	unsigned local;         /* of them: with a status of our own, */
	unsigned slow;          /* … and .slow */
	uint64_t weight;        /* sum */
};

#define REQUESTS_INIT {NULL, 0, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0, 0, 0, 0}
/* More than this many cannot have different ids. */
#define REQUESTS_MAX (1u << 20)

void requests_done(struct requests *q);

/* requests_add - a copy of `what` with its id set, which is returned. */
uint32_t requests_add(struct requests *q, const struct request *what);

/* requests_take - remove the one with that id. Returns false when there is
 * none. */
bool requests_take(struct requests *q, uint32_t id, struct request *ret);
/* requests_take_oldest, requests_take_local - the oldest one, of those that
 * are answered here. */
bool requests_take_oldest(struct requests *q, struct request *ret);
bool requests_take_local(struct requests *q, struct request *ret);
/* requests_peek - kind and max_data for the decoder; NULL: no such id. */
const struct request *requests_peek(const struct requests *q, uint32_t id);

#endif
