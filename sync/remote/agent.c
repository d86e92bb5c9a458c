/*
 * The SSH agent. libssh waits for its answer however long that takes: one of a
 * laptop that sleeps, or one that wants somebody to confirm, may never give it. So
 * the connection to it is ours, and a thread of its own ends it when the time for
 * the step is over, or we are told to stop: then it has hung up, for libssh.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "sync/remote/session.h"
#include "sync/remote/transport.h"

struct guard {
	pthread_t thread;
	int agent; /* the connection to it */
	int over;  /* readable: libssh is done with it */
	int stop_fd;
	int64_t end;
	bool ended; /* the thread's: the agent had no more time */
};

static const char *place(void)
{
	const char *path = getenv("SSH_AUTH_SOCK");
	return path && *path ? path : NULL;
}

bool agent_is_there(void)
{
	return place() != NULL;
}

/* reach - never waits: one that does not even take connections has many. */
static int reach(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = place();
	if (!path || strlen(path) >= sizeof(a.sun_path))
		return -1;
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void *guard_main(void *arg)
{
	struct guard *g = arg;
	struct pollfd p[] = {{.fd = g->over, .events = POLLIN},
			     stop_poll(g->stop_fd)};
	int64_t left;
	prctl(PR_SET_NAME, "agent");
	while (!p[0].revents && !p[1].revents &&
	       (left = g->end - clock_mono_ns()) > 0)
		poll(p, 2, (int)(left / NS_PER_MS) + 1);
	g->ended = !p[0].revents;
	if (g->ended)
		shutdown(g->agent, SHUT_RDWR);
	return NULL;
}

/* ask - libssh writes to it also when it has hung up, without MSG_NOSIGNAL. */
static int ask(struct session_setup *s)
{
	const struct timespec now = {0};
	sigset_t pipe_only, old;
	int r;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &old);
	do
		r = ssh_userauth_agent(s->ssh, NULL);
	while (r == SSH_AUTH_AGAIN && session_wait(s));
	while (!sigismember(&old, SIGPIPE) &&
	       sigtimedwait(&pipe_only, NULL, &now) > 0)
		;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int agent_try(struct session_setup *s)
{
	uint64_t one = 1;
	CLEANUP_CLOSE int fd = reach();
	CLEANUP_CLOSE int over = eventfd(0, EFD_CLOEXEC);
	/* libssh closes its own */
	int its = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	session_step(s);
	struct guard g = {.agent = fd, .over = over, .end = s->end,
			  .stop_fd = s->cfg->stop_fd};
	s->agent_silent = its < 0 || over < 0;
	if (s->agent_silent || ssh_set_agent_socket(s->ssh, its) != SSH_OK) {
		if (its >= 0)
			close(its);
		return SSH_AUTH_DENIED;
	}
	if (pthread_create(&g.thread, NULL, guard_main, &g) != 0)
		return SSH_AUTH_DENIED;
	int r = ask(s);
	(void)!write(over, &one, sizeof(one));
	pthread_join(g.thread, NULL);
	s->agent_silent = g.ended;
	return r;
}
