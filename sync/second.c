/*
 * Connecting takes a dozen round trips, or as long as a firewall that answers
 * nothing is given: so a thread of its own does it, while the first connection
 * goes on, and gives what it has got to the thread of the replica.
 *
 * There is one more that can fail. A server that allows one connection only,
 * or ends the second one, or the first one when there is a second one, must not
 * keep us from our work: it is not asked again for a while.
 */
#include "confdefs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "remote-second.h"
#include "sync/second.h"

#define AGAIN_NS  (10 * 60 * NS_PER_S) /* after a failure */
#define UNUSED_NS (60 * NS_PER_S)
#define BLAME_NS  (30 * NS_PER_S) /* a loss so soon has to do with it */

struct second {
	struct remote_config cfg; /* its stop_fd is ours */
	pthread_t thread;
	bool connecting;
	int64_t wished_ns, joined_ns, not_before_ns;
	/* the thread's, until `ended` */
	_Atomic bool ended;
	struct remote *got; /* NULL: `err` says why */
	struct remote_error err;
};

struct second *second_new(const struct remote_config *cfg)
{
	struct second *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->cfg = *cfg;
	s->cfg.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->cfg.stop_fd < 0)
		s->not_before_ns = INT64_MAX; /* one connection will do */
	return s;
}

static void *connect_main(void *arg)
{
	struct second *s = arg;

	prctl(PR_SET_NAME, "connect"); /* it has a time-out: see SYNC_THREAD */
	if (remote_open(&s->cfg, &s->got, &s->err) < 0)
		s->got = NULL;
	s->ended = true;
	return NULL;
}

static void begin(struct second *s)
{
	s->ended = false;
	int r = pthread_create(&s->thread, NULL, connect_main, s);
	s->connecting = r == 0;
	if (r == 0)
		return;
	log_notice("%s: second connection: no thread for it: %s", s->cfg.url,
		   strerror(r));
	s->not_before_ns = clock_mono_ns() + AGAIN_NS;
}

/* end - the thread's connection, or NULL. */
static struct remote *end(struct second *s)
{
	struct remote *got;

	pthread_join(s->thread, NULL);
	s->connecting = false;
	got = s->got;
	s->got = NULL;
	return got;
}

void second_wish(struct second *s, struct remote *r)
{
	s->wished_ns = clock_mono_ns();
	if (remote_second(r) || s->wished_ns < s->not_before_ns)
		return;
	if (!s->connecting) {
		begin(s);
		return;
	}
	if (!s->ended)
		return;
	struct remote *got = end(s);
	if (got && remote_pump(got, 0, -1) < 0) { /* it had to wait for us */
		snprintf(s->err.text, sizeof(s->err.text), "%s",
			 remote_why(got));
		remote_close(got);
		got = NULL;
	}
	if (got) {
		log_info("%s: a second connection", s->cfg.url);
		s->joined_ns = s->wished_ns;
		remote_join(r, got);
		return;
	}
	log_notice("%s: second connection: %s: going on with one", s->cfg.url,
		   s->err.text);
	s->not_before_ns = s->wished_ns + AGAIN_NS;
}

void second_review(struct second *s, struct remote *r)
{
	if (clock_mono_ns() - s->wished_ns < UNUSED_NS)
		return;
	if (s->connecting && s->ended) {
		log_info("%s: a second connection: it is not needed any more",
			 s->cfg.url);
		remote_close(end(s));
	}
	if (remote_second(r))
		remote_join(r, NULL);
}

void second_stop(struct second *s, struct remote *r)
{
	uint64_t n = 1;
	int64_t now = clock_mono_ns();

	if (r && (remote_second_lost(r) || s->connecting ||
		  (s->joined_ns && now - s->joined_ns < BLAME_NS)))
		s->not_before_ns = now + AGAIN_NS;
	if (!s->connecting)
		return;
	(void)!write(s->cfg.stop_fd, &n, sizeof(n));
	remote_close(end(s));
	(void)!read(s->cfg.stop_fd, &n, sizeof(n));
}

void second_free(struct second *s)
{
	if (!s)
		return;
	second_stop(s, NULL);
	if (s->cfg.stop_fd >= 0)
		close(s->cfg.stop_fd);
	free(s);
}
