/*
 * A line on which a single request takes longer than a server may be silent: that
 * it goes on is life enough. TCP itself holds it back, in small packets.
 */
#include "confdefs.h"

#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "private-sshd.h"
#include "sync/remote/conn.h"

#define RATE	 40000 /* bytes in a second */
#define SIZE	 255000
#define PACKET	 1400
#define ANSWERED 1

/* instead of the C library's */
int connect(int fd, const struct sockaddr *a, socklen_t size)
{
	int most = PACKET;
	setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &most, sizeof(most));
	return (int)syscall(SYS_connect, fd, a, size);
}

static void keep(void *arg, const struct remote_reply *reply)
{
	if (reply->status == 0)
		remote_keep_handle(reply, arg);
}

static void note(void *arg, const struct remote_reply *reply)
{
	*(int *)arg = reply->status == 0 ? ANSWERED : reply->status;
}

static void test_one_request(void **state)
{
	static uint8_t data[SIZE];
	struct sshd s;
	struct remote *r;
	struct remote_error err;
	struct remote_handle h = {0};
	int status = 0, rate = RATE;
	sshd_start(&s, "");
	const struct remote_config cfg = {.url = s.url, .identity = s.key,
					  .known_hosts = s.known,
					  .timeout_ms = 20000};
	if (remote_open(&cfg, &r, &err) < 0)
		fail_msg("%s", err.text);
	remote_send_open(r, "file", RO_WRITE | RO_CREATE, 0600, keep, &h);
	while (h.len == 0)
		assert_true(remote_pump(r, -1, -1) >= 0);
	assert_true(remote_caps(r)->write_bytes >= SIZE);
	assert_int_equal(setsockopt(r->wire->fd, SOL_SOCKET,
				    SO_MAX_PACING_RATE, &rate, sizeof(rate)),
			 0);
	r->timeout_ns = 2 * NS_PER_S; /* not that of the login */
	remote_send_write(r, &h, 0, data, SIZE, note, &status);
	while (status == 0 && remote_pump(r, -1, -1) >= 0)
		;
	if (status != ANSWERED)
		fail_msg("%s", remote_why(r));
	remote_close(r);
	sshd_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_request),
	};
	if (!sshd_is_there()) {
		puts("no sshd");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
