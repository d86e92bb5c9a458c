/*
 * threads DIR FILE N - one thread stands in DIR, another one has FILE open for
 * writing in a table of its own; N more share everything with the first. Says
 * "ready", and ends when its input does.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
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

int main(int argc, char **argv)
{
	pthread_t t;
	char c;
	int n = argc == 4 ? atoi(argv[3]) : -1;

	if (n < 0) {
		fputs("usage: threads DIR FILE N\n", stderr);
		return 2;
	}
	args = argv;
	pthread_barrier_init(&ready, NULL, (unsigned)n + 3);
	for (int i = 0; i < n + 2; i++)
		must(!pthread_create(&t, NULL,
				     i == 0	? stand
				     : i == n + 1 ? hold
						 : stay,
				     NULL),
		     "pthread_create");
	pthread_barrier_wait(&ready);
	puts("ready");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		continue;
	return 0;
}
