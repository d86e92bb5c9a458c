/*
 * An SFTP subsystem at the end of a channel of an SSH session. Only this file,
 * hostkey.c and auth.c know libssh, and of libssh only its session and its
 * channel: its own SFTP sends one request and waits.
 *
 * The socket is ours (tcp.c): libssh's connect has no words for what went
 * wrong and makes the socket blocking. libssh reports less than a full write
 * when the channel's window is closed or keys are exchanged; both end with a
 * packet from the peer, so then only POLLIN is waited for. POLLOUT is waited
 * for when libssh itself has bytes that the socket did not take.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <libssh/callbacks.h>
#include <libssh/server.h> /* ssh_send_keepalive, which clients need too */

#include "clock.h"
#include "sync/remote/session.h"
#include "sync/remote/status.h"
#include "sync/remote/tcp.h"
#include "sync/remote/transport.h"

#define TIMEOUT_MS  30000
#define RECHECK_MS  100           /* while libssh says "again" */
#define WRITE_CHUNK (128u * 1024) /* to encrypt while the peer already works */
#define GOODBYE_MS  200           /* for the last packets to leave */
/* The fast ones first; all of them are in the defaults of both sides. */
#define CIPHERS "aes128-gcm@openssh.com,aes256-gcm@openssh.com," \
	"chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr"

struct session_wire {
	struct transport t;
	ssh_session ssh;
	ssh_channel channel;
	struct ssh_counter_struct bytes; /* of the socket */
	uint64_t arrived; /* … of those that were written */
	uint64_t parts;	  /* how often more had, but not all */
	struct ssh_channel_callbacks_struct callbacks;
};

/* ---- the wire ---- */

const char *session_why(ssh_session ssh, bool *ret_by_peer)
{
	static const char prefix[] = "Received SSH_MSG_DISCONNECT: ";
	const char *why = ssh_get_error(ssh);
	*ret_by_peer = strncmp(why, prefix, strlen(prefix)) == 0;
	if (*ret_by_peer) {
		const char *text = strchr(why + strlen(prefix), ':');
		if (text && text[1])
			return text + 1;
	}
	return *why ? why : "the connection was closed";
}

static ssize_t session_end(struct session_wire *w, bool ended)
{
	bool by_peer;
	const char *why = ended ? "the server has closed the connection"
				: session_why(w->ssh, &by_peer);
	w->t.ended = ended;
	snprintf(w->t.why, sizeof(w->t.why), "%s", why);
	return -ENOTCONN;
}

static bool channel_is_over(const struct session_wire *w)
{
	return ssh_channel_is_eof(w->channel) ||
	       ssh_channel_is_closed(w->channel);
}

static ssize_t session_write(struct transport *t, const void *p, size_t n)
{
	struct session_wire *w = (struct session_wire *)t;
	if (n > WRITE_CHUNK)
		n = WRITE_CHUNK;
	int r = ssh_channel_write(w->channel, p, (uint32_t)n);
	if (r >= 0)
		return r;
	/* what was said before it hung up comes first: the reader tells */
	if (ssh_channel_poll(w->channel, 0) > 0)
		return 0;
	return session_end(w, channel_is_over(w) && ssh_is_connected(w->ssh));
}

static ssize_t session_read(struct transport *t, void *p, size_t n)
{
	struct session_wire *w = (struct session_wire *)t;
	int r = ssh_channel_read_nonblocking(w->channel, p, (uint32_t)n, 0);
	if (r > 0)
		return r;
	if (r == SSH_EOF || channel_is_over(w))
		return session_end(w, ssh_is_connected(w->ssh));
	if ((r < 0 && r != SSH_AGAIN) || !ssh_is_connected(w->ssh) ||
	    ssh_get_fd(w->ssh) < 0)
		return session_end(w, false);
	return 0;
}

static short poll_events(ssh_session ssh)
{
	bool out = ssh_get_poll_flags(ssh) & SSH_WRITE_PENDING;
	return (short)(POLLIN | (out ? POLLOUT : 0));
}

static short session_events(struct transport *t, bool unsent)
{
	return poll_events(((struct session_wire *)t)->ssh);
}

/* On a slow line a single request takes longer than a server may be silent:
 * that it arrives, a part after the other, is life, too. Not that all of it has,
 * which a machine acknowledges whose sshd hangs. */
static uint64_t session_heard(struct transport *t)
{
	struct session_wire *w = (struct session_wire *)t;
	int left = 0;
	if (ioctl(t->fd, SIOCOUTQ, &left) < 0)
		return w->bytes.in_bytes + w->parts;
	uint64_t arrived = w->bytes.out_bytes - (uint64_t)left;
	w->parts += left > 0 && arrived > w->arrived;
	w->arrived = arrived;
	return w->bytes.in_bytes + w->parts;
}

static void session_provoke(struct transport *t)
{
	ssh_session ssh = ((struct session_wire *)t)->ssh;
	/* Without blocking, a call after a reply only takes note of it. */
	ssh_send_keepalive(ssh);
	ssh_send_keepalive(ssh);
}

/* say_goodbye - so that the server's log has no "connection reset". */
static void say_goodbye(struct session_wire *w)
{
	ssh_channel_close(w->channel);
	ssh_blocking_flush(w->ssh, GOODBYE_MS);
}

static void session_close(struct transport *t)
{
	struct session_wire *w = (struct session_wire *)t;
	if (w->channel) {
		if (!*w->t.why && ssh_is_connected(w->ssh))
			say_goodbye(w);
		ssh_remove_channel_callbacks(w->channel, &w->callbacks);
		ssh_channel_free(w->channel);
	}
	/* not ssh_disconnect: it forgets a socket that was given to libssh, and
	 * so leaks it; ssh_free closes it */
	ssh_free(w->ssh);
	free(w);
}

static const struct transport_ops session_ops = {
	.write = session_write,
	.read = session_read,
	.events = session_events,
	.heard = session_heard,
	.provoke = session_provoke,
	.close = session_close,
};

/* What is written to stderr there must be taken, or the window, which it shares
 * with the replies, runs full. */
static int drop_stderr(ssh_session ssh, ssh_channel channel, void *data,
		       uint32_t len, int is_stderr, void *arg)
{
	return is_stderr ? (int)len : 0; /* replies stay for session_read */
}

/* ---- setting up ---- */

void session_step(struct session_setup *s)
{
	s->end = clock_mono_ns() + s->timeout_ms * NS_PER_MS;
}

bool session_wait(struct session_setup *s)
{
	int64_t left = (s->end - clock_mono_ns()) / NS_PER_MS;
	if (left <= 0 || !ssh_is_connected(s->ssh))
		return false;
	struct pollfd p[] = {
		{.fd = ssh_get_fd(s->ssh), .events = poll_events(s->ssh)},
		stop_poll(s->cfg->stop_fd),
	};
	poll(p, 2, left < RECHECK_MS ? (int)left : RECHECK_MS);
	return !p[1].revents;
}

/* set_options - what the files of ssh(1) say is not read: a daemon does what
 * its own configuration says. */
static int set_options(struct session_setup *s, int fd)
{
	bool no_config = false;
	long seconds = s->timeout_ms / 1000 + 1;
	int quiet = SSH_LOG_NOLOG;
	ssh_session ssh = s->ssh;
	ssh_options_set(ssh, SSH_OPTIONS_PROCESS_CONFIG, &no_config);
	ssh_options_set(ssh, SSH_OPTIONS_LOG_VERBOSITY, &quiet);
	ssh_options_set(ssh, SSH_OPTIONS_TIMEOUT, &seconds);
	ssh_options_set(ssh, SSH_OPTIONS_COMPRESSION, "no");
	ssh_options_set(ssh, SSH_OPTIONS_CIPHERS_C_S, CIPHERS);
	ssh_options_set(ssh, SSH_OPTIONS_CIPHERS_S_C, CIPHERS);
	hostkey_set_files(s);
	ssh_set_blocking(ssh, 0);
	if (ssh_options_set(ssh, SSH_OPTIONS_HOST, s->url->host) < 0 ||
	    ssh_options_set(ssh, SSH_OPTIONS_PORT, &s->url->port) < 0 ||
	    (s->url->user &&
	     ssh_options_set(ssh, SSH_OPTIONS_USER, s->url->user) < 0) ||
	    ssh_options_set(ssh, SSH_OPTIONS_FD, &fd) < 0)
		return status_fail(s->err, REMOTE_BAD_URL,
				   "cannot use host %s: %s", s->url->host,
				   ssh_get_error(ssh));
	return 0;
}

static bool set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static const char *step_why(struct session_setup *s, int r)
{
	bool by_peer;
	return r == SSH_AGAIN && ssh_is_connected(s->ssh) ?
		"no answer in time" : session_why(s->ssh, &by_peer);
}

static int shake_hands(struct session_setup *s)
{
	int r;
	session_step(s);
	do
		r = ssh_connect(s->ssh);
	while (r == SSH_AGAIN && session_wait(s));
	/* libssh made the socket blocking when it saw it connected */
	if (r == SSH_OK && set_nonblocking(ssh_get_fd(s->ssh)))
		return 0;
	return status_fail(s->err, REMOTE_UNREACHABLE,
		"%s port %u does not answer as an SSH server: %s",
		s->url->host, s->url->port, step_why(s, r));
}

static int start_subsystem(struct session_setup *s, ssh_channel channel)
{
	int r;
	session_step(s);
	do
		r = ssh_channel_open_session(channel);
	while (r == SSH_AGAIN && session_wait(s));
	while (r == SSH_OK) {
		r = ssh_channel_request_subsystem(channel, "sftp");
		if (r == SSH_OK)
			return 0;
		if (r == SSH_AGAIN && session_wait(s))
			r = SSH_OK;
	}
	if (r == SSH_AGAIN || !ssh_is_connected(s->ssh))
		return status_fail(s->err, REMOTE_UNREACHABLE,
			"%s did not start SFTP: %s", s->url->host,
			step_why(s, r));
	return status_fail(s->err, REMOTE_NO_SFTP,
		"%s offers no SFTP to this user (%s): enable \"Subsystem "
		"sftp\" in its sshd_config", s->url->host, step_why(s, r));
}

static int open_channel(struct session_setup *s, struct session_wire *w)
{
	w->channel = ssh_channel_new(s->ssh);
	if (!w->channel)
		abort();
	w->callbacks.userdata = w;
	w->callbacks.channel_data_function = drop_stderr;
	ssh_callbacks_init(&w->callbacks);
	ssh_set_channel_callbacks(w->channel, &w->callbacks);
	return start_subsystem(s, w->channel);
}

static int set_up(struct session_setup *s, struct session_wire *w)
{
	int fd = tcp_connect(s->url, s->timeout_ms, s->cfg->stop_fd, s->err);
	if (fd < 0)
		return -1;
	if (set_options(s, fd) < 0) {
		close(fd);
		return -1;
	}
	w->t.fd = fd; /* libssh closes it, from the first ssh_connect on */
	ssh_set_counters(s->ssh, &w->bytes, NULL);
	if (shake_hands(s) < 0 || hostkey_check(s) < 0 || auth_login(s) < 0)
		return -1;
	return open_channel(s, w);
}

int session_open(const struct remote_url *url, const struct remote_config *cfg,
		 struct transport **ret, struct remote_error *err)
{
	struct session_wire *w = calloc(1, sizeof(*w));
	if (!w || !(w->ssh = ssh_new()))
		abort();
	w->t.ops = &session_ops;
	struct session_setup s = {
		.ssh = w->ssh, .url = url, .cfg = cfg, .err = err,
		.timeout_ms = cfg->timeout_ms > 0 ? cfg->timeout_ms
						  : TIMEOUT_MS,
	};
	if (set_up(&s, w) < 0) {
		session_close(&w->t);
		return -1;
	}
	*ret = &w->t;
	return 0;
}
