/*
 * pulse - when did the machine itself stand still?
 *
 *	pulse [MS]
 *
 * On each processor a thread sleeps for a millisecond at a time, and when one
 * wakes MS (20) too late it prints when that was, and how much of it somebody else
 * had the processor of a virtual machine (steal, proc(5): 10 ms exact):
 *
 *	pulse: late TIME on cpu N S.S ms, stolen S ms
 *
 * until it is killed. A pause of all that runs on one processor is no pause of
 * mirrorfs, and nothing that it can know tells them apart.
 */
#include "confdefs.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t limit_ns = 20 * 1000000LL;

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* stolen_ms - of one processor, since the machine was started. */
static long long stolen_ms(int cpu)
{
	char line[512], name[24];
	long long steal = 0;
	FILE *f = fopen("/proc/stat", "re");
	int len = snprintf(name, sizeof(name), "cpu%d ", cpu);
	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, name, (size_t)len) == 0)
			sscanf(line + len,
			       "%*s %*s %*s %*s %*s %*s %*s %lld", &steal);
	if (f)
		fclose(f);
	return steal * 1000 / sysconf(_SC_CLK_TCK);
}

static void *watch(void *arg)
{
	int cpu = (int)(intptr_t)arg;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return NULL; /* not one of ours */
	long long stolen = stolen_ms(cpu);
	int64_t before = now_ns(CLOCK_MONOTONIC), looked = before;
	for (;;) {
		usleep(1000);
		int64_t now = now_ns(CLOCK_MONOTONIC);
		int64_t late = now - before;
		before = now;
		if (late < limit_ns) {
			if (now - looked > limit_ns) {
				stolen = stolen_ms(cpu);
				looked = before = now_ns(CLOCK_MONOTONIC);
			}
			continue;
		}
		long long more = stolen_ms(cpu);
		int64_t at = now_ns(CLOCK_REALTIME);
		printf("pulse: late %lld.%06lld on cpu %d %.1f ms, "
		       "stolen %lld ms\n",
		       (long long)at / 1000000000,
		       (long long)at / 1000 % 1000000, cpu,
		       (double)late / 1e6, more - stolen);
		stolen = more;
		looked = before = now_ns(CLOCK_MONOTONIC);
	}
}

int main(int argc, char **argv)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);
	if (argc > 1)
		limit_ns = atoi(argv[1]) * 1000000LL;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (long i = 0; i < n; i++) {
		pthread_t t;
		if (pthread_create(&t, NULL, watch, (void *)(intptr_t)i) != 0)
			return 1;
	}
	for (;;)
		pause();
}
