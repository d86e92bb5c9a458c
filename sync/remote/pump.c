/*
 * The heart of a connection: bytes out, bytes in, replies to those who wait.
 *
 *   begin/end ──► out ──► wire ──► server
 *   done ◄── decode ◄── in ◄── wire ◄──┘
 *
 * A connection is alive, then dead, once. Whoever notices calls remote_die,
 * which only notes it; the pump then buries: each request that has no reply
 * gets -ENOTCONN, oldest first, also those that are made meanwhile. So a done
 * function is never called from inside a remote_send_…, and exactly once.
 *
 * Silence. A server that answers nothing may be dead, or busy: OpenSSH's
 * sftp-server does nothing else while it syncs a large file. Where the wire
 * can tell (an sshd answers for itself), no sign of life for the configured
 * time is death; where there is life but no reply, or the wire cannot tell,
 * the patience is BUSY_FACTOR times that, and SLOW_FACTOR times while it has
 * something to do that takes long: what it was sent in minutes may have to go to
 * a slow disk.
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "sync/remote/conn.h"
#include "sync/remote/status.h"

#define READ_CHUNK   (64u * 1024)
#define READ_ROUNDS  64 /* chunks in one step, so that a flood cannot hold us */
#define BUSY_FACTOR  10
#define SLOW_FACTOR  60
#define WINDOW_COUNT 4096
#define WINDOW_BYTES (4u * 1024 * 1024 + WINDOW_MAX)
#define BULK_AHEAD   (128u * 1024) /* that the wire has not taken yet */

void remote_die(struct remote *r, enum remote_failure kind, const char *fmt,
		...)
{
	if (r->dead)
		return; /* the first reason is the true one */
	char text[sizeof(r->why.text)];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->dead = true;
	status_fail(&r->why, kind, "%s", text);
}

size_t remote_begin(struct remote *r, enum packet_type type,
		    const struct request *what)
{
	struct request q = *what;
	q.sent_ns = clock_mono_ns();
	if (r->requests.count == 0)
		r->heard_ns = r->reply_ns = q.sent_ns;
	if (r->requests.count == REQUESTS_MAX)
		remote_die(r, REMOTE_LOST, "too many requests without a reply");
	return codec_begin(&r->out, type, requests_add(&r->requests, &q));
}

void remote_end(struct remote *r, size_t start)
{
	codec_end(&r->out, start);
	if (r->dead)
		buf_reset(&r->out);
}

void remote_answer(struct remote *r, int status, remote_done_fn *fn, void *arg)
{
	requests_add(&r->requests, &(struct request){
		.fn = fn, .arg = arg, .status = status});
}

void remote_put_path(struct remote *r, const char *path)
{
	const char *root = r->root ? r->root : r->base;
	size_t base = strcmp(root, "/") == 0 ? 0 : strlen(root);
	if (!*path && r->root)
		path = "."; /* what it leads to, not the link */
	size_t n = strlen(path);
	if (n == 0) {
		buf_put_text(&r->out, root);
		return;
	}
	buf_put_u32(&r->out, (uint32_t)(base + 1 + n));
	buf_put(&r->out, root, base);
	buf_put_u8(&r->out, '/');
	buf_put(&r->out, path, n);
}

static void deliver(struct remote *r, const struct request *q,
		    const struct remote_reply *reply)
{
	r->delivering = true;
	if (q->fn)
		q->fn(q->arg, reply);
	r->delivering = false;
}

/* bury - every request without a reply learns that there will be none. */
static int bury(struct remote *r)
{
	const struct remote_reply gone = {.status = -ENOTCONN};
	struct request q;
	if (r->second)
		bury(r->second);
	while (requests_take_oldest(&r->requests, &q))
		deliver(r, &q, &gone);
	buf_reset(&r->out);
	return -ENOTCONN;
}

static int answer_local(struct remote *r)
{
	struct request q;
	int n = 0;
	/* not those that are made meanwhile: they could go on for ever */
	for (unsigned todo = r->requests.local; todo > 0; todo--) {
		if (!requests_take_local(&r->requests, &q))
			break;
		deliver(r, &q, &(struct remote_reply){.status = q.status});
		n++;
	}
	return n;
}

static void flush(struct remote *r)
{
	while (!r->dead && buf_left(&r->out) > 0) {
		ssize_t n = r->wire->ops->write(r->wire,
						r->out.data + r->out.off,
						buf_left(&r->out));
		if (n < 0)
			remote_die(r, REMOTE_LOST, "%s", r->wire->why);
		if (n <= 0)
			return;
		buf_consume(&r->out, (size_t)n);
	}
}

static bool refuse(struct remote *r, const char *what)
{
	remote_die(r, REMOTE_LOST, "protocol error: %s", what);
	return false;
}

/* dispatch_one - returns whether a reply was there and was handled. */
static bool dispatch_one(struct remote *r)
{
	struct packet p;
	size_t size;
	int there = codec_next(&r->in, &p, &size);
	if (there == 0)
		return false;
	if (there < 0)
		return refuse(r, "a packet of impossible length");
	uint32_t id = p.type == FXP_VERSION ? r->init_id : p.id;
	const struct request *asked = requests_peek(&r->requests, id);
	if (!asked)
		return refuse(r, "a reply to no request");
	if (codec_decode(&p, asked->kind, asked->max_data, &r->decoded) < 0)
		return refuse(r, "a reply that makes no sense");
	struct request q;
	requests_take(&r->requests, id, &q);
	int64_t now = clock_mono_ns();
	window_answered(&r->window, now, now - q.sent_ns,
			q.kind == REPLY_STATUS && q.weight > 0 && !q.slow);
	deliver(r, &q, &r->decoded.reply);
	codec_decoded_done(&r->decoded);
	buf_consume(&r->in, size);
	return true;
}

static int dispatch(struct remote *r)
{
	int n = 0;
	while (!r->dead && dispatch_one(r))
		n++;
	return n;
}

static int receive(struct remote *r)
{
	int n = 0;
	for (unsigned round = 0; round < READ_ROUNDS && !r->dead; round++) {
		void *to = buf_reserve(&r->in, READ_CHUNK);
		ssize_t got = r->wire->ops->read(r->wire, to, READ_CHUNK);
		if (got < 0)
			remote_die(r, REMOTE_LOST, "%s", r->wire->why);
		if (got <= 0)
			break;
		r->in.len += (size_t)got;
		n += dispatch(r);
	}
	return n;
}

static int step(struct remote *r)
{
	flush(r);
	int n = receive(r);
	n += answer_local(r);
	flush(r); /* what the done functions have sent: never let it wait */
	return n;
}

/* ---- silence ---- */

/* patience - how long the server may answer nothing. */
static int64_t patience(const struct remote *r)
{
	return r->timeout_ns * (r->requests.slow ? SLOW_FACTOR : BUSY_FACTOR);
}

/* What the time away from the pump may count for: the peer was not listened
 * to, so give it at least a quarter of the time-out. */
static void forgive_absence(struct remote *r, int64_t now)
{
	int64_t quarter = r->timeout_ns / 4;
	if (now - r->left_ns < quarter)
		return;
	if (r->heard_ns < now - r->timeout_ns + quarter)
		r->heard_ns = now - r->timeout_ns + quarter;
	if (r->reply_ns < now - patience(r) + quarter)
		r->reply_ns = now - patience(r) + quarter;
}

static void note_life(struct remote *r, int64_t now, int replies)
{
	uint64_t heard = r->wire->ops->heard(r->wire);
	if (replies > 0)
		r->reply_ns = now;
	if (heard == r->heard && replies == 0)
		return;
	r->heard = heard;
	r->heard_ns = now;
	r->provoked = false;
}

/* silence - acts on what is due, returns when it must be called again. */
static int64_t silence(struct remote *r, int64_t now)
{
	if (r->requests.count == 0)
		return INT64_MAX;
	bool tells = r->wire->ops->provoke != NULL;
	int64_t busy_end = r->reply_ns + patience(r);
	int64_t dead_at = r->heard_ns + r->timeout_ns;
	int64_t ask_at = r->heard_ns + r->timeout_ns / 2;
	if ((tells && now >= dead_at) || now >= busy_end) {
		remote_die(r, REMOTE_LOST, "no answer for %lld s",
			   (long long)((now - r->reply_ns) / NS_PER_S));
		return now;
	}
	if (!tells)
		return busy_end;
	if (!r->provoked && now >= ask_at) {
		r->wire->ops->provoke(r->wire);
		r->provoked = true;
	}
	int64_t next = r->provoked ? dead_at : ask_at;
	return next < busy_end ? next : busy_end;
}

/* ---- the pump ---- */

static int ms_until(int64_t then, int64_t now)
{
	if (then <= now)
		return 0;
	int64_t ms = (then - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > 3600 * 1000 ? 3600 * 1000 : (int)ms;
}

static struct pollfd wire_poll(const struct remote *r)
{
	if (!r)
		return (struct pollfd){.fd = -1};
	bool unsent = buf_left(&r->out) > 0;
	return (struct pollfd){
		.fd = r->wire->fd,
		.events = r->wire->ops->events(r->wire, unsent)};
}

/* doze - until something can move; returns whether wake_fd woke us. Whoever is
 * told to stop does not come back to hear it from those who wait: so here the
 * connection ends. */
static bool doze(struct remote *r, int ms, int wake_fd)
{
	struct pollfd p[] = {
		wire_poll(r),
		wire_poll(r->second),
		{.fd = wake_fd, .events = POLLIN},
		stop_poll(r->wire->stop_fd),
	};
	int n = poll(p, 4, ms);
	if (n > 0 && p[3].revents)
		remote_die(r, REMOTE_LOST, "stopped");
	return n > 0 && p[2].revents;
}

/* bulk_may_go - now the wire has taken what kept more from being sent. */
static bool bulk_may_go(struct remote *r)
{
	bool may = r->bulk_waits && buf_left(&r->out) < BULK_AHEAD;

	r->bulk_waits &= !may;
	return may;
}

/* turn - what can move on one connection; returns the replies, *due: when it is
 * to be looked after again, at the latest. */
static int turn(struct remote *r, int64_t *due)
{
	int n = step(r);
	int64_t now = clock_mono_ns();
	note_life(r, now, n);
	if (!r->dead && bulk_may_go(r))
		n++;
	int64_t then = silence(r, now);
	if (then < *due)
		*due = then;
	return n;
}

static int pump(struct remote *r, int64_t end, int wake_fd)
{
	for (bool woken = false;;) {
		int64_t due = end;
		int n = turn(r, &due);
		if (r->second && !r->dead)
			n += turn(r->second, &due);
		if (r->second && r->second->dead)
			remote_die(r, REMOTE_LOST, "the second connection: %s",
				   r->second->why.text);
		if (r->dead)
			return bury(r);
		int64_t now = clock_mono_ns();
		if (n > 0 || woken || now >= end)
			return n;
		woken = doze(r, ms_until(due, now), wake_fd);
	}
}

int remote_pump(struct remote *r, int timeout_ms, int wake_fd)
{
	assert(!r->delivering);
	if (r->dead)
		return bury(r);
	int64_t now = clock_mono_ns();
	forgive_absence(r, now);
	if (r->second)
		forgive_absence(r->second, now);
	int64_t span = timeout_ms < 0 ? r->timeout_ns : timeout_ms * NS_PER_MS;
	int n = pump(r, now + span, wake_fd);
	r->left_ns = clock_mono_ns();
	if (r->second)
		r->second->left_ns = r->left_ns;
	return n;
}

const char *remote_why(const struct remote *r)
{
	return r->why.text;
}

/* pace_open - small files may be ahead of their time by a second, so that a
 * large one does not hold them up. */
static bool pace_open(struct remote *r, bool bulk)
{
	double debt = bulk ? 0 : (double)r->pace.rate;
	return !r->pace.rate ||
	       bucket_wait(&r->pace, debt, clock_mono_ns()) == 0;
}

void remote_set_rate(struct remote *r, uint64_t bytes)
{
	bucket_set(&r->pace, bytes, clock_mono_ns());
}

int remote_pace_ms(struct remote *r)
{
	int64_t now = clock_mono_ns();
	int64_t ns = bucket_wait(&r->pace, (double)r->pace.rate, now);
	if (ns == 0) /* small ones may go */
		ns = bucket_wait(&r->pace, 0, now);
	return ns < NS_PER_S ? (int)((ns + NS_PER_MS - 1) / NS_PER_MS) : 1000;
}

bool remote_window_open(struct remote *r)
{
	return r->requests.count < WINDOW_COUNT &&
	       r->requests.weight < WINDOW_BYTES && pace_open(r, false);
}

/* What the wire does not take, as when the window of the SSH channel is
 * closed, small requests would have to wait for, too. */
bool remote_bulk_open(struct remote *r)
{
	r->bulk_waits = buf_left(&r->out) >= BULK_AHEAD;
	if (r->bulk_waits || !remote_window_open(r) || !pace_open(r, true))
		return false;
	if (r->requests.weight < r->window.limit)
		return true;
	window_full(&r->window);
	return false;
}

uint32_t remote_bulk_chunk(const struct remote *r)
{
	return window_chunk(&r->window, r->caps.write_bytes);
}

int64_t remote_round_trip_ns(const struct remote *r)
{
	return r->window.base_ns == INT64_MAX ? 0 : r->window.base_ns;
}

uint64_t remote_written(const struct remote *r)
{
	return r->written + (r->second ? r->second->written : 0);
}

unsigned remote_pending(const struct remote *r)
{
	return r->requests.count +
	       (r->second ? r->second->requests.count : 0);
}
