/*
 * Life of a connection: a wire is opened, both sides tell their version, the
 * server its extensions and limits. Each of these steps has the configured
 * time.
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "paths.h"
#include "remote-fork.h"
#include "remote-second.h"
#include "sync/remote/conn.h"
#include "sync/remote/status.h"

#define DATA_MIN     (32u * 1024)  /* every server takes that much */
#define DATA_MAX     (255u * 1024) /* OpenSSH: 256 KiB less the header */
#define PACKET_EXTRA 1024          /* header and handle of a WRITE */
#define HANDLES_SAFE 100           /* when the server does not tell */
#define TIMEOUT_MS   30000         /* when the caller does not tell */

struct greeting {
	struct remote *r;
	bool done;
	int status;
	uint32_t version;
	struct codec_limits limits;
};

static void greeting_got(void *arg, const struct remote_reply *reply)
{
	struct greeting *g = arg;
	g->done = true;
	g->status = reply->status;
	g->version = g->r->decoded.version;
	g->limits = g->r->decoded.limits;
	if (g->version == CODEC_VERSION)
		g->r->caps.ext = g->r->decoded.ext;
}

/* greeting_wait - returns whether an answer came in time. */
static bool greeting_wait(struct greeting *g)
{
	struct remote *r = g->r;
	int64_t end = clock_mono_ns() + r->timeout_ns;
	while (!g->done) {
		int64_t left = (end - clock_mono_ns()) / NS_PER_MS;
		if (left < 0)
			remote_die(r, REMOTE_LOST, "the server does not answer "
						   "to the start of SFTP");
		if (remote_pump(r, left < 0 ? 0 : (int)left, -1) < 0)
			break;
	}
	return g->done && g->status == 0;
}

static int no_sftp(struct remote *r, struct remote_error *err)
{
	*err = r->why;
	if (r->wire->ended)
		return status_fail(err, REMOTE_NO_SFTP,
			"no SFTP service: %s; install openssh-sftp-server and "
			"enable \"Subsystem sftp\" there", r->wire->why);
	if (strncmp(r->why.text, "protocol error", 14) == 0)
		return status_fail(err, REMOTE_NO_SFTP,
			"the server does not speak SFTP: does a login script "
			"of that user print something, or has it no shell?");
	return -1;
}

static int exchange_versions(struct remote *r, struct remote_error *err)
{
	struct greeting g = {.r = r};
	struct request what = {.fn = greeting_got, .arg = &g,
			       .kind = REPLY_VERSION};
	size_t at = remote_begin(r, FXP_INIT, &what);
	r->init_id = r->requests.slots[r->requests.newest].id;
	/* where other packets have their id */
	buf_set_u32(&r->out, at + 5, CODEC_VERSION);
	remote_end(r, at);
	if (!greeting_wait(&g))
		return no_sftp(r, err);
	if (g.version != CODEC_VERSION)
		return status_fail(err, REMOTE_NO_SFTP,
			"the server speaks SFTP version %u, version 3 is "
			"needed", g.version);
	return 0;
}

static uint32_t clamp(uint64_t v, uint32_t low, uint32_t high)
{
	return v < low ? low : v > high ? high : (uint32_t)v;
}

static int ask_limits(struct remote *r, struct remote_error *err)
{
	struct greeting g = {.r = r};
	r->caps.write_bytes = r->caps.read_bytes = DATA_MIN;
	r->caps.handles = HANDLES_SAFE;
	if (!(r->caps.ext & EXT_LIMITS))
		return 0;
	struct request what = {.fn = greeting_got, .arg = &g,
			       .kind = REPLY_LIMITS};
	size_t at = remote_begin(r, FXP_EXTENDED, &what);
	buf_put_text(&r->out, "limits@openssh.com");
	remote_end(r, at);
	if (!greeting_wait(&g)) {
		*err = r->why;
		return r->dead ? -1 : 0; /* a refusal is no harm */
	}
	const struct codec_limits *l = &g.limits;
	uint64_t packet = l->packet_bytes > PACKET_EXTRA ?
		l->packet_bytes - PACKET_EXTRA : DATA_MIN;
	r->caps.write_bytes = clamp(l->write_bytes < packet ? l->write_bytes
							    : packet,
				    DATA_MIN, DATA_MAX);
	r->caps.read_bytes = clamp(l->read_bytes, DATA_MIN, DATA_MAX);
	r->caps.handles = l->handles ? clamp(l->handles, 4, UINT32_MAX)
				     : HANDLES_SAFE;
	return 0;
}

int remote_start(struct transport *wire, const char *base, int timeout_ms,
		 struct remote **ret, struct remote_error *err)
{
	struct remote *r = calloc(1, sizeof(*r));
	if (!r || !(r->base = strdup(base)))
		abort();
	r->wire = wire;
	r->requests = (struct requests)REQUESTS_INIT;
	r->window = (struct window)WINDOW_INIT;
	r->timeout_ns = (timeout_ms > 0 ? timeout_ms : TIMEOUT_MS) * NS_PER_MS;
	r->left_ns = clock_mono_ns();
	if (exchange_versions(r, err) < 0 || ask_limits(r, err) < 0) {
		remote_close(r);
		return -1;
	}
	*ret = r;
	return 0;
}

int remote_open(const struct remote_config *cfg, struct remote **ret,
		struct remote_error *err)
{
	struct remote_url url;
	struct transport *wire;
	const char *why;
	*err = (struct remote_error){.kind = REMOTE_OK};
	if (remote_url_parse(cfg->url, &url, &why) < 0)
		return status_fail(err, REMOTE_BAD_URL, "%s", why);
	int r = url.host ? session_open(&url, cfg, &wire, err)
			 : pipe_open(&wire, err);
	if (r == 0)
		wire->stop_fd = cfg->stop_fd;
	if (r == 0)
		r = remote_start(wire, url.path, cfg->timeout_ms, ret, err);
	remote_url_done(&url);
	return r;
}

void remote_close(struct remote *r)
{
	if (!r)
		return;
	assert(!r->delivering);
	remote_die(r, REMOTE_LOST, "the connection was closed");
	remote_pump(r, 0, -1); /* buries what is pending */
	remote_close(r->second);
	r->wire->ops->close(r->wire);
	requests_done(&r->requests);
	codec_decoded_done(&r->decoded);
	buf_done(&r->in);
	buf_done(&r->out);
	free(r->base);
	free(r->root);
	free(r);
}

void remote_join(struct remote *r, struct remote *second)
{
	r->written = remote_written(r);
	remote_close(r->second);
	r->second = second;
	if (!second)
		return;
	remote_set_stop(second, r->wire->stop_fd);
	free(second->root);
	second->root = text_copy(r->root);
}

struct remote *remote_second(const struct remote *r)
{
	return r->second;
}

bool remote_second_lost(const struct remote *r)
{
	return r->second && r->second->dead;
}

int remote_fd(const struct remote *r)
{
	return r->wire->fd;
}

void remote_set_stop(struct remote *r, int stop_fd)
{
	r->wire->stop_fd = stop_fd;
}

void remote_forget(struct remote *r)
{
	/* what is said at the end of a session goes nowhere */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0) {
		close(r->wire->fd);
		return;
	}
	dup3(null, r->wire->fd, O_CLOEXEC);
	close(null);
	remote_close(r);
}

const struct remote_caps *remote_caps(const struct remote *r)
{
	return &r->caps;
}

bool remote_is_local(const struct remote *r)
{
	return r->wire->is_local;
}

void remote_set_root(struct remote *r, const char *path)
{
	free(r->root);
	r->root = NULL;
	if (path && asprintf(&r->root, "%s/%s",
			     strcmp(r->base, "/") == 0 ? "" : r->base,
			     path) < 0)
		abort();
}

void remote_without(struct remote *r, uint32_t ext)
{
	r->caps.ext &= ~ext;
}

void remote_swap_symlink(struct remote *r, bool swap)
{
	r->swap_symlink = swap;
}

void remote_give_up(struct remote *r, const char *why)
{
	remote_die(r, REMOTE_LOST, "%s", why);
}

static void keepalive_done(void *arg, const struct remote_reply *reply)
{
	struct remote *r = arg;
	r->keepalive = false;
}

void remote_keepalive(struct remote *r)
{
	if (r->keepalive)
		return;
	r->keepalive = true;
	remote_send_lstat(r, "", keepalive_done, r);
}
