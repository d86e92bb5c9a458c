/* What the server is asked to copy within a file: all of it, in pieces that do
 * not keep it from anything else for long. */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sync/exec.h"
#include "sync/remote/conn.h"

#define MB	  (1024u * 1024)
#define PIECE_MAX (64u * MB)

/* A server that answers nothing. */
struct fake {
	int fd; /* its end */
	struct buf heard;
	struct exec exec;
	struct step step;
};

static void say_version(int fd)
{
	struct buf b = BUF_INIT;
	size_t at = codec_begin(&b, FXP_VERSION, CODEC_VERSION);

	buf_put_text(&b, "copy-data");
	buf_put_text(&b, "1");
	codec_end(&b, at);
	assert_int_equal(send(fd, b.data, b.len, MSG_NOSIGNAL), b.len);
	buf_done(&b);
}

static int set_up(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));
	struct remote_error err;
	char init[9];
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s),
			 0);
	f->fd = s[1];
	say_version(f->fd);
	assert_int_equal(remote_start(pipe_adopt(s[0]), "/base", 60000,
				      &f->exec.cfg.remote, &err),
			 0);
	assert_int_equal(recv(f->fd, init, 9, 0), 9);
	f->step = (struct step){.exec = &f->exec,
				.fd = memfd_create("delta", MFD_CLOEXEC),
				.source = {.len = 1, .bytes = "s"},
				.handle = {.len = 1, .bytes = "h"}};
	assert_true(f->step.fd >= 0);
	*state = f;
	return 0;
}

static int take_down(void **state)
{
	struct fake *f = *state;

	remote_close(f->exec.cfg.remote);
	close(f->step.fd);
	close(f->fd);
	buf_done(&f->heard);
	free(f);
	return 0;
}

static void answered(void *arg, const struct remote_reply *reply)
{
}

static void is_text(struct buf *b, const char *want)
{
	char *got;

	assert_int_equal(buf_get_text(b, &got), 0);
	assert_string_equal(got, want);
	free(got);
}

/* heard_copy - the next request: that many bytes at `off` of the one file go to
 * `off` of the other. */
static void heard_copy(struct fake *f, uint64_t off, uint64_t len)
{
	struct packet p;
	size_t size;
	uint64_t from, n, to;

	remote_pump(f->exec.cfg.remote, 0, -1);
	while (codec_next(&f->heard, &p, &size) == 0) {
		uint8_t *at = buf_reserve(&f->heard, 4096);
		ssize_t got = recv(f->fd, at, 4096, 0);
		assert_true(got > 0);
		f->heard.len += (size_t)got;
	}
	assert_int_equal(p.type, FXP_EXTENDED);
	is_text(&p.body, "copy-data");
	is_text(&p.body, "s");
	assert_int_equal(buf_get_u64(&p.body, &from), 0);
	assert_int_equal(buf_get_u64(&p.body, &n), 0);
	is_text(&p.body, "h");
	assert_int_equal(buf_get_u64(&p.body, &to), 0);
	buf_consume(&f->heard, size);
	assert_int_equal(from, off);
	assert_int_equal(to, off);
	assert_int_equal(n, len);
}

/* copies - `size` bytes, asked for until nothing is left. */
static void copies(struct fake *f, uint64_t size)
{
	struct step *s = &f->step;

	assert_int_equal(ftruncate(s->fd, (off_t)size), 0);
	for (s->off = 0; s->off < size;) {
		uint64_t off = s->off, left = size - off;
		uint64_t len = left < PIECE_MAX ? left : PIECE_MAX;
		delta_copy(s, left, answered);
		heard_copy(f, off, len);
		assert_int_equal(s->off, off + len);
	}
}

static void test_pieces(void **state)
{
	copies(*state, 5);
	copies(*state, PIECE_MAX);
	copies(*state, (uint64_t)PIECE_MAX + 1);
	copies(*state, (uint64_t)5 * 1024 * MB + 7);
}

/* A hole behind the content is none of it. */
static void test_hole(void **state)
{
	struct fake *f = *state;
	static char content[MB];

	assert_int_equal(ftruncate(f->step.fd, PIECE_MAX), 0);
	assert_int_equal(pwrite(f->step.fd, content, MB, 0), MB);
	off_t hole = lseek(f->step.fd, 0, SEEK_HOLE);
	delta_copy(&f->step, PIECE_MAX, answered);
	heard_copy(f, 0, (uint64_t)hole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pieces, set_up, take_down),
		cmocka_unit_test_setup_teardown(test_hole, set_up, take_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
