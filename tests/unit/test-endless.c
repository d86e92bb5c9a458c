/* A server whose listing of a folder has no end, and no names. */
#include "confdefs.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "remote-wait.h"
#include "sync/remote/conn.h"

static void answer(int fd, const struct packet *asked)
{
	struct buf b = BUF_INIT;
	bool start = asked->type == FXP_INIT, list = asked->type == FXP_READDIR;
	enum packet_type type = start ? FXP_VERSION
				: asked->type == FXP_OPENDIR ? FXP_HANDLE
				: list			     ? FXP_NAME
							     : FXP_STATUS;
	size_t at = codec_begin(&b, type, start ? CODEC_VERSION : asked->id);
	if (list) {
		buf_put_u32(&b, 1);
		buf_put_text(&b, ".");
		buf_put_text(&b, "");
	}
	if (type == FXP_HANDLE)
		buf_put_text(&b, "h");
	else if (!start)
		buf_put_u32(&b, 0); /* no attributes; well */
	codec_end(&b, at);
	if (send(fd, b.data, b.len, MSG_NOSIGNAL) != (ssize_t)b.len)
		_exit(1);
	buf_done(&b);
}

static void serve(int fd)
{
	struct buf in = BUF_INIT;
	for (;;) {
		struct packet p;
		size_t size;
		ssize_t n = recv(fd, buf_reserve(&in, 4096), 4096, 0);
		if (n <= 0)
			_exit(0);
		in.len += (size_t)n;
		while (codec_next(&in, &p, &size) > 0) {
			answer(fd, &p);
			buf_consume(&in, size);
		}
	}
}

static void test_listing(void **state)
{
	struct remote *r;
	struct remote_error err;
	struct remote_entry *entries;
	unsigned n;
	int s[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s),
			 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(s[0]);
		serve(s[1]);
	}
	close(s[1]);
	assert_int_equal(remote_start(pipe_adopt(s[0]), "/", 20000, &r, &err),
			 0);
	assert_int_equal(remote_list(r, "", &entries, &n), -EFBIG);
	remote_close(r);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
