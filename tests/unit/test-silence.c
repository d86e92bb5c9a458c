/*
 * Who is left alone though a thread of it waits for a lock all the time: a process
 * of which another thread waits for a disk, and one that is traced. As soon as
 * that is over it is killed. One whose thread looks up a name may wait for ever.
 */
#include "confdefs.h"

#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "clock.h"
#include "fs/supervisor-private.h"
#include "remote.h"
#include "shared.h"
#include "sync/remote/tcp.h"

#define PAUSE_NS NS_PER_MS
#define LOOKS	 40 /* more than are needed */

static const struct supervisor_config cfg = {.hang_ns = 12 * PAUSE_NS};

/* A thread that waits for the program of its child is shown as one that waits for a
 * disk. The child ends when it is told to. */
static void *wait_for_child(void *arg)
{
	int fd = *(int *)arg;
	char c;
	if (vfork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)!read(fd, &c, 1);
		_exit(0);
	}
	return NULL;
}

static void hang(int fd)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_t id;
	pthread_mutex_lock(&lock);
	if (fd >= 0)
		pthread_create(&id, NULL, wait_for_child, &fd);
	pthread_mutex_lock(&lock);
	_exit(0);
}

static pid_t start(int fd)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(60);
		hang(fd);
	}
	return pid;
}

static unsigned look(struct supervisor *s)
{
	unsigned most = 0;
	for (unsigned i = 0; i < LOOKS; i++) {
		silence_timers(s);
		if (s->sync_silence.looks > most)
			most = s->sync_silence.looks;
		usleep(2 * PAUSE_NS / 1000);
	}
	return most;
}

static void is_killed(struct supervisor *s)
{
	int status;
	while (waitpid(s->sync, &status, WNOHANG) == 0)
		look(s);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static struct supervisor supervisor(pid_t sync)
{
	return (struct supervisor){.cfg = &cfg, .sync = sync, .fuse_fd = -1};
}

static void for_a_lock(void **state)
{
	struct supervisor s = supervisor(start(-1));
	is_killed(&s);
}

static void perhaps_for_a_disk(void **state)
{
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	struct supervisor s = supervisor(start(fds[0]));
	look(&s);
	assert_int_equal(waitpid(s.sync, NULL, WNOHANG), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	is_killed(&s);
	close(fds[0]);
	close(fds[1]);
}

static int lookup = -1; /* a pipe: a name is looked up */

/* instead of the C library's: it waits as one that lost a lock */
int getaddrinfo(const char *host, const char *port,
		const struct addrinfo *hints, struct addrinfo **ret)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	if (hints->ai_flags & AI_NUMERICHOST)
		return EAI_NONAME;
	(void)!write(lookup, "x", 1);
	pthread_mutex_lock(&lock);
	pthread_mutex_lock(&lock);
	return EAI_AGAIN;
}

static void look_up(void)
{
	char host[] = "nobody.invalid";
	struct remote_url url = {.host = host, .port = 22};
	struct remote_error err;
	signal(SIGALRM, SIG_DFL);
	alarm(60);
	prctl(PR_SET_NAME, SYNC_THREAD);
	tcp_connect(&url, 1, -1, &err);
	for (;;)
		pause();
}

static void for_a_name(void **state)
{
	int fds[2];
	char c;
	assert_int_equal(pipe(fds), 0);
	lookup = fds[1];
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		look_up();
	struct supervisor s = supervisor(pid);
	assert_int_equal(read(fds[0], &c, 1), 1);
	look(&s);
	assert_int_equal(waitpid(s.sync, NULL, WNOHANG), 0);
	kill(s.sync, SIGKILL);
	waitpid(s.sync, NULL, 0);
	close(fds[0]);
	close(fds[1]);
}

static void traced(void **state)
{
	struct supervisor s = supervisor(start(-1));
	if (ptrace(PTRACE_SEIZE, s.sync, 0, 0) < 0) {
		kill(s.sync, SIGKILL);
		waitpid(s.sync, NULL, 0);
		skip();
	}
	assert_int_equal(look(&s), 0);
	assert_int_equal(waitpid(s.sync, NULL, WNOHANG), 0);
	ptrace(PTRACE_INTERRUPT, s.sync, 0, 0);
	waitpid(s.sync, NULL, 0);
	ptrace(PTRACE_DETACH, s.sync, 0, 0);
	is_killed(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(for_a_lock),
		cmocka_unit_test(perhaps_for_a_disk),
		cmocka_unit_test(for_a_name),
		cmocka_unit_test(traced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
