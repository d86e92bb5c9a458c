/*
 * Messages over a pair of SOCK_SEQPACKET sockets. What a worker sent stays in
 * the supervisor's queue when the worker dies.
 *
 * The queue holds some two hundred messages, and a program that ends may close
 * thousands of files. The worker never waits long: a HOLD that finds no room
 * for a second is left out, and so are others without any wait until a message
 * gets through; a DROP waits in a list of its own until there is room. It must
 * get there, or the file takes up its blocks as long as we live.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fs/closer.h"
#include "fs/deposit.h"
#include "log.h"

#define AT_ONCE	 200 /* descriptors a message; the kernel's limit is 253 */
#define HOLD_MS	 1000
#define FETCH_MS 10000

/* … beside the words of deposit.h */
enum kind { HOLD = 0, DROP = 1, OFFER = 3, OFFERED = 4, LIFE = 7 };

struct message {
	uint32_t kind, n;
	uint64_t ids[AT_ONCE];
};

#define MESSAGE_BYTES(n) (offsetof(struct message, ids) + (n)*8u)

union fds_space {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(AT_ONCE * sizeof(int))];
};

static int message_send(int sock, struct message *m, const int *fds,
			unsigned n_fds, int flags)
{
	union fds_space space;
	struct iovec iov = {m, MESSAGE_BYTES(m->n)};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	if (n_fds) {
		h.msg_control = space.bytes;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	return sendmsg(sock, &h, MSG_NOSIGNAL | flags) < 0 ? -errno : 0;
}

/* Returns how many descriptors came, or a negative errno: -EPIPE at the
 * end. */
static int message_receive(int sock, struct message *m, int fds[AT_ONCE],
			   int flags)
{
	union fds_space space;
	struct iovec iov = {m, sizeof(*m)};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = space.bytes,
			   .msg_controllen = sizeof(space.bytes)};
	ssize_t len = recvmsg(sock, &h, MSG_CMSG_CLOEXEC | flags);
	if (len <= 0)
		return len < 0 ? -errno : -EPIPE;
	int n = 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	if (c && c->cmsg_type == SCM_RIGHTS) {
		n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)n * sizeof(int));
	}
	if ((size_t)len < MESSAGE_BYTES(0) || m->n > AT_ONCE)
		m->n = 0;
	return n;
}

/* ---- the worker's side ---- */

static int supervisor = -1; /* constant while the worker runs */

/* life_main - a thread that has nothing open but the end of a pipe, in a table
 * of its own. That is closed as soon as the process dies; what the others have
 * open stays so as long as one of them is in a call that does not end. */
static void *life_main(void *arg)
{
	struct message m = {.kind = LIFE};
	int ends[2];
	prctl(PR_SET_NAME, "life");
	if (unshare(CLONE_FILES) < 0 || pipe2(ends, O_CLOEXEC) < 0 ||
	    message_send(supervisor, &m, &ends[0], 1, 0) < 0 ||
	    close_range(0, (unsigned)ends[1] - 1, 0) < 0 ||
	    close_range((unsigned)ends[1] + 1, UINT_MAX, 0) < 0)
		return NULL; /* then the supervisor looks now and then */
	for (;;)
		pause();
}

void deposit_open(int sock)
{
	supervisor = sock;
}

void deposit_live(void)
{
	pthread_t id;
	if (supervisor >= 0 && pthread_create(&id, NULL, life_main, NULL) == 0)
		pthread_detach(id);
}

static bool wait_to(short events, int ms)
{
	struct pollfd p = {.fd = supervisor, .events = events};
	return poll(&p, 1, ms) > 0 && (p.revents & events);
}

int deposit_fetch(void (*fn)(uint64_t id, int fd))
{
	struct message m;
	int fds[AT_ONCE];
	if (supervisor < 0)
		return 0;
	for (;;) {
		if (!wait_to(POLLIN, FETCH_MS))
			return -ETIMEDOUT;
		int n = message_receive(supervisor, &m, fds, 0);
		if (n < 0)
			return n;
		if (m.kind == OFFERED)
			return 0;
		for (int i = 0; i < n; i++)
			fn(m.ids[i], fds[i]);
	}
}

static atomic_bool vain; /* it was waited for room, and none came since */

static int send_one(enum kind kind, uint64_t id, const int *fd)
{
	struct message m = {.kind = kind, .n = 1, .ids = {id}};
	int r = message_send(supervisor, &m, fd, fd ? 1 : 0, MSG_DONTWAIT);
	if (r == 0 && vain)
		vain = false;
	return r;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf */
static uint64_t *drops; /* LOCK_deposit: not sent yet */
static size_t n_drops, cap_drops;

static void flush_locked(void)
{
	int r = 0;
	while (n_drops > 0 && r == 0) {
		r = send_one(DROP, drops[n_drops - 1], NULL);
		if (r != -EAGAIN) /* or nobody is there any more */
			n_drops--;
	}
}

bool deposit_flush(void)
{
	pthread_mutex_lock(&lock);
	flush_locked();
	bool all = n_drops == 0;
	pthread_mutex_unlock(&lock);
	return all;
}

/* still_held - it was to be dropped, but the supervisor has not heard of it:
 * then it stays. */
static bool still_held(uint64_t id)
{
	pthread_mutex_lock(&lock);
	size_t i = 0;
	while (i < n_drops && drops[i] != id)
		i++;
	bool found = i < n_drops;
	if (found)
		drops[i] = drops[--n_drops];
	pthread_mutex_unlock(&lock);
	return found;
}

void deposit_hold(uint64_t id, int fd)
{
	if (supervisor < 0 || still_held(id))
		return;
	int r = send_one(HOLD, id, &fd);
	if (r == -EAGAIN && !vain) {
		if (wait_to(POLLOUT, HOLD_MS))
			r = send_one(HOLD, id, &fd);
		else
			vain = true;
	}
	if (r < 0)
		log_debug("cannot leave a descriptor: %s", strerror(-r));
}

void deposit_drop(uint64_t id)
{
	if (supervisor < 0)
		return;
	pthread_mutex_lock(&lock);
	if (n_drops == cap_drops) {
		cap_drops = cap_drops ? cap_drops * 2 : 64;
		drops = reallocarray(drops, cap_drops, sizeof(*drops));
		if (!drops)
			abort();
	}
	drops[n_drops++] = id;
	flush_locked();
	pthread_mutex_unlock(&lock);
}

void deposit_say(enum deposit_word word)
{
	struct message m = {
		.kind = word, .n = 1, .ids = {(uint64_t)clock_mono_ns()}};
	if (supervisor >= 0)
		message_send(supervisor, &m, NULL, 0, 0);
}

bool deposit_orphaned(void)
{
	struct pollfd p = {.fd = supervisor};
	return supervisor < 0 || (poll(&p, 1, 0) > 0 && (p.revents & POLLHUP));
}

/* ---- the supervisor's side ---- */

void deposits_init(struct deposits *d, unsigned max)
{
	d->sock = d->life = -1;
	d->n = 0;
	d->said = false;
	d->max = max < DEPOSIT_MAX ? max : DEPOSIT_MAX;
	d->items = calloc(d->max + 1, sizeof(*d->items));
	if (!d->items)
		abort();
}

static void take(struct deposits *d, uint64_t id, int fd)
{
	if (d->n == d->max) {
		if (!d->said)
			log_warning("too many open files have no link any "
				    "more: some "
				    "would be lost if the fs worker died");
		d->said = true;
		closer_close(fd); /* the worker's may be closed by now */
		return;
	}
	d->items[d->n++] = (struct deposited){id, fd};
}

static void drop(struct deposits *d, uint64_t id)
{
	for (unsigned i = d->n; i-- > 0;) {
		if (d->items[i].id != id)
			continue;
		closer_close(d->items[i].fd);
		d->items[i] = d->items[--d->n];
	}
}

unsigned deposits_read(struct deposits *d, int64_t *ret_said_ns)
{
	struct message m;
	int fds[AT_ONCE];
	unsigned words = 0;
	while (d->sock >= 0) {
		int n = message_receive(d->sock, &m, fds, MSG_DONTWAIT);
		/* it died with something unread: its own words follow */
		if (n == -ECONNRESET)
			continue;
		if (n < 0)
			break;
		if (m.kind == HOLD && n == 1)
			take(d, m.ids[0], fds[0]);
		else if (m.kind == DROP)
			drop(d, m.ids[0]);
		else if (m.kind == LIFE && n == 1 && d->life < 0)
			d->life = fds[0];
		else if (m.kind <= DEPOSIT_RETIRING)
			words |= 1u << m.kind;
		if (m.kind == DEPOSIT_UNMOUNTED)
			*ret_said_ns = (int64_t)m.ids[0];
	}
	return words;
}

static int offer(const struct deposits *d)
{
	struct message m = {.kind = OFFER};
	int fds[AT_ONCE], r = 0;
	for (unsigned i = 0; r == 0 && i < d->n; i++) {
		m.ids[m.n] = d->items[i].id;
		fds[m.n++] = d->items[i].fd;
		if (m.n < AT_ONCE && i + 1 < d->n)
			continue;
		r = message_send(d->sock, &m, fds, m.n, MSG_DONTWAIT);
		m.n = 0;
	}
	m.kind = OFFERED;
	return r < 0 ? r : message_send(d->sock, &m, NULL, 0, MSG_DONTWAIT);
}

int deposits_connect(struct deposits *d)
{
	int pair[2];
	int64_t said_ns;
	deposits_read(d, &said_ns);
	deposits_hang_up(d);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	d->sock = pair[0];
	int r = offer(d);
	if (r == 0)
		return pair[1];
	close(pair[1]);
	return r;
}

void deposits_life_ends(struct deposits *d)
{
	if (d->life >= 0)
		close(d->life);
	d->life = -1;
}

void deposits_hang_up(struct deposits *d)
{
	deposits_life_ends(d);
	if (d->sock >= 0)
		close(d->sock);
	d->sock = -1;
}

void deposits_done(struct deposits *d)
{
	deposits_hang_up(d);
	while (d->n)
		closer_close(d->items[--d->n].fd);
	free(d->items);
	d->items = NULL;
}
