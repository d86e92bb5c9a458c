/*
 * Agents that never answer: one that nobody has started to serve, one whose queue
 * is full. The next key is tried, and who is told to stop does.
 */
#include "confdefs.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/un.h>
#include <cmocka.h>

#include "private-sshd.h"
#include "remote.h"

#define TIMEOUT_MS 4000

static struct sshd the_sshd;
static char home[96];

static struct sockaddr_un address(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/agent", the_sshd.dir);
	return a;
}

static int agent_start(int queue)
{
	struct sockaddr_un a = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(a.sun_path);
	must(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
		     listen(fd, queue) == 0,
	     "listen");
	setenv("SSH_AUTH_SOCK", a.sun_path, 1);
	return fd;
}

static struct remote_config usual(void)
{
	return (struct remote_config){.url = the_sshd.url,
				      .known_hosts = the_sshd.known,
				      .timeout_ms = TIMEOUT_MS};
}

static void opens(const struct remote_config *cfg)
{
	struct remote *r;
	struct remote_error err;
	if (remote_open(cfg, &r, &err) < 0)
		fail_msg("%d: %s", err.kind, err.text);
	remote_close(r);
}

static void test_next_key(void **state)
{
	const struct remote_config cfg = usual();
	int agent = agent_start(8);
	opens(&cfg);
	close(agent);
}

static void test_full(void **state)
{
	const struct remote_config cfg = usual();
	struct sockaddr_un a = address();
	int agent = agent_start(0);
	int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(connect(first, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
	opens(&cfg);
	close(first);
	close(agent);
}

static void test_told(void **state)
{
	struct remote_config cfg = usual();
	struct remote *r;
	struct remote_error err;
	char locked[128];
	int agent = agent_start(8);
	snprintf(locked, sizeof(locked), "%s/locked", the_sshd.dir);
	cfg.identity = locked;
	assert_int_equal(remote_open(&cfg, &r, &err), -1);
	print_message("%s\n", err.text);
	assert_int_equal(err.kind, REMOTE_AUTH);
	assert_non_null(strstr(err.text, "the agent does not answer"));
	close(agent);
}

struct stopper {
	int agent, stop_fd;
};

static void *stop_main(void *arg)
{
	struct stopper *s = arg;
	struct pollfd asked = {.fd = s->agent, .events = POLLIN};
	uint64_t one = 1;
	poll(&asked, 1, -1);
	must(write(s->stop_fd, &one, sizeof(one)) == sizeof(one), "stop");
	return NULL;
}

static void test_stop(void **state)
{
	struct remote_config cfg = usual();
	struct stopper s = {.agent = agent_start(8),
			    .stop_fd = eventfd(0, EFD_CLOEXEC)};
	struct remote *r;
	struct remote_error err;
	pthread_t thread;
	cfg.timeout_ms = 3600 * 1000;
	cfg.stop_fd = s.stop_fd;
	must(pthread_create(&thread, NULL, stop_main, &s) == 0, "thread");
	assert_int_equal(remote_open(&cfg, &r, &err), -1);
	pthread_join(thread, NULL);
	close(s.stop_fd);
	close(s.agent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_next_key),
		cmocka_unit_test(test_stop),
	};
	if (!sshd_is_there()) {
		puts("no sshd");
		return 77;
	}
	sshd_start(&the_sshd, "");
	snprintf(home, sizeof(home), "%s/home", the_sshd.dir);
	must(shell("mkdir -p %s/.ssh && cp %s %s/.ssh/id_ed25519 && "
		   "ssh-keygen -q -t ed25519 -N hush -f %s/locked",
		   home, the_sshd.key, home, the_sshd.dir) == 0,
	     "make keys");
	setenv("HOME", home, 1);
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	sshd_stop(&the_sshd);
	return r;
}
