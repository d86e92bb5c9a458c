/*
 * From a name to a connected socket. getaddrinfo(3) cannot be told how long
 * it may take, and a dead name server keeps it for half a minute; so names
 * are looked up in a thread of their own, which is left behind when it is
 * late, and frees what it shares with us when it comes back.
 */
#include "confdefs.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "sync/remote/status.h"
#include "sync/remote/tcp.h"
#include "sync/remote/transport.h"

#define ADDRESS_MIN_NS NS_PER_S /* what the last addresses get at least */
#define KEEPALIVE_TRIES 3
#define LOOK_NS	       (100 * NS_PER_MS) /* while a name is looked up */

struct lookup {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *host;
	char port[8];
	/* guarded by lock */
	bool done, abandoned;
	int result; /* EAI_… */
	struct addrinfo *list;
};

static void lookup_free(struct lookup *l)
{
	if (l->list)
		freeaddrinfo(l->list);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l->host);
	free(l);
}

static void *lookup_run(void *arg)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_ADDRCONFIG};
	struct lookup *l = arg;
	struct addrinfo *list = NULL;
	prctl(PR_SET_NAME, "lookup"); /* it may hang, SYNC_THREAD may not */
	int result = getaddrinfo(l->host, l->port, &hints, &list);
	pthread_mutex_lock(&l->lock);
	l->result = result;
	l->list = result == 0 ? list : NULL;
	l->done = true;
	bool abandoned = l->abandoned;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
	if (abandoned)
		lookup_free(l);
	return NULL;
}

static struct lookup *lookup_new(const struct remote_url *url)
{
	struct lookup *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;
	if (!l || !(l->host = strdup(url->host)))
		abort();
	snprintf(l->port, sizeof(l->port), "%u", url->port);
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->changed, &attr);
	pthread_condattr_destroy(&attr);
	return l;
}

/* lookup_start - signals of the process are not for this thread. */
static int lookup_start(struct lookup *l)
{
	pthread_t thread;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, NULL, lookup_run, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		pthread_detach(thread);
	return error;
}

static bool is_stopped(int stop_fd)
{
	struct pollfd p = stop_poll(stop_fd);
	return poll(&p, 1, 0) > 0;
}

/* lookup_await - with the lock held; returns whether it is done. */
static bool lookup_await(struct lookup *l, int64_t end, int stop_fd)
{
	for (int64_t now; !l->done && (now = clock_mono_ns()) < end &&
			  !is_stopped(stop_fd);) {
		int64_t look = now + LOOK_NS < end ? now + LOOK_NS : end;
		struct timespec until = clock_timespec(look);
		pthread_cond_timedwait(&l->changed, &l->lock, &until);
	}
	return l->done;
}

/* lookup_name - the addresses, or NULL with EAI_… in *ret_result; EAI_SYSTEM
 * is our "too late". */
static struct addrinfo *lookup_name(const struct remote_url *url,
				    int64_t end, int stop_fd, int *ret_result)
{
	struct lookup *l = lookup_new(url);
	if (lookup_start(l) != 0) {
		lookup_free(l);
		*ret_result = EAI_AGAIN;
		return NULL;
	}
	pthread_mutex_lock(&l->lock);
	bool done = lookup_await(l, end, stop_fd);
	struct addrinfo *list = l->list;
	l->list = NULL;
	l->abandoned = !done;
	*ret_result = done ? l->result : EAI_SYSTEM;
	pthread_mutex_unlock(&l->lock);
	if (done)
		lookup_free(l);
	return list;
}

static struct addrinfo *resolve(const struct remote_url *url, int64_t end,
				int stop_fd, struct remote_error *err)
{
	const struct addrinfo numeric = {.ai_socktype = SOCK_STREAM,
					 .ai_flags = AI_NUMERICHOST};
	struct addrinfo *list = NULL;
	char port[8];
	int result;
	snprintf(port, sizeof(port), "%u", url->port);
	if (getaddrinfo(url->host, port, &numeric, &list) == 0)
		return list;
	list = lookup_name(url, end, stop_fd, &result);
	if (!list)
		status_fail(err, REMOTE_UNREACHABLE,
			    "cannot find the host %s: %s", url->host,
			    result == EAI_SYSTEM ? "no answer in time"
						 : gai_strerror(result));
	return list;
}

static void set_option(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

static void tune(int fd, int timeout_ms)
{
	int third = timeout_ms / 1000 / KEEPALIVE_TRIES;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, third > 1 ? third : 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, third > 1 ? third : 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TRIES);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, timeout_ms);
}

/* await - the outcome of a connect(2) under way: 0 or an error number. */
static int await(int fd, int64_t end, int stop_fd)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLOUT},
			     stop_poll(stop_fd)};
	int n, error = 0;
	socklen_t size = sizeof(error);
	do {
		int64_t left = end - clock_mono_ns();
		int ms = left > 0 ? (int)((left + NS_PER_MS - 1) / NS_PER_MS)
				  : 0;
		n = poll(p, 2, ms);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return ETIMEDOUT;
	if (n > 0 && p[1].revents)
		return ECANCELED;
	if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return errno;
	return error;
}

/* connect_one - returns a descriptor, or a negative errno. */
static int connect_one(const struct addrinfo *a, int64_t end, int timeout_ms,
		       int stop_fd)
{
	int fd = socket(a->ai_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	tune(fd, timeout_ms);
	int error = 0;
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0)
		error = errno == EINPROGRESS ? await(fd, end, stop_fd) : errno;
	if (error == 0)
		return fd;
	close(fd);
	return -error;
}

/* connect_any - one after the other; an address that does not answer leaves
 * time for those behind it. */
static int connect_any(const struct addrinfo *list, int64_t end,
		       int timeout_ms, int stop_fd)
{
	int fd = -ETIMEDOUT;
	unsigned left = 0;
	for (const struct addrinfo *a = list; a; a = a->ai_next)
		left++;
	for (const struct addrinfo *a = list; a; a = a->ai_next, left--) {
		int64_t now = clock_mono_ns();
		int64_t share = (end - now) / left;
		if (share < ADDRESS_MIN_NS && left > 1)
			share = ADDRESS_MIN_NS;
		int64_t until = now + share;
		fd = connect_one(a, until < end ? until : end, timeout_ms,
				 stop_fd);
		if (fd >= 0 || fd == -ECANCELED || clock_mono_ns() >= end)
			break;
	}
	return fd;
}

int tcp_connect(const struct remote_url *url, int timeout_ms, int stop_fd,
		struct remote_error *err)
{
	int64_t end = clock_mono_ns() + timeout_ms * NS_PER_MS;
	struct addrinfo *list = resolve(url, end, stop_fd, err);
	if (!list)
		return -1;
	int fd = connect_any(list, end, timeout_ms, stop_fd);
	freeaddrinfo(list);
	if (fd < 0)
		return status_fail(err, REMOTE_UNREACHABLE,
				   "cannot reach %s port %u: %s", url->host,
				   url->port, strerror(-fd));
	return fd;
}
