/*
 * threads DIR FILE N - one thread stands in DIR, another one has FILE open for
 * writing in a table of its own; N more share everything with the first. Says
 * "ready", and ends when its input does.
 *
 * threads FILE - the first thread has ended; another one has FILE open, and
 * mapped for writing.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static char **args;
static pthread_barrier_t ready;

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static void *stay(void *arg)
{
	pthread_barrier_wait(&ready);
	for (;;)
		pause();
	return arg;
}

static void *stand(void *arg)
{
	must(!unshare(CLONE_FS) && !chdir(args[1]), args[1]);
	return stay(arg);
}

static void *hold(void *arg)
{
	must(!unshare(CLONE_FILES) && open(args[2], O_WRONLY) >= 0, args[2]);
	return stay(arg);
}

static void until_end(void)
{
	char c;

	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		continue;
	exit(0);
}

static void *survive(void *arg)
{
	int fd = open(args[1], O_RDWR);

	must(fd >= 0 && mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0) !=
				MAP_FAILED,
	     args[1]);
	/* not before it is one, that is what is tested */
	must(!pthread_join(*(pthread_t *)arg, NULL), "pthread_join");
	until_end();
	return NULL;
}

int main(int argc, char **argv)
{
	static pthread_t first;
	pthread_t t;
	int n = argc == 4 ? atoi(argv[3]) : -1;

	args = argv;
	if (argc == 2) {
		first = pthread_self();
		must(!pthread_create(&t, NULL, survive, &first),
		     "pthread_create");
		pthread_exit(NULL);
	}
	if (n < 0) {
		fputs("usage: threads DIR FILE N\n       threads FILE\n",
		      stderr);
		return 2;
	}
	pthread_barrier_init(&ready, NULL, (unsigned)n + 3);
	for (int i = 0; i < n + 2; i++)
		must(!pthread_create(&t, NULL,
				     i == 0	? stand
				     : i == n + 1 ? hold
						 : stay,
				     NULL),
		     "pthread_create");
	pthread_barrier_wait(&ready);
	until_end();
	return 0;
}
