/*
 * The SFTP codec: known bytes, every kind of reply, everything that a server
 * may get wrong, and mutations of what a real sftp-server said.
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
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "sync/remote/codec.h"
#include "remote-write.h"
#include "sync/remote/conn.h"

/* ---- helpers ---- */

static void put_status(struct buf *b, uint32_t code)
{
	size_t at = codec_begin(b, FXP_STATUS, 7);
	buf_put_u32(b, code);
	buf_put_text(b, "Failure");
	buf_put_text(b, "");
	codec_end(b, at);
}

static void put_line(struct buf *b, const char *name, const char *line)
{
	const struct remote_attr a = {.flags = ATTR_SIZE | ATTR_MODE,
				      .size = 5, .mode = 0644};
	buf_put_text(b, name);
	buf_put_text(b, line);
	codec_put_attr(b, &a);
}

static void put_entry(struct buf *b, const char *name)
{
	put_line(b, name, "-rw-r--r-- long name");
}

/* decode - the one packet in `b`, as an answer of that kind. */
static int decode(struct buf *b, enum reply_kind kind, struct decoded *d)
{
	struct packet p;
	size_t size;
	assert_int_equal(codec_next(b, &p, &size), 1);
	assert_int_equal(size, b->len);
	return codec_decode(&p, kind, 100, d);
}

static void refused(struct buf *b, enum reply_kind kind)
{
	struct decoded d = {0};
	assert_int_equal(decode(b, kind, &d), -EBADMSG);
	codec_decoded_done(&d);
	buf_done(b);
}

/* ---- known bytes ---- */

static void test_encode(void **state)
{
	static const uint8_t want[] = {
		0, 0, 0, 43, FXP_SETSTAT, 1, 2, 3, 4, 0, 0, 0, 2, '/', 'a',
		0, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6,
		0, 0, 1, 0xa4, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
	};
	const struct remote_attr a = {
		.flags = ATTR_SIZE | ATTR_OWNER | ATTR_MODE | ATTR_TIMES,
		.size = 0x100000002, .uid = 5, .gid = 6, .mode = 0100644,
		.atime = 0x11223344, .mtime = 0x55667788};
	struct buf b = BUF_INIT;
	size_t at = codec_begin(&b, FXP_SETSTAT, 0x01020304);
	buf_put_text(&b, "/a");
	codec_put_attr(&b, &a);
	codec_end(&b, at);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));
	buf_done(&b);
}

static void test_framing(void **state)
{
	struct buf b = BUF_INIT;
	struct packet p;
	size_t size;
	put_status(&b, 4);
	size_t whole = b.len;
	for (b.len = 0; b.len < whole; b.len++)
		assert_int_equal(codec_next(&b, &p, &size), 0);
	assert_int_equal(codec_next(&b, &p, &size), 1);
	assert_int_equal(size, whole);
	assert_int_equal(p.type, FXP_STATUS);
	assert_int_equal(p.id, 7);
	static const uint32_t bad[] = {0, 4, CODEC_PACKET_MAX + 1, 0x7fffffff,
				       0xffffffff};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		buf_set_u32(&b, 0, bad[i]);
		assert_int_equal(codec_next(&b, &p, &size), -EBADMSG);
	}
	buf_done(&b);
}

/* ---- replies ---- */

static void test_status(void **state)
{
	static const int want[] = {0, -ENODATA, -ENOENT, -EACCES, -EREMOTEIO,
				   -EINVAL, -EREMOTEIO, -EREMOTEIO, -EOPNOTSUPP,
				   -EREMOTEIO};
	for (uint32_t code = 0; code < 10; code++) {
		struct buf b = BUF_INIT;
		struct decoded d = {0};
		put_status(&b, code);
		assert_int_equal(decode(&b, REPLY_STATUS, &d), 0);
		assert_int_equal(d.reply.status, want[code]);
		buf_done(&b);
	}
	/* a success without the thing that was asked for */
	for (int kind = REPLY_HANDLE; kind <= REPLY_VERSION; kind++) {
		struct buf b = BUF_INIT;
		put_status(&b, 0);
		refused(&b, (enum reply_kind)kind);
	}
}

static void test_handle_data(void **state)
{
	struct buf b = BUF_INIT;
	struct decoded d = {0};
	size_t at = codec_begin(&b, FXP_HANDLE, 7);
	buf_put_bytes(&b, "\0\0\0\1", 4);
	codec_end(&b, at);
	assert_int_equal(decode(&b, REPLY_HANDLE, &d), 0);
	assert_int_equal(d.reply.handle_len, 4);
	assert_memory_equal(d.reply.handle, "\0\0\0\1", 4);
	refused(&b, REPLY_DATA);

	static const char big[257];
	at = codec_begin(&b, FXP_HANDLE, 7);
	buf_put_bytes(&b, big, sizeof(big));
	codec_end(&b, at);
	refused(&b, REPLY_HANDLE);

	at = codec_begin(&b, FXP_HANDLE, 7); /* it would count as none */
	buf_put_bytes(&b, big, 0);
	codec_end(&b, at);
	refused(&b, REPLY_HANDLE);

	at = codec_begin(&b, FXP_DATA, 7);
	buf_put_bytes(&b, big, 100);
	codec_end(&b, at);
	assert_int_equal(decode(&b, REPLY_DATA, &d), 0);
	assert_int_equal(d.reply.data_len, 100);
	buf_done(&b);

	at = codec_begin(&b, FXP_DATA, 7); /* more than was asked for */
	buf_put_bytes(&b, big, 101);
	codec_end(&b, at);
	refused(&b, REPLY_DATA);

	at = codec_begin(&b, FXP_DATA, 7);
	buf_put_bytes(&b, big, 0);
	codec_end(&b, at);
	assert_int_equal(decode(&b, REPLY_DATA, &d), 0);
	assert_int_equal(d.reply.status, -ENODATA);
	buf_done(&b);
}

/* the links of a file are nowhere but in the line for people */
static void test_links(void **state)
{
	static const struct {
		const char *line;
		uint32_t links;
	} lines[] = {
		{"-rw-r--r--    1 root     root  5 Jan  1 2020 f", 1},
		{"-rw-r--r--+ 312 0 0 5 Jan  1 2020 f", 312},
		{"-rw-r--r--    ? 0 0 5 Jan  1 2020 f", 0},
		{"-rw-r--r-- 99999999999999999999 0", 999999999},
		{"", 0},
		{"f", 0},
		{"-rw-r--r-- -1 0 0", 0},
	};
	struct buf b = BUF_INIT;
	struct decoded d = {0};
	unsigned n = sizeof(lines) / sizeof(lines[0]);
	size_t at = codec_begin(&b, FXP_NAME, 7);
	buf_put_u32(&b, n);
	for (unsigned i = 0; i < n; i++)
		put_line(&b, "f", lines[i].line);
	codec_end(&b, at);
	assert_int_equal(decode(&b, REPLY_LIST, &d), 0);
	assert_int_equal(d.reply.n_entries, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(d.reply.entries[i].attr.links, lines[i].links);
	codec_decoded_done(&d);
	buf_done(&b);
}

static void test_list(void **state)
{
	struct buf b = BUF_INIT;
	struct decoded d = {0};
	size_t at = codec_begin(&b, FXP_NAME, 7);
	buf_put_u32(&b, 4);
	put_entry(&b, ".");
	put_entry(&b, "a b\n");
	put_entry(&b, "..");
	put_entry(&b, "...");
	codec_end(&b, at);
	assert_int_equal(decode(&b, REPLY_LIST, &d), 0);
	assert_int_equal(d.reply.n_entries, 2);
	assert_string_equal(d.reply.entries[0].name, "a b\n");
	assert_string_equal(d.reply.entries[1].name, "...");
	assert_int_equal(d.reply.entries[1].attr.size, 5);
	assert_int_equal(d.reply.entries[1].attr.flags, ATTR_SIZE | ATTR_MODE);
	assert_int_equal(d.reply.entries[1].attr.links, 0);
	codec_decoded_done(&d);
	refused(&b, REPLY_TEXT); /* four are no answer to READLINK */

	at = codec_begin(&b, FXP_NAME, 7);
	buf_put_u32(&b, 0); /* would make us ask for ever */
	codec_end(&b, at);
	assert_int_equal(decode(&b, REPLY_LIST, &d), 0);
	assert_int_equal(d.reply.status, -ENODATA);
	refused(&b, REPLY_TEXT);
}

static void test_list_hostile(void **state)
{
	static const char *const names[] = {"", "/", "../x", "a/b", "/etc"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct buf b = BUF_INIT;
		size_t at = codec_begin(&b, FXP_NAME, 7);
		buf_put_u32(&b, 2);
		put_entry(&b, "fine");
		put_entry(&b, names[i]);
		codec_end(&b, at);
		refused(&b, REPLY_LIST);
	}
	static const uint32_t counts[] = {2, 0x7fffffff, 0xffffffff};
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		struct buf b = BUF_INIT;
		size_t at = codec_begin(&b, FXP_NAME, 7);
		buf_put_u32(&b, counts[i]); /* but there is one */
		put_entry(&b, "x");
		codec_end(&b, at);
		refused(&b, REPLY_LIST);
	}
	struct buf b = BUF_INIT;
	size_t at = codec_begin(&b, FXP_NAME, 7);
	buf_put_u32(&b, 1);
	buf_put_bytes(&b, "a\0b", 3);
	buf_put_text(&b, "");
	buf_put_u32(&b, 0);
	codec_end(&b, at);
	refused(&b, REPLY_LIST);
}

static void test_attr(void **state)
{
	struct buf b = BUF_INIT;
	struct decoded d = {0};
	size_t at = codec_begin(&b, FXP_ATTRS, 7);
	buf_put_u32(&b, 0x80000004); /* mode and extended pairs */
	buf_put_u32(&b, 0100755);
	buf_put_u32(&b, 1);
	buf_put_text(&b, "what@example.org");
	buf_put_text(&b, "ever");
	codec_end(&b, at);
	assert_int_equal(decode(&b, REPLY_ATTR, &d), 0);
	assert_int_equal(d.attr.mode, 0100755);
	assert_int_equal(d.attr.flags, ATTR_MODE);
	buf_set_u32(&b, at + 17, 0xffffffff); /* pairs without end */
	refused(&b, REPLY_ATTR);

	at = codec_begin(&b, FXP_ATTRS, 7);
	buf_put_u32(&b, 0x10); /* a flag of a later version: unknown layout */
	buf_put_u64(&b, 0);
	codec_end(&b, at);
	refused(&b, REPLY_ATTR);
}

static void test_statvfs(void **state)
{
	struct buf b = BUF_INIT;
	struct decoded d = {0};
	size_t at = codec_begin(&b, FXP_EXTENDED_REPLY, 7);
	for (uint64_t i = 0; i < 11; i++)
		buf_put_u64(&b, 100 + i);
	codec_end(&b, at);
	assert_int_equal(decode(&b, REPLY_STATVFS, &d), 0);
	assert_int_equal(d.space.avail_bytes, 101 * 104);
	assert_int_equal(d.space.avail_inodes, 107);
	buf_set_u32(&b, 9 + 4 * 8, 0xffffffff); /* bavail: product overflows */
	assert_int_equal(decode(&b, REPLY_STATVFS, &d), 0);
	assert_true(d.space.avail_bytes == UINT64_MAX);
	buf_done(&b);
}

static void test_names(void **state)
{
	struct buf b = BUF_INIT, list = BUF_INIT;
	struct decoded d = {0};
	buf_put_text(&list, "root");
	buf_put_text(&list, "");
	buf_put_text(&list, "www-data");
	size_t at = codec_begin(&b, FXP_EXTENDED_REPLY, 7);
	buf_put_bytes(&b, list.data, list.len);
	buf_put_bytes(&b, "", 0);
	codec_end(&b, at);
	assert_int_equal(decode(&b, REPLY_NAMES, &d), 0);
	assert_int_equal(d.reply.n_names[0], 3);
	assert_int_equal(d.reply.n_names[1], 0);
	assert_string_equal(d.reply.names[0][1], "");
	assert_string_equal(d.reply.names[0][2], "www-data");
	codec_decoded_done(&d);

	buf_reset(&b); /* the last name is longer than the list */
	at = codec_begin(&b, FXP_EXTENDED_REPLY, 7);
	buf_put_bytes(&b, list.data, list.len - 1);
	buf_put_bytes(&b, "", 0);
	codec_end(&b, at);
	refused(&b, REPLY_NAMES);
	buf_done(&list);
	buf_done(&b);
}

static void test_version(void **state)
{
	struct buf b = BUF_INIT;
	struct decoded d = {0};
	size_t at = codec_begin(&b, FXP_VERSION, 3);
	buf_put_text(&b, "posix-rename@openssh.com");
	buf_put_text(&b, "1");
	buf_put_text(&b, "fsync@openssh.com");
	buf_put_text(&b, "99"); /* another version of it: not ours */
	buf_put_text(&b, "statvfs@openssh.com");
	buf_put_text(&b, "2");
	buf_put_text(&b, "unknown@example.org");
	buf_put_bytes(&b, "\0\1\2\3\4\5\6\7\10\11", 10);
	codec_end(&b, at);
	assert_int_equal(decode(&b, REPLY_VERSION, &d), 0);
	assert_int_equal(d.version, 3);
	assert_int_equal(d.ext, EXT_POSIX_RENAME | EXT_STATVFS);
	b.len--;
	codec_end(&b, at); /* cut */
	refused(&b, REPLY_VERSION);
}

/* ---- mutations of what a real server said ---- */

struct recorder {
	struct transport t; /* first */
	struct transport *inner;
	struct buf *heard;
};

static ssize_t rec_write(struct transport *t, const void *p, size_t n)
{
	struct transport *in = ((struct recorder *)t)->inner;
	return in->ops->write(in, p, n);
}

static ssize_t rec_read(struct transport *t, void *p, size_t n)
{
	struct recorder *rec = (struct recorder *)t;
	ssize_t r = rec->inner->ops->read(rec->inner, p, n);
	if (r > 0)
		buf_put(rec->heard, p, (size_t)r);
	return r;
}

static short rec_events(struct transport *t, bool unsent)
{
	struct transport *in = ((struct recorder *)t)->inner;
	return in->ops->events(in, unsent);
}

static uint64_t rec_heard(struct transport *t)
{
	return ((struct recorder *)t)->heard->len;
}

static void rec_close(struct transport *t)
{
	struct transport *in = ((struct recorder *)t)->inner;
	in->ops->close(in);
}

static const struct transport_ops rec_ops = {
	.write = rec_write, .read = rec_read, .events = rec_events,
	.heard = rec_heard, .close = rec_close,
};

static void ignore(void *arg, const struct remote_reply *reply)
{
}

/* record - one reply of each kind, as bytes of a real server. */
static bool record(struct buf *heard)
{
	struct remote_error err;
	struct recorder rec = {.t = {.ops = &rec_ops}, .heard = heard};
	struct remote *r;
	struct remote_entry *entries;
	unsigned n;
	char *text;
	size_t len;
	if (pipe_open(&rec.inner, &err) < 0)
		return false;
	char dir[] = "/tmp/test-codec-XXXXXX";
	assert_non_null(mkdtemp(dir));
	rec.t.fd = rec.inner->fd;
	assert_int_equal(remote_start(&rec.t, dir, 30000, &r, &err), 0);
	assert_int_equal(remote_write_file(r, "f", 0600, "hello", 5), 0);
	remote_send_symlink(r, "f", "l", ignore, NULL);
	remote_send_statvfs(r, "", ignore, NULL);
	assert_int_equal(remote_list(r, "", &entries, &n), 0);
	remote_entries_free(entries, n);
	assert_int_equal(remote_readlink(r, "l", &text), 0);
	free(text);
	assert_int_equal(remote_read_file(r, "f", &text, &len), 0);
	free(text);
	assert_int_equal(remote_remove(r, "f"), 0);
	assert_int_equal(remote_remove(r, "l"), 0);
	remote_close(r);
	assert_int_equal(rmdir(dir), 0);
	return true;
}

static uint64_t rng;

static uint32_t random_below(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 11) % n;
}

static void mutate(struct buf *b)
{
	static const uint32_t words[] = {0, 1, 4, 5, 0x7fffffff, 0x80000000,
					 0xffffffff, CODEC_PACKET_MAX};
	for (unsigned n = 1 + random_below(4); n > 0; n--) {
		uint32_t at = random_below((uint32_t)b->len);
		switch (random_below(4)) {
		case 0:
			b->data[at] ^= (uint8_t)(1u << random_below(8));
			break;
		case 1:
			b->data[at] = (uint8_t)random_below(256);
			break;
		case 2:
			if (b->len - at >= 4)
				buf_set_u32(b, at, words[random_below(8)]);
			break;
		default:
			b->len = at + 1;
			break;
		}
	}
}

static void decode_stream(const struct buf *bytes)
{
	struct decoded d = {0};
	struct packet p;
	size_t size;
	/* exactly as large as its content, so that a sanitizer sees more */
	struct buf b = {malloc(bytes->len), 0, bytes->len, bytes->len};
	assert_non_null(b.data);
	memcpy(b.data, bytes->data, bytes->len);
	while (codec_next(&b, &p, &size) == 1) {
		for (int k = REPLY_STATUS; k <= REPLY_VERSION; k++) {
			struct packet again = p;
			codec_decode(&again, (enum reply_kind)k, 4096, &d);
		}
		b.off += size;
	}
	codec_decoded_done(&d);
	buf_done(&b);
}

static void test_mutations(void **state)
{
	const char *given = getenv("TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0)
			      : (uint64_t)time(NULL) << 16 | (uint16_t)getpid();
	struct buf heard = BUF_INIT;
	if (!record(&heard))
		skip();
	rng = seed | 1;
	print_message("seed %llu, %zu bytes of replies\n",
		      (unsigned long long)seed, heard.len);
	decode_stream(&heard);
	for (unsigned i = 0; i < 50000; i++) {
		struct buf b = BUF_INIT;
		uint32_t from = i % 2 ? 0 : random_below((uint32_t)heard.len);
		buf_put(&b, heard.data + from, heard.len - from);
		mutate(&b);
		decode_stream(&b);
		buf_done(&b);
	}
	buf_done(&heard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_handle_data),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_list_hostile),
		cmocka_unit_test(test_attr),
		cmocka_unit_test(test_statvfs),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_mutations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
