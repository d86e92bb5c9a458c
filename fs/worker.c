/*
 * The worker: threads that read requests from /dev/fuse and answer them, until
 * the tree is unmounted or SIGTERM comes.
 *
 * The request loop is our own, over fuse_session_custom_io(): libfuse's does
 * not end when told to, and the descriptor belongs to the supervisor, which
 * keeps it when this process dies. It is read without blocking; a thread with
 * nothing to do waits for the next request or for the end (intake.h).
 *
 * At the end no request is half done: each thread finishes what it has read,
 * then all handles are closed, which settles their content, then the journal
 * takes what is left in the ring.
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "fs/change.h"
#include "fs/content.h"
#include "fs/gate.h"
#include "fs/handle.h"
#include "fs/intake.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/passthrough.h"
#include "journal.h"
#include "log.h"

#define MIN_THREADS    4
#define FDS_PER_THREAD 6
#define FDS_RESERVED   32 /* journal, log, … */

struct worker {
	const struct worker_config *cfg;
	struct shared *shared;
	struct journal_writer *writer;
	struct fuse_session *session;
	struct intake intake;
	int exit_fd;	     /* an eventfd: readable when all shall end */
	_Atomic bool broken; /* a thread could not go on */
	unsigned n_threads;
	struct thread {
		struct worker *worker;
		unsigned slot;
		pthread_t id;
	} threads[SHARED_THREADS];
};

/* ---- /dev/fuse ---- */

/* What follows from a reply is asked after it: the kernel orders our threads
 * there, which the thread sanitizer cannot know. */
#if defined(__SANITIZE_THREAD__)
#define TELL_ORDER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TELL_ORDER
#endif
#endif
#ifdef TELL_ORDER
static _Atomic unsigned replies;
#endif

static ssize_t device_read(int fd, void *buf, size_t size, void *userdata)
{
	ssize_t n = read(fd, buf, size);
#ifdef TELL_ORDER
	(void)atomic_load(&replies);
#endif
	return n;
}

static ssize_t device_writev(int fd, struct iovec *iov, int count,
			     void *userdata)
{
#ifdef TELL_ORDER
	replies++;
#endif
	return writev(fd, iov, count);
}

static void session_log(enum fuse_log_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void session_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char *text = NULL;
	if (vasprintf(&text, fmt, ap) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	log_write(level <= FUSE_LOG_ERR ? LL_ERROR : LL_DEBUG, "libfuse: %s",
		  text);
	free(text);
}

/* The session owns a duplicate: it closes what it is given. */
static int session_open(struct worker *w)
{
	static const struct fuse_custom_io io = {
		.read = device_read,
		.writev = device_writev,
	};
	char *argv[] = {(char *)"mirrorfs", NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	fuse_set_log_func(session_log);
	w->session = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), w);
	fuse_opt_free_args(&args);
	if (!w->session)
		return -ENOMEM;
	int fd = fcntl(w->cfg->fuse_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0) {
		close(fd);
		return -errno;
	}
	ops_start(w->session, w->cfg->without);
	return fuse_session_custom_io(w->session, &io, fd);
}

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

/* Returns 0 when it was unmounted or told to end. */
static int thread_serve(struct worker *w, struct fuse_buf *buf)
{
	struct intake_thread t = {0};
	unsigned served = 0;
	for (;;) {
		int r = fuse_session_receive_buf(w->session, buf);
		if (r > 0) {
			op_tmpfile_translate(buf);
			intake_got(&w->intake, &t);
			int error = gate_check(w->shared, buf);
			if (error < 0)
				gate_refuse(fuse_session_fd(w->session), buf,
					    error);
			else
				fuse_session_process_buf(w->session, buf);
			/* under full load the end must be seen, too */
			if (++served % 64 == 0 && exit_asked(w))
				return 0;
			continue;
		}
		if (r == 0)
			return 0;
		if (r != -EAGAIN && r != -EINTR)
			return r;
		if (intake_wait(&w->intake, &t))
			return 0;
	}
}

static int thread_run(struct thread *t)
{
	struct fuse_buf buf = {.mem = NULL};
	change_thread_start(t->slot);
	int r = caller_thread_start();
	if (r == 0)
		r = thread_serve(t->worker, &buf);
	free(buf.mem);
	ops_thread_stop();
	return r;
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	int r = thread_run(t);
	if (r < 0) {
		log_error("serving requests: %s", strerror(-r));
		t->worker->broken = true;
	}
	worker_exit(t->worker);
	return NULL;
}

/* ---- all of it ---- */

static unsigned count_threads(const struct worker_config *cfg)
{
	long n = cfg->threads ? (long)cfg->threads
			      : sysconf(_SC_NPROCESSORS_ONLN);
	if (!cfg->threads && n < MIN_THREADS)
		n = MIN_THREADS;
	return n > SHARED_THREADS ? SHARED_THREADS : (unsigned)n;
}

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

/* Until a signal, or the end of a thread. */
static void wait_for_end(struct worker *w, int signal_fd)
{
	struct pollfd fds[] = {
		{.fd = signal_fd, .events = POLLIN},
		{.fd = w->exit_fd, .events = POLLIN},
	};
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
}

static int lower_and_tables_start(struct worker *w)
{
	struct fhandle root;
	struct stat st;
	int r = lower_start(w->cfg->lower_fd, &root, &st);
	if (r == -EOPNOTSUPP)
		log_error("the file system below the mount has no file handles "
			  "(name_to_handle_at): it cannot be mirrored");
	else if (r < 0)
		log_error("the file system below the mount cannot be used by "
			  "file handle: %s",
			  strerror(-r));
	if (r < 0)
		return r;
	inodes_start(&root);
	handles_start(raise_limits(count_threads(w->cfg)));
	changes_start(w->shared);
	passthrough_start(!(w->cfg->without & FEATURE_PASSTHROUGH), w->shared);
	return 0;
}

static int serve(struct worker *w)
{
	CLEANUP_CLOSE int signal_fd = open_signals();
	const struct worker_config *cfg = w->cfg;
	int r = signal_fd < 0 ? -errno : session_open(w);
	if (r == 0)
		r = intake_open(&w->intake, fuse_session_fd(w->session),
				w->exit_fd);
	if (r == 0)
		r = caller_process_start();
	if (r == 0)
		r = journal_writer_start(cfg->state_dir, w->shared,
					 cfg->wake_fd, cfg->history_ns,
					 &w->writer);
	if (r == 0)
		r = contents_start(cfg->settle_idle_ns, cfg->settle_age_ns);
	if (r == 0)
		r = threads_start(w);
	if (r < 0)
		log_error("the fs worker cannot start: %s", strerror(-r));
	else
		log_info("serving threads=%u", w->n_threads);
	if (r == 0)
		wait_for_end(w, signal_fd);
	threads_join(w);
	return r < 0 || w->broken ? 1 : 0;
}

static void stop(struct worker *w)
{
	handles_stop();
	contents_stop();
	if (w->writer)
		journal_writer_stop(w->writer);
	intake_close(&w->intake);
	if (w->session)
		fuse_session_destroy(w->session);
	inodes_stop();
}

int worker_main(const struct worker_config *cfg)
{
	struct worker w = {
		.cfg = cfg,
		.intake = {.poll_fd = -1},
		.exit_fd = -1,
	};
	int r = shared_map(cfg->shared_fd, &w.shared);
	if (r < 0) {
		log_error("mapping shared memory: %s", strerror(-r));
		return 1;
	}
	w.exit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w.exit_fd < 0 || lower_and_tables_start(&w) < 0) {
		shared_unmap(w.shared);
		return 1;
	}
	int status = serve(&w);
	stop(&w);
	close(w.exit_fd);
	shared_unmap(w.shared);
	log_info("worker ends status=%d", status);
	return status;
}
