/*
 * An sftp-server as a child, for a replica in a local folder. Its input and
 * output are one end of a socket pair, so that writing to a dead child is an
 * error and not a signal.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "sync/remote/status.h"
#include "sync/remote/transport.h"

#define SOCKET_BYTES (1024 * 1024)
#define CHILD_FAILED 127
#define LATE_MAX     256

struct pipe_wire {
	struct transport t;
	pid_t pid; /* 0: none */
	uint64_t heard;
};

static ssize_t pipe_end(struct pipe_wire *w, int error)
{
	w->t.ended = error == 0;
	if (error == 0)
		snprintf(w->t.why, sizeof(w->t.why), "sftp-server has ended");
	else
		snprintf(w->t.why, sizeof(w->t.why), "sftp-server is lost: %s",
			 strerror(error));
	return -ENOTCONN;
}

static ssize_t pipe_write(struct transport *t, const void *p, size_t n)
{
	struct pipe_wire *w = (struct pipe_wire *)t;
	ssize_t r = send(t->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (r >= 0)
		return r;
	/* of a hang-up the reader tells, after what was said before it */
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
	    errno == EPIPE || errno == ECONNRESET)
		return 0;
	return pipe_end(w, errno);
}

static ssize_t pipe_read(struct transport *t, void *p, size_t n)
{
	struct pipe_wire *w = (struct pipe_wire *)t;
	ssize_t r = recv(t->fd, p, n, MSG_DONTWAIT);
	if (r > 0) {
		w->heard += (uint64_t)r;
		return r;
	}
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* a reset only tells that it had not read everything */
	return pipe_end(w, r == 0 || errno == ECONNRESET ? 0 : errno);
}

static short pipe_events(struct transport *t, bool unsent)
{
	return (short)(POLLIN | (unsent ? POLLOUT : 0));
}

static uint64_t pipe_heard(struct transport *t)
{
	return ((struct pipe_wire *)t)->heard;
}

/* Children that could not be waited for. */
static struct {
	pthread_mutex_t lock;
	pid_t pids[LATE_MAX];
	unsigned n;
} late = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void late_add(pid_t pid)
{
	pthread_mutex_lock(&late.lock);
	if (late.n < LATE_MAX) /* else init will, some time */
		late.pids[late.n++] = pid;
	pthread_mutex_unlock(&late.lock);
}

static void late_reap(void)
{
	pthread_mutex_lock(&late.lock);
	for (unsigned i = 0; i < late.n;) {
		if (waitpid(late.pids[i], NULL, WNOHANG) == 0)
			i++;
		else
			late.pids[i] = late.pids[--late.n];
	}
	pthread_mutex_unlock(&late.lock);
}

/* A child that does not end on its own (a hung file system below it) cannot
 * be waited for: that is done when the next one is started. */
static void reap(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0) {
		struct pollfd p = {.fd = pidfd, .events = POLLIN};
		if (poll(&p, 1, 2000) == 0)
			kill(pid, SIGKILL);
		poll(&p, 1, 2000);
		close(pidfd);
	}
	pid_t r;
	while ((r = waitpid(pid, NULL, pidfd >= 0 ? WNOHANG : 0)) < 0 &&
	       errno == EINTR)
		;
	if (r == 0)
		late_add(pid);
}

static void pipe_close(struct transport *t)
{
	struct pipe_wire *w = (struct pipe_wire *)t;
	close(t->fd);
	if (w->pid)
		reap(w->pid);
	free(w);
}

static const struct transport_ops pipe_ops = {
	.write = pipe_write,
	.read = pipe_read,
	.events = pipe_events,
	.heard = pipe_heard,
	.close = pipe_close,
};

static struct transport *pipe_new(int fd, pid_t pid)
{
	struct pipe_wire *w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	w->t = (struct transport){.ops = &pipe_ops, .fd = fd,
				  .is_local = true};
	w->pid = pid;
	return &w->t;
}

struct transport *pipe_adopt(int fd)
{
	return pipe_new(fd, 0);
}

/* Between fork and exec in a process with threads: system calls only. */
__attribute__((noreturn)) static void
become_server(const char *program, int sock, int tell)
{
	static const int reset[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD};
	char *argv[] = {(char *)"sftp-server", (char *)"-u", (char *)"0", NULL};
	sigset_t none;
	for (size_t i = 0; i < sizeof(reset) / sizeof(*reset); i++)
		signal(reset[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid(); /* a Ctrl-C is for us, who will hang up in good order */
	if (dup2(sock, 0) >= 0 && dup2(sock, 1) >= 0 && chdir("/") == 0) {
		/* nothing of ours, whoever opened it and however */
		syscall(SYS_close_range, 3, ~0U, 4 /* CLOEXEC */);
		execv(program, argv);
	}
	int error = errno;
	ssize_t n = write(tell, &error, sizeof(error));
	(void)n;
	_exit(CHILD_FAILED);
}

/* start_server - returns 0 with *ret_pid, or the error number of the child's
 * exec, or of fork. */
static int start_server(const char *program, int sock, pid_t *ret_pid)
{
	int tell[2], error = 0;
	if (pipe2(tell, O_CLOEXEC) < 0)
		return errno;
	pid_t pid = fork();
	if (pid == 0)
		become_server(program, sock, tell[1]);
	error = pid < 0 ? errno : 0;
	close(tell[1]);
	ssize_t n = 0;
	if (pid > 0)
		while ((n = read(tell[0], &error, sizeof(error))) < 0 &&
		       errno == EINTR)
			;
	close(tell[0]);
	if (n > 0)
		reap(pid);
	if (error == 0)
		*ret_pid = pid;
	return error;
}

static const char *find_server(void)
{
	static const char *const places[] = {
		SFTP_SERVER,
		"/usr/lib/openssh/sftp-server",
		"/usr/libexec/openssh/sftp-server",
		"/usr/libexec/sftp-server",
		"/usr/lib/ssh/sftp-server",
	};
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

int pipe_open(struct transport **ret, struct remote_error *err)
{
	const char *program = find_server();
	late_reap();
	if (!program)
		return status_fail(err, REMOTE_NO_SFTP,
			"no sftp-server on this machine, which a replica in a "
			"local folder needs: install the package "
			"openssh-sftp-server");
	int s[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) < 0)
		return status_fail(err, REMOTE_UNREACHABLE,
				   "cannot start %s: %s", program,
				   strerror(errno));
	int bytes = SOCKET_BYTES;
	setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	pid_t pid = 0;
	int error = start_server(program, s[1], &pid);
	close(s[1]);
	if (error) {
		close(s[0]);
		return status_fail(err, REMOTE_UNREACHABLE,
				   "cannot start %s: %s", program,
				   strerror(error));
	}
	*ret = pipe_new(s[0], pid);
	return 0;
}
