/*
 * Each message is one write(2), so that lines of several threads and of the
 * three processes that share a log file do not mix.
 *
 * A disk may hang, and who writes to it with it, for hours: that shall not be
 * somebody whom users wait for. So in a process that serves a thread writes
 * the lines (log_start). Who logs waits until its own is written, to be found
 * though the process is killed right after; but not for longer than
 * PATIENCE_NS, and not at all while the thread is known to be stuck. For what
 * there is no room, in memory or on the disk, is left out, and counted: before
 * the next line that can be written there is one that says so.
 *
 *	waiting[filled]      what comes is put behind it
 *	waiting[!filled]     is being written, or empty
 *
 * A child of fork(2) has no such thread, and writes by itself until it starts
 * one.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "paths.h"

#define LINE_BYTES  4096
#define PATIENCE_NS (100 * NS_PER_MS)
#define LEAVE_NS    NS_PER_S

static const char *log_ident = "mirrorfs";
static int log_fd = STDERR_FILENO; /* constant while the thread runs */
static enum log_level log_level = LL_INFO;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf */
static pthread_cond_t come, gone;
static bool runs;  /* LOCK_log: the thread does */
static bool stuck; /* LOCK_log: its last write was waited for in vain */
static struct lines {
	size_t n;
	char text[64 << 10];
} waiting[2];			      /* LOCK_log */
static unsigned filled;		      /* LOCK_log */
static uint64_t n_put, n_written;     /* LOCK_log: lines */
static unsigned n_left_out; /* LOCK_log: they come behind waiting[filled] */
static atomic_uint n_missing; /* … behind what was written last */

/* ---- where to ---- */

/* Made only if it is not there: on a disk that hangs open(2) with O_CREAT may
 * wait for it also when there is nothing to be made. */
static int open_file(const char *path)
{
	const int flags = O_WRONLY | O_APPEND | O_CLOEXEC;
	int fd = open(path, flags);
	if (fd < 0 && errno == ENOENT)
		fd = open(path, flags | O_CREAT, 0640);
	return fd < 0 ? -errno : fd;
}

int log_open(const char *ident, const char *path)
{
	log_ident = ident;
	if (!path)
		return 0;
	int fd = open_file(path);
	if (fd < 0)
		return fd;
	if (log_fd != STDERR_FILENO)
		close(log_fd);
	log_fd = fd;
	return 0;
}

void log_close(void)
{
	if (log_fd != STDERR_FILENO)
		close(log_fd);
	log_fd = STDERR_FILENO;
}

void log_set_level(enum log_level level)
{
	log_level = level;
}

/* take_back - half a line, if nobody has written behind it. */
static void take_back(ssize_t n)
{
	struct stat st;
	if (fstat(log_fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    lseek(log_fd, 0, SEEK_CUR) == st.st_size)
		(void)!ftruncate(log_fd, st.st_size - n);
}

static bool write_out(const char *text, size_t n)
{
	ssize_t done = write(log_fd, text, n);
	if (done > 0 && (size_t)done < n)
		take_back(done);
	return done == (ssize_t)n;
}

/* ---- lines ---- */

/* line_make - with its end; returns its length. */
static size_t line_make(char line[LINE_BYTES], enum log_level level,
			const char *text)
{
	static const char *const words[] = {"error", "warning", "notice",
					    "info", "debug"};
	char when[32];
	clock_format(clock_wall_ns(), when, sizeof(when));
	int n = snprintf(line, LINE_BYTES - 1, "%s %s %s[%d]: %s", when,
			 words[level], log_ident, (int)getpid(), text);
	size_t len = n < 0 ? 0 : (size_t)n;
	if (len > LINE_BYTES - 2)
		len = LINE_BYTES - 2;
	line[len++] = '\n';
	return len;
}

/* tell_missing - false: that could not be written, either. */
static bool tell_missing(void)
{
	char text[80], line[LINE_BYTES];
	unsigned n = atomic_exchange(&n_missing, 0);
	if (!n)
		return true;
	snprintf(text, sizeof(text),
		 "the log could not be written: %u lines are missing here", n);
	if (write_out(line, line_make(line, LL_WARNING, text)))
		return true;
	n_missing += n;
	return false;
}

static void write_line(const char *line, size_t len)
{
	if (!tell_missing() || !write_out(line, len))
		n_missing++;
}

static bool append_locked(const char *line, size_t len)
{
	struct lines *l = &waiting[filled];
	if (len > sizeof(l->text) - l->n)
		return false;
	memcpy(l->text + l->n, line, len);
	l->n += len;
	n_put++;
	pthread_cond_signal(&come);
	return true;
}

/* False: it is left out. */
static bool put_locked(const char *line, size_t len)
{
	if (n_left_out || !append_locked(line, len)) {
		n_left_out++;
		return false;
	}
	return true;
}

static void wait_written_locked(uint64_t n, int64_t patience_ns)
{
	struct timespec until = clock_timespec(clock_mono_ns() + patience_ns);
	while (n_written < n) {
		if (pthread_cond_timedwait(&gone, &lock, &until) != ETIMEDOUT)
			continue;
		stuck = n_written < n;
		break;
	}
}

/* ---- the thread ---- */

static void write_lines(const struct lines *l)
{
	const char *at = l->text, *end = l->text + l->n;
	while (at < end) {
		const char *next = memchr(at, '\n', (size_t)(end - at));
		write_line(at, (size_t)(next - at) + 1);
		at = next + 1;
	}
}

static void *writer_main(void *arg)
{
	prctl(PR_SET_NAME, LOG_THREAD);
	pthread_mutex_lock(&lock);
	for (;;) {
		struct lines *l = &waiting[filled];
		uint64_t upto = n_put;
		unsigned left_out = n_left_out;
		if (l->n == 0) {
			pthread_cond_wait(&come, &lock);
			continue;
		}
		filled = !filled;
		n_left_out = 0;
		pthread_mutex_unlock(&lock);
		write_lines(l);
		n_missing += left_out;
		tell_missing();
		pthread_mutex_lock(&lock);
		l->n = 0;
		n_written = upto;
		stuck = false;
		pthread_cond_broadcast(&gone);
	}
	return NULL;
}

static void conditions_init(void)
{
	pthread_condattr_t a;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&come, &a);
	pthread_cond_init(&gone, &a);
	pthread_condattr_destroy(&a);
}

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

/* What waits is the affair of the parent. */
static void after_fork_child(void)
{
	runs = stuck = false;
	waiting[0].n = waiting[1].n = 0;
	n_put = n_written = n_left_out = 0;
	n_missing = 0;
	pthread_mutex_unlock(&lock);
}

static void once(void)
{
	pthread_atfork(before_fork, after_fork, after_fork_child);
	atexit(log_flush);
}

void log_start(void)
{
	static pthread_once_t done = PTHREAD_ONCE_INIT;
	sigset_t all, old;
	pthread_t id;
	pthread_once(&done, once);
	pthread_mutex_lock(&lock);
	if (!runs) {
		conditions_init();
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		runs = pthread_create(&id, NULL, writer_main, NULL) == 0;
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		if (runs)
			pthread_detach(id);
	}
	pthread_mutex_unlock(&lock);
}

void log_flush(void)
{
	pthread_mutex_lock(&lock);
	if (runs)
		wait_written_locked(n_put, LEAVE_NS);
	pthread_mutex_unlock(&lock);
}

/* ---- who logs ---- */

static void line_put(const char *line, size_t len)
{
	pthread_mutex_lock(&lock);
	bool later = runs;
	if (later && put_locked(line, len) && !stuck)
		wait_written_locked(n_put, PATIENCE_NS);
	pthread_mutex_unlock(&lock);
	if (!later)
		write_line(line, len);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	if (level > log_level)
		return;
	int saved = errno;
	char text[2048], line[LINE_BYTES];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* a file may be called as a user likes; a message stays one line */
	char *safe = text_printable(text);
	line_put(line, line_make(line, level, safe));
	free(safe);
	errno = saved;
}
