/*
 * Each thread of a worker reads its request into memory that outlives it, and
 * clears it when it has answered. So what a dead worker had taken from the
 * kernel is all there, and the next one serves it again, with any kernel.
 * (Linux 6.9 could be asked to send it again, FUSE_NOTIFY_RESEND. There would
 * be nothing in it that we do not have.)
 *
 * What was answered at the last moment is not done again: the kernel tells
 * (device.c). What was not has never been told to anybody: its handles and
 * lookups are taken back, and what it changed is found out by the intent of
 * the same thread (change.h).
 *
 * FORGET has no answer, so the kernel cannot tell; each of them is counted
 * (inode_forget_next), and what is left of them is done before all else.
 *
 * They are served one after the other, before anything new: so a record that
 * is still to be put comes before those of whatever follows. What had begun to
 * change something comes first: no folder above it has another name since. But for
 * what syncs: that has no record, and may take as long as a disk does.
 *
 * A request that kills its worker would kill each one: the third refuses it.
 * One that was killed from outside says nothing against what it served: that
 * may be a write which waits for something, through any number of deaths.
 */
#include "confdefs.h"

#include <errno.h>
#include <linux/fuse.h>

#include "fs/change.h"
#include "fs/device.h"
#include "fs/inode.h"
#include "fs/kept.h"
#include "fs/replay.h"
#include "fs/touch.h"
#include "log.h"

#define MAX_TRIES 3

_Static_assert((KEPT_HEAD_BYTES - sizeof(struct fuse_in_header) -
		sizeof(struct fuse_batch_forget_in)) %
			       sizeof(struct fuse_forget_one) ==
		       0,
	       "each page begins with the number of an inode: flight_whole");

static bool is_forget(const struct flight *f)
{
	const struct fuse_in_header *in = (const void *)f->request;
	return in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET;
}

static void forget_one(struct flight *f)
{
	const struct fuse_in_header *in = (const void *)f->request;
	const struct fuse_forget_in *one = (const void *)(in + 1);
	if (flight_whole(f) >= sizeof(*in) + sizeof(*one) &&
	    f->forgetting.done == 0)
		inode_forget_resume(&f->forgetting, in->nodeid, one->nlookup);
}

static void forget_many(struct flight *f)
{
	const struct fuse_in_header *in = (const void *)f->request;
	const struct fuse_batch_forget_in *b = (const void *)(in + 1);
	const struct fuse_forget_one *list = (const void *)(b + 1);
	size_t head = sizeof(*in) + sizeof(*b), len = flight_whole(f);
	size_t n = len < head ? 0 : (len - head) / sizeof(*list);
	if (n > 0 && b->count < n)
		n = b->count;
	for (size_t k = f->forgetting.done; k < n; k++)
		inode_forget_resume(&f->forgetting, list[k].nodeid,
				    list[k].nlookup);
}

void replay_forgets(void)
{
	for (unsigned t = 0; t < SHARED_THREADS; t++) {
		struct flight *f = kept_flight(t);
		const struct fuse_in_header *in = (const void *)f->request;
		if (!flight_number(f) || !is_forget(f))
			continue;
		if (in->opcode == FUSE_FORGET)
			forget_one(f);
		else
			forget_many(f);
		flight_done(f);
	}
}

unsigned replay_find(struct fuse_session *se, uint64_t ret[SHARED_THREADS])
{
	unsigned n = 0;
	for (unsigned t = 0; t < SHARED_THREADS; t++) {
		struct flight *f = kept_flight(t);
		uint64_t number = flight_number(f);
		if (number && is_forget(f))
			continue;
		if (number && device_is_owed(se, number))
			ret[n++] = number;
		else
			flight_done(f);
	}
	return n;
}

/* A lookup more than the kernel knows of is harmless, one less is not: so
 * first forget that there is one to be taken back. */
static void take_back_lookup(struct flight *f)
{
	uint64_t id = f->counted;
	f->counted = 0;
	if (id)
		inode_forget(id, 1);
}

static void replay(struct fuse_session *se, struct flight *f, bool killed)
{
	const struct fuse_in_header *in = (const void *)f->request;
	take_back_lookup(f);
	if (!killed || f->tries == 0) /* flight_again */
		f->tries++;
	if (f->tries > MAX_TRIES) {
		log_error("a request (operation %u) ended %u workers and is "
			  "refused",
			  in->opcode, MAX_TRIES);
		device_refuse(se, flight_number(f), EIO);
		flight_done(f);
	} else {
		device_serve(se, f, in->len);
	}
	change_left();
}

static bool is_sync(const struct flight *f)
{
	const struct fuse_in_header *in = (const void *)f->request;
	return in->opcode == FUSE_FSYNC || in->opcode == FUSE_FSYNCDIR;
}

void replay_later(struct fuse_session *se, unsigned thread, bool killed)
{
	struct flight *f = kept_flight(thread);
	if (flight_number(f)) {
		replay(se, f, killed);
		touch_end();
	}
}

/* replay_each - those that had begun a change, or all that are left. */
static unsigned replay_each(struct fuse_session *se, unsigned threads,
			    bool killed, bool begun)
{
	unsigned n = 0;
	for (unsigned t = 0; t < SHARED_THREADS; t++) {
		struct flight *f = kept_flight(t);
		uint64_t number = flight_number(f);
		if (!number || (t < threads && is_sync(f)) ||
		    (begun && !change_was_begun(t, number)))
			continue;
		change_thread_start(t);
		touch_thread_start(t);
		replay(se, f, killed);
		touch_end();
		n++;
	}
	return n;
}

void replay_all(struct fuse_session *se, unsigned threads, bool killed)
{
	unsigned n = replay_each(se, threads, killed, true);
	n += replay_each(se, threads, killed, false);
	if (n)
		log_info("served again requests=%u", n);
}
