/*
 * Processes that live and do not go on. It is looked now and then, LOOKS times
 * within the limit, and what stays as it is at that many looks in a row is told.
 * (Looks are counted, not time: while the machine is suspended, or we are
 * stopped, there are none.)
 *
 * Sync: each thread gives a sign of life by waking up now and then, which the
 * kernel counts. One that was stopped, or is in one and the same wait for a lock,
 * hangs, unless it may be for another one which waits for a disk. The process is
 * killed, as it may be at any time, and started again. (A thread that waits for
 * something else, a replica above all, has limits of its own.)
 *
 * The fs worker: the kernel has a request that nobody takes, and all that the
 * threads serve is what they served before. That may be a disk which hangs; so it
 * is told, and left alone. One that was stopped, with requests that it has taken or
 * has not, is killed: it is in no call to the tree then, and the next one goes on
 * with them.
 *
 * Who is traced is left alone: somebody looks at it.
 */
#include "confdefs.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "fs/kept.h"
#include "fs/supervisor-private.h"
#include "log.h"
#include "shared.h"

#define LOOKS 12
#define SHOWN 2 /* looks; then status tells */

/* What /proc says of a thread. */
struct sign {
	char name[16], state;
	int tracer, tid;
	unsigned long long woken; /* how often */
};

static bool read_sign(pid_t pid, const char *tid, struct sign *ret)
{
	char path[96], line[256];
	*ret = (struct sign){.tid = atoi(tid)};
	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/status", (int)pid,
		 tid);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "Name: %15s", ret->name);
		sscanf(line, "State: %c", &ret->state);
		sscanf(line, "TracerPid: %d", &ret->tracer);
		sscanf(line, "voluntary_ctxt_switches: %llu", &ret->woken);
	}
	return ret->state;
}

static bool waits_for_lock(pid_t pid, const struct sign *t)
{
	char path[96];
	long call = -1;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)pid,
		 t->tid);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	return f && fscanf(f, "%ld", &call) == 1 && call == SYS_futex;
}

/* Of others it is not known for whom they wait: a lookup of a name may wait for
 * any library. */
static bool may_hang(pid_t pid, const struct sign *t)
{
	return t->state == 'T' ||
	       (t->state == 'S' &&
		(t->tid == pid || strcmp(t->name, SYNC_THREAD) == 0) &&
		waits_for_lock(pid, t));
}

/* ---- sync ---- */

/* suspect - the thread of last time if it is as it was, or else another one, of
 * which nothing is known yet; tid 0: none. *ret_disk: one waits for a disk. */
static struct sign suspect(const struct silence *is, pid_t pid, bool *ret_disk)
{
	struct sign t, found = {0};
	CLEANUP_CLOSEDIR DIR *d = threads_open(pid);
	const char *tid;
	*ret_disk = false;
	while ((tid = threads_next(d))) {
		if (!read_sign(pid, tid, &t))
			continue;
		if (t.tracer)
			return (struct sign){0};
		*ret_disk |= t.state == 'D';
		bool same = t.tid == is->who && t.woken == is->sign;
		if ((same || !found.tid) && may_hang(pid, &t))
			found = t;
	}
	return found;
}

static void look_at_sync(struct supervisor *s)
{
	struct silence *is = &s->sync_silence;
	bool disk = false;
	struct sign t = {0};
	if (s->sync)
		t = suspect(is, s->sync, &disk);
	if (!t.tid || t.tid != is->who || t.woken != is->sign)
		*is = (struct silence){.who = t.tid, .sign = t.woken};
	else if (!disk)
		is->looks++;
	if (is->looks < LOOKS)
		return;
	log_warning("the sync process has not gone on for %d s (%s): it is "
		    "killed",
		    silence_s(s, is),
		    t.state == 'T' ? "it was stopped"
				   : "a thread waits for a lock");
	kill(s->sync, SIGKILL);
	*is = (struct silence){0};
}

/* ---- the fs worker ---- */

static bool has_stopped(pid_t pid)
{
	struct sign t;
	CLEANUP_CLOSEDIR DIR *d = threads_open(pid);
	const char *tid;
	unsigned n = 0;
	while ((tid = threads_next(d))) {
		if (!read_sign(pid, tid, &t) || t.state != 'T' || t.tracer)
			return false;
		n++;
	}
	return n > 0;
}

static bool somebody_asks(const struct supervisor *s)
{
	struct pollfd p = {.fd = s->fuse_fd, .events = POLLIN};
	return poll(&p, 1, 0) > 0 && p.revents & POLLIN;
}

/* somebody_waits - or it was stopped with all that there is taken. (Else that may
 * be what takes long, and who asks next is answered.) */
static bool somebody_waits(const struct supervisor *s, uint64_t served)
{
	return s->worker && s->serving && !s->retire_ns &&
	       (somebody_asks(s) || (served && has_stopped(s->worker)));
}

static void look_at_worker(struct supervisor *s)
{
	struct silence *is = &s->worker_silence;
	uint64_t served = kept_served(s->kept_fd);
	bool waits = somebody_waits(s, served);
	if (!waits || is->who != s->worker || is->sign != served) {
		if (is->looks >= LOOKS)
			log_notice("the fs worker answers again");
		*is = (struct silence){.who = s->worker, .sign = served};
		return;
	}
	if (++is->looks != LOOKS)
		return;
	/* without handles none can take over */
	bool end = has_stopped(s->worker) && !shared_pinned(s->shared);
	log_warning("the fs worker has not answered for %d s: %s",
		    silence_s(s, is),
		    end ? "it was stopped, and is killed"
			: "a disk may hang; else end it (kill -9), and "
			  "another one takes over");
	if (end)
		kill(s->worker, SIGKILL);
}

/* ---- both ---- */

static int64_t pause_ns(const struct supervisor *s)
{
	return s->cfg->hang_ns / LOOKS;
}

int silence_s(const struct supervisor *s, const struct silence *is)
{
	return is->looks < SHOWN ? 0
				 : (int)(is->looks * pause_ns(s) / NS_PER_S);
}

int silence_timers(struct supervisor *s)
{
	int64_t now = clock_mono_ns();
	if (!s->cfg->hang_ns || s->stopping || s->failed)
		return -1;
	if (now >= s->look_ns) {
		s->look_ns = now + pause_ns(s);
		look_at_sync(s);
		look_at_worker(s);
	}
	return (int)((s->look_ns - now) / NS_PER_MS) + 1;
}
