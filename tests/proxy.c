/*
 * proxy - a network between mirrorfs and a replica that can be spoilt
 *
 *	proxy LISTEN-PORT TARGET-PORT [--delay MS] [--cut-after BYTES...]
 *		[--credit FILE --count FILE] [--most CONNECTIONS]
 *
 * Forwards TCP connections on loopback. --delay holds each direction back.
 * --credit: no more bytes go to the target, in all, than the file says now.
 * --count: how many have gone there is kept in a file. SIGALRM: neither delay
 * nor credit counts, until the next SIGALRM. --most: further ones are closed at
 * once. --cut-after ends all connections once, when just so many bytes have
 * gone to the target, or, for each further one, since the last cut, and prints
 * "cut". SIGUSR1: the network is gone (connections end, new ones are closed at
 * once, and "refused" is printed); SIGUSR2: it is back. SIGHUP: it is silent,
 * bytes are neither taken nor given, until SIGUSR2. One thread, poll.
 */
#include "confdefs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAIRS  32
#define CHUNK  65536
#define CHUNKS 1024 /* held back in one direction at most */
#define LOOK   10   /* for more credit, ms */
#define CUTS   16

struct chunk {
	int64_t due_ms;
	size_t off, len;
	char data[CHUNK];
};

struct direction {
	int from, to;
	unsigned int head, n;
	bool ended; /* `from` has said all */
	struct chunk *chunks;
};

/* dir[0]: client to target, dir[1]: back. */
struct pair {
	bool used;
	struct direction dir[2];
};

static struct pair pairs[PAIRS];
static volatile sig_atomic_t gone, silent, unlimited;
static int64_t delay_ms;
static unsigned int pairs_max = PAIRS;
static uint64_t cuts[CUTS], sent, counted, last_cut;
static unsigned int n_cuts, cut; /* the next one */
static int count_fd = -1, credit_fd = -1;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void on_signal(int sig)
{
	if (sig == SIGALRM) {
		unlimited = !unlimited;
		return;
	}
	gone = sig == SIGUSR1;
	silent = sig == SIGHUP;
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

static struct sockaddr_in loopback(unsigned int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};

	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static void pair_close(struct pair *p)
{
	close(p->dir[0].from);
	close(p->dir[1].from);
	free(p->dir[0].chunks);
	free(p->dir[1].chunks);
	memset(p, 0, sizeof(*p));
}

static void close_all(void)
{
	for (unsigned int i = 0; i < PAIRS; i++)
		if (pairs[i].used)
			pair_close(&pairs[i]);
}

static void pair_open(int client, unsigned int port)
{
	struct sockaddr_in a = loopback(port);
	int target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	struct pair *p = NULL;

	for (unsigned int i = 0; i < pairs_max && !p; i++)
		if (!pairs[i].used)
			p = &pairs[i];
	if (!p || gone || connect(target, (void *)&a, sizeof(a))) {
		if (gone)
			say("refused");
		close(client);
		close(target);
		return;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(target, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(client, F_SETFL, O_NONBLOCK);
	fcntl(target, F_SETFL, O_NONBLOCK);
	p->used = true;
	p->dir[0].from = p->dir[1].to = client;
	p->dir[1].from = p->dir[0].to = target;
	for (unsigned int d = 0; d < 2; d++) {
		p->dir[d].chunks = calloc(CHUNKS, sizeof(struct chunk));
		if (!p->dir[d].chunks)
			abort();
	}
}

/* Returns false when the connection is at its end. */
static bool take(struct direction *d)
{
	struct chunk *c = &d->chunks[(d->head + d->n) % CHUNKS];
	ssize_t r;

	if (d->ended || d->n == CHUNKS)
		return true;
	r = read(d->from, c->data, CHUNK);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR;
	if (r == 0) {
		d->ended = true;
		return d->n > 0;
	}
	c->off = 0;
	c->len = (size_t)r;
	c->due_ms = now_ms() + (unlimited ? 0 : delay_ms);
	d->n++;
	return true;
}

/* until_cut - in bytes to the target. */
static uint64_t until_cut(void)
{
	return cut < n_cuts ? last_cut + cuts[cut] - sent : UINT64_MAX;
}

/* How much may go to the target now. */
static size_t allowed(size_t want)
{
	char text[32] = "";
	uint64_t most = until_cut();

	if (want > most)
		want = most;
	if (credit_fd < 0 || unlimited)
		return want;
	if (pread(credit_fd, text, sizeof(text) - 1, 0) < 0)
		perror("proxy: --credit");
	most = strtoull(text, NULL, 10);
	most = most > sent ? most - sent : 0;
	return want < most ? want : most;
}

static bool give(struct direction *d, bool count)
{
	while (d->n && d->chunks[d->head].due_ms <= now_ms()) {
		struct chunk *c = &d->chunks[d->head];
		size_t n = c->len - c->off;
		ssize_t r;

		if (count)
			n = allowed(n);
		if (n == 0)
			return true;
		r = send(d->to, c->data + c->off, n, MSG_NOSIGNAL);
		if (r < 0)
			return errno == EAGAIN || errno == EINTR;
		c->off += (size_t)r;
		if (count)
			sent += (size_t)r;
		if (c->off < c->len)
			return true;
		d->head = (d->head + 1) % CHUNKS;
		d->n--;
	}
	return d->n || !d->ended;
}

static void write_count(int fd, uint64_t n)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%-20llu\n",
			   (unsigned long long)n);

	if (pwrite(fd, text, (size_t)len, 0) < 0)
		perror("proxy: --count");
}

static void move_all(void)
{
	for (unsigned int i = 0; i < PAIRS; i++) {
		struct pair *p = &pairs[i];

		for (unsigned int d = 0; d < 2 && p->used; d++)
			if (!take(&p->dir[d]) || !give(&p->dir[d], d == 0))
				pair_close(p);
	}
	if (count_fd >= 0 && sent != counted) {
		counted = sent;
		write_count(count_fd, counted);
	}
	if (until_cut() == 0) {
		cut++;
		last_cut = sent;
		close_all();
		say("cut");
	}
}

/* Fills `fds`; sets *timeout to when the next held-back byte is due. */
static nfds_t what_to_poll(struct pollfd *fds, int *timeout)
{
	nfds_t n = 0;

	for (unsigned int i = 0; i < PAIRS; i++)
		for (unsigned int k = 0; k < 2 && pairs[i].used; k++) {
			struct direction *d = &pairs[i].dir[k];
			int64_t wait;

			if (!d->ended && d->n < CHUNKS)
				fds[n++] = (struct pollfd){d->from, POLLIN, 0};
			if (!d->n)
				continue;
			wait = d->chunks[d->head].due_ms - now_ms();
			if (wait <= 0 && k == 0 && !allowed(1))
				wait = LOOK;
			if (wait <= 0)
				fds[n++] = (struct pollfd){d->to, POLLOUT, 0};
			else if (wait < *timeout)
				*timeout = (int)wait;
		}
	return n;
}

static void serve(int server, unsigned int target)
{
	for (;;) {
		struct pollfd fds[PAIRS * 4 + 1];
		int timeout = 100, client;
		nfds_t n = 0;

		if (gone)
			close_all();
		if (!silent)
			n = what_to_poll(fds, &timeout);
		fds[n] = (struct pollfd){server, POLLIN, 0};
		if (poll(fds, n + 1, timeout) < 0)
			continue;
		if (fds[n].revents & POLLIN) {
			client = accept4(server, NULL, NULL, SOCK_CLOEXEC);
			if (client >= 0)
				pair_open(client, target);
		}
		if (!silent)
			move_all();
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"delay", required_argument, NULL, 'd'},
		{"cut-after", required_argument, NULL, 'c'},
		{"credit", required_argument, NULL, 'r'},
		{"count", required_argument, NULL, 'n'},
		{"most", required_argument, NULL, 'm'},
		{NULL, 0, NULL, 0},
	};
	int c, one = 1, server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			delay_ms = atoi(optarg);
		else if (c == 'c' && n_cuts < CUTS)
			cuts[n_cuts++] = strtoull(optarg, NULL, 10);
		else if (c == 'r')
			credit_fd = open(optarg, O_RDONLY | O_CLOEXEC);
		else if (c == 'n')
			count_fd = open(optarg, O_WRONLY | O_CREAT | O_CLOEXEC,
					0644);
		else if (c == 'm')
			pairs_max = (unsigned int)atoi(optarg);
		else
			return 2;
	}
	if (pairs_max > PAIRS)
		pairs_max = PAIRS;
	if (argc - optind != 2) {
		fputs("usage: proxy LISTEN TARGET [--delay MS] "
		      "[--cut-after BYTES...] [--credit FILE] [--count FILE] "
		      "[--most CONNECTIONS]\n",
		      stderr);
		return 2;
	}
	a = loopback((unsigned int)atoi(argv[optind]));
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	signal(SIGHUP, on_signal);
	signal(SIGALRM, on_signal);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(server, (void *)&a, sizeof(a)) || listen(server, 16)) {
		perror("proxy: bind");
		return 1;
	}
	serve(server, (unsigned int)atoi(argv[optind + 1]));
}
