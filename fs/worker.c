/*
 * The worker: threads that read requests from /dev/fuse and answer them, until
 * the tree is unmounted or SIGTERM comes.
 *
 * The request loop is our own: libfuse's does not end when told to, and the
 * descriptor belongs to the supervisor, which keeps it when this process dies.
 * It is read without blocking; a thread with nothing to do waits for the next
 * request or for the end (intake.h).
 *
 * The beginning: what a worker before us has left is taken over, down to the
 * requests that it was serving (kept.h, replay.h). A first worker finds
 * nothing there, and does the same.
 *
 * The end: each thread finishes what it has read. If another worker is to come
 * (SIGTERM from whoever), all stays as it is. If not, because it was unmounted
 * or the supervisor is gone, all handles are closed, which settles their
 * content. The journal takes what is left in the ring. Killed, it leaves the
 * same to the next worker as if it had been told to, but for what its threads
 * were just doing.
 */
#include "confdefs.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "activity.h"
#include "fs.h"
#include "fs/change.h"
#include "fs/closer.h"
#include "fs/content.h"
#include "fs/deposit.h"
#include "fs/gate.h"
#include "fs/folder.h"
#include "fs/handle.h"
#include "fs/inode.h"
#include "fs/intake.h"
#include "fs/kept.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/pages.h"
#include "fs/passed.h"
#include "fs/passthrough.h"
#include "fs/replay.h"
#include "fs/device.h"
#include "fs/touch.h"
#include "fs/pins.h"
#include "fs/room.h"
#include "journal.h"
#include "log.h"
#include "shared.h"

#define MIN_THREADS    4
#define FDS_PER_THREAD 6
#define FDS_RESERVED   32   /* journal, log, … */
#define DROPS_MS       1000 /* how often the supervisor is told what it missed */

struct worker {
	const struct worker_config *cfg;
	struct shared *shared;
	struct journal_writer *writer;
	struct activity *activity;
	struct fuse_session *session;
	struct intake intake;
	int exit_fd;	    /* an eventfd: readable when all shall end */
	_Atomic int status; /* of a thread that ended by itself, or -1 */
	unsigned n_threads;
	struct thread {
		struct worker *worker;
		unsigned slot;
		pthread_t id;
	} threads[SHARED_THREADS];
};

/* ---- a thread ---- */

static void worker_exit(struct worker *w)
{
	uint64_t one = 1;
	(void)!write(w->exit_fd, &one, sizeof(one));
}

static bool exit_asked(const struct worker *w)
{
	struct pollfd p = {.fd = w->exit_fd, .events = POLLIN};
	return poll(&p, 1, 0) > 0;
}

static void serve_one(struct worker *w, struct flight *f, size_t bytes)
{
	const struct fuse_buf buf = {.mem = f->request, .size = bytes};
	int error = gate_check(w->shared, &buf);
	if (error == 0) {
		device_serve(w->session, f, bytes);
		return;
	}
	gate_refuse(fuse_session_fd(w->session), &buf, error);
	flight_done(f);
}

/* Returns a WORKER_* status, or -1: told to end. */
static int thread_serve(struct worker *w, struct flight *f)
{
	struct intake_thread t = {0};
	unsigned served = 0;
	for (;;) {
		int r = device_read(w->session, f);
		if (r > 0) {
			intake_got(&w->intake, &t, intake_is_quick(f->request));
			serve_one(w, f, (size_t)r);
			touch_end();
			pins_request_done();
			/* under full load the end must be seen, too */
			if (++served % 64 == 0 && exit_asked(w))
				return -1;
			continue;
		}
		if (r == 0)
			return WORKER_UNMOUNTED;
		if (r == -ECONNABORTED)
			return WORKER_ABORTED;
		if (r != -EAGAIN && r != -EINTR) {
			log_error("serving requests: %s", strerror(-r));
			return WORKER_FAILED;
		}
		if (intake_look(&w->intake, &t))
			continue;
		folder_let_go();
		if (intake_sleep(&w->intake, &t))
			return -1;
	}
}

static int thread_start(unsigned slot)
{
	change_thread_start(slot);
	touch_thread_start(slot);
	int r = caller_thread_start();
	if (r < 0)
		log_error("a thread cannot start: %s", strerror(-r));
	return r;
}

static unsigned count_threads(const struct worker_config *cfg)
{
	long n = cfg->threads ? (long)cfg->threads
			      : sysconf(_SC_NPROCESSORS_ONLN);
	if (!cfg->threads && n < MIN_THREADS)
		n = MIN_THREADS;
	return n > SHARED_THREADS ? SHARED_THREADS : (unsigned)n;
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct flight *f = kept_flight(t->slot);
	int status = WORKER_FAILED;
	flight_map(f);
	if (thread_start(t->slot) == 0) {
		replay_later(t->worker->session, t->slot,
			     t->worker->cfg->killed);
		status = thread_serve(t->worker, f);
	}
	ops_thread_stop();
	if (status >= 0)
		t->worker->status = status;
	worker_exit(t->worker);
	return NULL;
}

static void *replay_main(void *arg)
{
	struct worker *w = arg;
	if (thread_start(0) == 0)
		replay_all(w->session, count_threads(w->cfg), w->cfg->killed);
	else
		w->status = WORKER_FAILED;
	ops_thread_stop();
	return NULL;
}

/* ---- all of it ---- */

static int threads_start(struct worker *w)
{
	unsigned n = count_threads(w->cfg);
	while (w->n_threads < n) {
		struct thread *t = &w->threads[w->n_threads];
		t->worker = w;
		t->slot = w->n_threads;
		int r = pthread_create(&t->id, NULL, thread_main, t);
		if (r != 0)
			return -r;
		w->n_threads++;
	}
	return 0;
}

static void threads_join(struct worker *w)
{
	worker_exit(w);
	while (w->n_threads > 0)
		pthread_join(w->threads[--w->n_threads].id, NULL);
}

/* Users may have many files open; a thread needs but a few descriptors for
 * the time of a request. Returns how many there are for users. */
static int raise_limits(unsigned threads)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	rlim_t max = limit.rlim_cur < INT_MAX ? limit.rlim_cur : INT_MAX;
	return (int)max - FDS_RESERVED - FDS_PER_THREAD * (int)threads;
}

static int open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* the caller's limit on file sizes was checked by the kernel */
	signal(SIGXFSZ, SIG_IGN);
	/* somebody waits for a lease that we had for a moment */
	signal(SIGIO, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Until a signal, the end of a thread, or that of the supervisor. */
static void wait_for_end(struct worker *w, int signal_fd)
{
	struct pollfd fds[] = {
		{.fd = signal_fd, .events = POLLIN},
		{.fd = w->exit_fd, .events = POLLIN},
		{.fd = w->cfg->deposit_fd, .events = 0},
	};
	short ended = 0;
	while (!ended) {
		fds[2].events = deposit_flush() ? 0 : POLLOUT;
		if (poll(fds, 3, DROPS_MS) > 0)
			ended = fds[0].revents | fds[1].revents |
				(fds[2].revents & ~POLLOUT);
	}
}

static int lower_open_root(const struct worker *w, struct fhandle *root)
{
	struct stat st;
	int max_fd = raise_limits(count_threads(w->cfg));
	bool pinned = shared_pinned(w->shared);
	/* the rest is for the files that users have open */
	int r = pinned ? lower_start_pinned(w->cfg->lower_fd,
					    (unsigned)max_fd / 4 * 3, w->shared,
					    root)
		       : lower_start(w->cfg->lower_fd, root, &st);
	if (r < 0)
		log_error("the file system below the mount cannot be used%s: "
			  "%s",
			  pinned ? "" : " by file handle", strerror(-r));
	return r;
}

/* ---- taking over ---- */

static void take_deposit(uint64_t id, int fd)
{
	struct inode *i = inode_get(id);
	if (i) {
		inode_held(i, fd);
		return;
	}
	close(fd);
	deposit_drop(id);
}

static int take_over(struct worker *w, const struct fhandle *root)
{
	uint64_t owed[SHARED_THREADS];
	unsigned n = replay_find(w->session, owed);
	int r = inodes_start(root);
	if (r == 0)
		replay_forgets();
	if (r == 0)
		r = handles_start(raise_limits(count_threads(w->cfg)));
	if (r == 0)
		r = deposit_fetch(take_deposit);
	if (r < 0)
		return r;
	handles_restore(owed, n);
	contents_restore();
	return 0;
}

static int take_over_requests(struct worker *w)
{
	pthread_t id;
	int r = pthread_create(&id, NULL, replay_main, w);
	if (r != 0)
		return -r;
	pthread_join(id, NULL);
	if (w->status >= 0)
		return -EIO;
	contents_restored();
	inodes_restored();
	return 0;
}

/* ---- beginning and end ---- */

/* What is written past us cannot be refused while the journal fails. */
static bool wants_passthrough(const struct worker_config *cfg,
			      const struct shared *shared)
{
	return !(cfg->without & FEATURE_PASSTHROUGH) &&
	       !shared_required(shared);
}

static int start(struct worker *w)
{
	const struct worker_config *cfg = w->cfg;
	struct fhandle root;
	int r = lower_open_root(w, &root);
	if (r < 0)
		return r;
	deposit_open(cfg->deposit_fd);
	changes_start(w->shared);
	passthrough_start(wants_passthrough(cfg, w->shared), w->shared);
	r = device_open(cfg->fuse_fd, cfg->without, &w->session);
	if (r == 0)
		r = device_resume(w->session);
	if (r == 0)
		r = caller_process_start();
	if (r == 0)
		deposit_live();
	if (r == 0)
		r = take_over(w, &root);
	if (r == 0) {
		pages_start(w->session);
		r = intake_open(&w->intake, fuse_session_fd(w->session),
				w->exit_fd);
	}
	if (r == 0)
		r = journal_writer_start(cfg->state_dir, w->shared,
					 cfg->wake_fd, cfg->history_ns,
					 &w->writer);
	/* later there is another one, and another worker (supervisor-late.c) */
	if (r == 0 && !shared_late(w->shared))
		r = activity_start(cfg->state_dir, cfg->lower_fd, w->writer,
				   cfg->lift_ns, &w->activity);
	touches_start(w->activity);
	if (r == 0 && !w->activity)
		passthrough_unmarked();
	if (r == 0)
		r = contents_start(cfg->settle_idle_ns, cfg->settle_age_ns);
	if (r == 0)
		r = take_over_requests(w);
	if (r == 0)
		passed_resume();
	if (r == 0)
		r = threads_start(w);
	if (r == 0)
		r = pages_serve(w->n_threads);
	return r == 0 ? room_start() : r;
}

static int serve(struct worker *w)
{
	CLEANUP_CLOSE int signal_fd = open_signals();
	int r = signal_fd < 0 ? -errno : start(w);
	if (r < 0) {
		log_error("the fs worker cannot start: %s", strerror(-r));
		room_stop();
		pages_stop();
		threads_join(w);
		return WORKER_FAILED;
	}
	deposit_say(DEPOSIT_SERVING);
	log_info("serving threads=%u inodes=%zu", w->n_threads, inodes_count());
	wait_for_end(w, signal_fd);
	if (w->status == WORKER_UNMOUNTED)
		deposit_say(DEPOSIT_UNMOUNTED);
	else if (w->status < 0)
		deposit_say(DEPOSIT_RETIRING);
	room_stop(); /* they may need the threads */
	pages_stop();
	threads_join(w);
	if (w->status >= 0)
		return w->status;
	return deposit_orphaned() ? WORKER_UNMOUNTED : WORKER_RETIRED;
}

static void stop(struct worker *w, int status)
{
	if (status == WORKER_UNMOUNTED) {
		handles_free();
		contents_stop();
	} else {
		contents_leave();
	}
	handles_stop();
	activity_stop(w->activity);
	if (w->writer)
		journal_writer_stop(w->writer);
	intake_close(&w->intake);
	if (w->session)
		fuse_session_destroy(w->session);
	inodes_stop();
	if (status == WORKER_UNMOUNTED)
		closer_wait();
	lower_stop();
}

int worker_main(const struct worker_config *cfg)
{
	struct worker w = {
		.cfg = cfg,
		.intake = {.poll_fd = -1, .timer_fd = -1},
		.exit_fd = -1,
		.status = -1,
	};
	int r = shared_map(cfg->shared_fd, &w.shared);
	if (r == 0)
		r = kept_open(cfg->kept_fd);
	if (r == 0)
		w.exit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r < 0 || w.exit_fd < 0) {
		log_error("mapping shared memory: %s",
			  strerror(r < 0 ? -r : errno));
		kept_close();
		shared_unmap(w.shared);
		return WORKER_FAILED;
	}
	int status = serve(&w);
	stop(&w, status);
	close(w.exit_fd);
	kept_close();
	shared_unmap(w.shared);
	log_info("worker ends status=%d", status);
	return status;
}

/* ---- asked by another version's supervisor ---- */

int worker_check(const struct worker_config *cfg)
{
	struct shared *shared = NULL;
	struct fuse_session *session = NULL;
	struct fhandle root;
	struct stat st;
	int r = shared_map(cfg->shared_fd, &shared);
	if (r == -EOPNOTSUPP)
		return WORKER_FORMAT;
	if (r == 0)
		r = kept_open(cfg->kept_fd);
	if (r == 0)
		r = lower_start(cfg->lower_fd, &root, &st);
	if (r == 0) {
		passthrough_start(wants_passthrough(cfg, shared), NULL);
		r = device_open(cfg->fuse_fd, cfg->without, &session);
	}
	if (r == 0)
		r = device_resume(session);
	if (session)
		fuse_session_destroy(session);
	kept_close();
	shared_unmap(shared);
	return r < 0 ? WORKER_FAILED : 0;
}
