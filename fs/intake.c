/*
 * The descriptor is in the poll set for one shot: it wakes one thread, and is
 * armed again when that thread has taken its request, so that the next
 * request wakes the next thread.
 *
 * Waking a thread costs more than what most requests ask for: 20 to 40 µs of
 * a round trip of 40 to 50 (virtual machine, Linux 6.18). So one thread that
 * has just served a request looks for the next one for a moment before it
 * sleeps; a client that does one thing after the other finds it awake.
 *
 * It must cost nobody else anything:
 *
 * - One thread looks, no more. While it does, the descriptor is disarmed, so
 *   that nobody is woken for the request that it is about to take. It is
 *   armed again before that request is served, as that may take long.
 * - It gives its processor away between two looks. When that took long,
 *   somebody else had use for the processor: it sleeps.
 * - When looking was in vain too often, it is tried rarely; ever more rarely
 *   while others want the processor, as who has given it away once gets it
 *   back late.
 */
#include "confdefs.h"

#include <errno.h>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "fs/intake.h"

#define SPIN_NS	   50000 /* it looks so long … */
#define BUSY_NS	   4000	 /* … unless one look takes so long */
#define CREDIT_MAX 32
#define MISS_COSTS 4
#define TRY_EVERY  32	/* without credit … */
#define TRY_RARELY 1024 /* … and when others want the processor */

static int poll_set(struct intake *in, int op, uint32_t events)
{
	struct epoll_event e = {.events = events | EPOLLONESHOT};
	return epoll_ctl(in->poll_fd, op, in->fuse_fd, &e) < 0 ? -errno : 0;
}

static void arm(struct intake *in, struct intake_thread *t)
{
	t->disarmed = false;
	poll_set(in, EPOLL_CTL_MOD, EPOLLIN);
}

static void disarm(struct intake *in, struct intake_thread *t)
{
	t->disarmed = true;
	poll_set(in, EPOLL_CTL_MOD, 0);
}

int intake_open(struct intake *in, int fuse_fd, int exit_fd)
{
	struct epoll_event end = {.events = EPOLLIN, .data.u32 = 1};
	in->fuse_fd = fuse_fd;
	in->pause = TRY_EVERY;
	in->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (in->poll_fd < 0)
		return -errno;
	int r = poll_set(in, EPOLL_CTL_ADD, EPOLLIN);
	if (r == 0 && epoll_ctl(in->poll_fd, EPOLL_CTL_ADD, exit_fd, &end) < 0)
		r = -errno;
	if (r < 0)
		intake_close(in);
	return r;
}

void intake_close(struct intake *in)
{
	if (in->poll_fd >= 0)
		close(in->poll_fd);
	in->poll_fd = -1;
}

static bool spin_begin(struct intake *in, struct intake_thread *t)
{
	if (!t->served)
		return false;
	if (in->credit <= 0 && ++t->turns < in->pause)
		return false;
	if (atomic_exchange(&in->spinning, true))
		return false;
	disarm(in, t);
	t->turns = 0;
	t->busy = false;
	t->spins = true;
	t->last_ns = clock_mono_ns();
	t->until_ns = t->last_ns + SPIN_NS;
	return true;
}

static void spin_end(struct intake *in, struct intake_thread *t, bool hit)
{
	int credit = in->credit;
	unsigned pause = in->pause;
	t->spins = false;
	if (hit && credit < CREDIT_MAX)
		in->credit = credit + 1;
	if (hit && pause > TRY_EVERY)
		in->pause = pause / 2;
	if (!hit && credit > 0)
		in->credit = credit - MISS_COSTS;
	else if (t->busy && pause < TRY_RARELY)
		in->pause = pause * 2;
	in->spinning = false;
}

void intake_got(struct intake *in, struct intake_thread *t)
{
	t->served = true;
	if (t->spins)
		spin_end(in, t, true);
	if (t->disarmed)
		arm(in, t);
}

static bool spin_on(struct intake_thread *t)
{
	sched_yield();
	int64_t now = clock_mono_ns(), took = now - t->last_ns;
	t->last_ns = now;
	t->busy = took >= BUSY_NS;
	return !t->busy && now < t->until_ns;
}

static bool sleep_until_asked(struct intake *in, struct intake_thread *t)
{
	struct epoll_event events[2];
	if (t->disarmed)
		arm(in, t);
	int n = epoll_wait(in->poll_fd, events, 2, -1);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == 1)
			return true;
		t->disarmed = true; /* its one shot */
	}
	return false;
}

bool intake_wait(struct intake *in, struct intake_thread *t)
{
	if (t->spins) {
		if (spin_on(t))
			return false;
		spin_end(in, t, false);
	} else if (spin_begin(in, t)) {
		return false;
	}
	t->served = false;
	return sleep_until_asked(in, t);
}
