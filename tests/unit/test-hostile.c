/*
 * Servers that are broken or hostile. The far end of a socket pair plays the
 * server; whatever it does, the connection ends with a reason, each request
 * is answered once, and nothing spins.
 */
#include "confdefs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "clock.h"
#include "remote-wait.h"
#include "sync/remote/conn.h"

#define TIMEOUT_MS 200

struct fake {
	int fd; /* the server's end */
	struct remote *r;
	struct buf heard; /* requests */
};

static void say(int fd, struct buf *b)
{
	assert_int_equal(send(fd, b->data, b->len, MSG_NOSIGNAL), b->len);
	buf_done(b);
}

static void say_version(int fd, uint32_t version, const char *ext)
{
	struct buf b = BUF_INIT;
	size_t at = codec_begin(&b, FXP_VERSION, version);
	if (ext) {
		buf_put_text(&b, ext);
		buf_put_text(&b, "1");
	}
	codec_end(&b, at);
	say(fd, &b);
}

static void say_status(int fd, uint32_t id, uint32_t code)
{
	struct buf b = BUF_INIT;
	size_t at = codec_begin(&b, FXP_STATUS, id);
	buf_put_u32(&b, code);
	codec_end(&b, at);
	say(fd, &b);
}

/* fake_pair - *ret_wire is the client's end. */
static int fake_pair(struct transport **ret_wire)
{
	int s[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s),
			 0);
	*ret_wire = pipe_adopt(s[0]);
	return s[1];
}

static int fake_start_with(void **state, const char *ext)
{
	struct fake *f = calloc(1, sizeof(*f));
	struct transport *wire;
	struct remote_error err;
	f->fd = fake_pair(&wire);
	say_version(f->fd, 3, ext);
	assert_int_equal(remote_start(wire, "/base", TIMEOUT_MS, &f->r, &err),
			 0);
	char init[9];
	assert_int_equal(recv(f->fd, init, 9, 0), 9);
	*state = f;
	return 0;
}

static int fake_start(void **state)
{
	return fake_start_with(state, NULL);
}

static int fake_start_fsync(void **state)
{
	return fake_start_with(state, "fsync@openssh.com");
}

static int fake_stop(void **state)
{
	struct fake *f = *state;
	remote_close(f->r);
	if (f->fd >= 0)
		close(f->fd);
	buf_done(&f->heard);
	free(f);
	return 0;
}

/* next_id - of the next request that the client has sent. */
static uint32_t next_id(struct fake *f)
{
	struct packet p;
	size_t size;
	remote_pump(f->r, 0, -1);
	while (codec_next(&f->heard, &p, &size) == 0) {
		uint8_t *to = buf_reserve(&f->heard, 65536);
		ssize_t n = recv(f->fd, to, 65536, 0);
		assert_true(n > 0);
		f->heard.len += (size_t)n;
	}
	buf_consume(&f->heard, size);
	return p.id;
}

struct count {
	unsigned calls, sent;
	int status;
	struct remote *r;
	unsigned more; /* requests to make when one is answered */
};

static void count_done(void *arg, const struct remote_reply *reply)
{
	struct count *c = arg;
	c->calls++;
	c->status = reply->status;
	for (; c->more > 0; c->more--) {
		c->sent++;
		remote_send_lstat(c->r, "more", count_done, c);
		/* never from inside the call */
		assert_true(c->calls < c->sent);
	}
}

static void ask(struct fake *f, struct count *c, unsigned n)
{
	c->r = f->r;
	for (; n > 0; n--) {
		c->sent++;
		remote_send_lstat(f->r, "x", count_done, c);
	}
}

/* dies - the pump ends, with that word, and all were answered. */
static void dies(struct fake *f, struct count *c, const char *word)
{
	int n;
	while ((n = remote_pump(f->r, 1000, -1)) >= 0)
		;
	assert_int_equal(n, -ENOTCONN);
	print_message("%s\n", remote_why(f->r));
	assert_non_null(strstr(remote_why(f->r), word));
	assert_int_equal(c->calls, c->sent);
	assert_int_equal(c->status, -ENOTCONN);
	assert_int_equal(remote_pump(f->r, 1000, -1), -ENOTCONN);
	assert_int_equal(remote_pending(f->r), 0);
}

/* ---- at the start ---- */

static void refused(int fd, struct transport *wire, enum remote_failure kind,
		    const char *word)
{
	struct remote *r;
	struct remote_error err;
	assert_int_equal(remote_start(wire, "/", TIMEOUT_MS, &r, &err), -1);
	print_message("%s\n", err.text);
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(err.text, word));
	if (fd >= 0)
		close(fd);
}

static void test_start(void **state)
{
	struct transport *wire;
	struct buf b = BUF_INIT;
	int fd = fake_pair(&wire);
	buf_put(&b, "Welcome to this machine!\r\n", 26);
	say(fd, &b);
	refused(fd, wire, REMOTE_NO_SFTP, "login script");

	fd = fake_pair(&wire);
	buf_put(&b, "\0\0\0\5\145\0\0\0\0", 9); /* STATUS */
	say(fd, &b);
	refused(fd, wire, REMOTE_NO_SFTP, "does not speak SFTP");

	fd = fake_pair(&wire);
	close(fd);
	refused(-1, wire, REMOTE_NO_SFTP, "openssh-sftp-server");

	fd = fake_pair(&wire);
	say_version(fd, 2, NULL);
	refused(fd, wire, REMOTE_NO_SFTP, "version 2");

	fd = fake_pair(&wire);
	say_version(fd, 6, NULL);
	refused(fd, wire, REMOTE_NO_SFTP, "version 6");

	fd = fake_pair(&wire);
	refused(fd, wire, REMOTE_LOST, "does not answer");

	fd = fake_pair(&wire); /* promises limits, tells none */
	say_version(fd, 3, "limits@openssh.com");
	refused(fd, wire, REMOTE_LOST, "does not answer");
}

/* say_limits - a server in a process of its own, which ends. */
static void say_limits(int fd, const uint64_t limits[4])
{
	struct fake f = {.fd = fd};
	uint8_t init[9];
	struct packet p;
	size_t size;
	if (recv(fd, init, 9, 0) != 9)
		_exit(1);
	say_version(fd, 3, "limits@openssh.com");
	uint8_t *to = buf_reserve(&f.heard, 256);
	ssize_t n = recv(fd, to, 256, 0);
	f.heard.len = n > 0 ? (size_t)n : 0;
	if (codec_next(&f.heard, &p, &size) != 1)
		_exit(1);
	struct buf b = BUF_INIT;
	size_t at = codec_begin(&b, FXP_EXTENDED_REPLY, p.id);
	for (unsigned i = 0; i < 4; i++)
		buf_put_u64(&b, limits[i]);
	codec_end(&b, at);
	say(fd, &b);
	_exit(0);
}

static void limits_are(const uint64_t limits[4], uint32_t write_bytes,
		       uint32_t read_bytes, uint32_t handles)
{
	struct transport *wire;
	struct remote *r;
	struct remote_error err;
	int fd = fake_pair(&wire);
	pid_t pid = fork();
	if (pid == 0)
		say_limits(fd, limits);
	assert_int_equal(remote_start(wire, "/", 20000, &r, &err), 0);
	assert_int_equal(remote_caps(r)->write_bytes, write_bytes);
	assert_int_equal(remote_caps(r)->read_bytes, read_bytes);
	assert_int_equal(remote_caps(r)->handles, handles);
	remote_close(r);
	close(fd);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_limits(void **state)
{
	const uint64_t max = UINT64_MAX;
	limits_are((uint64_t[]){262144, 261120, 261120, 1019}, 261120, 261120,
		   1019);
	limits_are((uint64_t[]){0, 0, 0, 0}, 32768, 32768, 100);
	limits_are((uint64_t[]){1, 1, 1, 1}, 32768, 32768, 4);
	limits_are((uint64_t[]){max, max, max, max}, 261120, 261120,
		   UINT32_MAX);
	limits_are((uint64_t[]){65536, 50000, 261120, 7}, 64512, 50000, 7);
}

/* ---- later ---- */

static void test_wrong_id(void **state)
{
	struct fake *f = *state;
	struct count c = {0};
	ask(f, &c, 3);
	say_status(f->fd, next_id(f) ^ 1u << 20, 2); /* an earlier use */
	dies(f, &c, "protocol error: a reply to no request");
}

static void test_twice(void **state)
{
	struct fake *f = *state;
	struct count c = {0};
	ask(f, &c, 2);
	uint32_t id = next_id(f);
	say_status(f->fd, id, 2);
	say_status(f->fd, id, 2);
	dies(f, &c, "protocol error");
	assert_int_equal(c.calls, 2);
}

static void test_length(void **state)
{
	struct fake *f = *state;
	struct count c = {0};
	struct buf b = BUF_INIT;
	ask(f, &c, 3);
	buf_put_u32(&b, 0x7fffffff);
	say(f->fd, &b);
	dies(f, &c, "protocol error: a packet of impossible length");
}

static void test_version_again(void **state)
{
	struct fake *f = *state;
	struct count c = {0};
	ask(f, &c, 1);
	say_version(f->fd, 3, NULL);
	dies(f, &c, "protocol error");
}

static void test_nonsense(void **state)
{
	struct fake *f = *state;
	struct count c = {0};
	ask(f, &c, 2);
	say_status(f->fd, next_id(f), 0); /* success, but no attributes */
	dies(f, &c, "protocol error: a reply that makes no sense");
}

static void test_cut(void **state)
{
	struct fake *f = *state;
	struct count c = {0};
	struct buf b = BUF_INIT;
	ask(f, &c, 2);
	say_status(f->fd, next_id(f), 2);
	buf_put_u32(&b, 100); /* and no more */
	say(f->fd, &b);
	close(f->fd);
	f->fd = -1;
	dies(f, &c, "has ended");
	assert_int_equal(c.calls, 2);
}

/* Answers out of order are allowed. */
static void test_order(void **state)
{
	struct fake *f = *state;
	struct count c = {0};
	uint32_t ids[50];
	ask(f, &c, 50);
	for (unsigned i = 0; i < 50; i++)
		ids[i] = next_id(f);
	for (unsigned i = 50; i-- > 0;)
		say_status(f->fd, ids[i], 3);
	while (c.calls < 50)
		assert_true(remote_pump(f->r, -1, -1) > 0);
	assert_int_equal(c.status, -EACCES);
}

/* Requests that are made while the connection is buried are buried, too. */
static void test_bury_more(void **state)
{
	struct fake *f = *state;
	struct count c = {.more = 5};
	ask(f, &c, 2);
	close(f->fd);
	f->fd = -1;
	dies(f, &c, "has ended");
	assert_int_equal(c.calls, 7);
}

static void test_local_answers(void **state)
{
	struct fake *f = *state;
	struct count c = {0};
	struct remote_attr a = {0};
	remote_send_link(f->r, "a", "b", count_done, &c);
	remote_send_lsetstat(f->r, "a", &a, count_done, &c);
	assert_int_equal(c.calls, 0);
	assert_int_equal(remote_pending(f->r), 2);
	assert_int_equal(remote_pump(f->r, -1, -1), 2);
	assert_int_equal(c.status, -EOPNOTSUPP);
	assert_int_equal(remote_pump(f->r, 0, -1), 0);
	remote_send_link(f->r, "a", "b", count_done, &c);
	close(f->fd);
	f->fd = -1;
	while (remote_pump(f->r, 0, -1) >= 0)
		ask(f, &c, 1);
	assert_int_equal(c.calls, 3 + c.sent);
}

static void test_silence(void **state)
{
	struct fake *f = *state;
	struct count c = {0};
	ask(f, &c, 3);
	dies(f, &c, "no answer");
}

/* What it was sent in minutes may take longer than that to the disk. */
static void test_slow(void **state)
{
	struct fake *f = *state;
	struct remote_handle h = {.len = 1};
	struct count c = {0};
	int64_t end = clock_mono_ns() + 12 * TIMEOUT_MS * NS_PER_MS;
	remote_send_fsync(f->r, &h, count_done, &c);
	uint32_t id = next_id(f);
	while (clock_mono_ns() < end)
		assert_true(remote_pump(f->r, 10, -1) >= 0);
	say_status(f->fd, id, 0);
	assert_int_equal(remote_pump(f->r, -1, -1), 1);
	assert_true(c.calls == 1 && c.status == 0);
}

/* ---- nothing spins ---- */

static unsigned reads;
static ssize_t (*true_read)(struct transport *t, void *p, size_t n);

static ssize_t counting_read(struct transport *t, void *p, size_t n)
{
	reads++;
	return true_read(t, p, n);
}

static void test_no_spin(void **state)
{
	struct fake *f = *state;
	struct count c = {0};
	static const char data[32768];
	const struct remote_handle h = {.len = 1};
	const struct transport_ops *true_ops = f->r->wire->ops;
	struct transport_ops ops = *true_ops;
	true_read = ops.read;
	ops.read = counting_read;
	f->r->wire->ops = &ops;
	/* we may get no processor for seconds, and that is no silence */
	f->r->timeout_ns = 60 * NS_PER_S;
	/* more than the socket takes, and nobody reads it */
	for (; c.sent < 64; c.sent++)
		remote_send_write(f->r, &h, c.sent * 32768u, data, 32768,
				  count_done, &c);
	reads = 0;
	assert_int_equal(remote_pump(f->r, TIMEOUT_MS / 2, -1), 0);
	print_message("%u rounds\n", reads);
	assert_true(reads < 10);
	f->r->wire->ops = true_ops;
	close(f->fd);
	f->fd = -1;
	dies(f, &c, "ended");
	assert_int_equal(c.calls, 64);
}

/* ---- random replies to a living connection ---- */

static uint64_t rng;

static uint32_t random_below(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 11) % n;
}

static void put_random_reply(struct buf *b, uint32_t id)
{
	static const uint8_t types[] = {FXP_STATUS, FXP_HANDLE, FXP_DATA,
					FXP_NAME, FXP_ATTRS, FXP_VERSION,
					FXP_EXTENDED_REPLY, 0, 255};
	if (random_below(8) == 0)
		id ^= 1u << random_below(32);
	size_t at = codec_begin(b, types[random_below(9)], id);
	for (uint32_t n = random_below(12); n > 0; n--)
		buf_put_u32(b, random_below(3) ? random_below(6)
					       : random_below(UINT32_MAX));
	codec_end(b, at);
	if (random_below(16) == 0)
		buf_set_u32(b, at, random_below(64));
}

static void send_each(struct remote *r, struct count *c)
{
	const struct remote_handle h = {.len = 4};
	const unsigned before = c->sent;
	remote_send_open(r, "a", RO_READ, 0, count_done, c);
	remote_send_read(r, &h, 0, 16, count_done, c);
	remote_send_opendir(r, "a", count_done, c);
	remote_send_readdir(r, &h, count_done, c);
	remote_send_lstat(r, "a", count_done, c);
	remote_send_readlink(r, "a", count_done, c);
	remote_send_rename(r, "a", "b", count_done, c);
	remote_send_statvfs(r, "", count_done, c);
	c->sent = before + 8;
}

static void test_random(void **state)
{
	const char *given = getenv("TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0)
			      : (uint64_t)time(NULL) << 16 | (uint16_t)getpid();
	rng = seed | 1;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (unsigned round = 0; round < 2000; round++) {
		struct fake *f;
		struct count c = {0};
		fake_start((void **)&f);
		send_each(f->r, &c);
		for (unsigned i = 0; i < 4; i++) {
			struct buf b = BUF_INIT;
			for (unsigned k = random_below(3); k > 0; k--)
				put_random_reply(&b, 3u << 20 |
							     random_below(8));
			if (b.len)
				say(f->fd, &b);
			if (remote_pump(f->r, 0, -1) < 0)
				break;
		}
		struct remote *r = f->r;
		f->r = NULL;
		remote_close(r);
		assert_int_equal(c.calls, c.sent);
		fake_stop((void **)&f);
	}
}

/* A server that has a folder in each folder must not have us walk for ever. */
static void test_deep(void **state)
{
	struct fake *f = *state;
	struct remote_entry *list;
	unsigned n;
	char path[8192];
	memset(path, 'd', sizeof(path));
	path[sizeof(path) - 1] = 0;
	assert_int_equal(remote_list(f->r, path, &list, &n), -EINVAL);
	assert_int_equal(remote_pump(f->r, 0, -1), 0); /* nothing was asked */
	assert_int_equal(remote_pending(f->r), 0);
}

/* hear - all that has come; how many bytes. */
static uint64_t hear(struct fake *f)
{
	static uint8_t heard[65536];
	uint64_t sum = 0;
	ssize_t n;
	while ((n = recv(f->fd, heard, sizeof(heard), MSG_DONTWAIT)) > 0)
		sum += (uint64_t)n;
	return sum;
}

/* A server that does not read: of large files no more is sent than the wire
 * takes, or what comes after it would wait behind that. Where it has read, more
 * may be sent, before anything is answered. */
static void test_bulk(void **state)
{
	static const uint8_t data[32 * 1024];
	static const struct remote_handle h = {.len = 1, .bytes = "h"};
	struct fake *f = *state;
	struct count c = {.r = f->r};
	f->r->window.limit = WINDOW_MAX;
	for (unsigned n = 0; n < 3; n++) {
		do {
			while (remote_bulk_open(f->r)) {
				c.sent++;
				remote_send_write(f->r, &h, 0, data,
						  sizeof(data), count_done, &c);
			}
		} while (remote_pump(f->r, 0, -1) > 0);
		assert_true(buf_left(&f->r->out) < 256 * 1024);
		assert_true(hear(f) > 0);
		assert_int_equal(remote_pump(f->r, -1, -1), 1);
		assert_true(remote_bulk_open(f->r));
	}
	assert_int_equal(c.calls, 0);
	remote_close(f->r);
	f->r = NULL;
	assert_int_equal(c.calls, c.sent);
}

#define FAKE(t) cmocka_unit_test_setup_teardown(t, fake_start, fake_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_limits),
		FAKE(test_wrong_id),
		FAKE(test_twice),
		FAKE(test_length),
		FAKE(test_version_again),
		FAKE(test_nonsense),
		FAKE(test_cut),
		FAKE(test_order),
		FAKE(test_bury_more),
		FAKE(test_local_answers),
		FAKE(test_silence),
		{"test_slow", test_slow, fake_start_fsync, fake_stop, NULL},
		FAKE(test_no_spin),
		FAKE(test_bulk),
		FAKE(test_deep),
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
