/*
 * What a server sends. The first byte: 0, a whole session of which the rest is
 * all that the server says, after requests of each kind; else one reply to a
 * request of that kind.
 */
#include "confdefs.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote-wait.h"
#include "sync/remote/conn.h"
#include "tests/fuzz/fuzz.h"

#define KINDS 9

static void decode_all(enum reply_kind kind, const uint8_t *data, size_t size)
{
	struct decoded d = {0};
	struct buf in = BUF_INIT;
	struct packet p;
	size_t len;

	buf_put(&in, data, size);
	while (codec_next(&in, &p, &len) > 0) {
		if (codec_decode(&p, kind, 4096, &d) == 0) {
			FUZZ_CHECK(d.reply.status <= 0);
			FUZZ_CHECK(d.reply.data_len <= 4096);
			FUZZ_CHECK(d.reply.handle_len <= 256);
			for (uint32_t i = 0; i < d.reply.n_entries; i++)
				FUZZ_CHECK(
					!strchr(d.reply.entries[i].name, '/'));
		}
		buf_consume(&in, len);
	}
	codec_decoded_done(&d);
	buf_done(&in);
}

struct asked {
	unsigned sent, answered;
	struct remote_handle h;
};

static void answered(void *arg, const struct remote_reply *reply)
{
	struct asked *a = arg;

	a->answered++;
	if (reply->status == 0 && reply->handle)
		remote_keep_handle(reply, &a->h);
}

static void ask_all(struct remote *r, struct asked *a)
{
	const struct remote_attr attr = {.flags = ATTR_SIZE};

	a->sent += 9;
	remote_send_open(r, "a", RO_READ, 0, answered, a);
	remote_send_lstat(r, "a", answered, a);
	remote_send_readlink(r, "a", answered, a);
	remote_send_rename(r, "a", "b", answered, a);
	remote_send_symlink(r, "a", "b", answered, a);
	remote_send_setstat(r, "a", &attr, answered, a);
	remote_send_opendir(r, "a", answered, a);
	remote_send_readdir(r, &a->h, answered, a);
	remote_send_read(r, &a->h, 0, 4096, answered, a);
}

static void session(const uint8_t *data, size_t size)
{
	struct asked a = {.h = {.len = 4}};
	struct remote_error err;
	struct remote *r;
	int s[2];

	FUZZ_CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	if (send(s[1], data, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		FUZZ_CHECK(errno == EAGAIN || size == 0);
	shutdown(s[1], SHUT_WR);
	if (remote_start(pipe_adopt(s[0]), "/base", 1000, &r, &err) == 0) {
		ask_all(r, &a);
		for (int i = 0; i < 4 && remote_pump(r, 0, -1) >= 0; i++)
			;
		remote_close(r);
		FUZZ_CHECK(a.answered == a.sent);
	}
	close(s[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 65536)
		return 0;
	if (*data % (KINDS + 1) == 0)
		session(data + 1, size - 1);
	else
		decode_all(*data % (KINDS + 1) - 1, data + 1, size - 1);
	return 0;
}

static void put_version(struct buf *out, bool extensions)
{
	size_t at = codec_begin(out, FXP_VERSION, CODEC_VERSION);

	buf_put_text(out, extensions ? "posix-rename@openssh.com" : "x");
	buf_put_text(out, "1");
	codec_end(out, at);
}

static void put_reply(struct buf *out, enum packet_type type, uint32_t id)
{
	size_t at = codec_begin(out, type, id);

	if (type == FXP_STATUS) {
		buf_put_u32(out, id % 9);
		buf_put_text(out, "text");
		buf_put_text(out, "en");
	} else if (type == FXP_HANDLE || type == FXP_DATA) {
		buf_put_text(out, "hand");
	} else if (type == FXP_NAME) {
		buf_put_u32(out, 1);
		buf_put_text(out, "name");
		buf_put_text(out, "-rw-r--r-- name");
		buf_put_u32(out, ATTR_SIZE | ATTR_MODE);
		buf_put_u64(out, 77);
		buf_put_u32(out, 0100644);
	} else if (type == FXP_ATTRS) {
		buf_put_u32(out, ATTR_OWNER | ATTR_TIMES);
		for (unsigned i = 0; i < 4; i++)
			buf_put_u32(out, i);
	} else {
		for (unsigned i = 0; i < 11; i++)
			buf_put_u64(out, 1u << i);
	}
	codec_end(out, at);
}

/* the ids that a client gives first, in the order of ask_all */
static void put_session(struct buf *out, unsigned n)
{
	static const uint8_t types[] = {FXP_HANDLE, FXP_ATTRS,	FXP_NAME,
					FXP_STATUS, FXP_STATUS, FXP_STATUS,
					FXP_HANDLE, FXP_NAME,	FXP_DATA};
	struct requests q = REQUESTS_INIT;
	struct request any = {.kind = REPLY_STATUS}, gone;

	put_version(out, n & 1);
	requests_take(&q, requests_add(&q, &any), &gone); /* INIT's */
	for (unsigned i = 0; i < sizeof(types); i++) {
		uint32_t id = requests_add(&q, &any);

		put_reply(out, (n >> 1) % 10 == i ? FXP_STATUS : types[i], id);
	}
	requests_done(&q);
}

bool fuzz_seed(unsigned n, struct buf *out)
{
	static const uint8_t types[] = {
		FXP_STATUS, FXP_HANDLE, FXP_DATA,	    FXP_NAME,
		FXP_NAME,   FXP_ATTRS,	FXP_EXTENDED_REPLY, FXP_EXTENDED_REPLY};

	buf_put_u8(out, (uint8_t)(n < KINDS ? n + 1 : 0));
	if (n < 8)
		put_reply(out, types[n], 5);
	else if (n == 8)
		put_version(out, true);
	else
		put_session(out, n - KINDS);
	return n < KINDS + 20;
}
