/*
 * The descriptor is in the poll set for one shot: it wakes one thread, and is
 * armed again when that thread has taken its request, so that the next
 * request wakes the next thread.
 *
 * Waking a thread costs more than what most requests ask for: 20 to 40 µs of
 * a round trip of 40 to 50 (virtual machine, Linux 6.18). And mostly it is in
 * vain: an answer lets the client run at once, before the thread that gave it
 * comes back to read, so the client's next request wakes a second thread on
 * a processor that sleeps, which takes the client 10 to 15 µs, and then the
 * first thread is there already. docs/PERFORMANCE.md has the trace.
 *
 * So a thread that has served a request looks for the next one for a moment.
 * When it gets one, it is the holder: the descriptor stays disarmed while it
 * serves what is quick and looks again, as long as requests come. For what
 * may take long it arms it first.
 *
 * What seems quick may take long all the same: a disk, a lock, a program that
 * has the processor. While there is a holder, a timer wakes one of the threads
 * that sleep each millisecond (the watch). If the holder has not come back
 * since the last time, the descriptor is armed, and the holder is none any
 * longer; likewise if there was always a request waiting for it, and it
 * sleeps while it serves them, or there are processors for more than one
 * thread and one client.
 *
 * It must cost nobody else anything:
 *
 * - There is one holder. Who waits behind it waits two milliseconds at most,
 *   and that rarely: see below.
 * - It gives its processor away between two looks. When that took long,
 *   somebody else has use for the processor: it sleeps. For less it goes on,
 *   as that may have been the client, or the journal's writer before it.
 * - When looking was in vain too often, it is tried rarely; ever more rarely
 *   while others want the processor, as who has given it away once gets it
 *   back late, and where holders were late.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "fs/intake.h"
#include "fs/kept.h"

#define LOOK_NS	    50000  /* it looks so long by itself … */
#define LOOK_MAX_NS 500000 /* … and with what others ran meanwhile */
#define OTHERS_NS   4000   /* one look takes so long: somebody ran */
#define BUSY_NS	    400000 /* … who is no client: those soon ask */
#define WATCH_NS    NS_PER_MS
#define SLOW_TURNS  8		/* so few meanwhile: they sleep in the calls */
#define QUICK_BYTES (64u << 10) /* more of them keep two processors busy */
#define CREDIT_MAX  32
#define MISS_COSTS  4
#define TRY_EVERY   32	 /* without credit … */
#define TRY_RARELY  1024 /* … and when others want the processor */

enum event { ASKED, END, WATCH };

bool intake_is_quick(const void *request)
{
	const struct fuse_in_header *in = request;
	const union {
		struct fuse_read_in read;
		struct fuse_open_in open;
		struct fuse_setattr_in setattr;
	} *arg = (const void *)(in + 1);
	switch (in->opcode) {
	case FUSE_LOOKUP:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_GETATTR:
	case FUSE_ACCESS:
	case FUSE_READLINK:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_STATFS:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR:
	case FUSE_OPENDIR:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_RELEASEDIR:
		return true;
	/* what is cut off may have to be written back before: by another */
	case FUSE_SETATTR:
		return !(arg->setattr.valid & FATTR_SIZE);
	case FUSE_OPEN:
		return !(arg->open.flags & O_TRUNC);
	case FUSE_READ:
		return arg->read.size <= QUICK_BYTES;
	case FUSE_WRITE:
		return in->len <= QUICK_BYTES + KEPT_HEAD_BYTES;
	default:
		return false;
	}
}

/* ---- the descriptor ---- */

static int poll_ctl(struct intake *in, int op, int fd, uint32_t events,
		    enum event what)
{
	struct epoll_event e = {.events = events, .data.u32 = what};
	return epoll_ctl(in->poll_fd, op, fd, &e) < 0 ? -errno : 0;
}

static int poll_fuse(struct intake *in, int op)
{
	return poll_ctl(in, op, in->fuse_fd, EPOLLIN | EPOLLONESHOT, ASKED);
}

static void poll_arm(struct intake *in)
{
	/* another one may have added it in between */
	if (poll_fuse(in, EPOLL_CTL_MOD) == -ENOENT &&
	    poll_fuse(in, EPOLL_CTL_ADD) == -EEXIST)
		poll_fuse(in, EPOLL_CTL_MOD);
}

/* A holder arms it after it has said that it is none any longer, so whoever
 * sees one may leave it to that. */
static void arm(struct intake *in, struct intake_thread *t)
{
	t->disarmed = false;
	if (!in->held || in->late)
		poll_arm(in);
}

/* To wait for no events would not do: those of errors stay, and FUSE does not
 * tell what it wakes for, so a thread would be woken to look (Linux 6.18,
 * ep_poll_callback). */
static void disarm(struct intake *in, struct intake_thread *t)
{
	t->disarmed = true;
	poll_fuse(in, EPOLL_CTL_DEL);
}

int intake_open(struct intake *in, int fuse_fd, int exit_fd)
{
	in->fuse_fd = fuse_fd;
	in->pause = TRY_EVERY;
	in->crowded = sysconf(_SC_NPROCESSORS_ONLN) <= 2;
	in->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	in->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int r = in->poll_fd < 0 || in->timer_fd < 0 ? -errno : 0;
	if (r == 0)
		r = poll_fuse(in, EPOLL_CTL_ADD);
	if (r == 0)
		r = poll_ctl(in, EPOLL_CTL_ADD, exit_fd, EPOLLIN, END);
	/* EPOLLET: wakes one, and needs no read */
	if (r == 0)
		r = poll_ctl(in, EPOLL_CTL_ADD, in->timer_fd, EPOLLIN | EPOLLET,
			     WATCH);
	if (r < 0)
		intake_close(in);
	return r;
}

void intake_close(struct intake *in)
{
	if (in->poll_fd >= 0)
		close(in->poll_fd);
	if (in->timer_fd >= 0)
		close(in->timer_fd);
	in->poll_fd = -1;
	in->timer_fd = -1;
}

/* ---- the watch ---- */

static void watch_begin(struct intake *in)
{
	const struct itimerspec soon = {.it_value.tv_nsec = WATCH_NS};
	if (in->watched || atomic_exchange(&in->watched, true))
		return;
	in->turns_then = in->turns;
	in->empty_then = in->empty;
	timerfd_settime(in->timer_fd, 0, &soon, NULL);
}

static void watch(struct intake *in)
{
	unsigned turns = in->turns - in->turns_then;
	bool full = in->empty == in->empty_then;
	if (in->held &&
	    (turns == 0 || (full && (turns < SLOW_TURNS || !in->crowded)))) {
		in->late = true;
		poll_arm(in);
	}
	/* a holder that begins now sees no watch, or we see the holder */
	in->watched = false;
	if (in->held && !in->late)
		watch_begin(in);
}

/* ---- the holder ---- */

static void tried_in_vain(struct intake *in)
{
	unsigned pause = in->pause;
	if (pause < TRY_RARELY)
		in->pause = pause * 2;
}

static bool look_begin(struct intake *in, struct intake_thread *t)
{
	if (!t->served)
		return false;
	if (!t->holds) {
		if (in->credit <= 0 && ++t->turns < in->pause)
			return false;
		if (atomic_exchange(&in->held, true))
			return false;
		in->late = false; /* of one before */
		t->holds = true;
		watch_begin(in);
		disarm(in, t);
	}
	if (in->late)
		return false;
	t->turns = 0;
	t->busy = false;
	t->looks = true;
	t->last_ns = clock_mono_ns();
	t->until_ns = t->last_ns + LOOK_NS;
	t->limit_ns = t->last_ns + LOOK_MAX_NS;
	return true;
}

static void look_end(struct intake *in, struct intake_thread *t, bool hit)
{
	int credit = in->credit;
	unsigned pause = in->pause;
	t->looks = false;
	if (hit && credit < CREDIT_MAX)
		in->credit = credit + 1;
	if (hit && credit > MISS_COSTS && pause > TRY_EVERY)
		in->pause = pause / 2;
	if (!hit && credit > 0)
		in->credit = credit - MISS_COSTS;
	else if (t->busy)
		tried_in_vain(in);
}

static void let_go(struct intake *in, struct intake_thread *t)
{
	t->holds = false;
	if (in->late) {
		in->credit = 0;
		tried_in_vain(in);
	}
	in->held = false;
	arm(in, t);
}

void intake_got(struct intake *in, struct intake_thread *t, bool quick)
{
	t->served = true;
	if (t->looks)
		look_end(in, t, true);
	if (t->holds && quick && !in->late) {
		in->turns++;
		watch_begin(in);
		return;
	}
	if (t->holds)
		let_go(in, t);
	else if (t->disarmed)
		arm(in, t);
}

/* Whoever ran meanwhile may be the client: what it asks for is read first. */
static bool look_on(struct intake *in, struct intake_thread *t)
{
	if (t->busy || t->last_ns >= t->until_ns || in->late)
		return false;
	sched_yield();
	int64_t now = clock_mono_ns(), took = now - t->last_ns;
	t->last_ns = now;
	t->busy = took >= BUSY_NS;
	if (took >= OTHERS_NS && t->until_ns + took < t->limit_ns)
		t->until_ns += took;
	return true;
}

bool intake_look(struct intake *in, struct intake_thread *t)
{
	if (t->holds) {
		in->turns++;
		in->empty++;
	}
	if (t->looks || look_begin(in, t)) {
		if (look_on(in, t))
			return true;
		look_end(in, t, false);
	}
	if (t->holds)
		let_go(in, t);
	return false;
}

bool intake_sleep(struct intake *in, struct intake_thread *t)
{
	struct epoll_event events[3];
	bool end = false;
	t->served = false;
	if (t->disarmed)
		arm(in, t);
	int n = epoll_wait(in->poll_fd, events, 3, -1);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == ASKED)
			t->disarmed = true; /* its one shot */
		else if (events[i].data.u32 == WATCH)
			watch(in);
		else
			end = true;
	}
	return end;
}
