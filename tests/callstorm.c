/*
 * callstorm - does each call do what it must, and how long does it take?
 *
 *	callstorm [--seed N] [--procs N] [--threads N] [--calls N]
 *		  [--seconds N] [--until FILE] DIR
 *
 * Several processes of several threads (2), each thread in a folder of its own
 * with a model of it, make random calls: every one must give the result that the model foresees, down
 * to the errno, and the content. What is killed or replaced under the file
 * system meanwhile must not show but in the time that a call takes.
 *
 * The last line tells calls, errors, the worst time and the 99th percentile.
 * Status 1: there were errors.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/callstorm.h"

#define PROCS_MAX   32
#define THREADS_MAX 8

__thread struct stats *stats;
static __thread uint64_t state;
static const char *until; /* stop when it is there */
static struct stats *all; /* of each thread */
static uint64_t seed = 1, calls = UINT64_MAX; /* calls of each */
static unsigned n_threads = 2, seconds;

uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 24) % below;
}

void wrong(const char *what, const char *name)
{
	fprintf(stderr, "callstorm: %s %s: %s\n", what, name, strerror(errno));
	stats->errors++;
}

static unsigned bucket_of(uint64_t ns)
{
	uint64_t us = ns / 1000 + 1;
	unsigned octave = 63 - (unsigned)__builtin_clzll(us);
	unsigned part = (unsigned)((us * 8 >> octave) & 7);
	unsigned b = octave * 8 + part;
	return b < BUCKETS ? b : BUCKETS - 1;
}

static double bucket_ms(unsigned b)
{
	return (double)(1ULL << b / 8) * (1 + (b % 8 + 1) / 8.0) / 1000;
}

void call_done(const char *what, int64_t start_ns)
{
	uint64_t ns = (uint64_t)(now_ns() - start_ns);
	stats->calls++;
	stats->bucket[bucket_of(ns)]++;
	if (ns > stats->worst_ns) {
		stats->worst_ns = ns;
		snprintf(stats->worst, sizeof(stats->worst), "%s", what);
	}
}

static void nothing(int signal)
{
}

/* be_interrupted - by a signal each few milliseconds: the kernel tells it of
 * each call that is under way, and none may notice. */
static void be_interrupted(void)
{
	const struct sigaction sa = {.sa_handler = nothing,
				     .sa_flags = SA_RESTART};
	const struct itimerval each = {{.tv_usec = 3000}, {.tv_usec = 3000}};
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &each, NULL);
}

/* run - the thread of that number, counted over all processes. */
static void *run(void *arg)
{
	unsigned n = *(const unsigned *)arg;
	char folder[32];
	int64_t end = now_ns() + seconds * 1000000000LL;
	stats = &all[n];
	state = (seed + 1) * 0x9e3779b97f4a7c15ULL + n;
	snprintf(folder, sizeof(folder), "p%u", n);
	if (unshare(CLONE_FS) < 0 ||
	    (mkdir(folder, 0755) < 0 && errno != EEXIST) || chdir(folder) < 0) {
		wrong("mkdir", folder);
		return NULL;
	}
	storm_begin();
	while (stats->calls < calls && (!seconds || now_ns() < end) &&
	       !(until && access(until, F_OK) == 0))
		storm_step();
	storm_end();
	return NULL;
}

static int run_process(unsigned proc)
{
	pthread_t threads[THREADS_MAX];
	unsigned numbers[THREADS_MAX];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (proc % 2)
		be_interrupted();
	for (unsigned t = 0; t < n_threads; t++) {
		numbers[t] = proc * n_threads + t;
		if (pthread_create(&threads[t], NULL, run, &numbers[t]) != 0)
			return 1;
	}
	for (unsigned t = 0; t < n_threads; t++)
		pthread_join(threads[t], NULL);
	return 0;
}

static int report(unsigned n)
{
	struct stats sum = {0};
	for (unsigned p = 0; p < n; p++) {
		sum.calls += all[p].calls;
		sum.errors += all[p].errors;
		for (unsigned b = 0; b < BUCKETS; b++)
			sum.bucket[b] += all[p].bucket[b];
		if (all[p].worst_ns > sum.worst_ns) {
			sum.worst_ns = all[p].worst_ns;
			memcpy(sum.worst, all[p].worst, sizeof(sum.worst));
		}
	}
	uint64_t seen = 0, wanted = sum.calls - sum.calls / 100;
	unsigned b = 0;
	while (b < BUCKETS - 1 && (seen += sum.bucket[b]) < wanted)
		b++;
	printf("calls=%llu errors=%llu worst_ms=%.1f (%s) p99_ms=%.2f\n",
	       (unsigned long long)sum.calls, (unsigned long long)sum.errors,
	       (double)sum.worst_ns / 1e6, sum.worst, bucket_ms(b));
	return sum.errors != 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seed", required_argument, NULL, 's'},
		{"procs", required_argument, NULL, 'p'},
		{"threads", required_argument, NULL, 'n'},
		{"calls", required_argument, NULL, 'c'},
		{"seconds", required_argument, NULL, 't'},
		{"until", required_argument, NULL, 'u'},
		{0},
	};
	unsigned procs = 4, failed = 0;
	int c, status;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			procs = (unsigned)atoi(optarg);
			break;
		case 'n':
			n_threads = (unsigned)atoi(optarg);
			break;
		case 'c':
			calls = strtoull(optarg, NULL, 10);
			break;
		case 't':
			seconds = (unsigned)atoi(optarg);
			break;
		case 'u':
			until = optarg;
			break;
		default:
			return 2;
		}
	}
	if (optind != argc - 1 || procs > PROCS_MAX ||
	    n_threads > THREADS_MAX || chdir(argv[optind]) < 0)
		return 2;
	calls /= procs * n_threads;
	all = mmap(NULL, procs * n_threads * sizeof(*all),
		   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return 2;
	stats = &all[0];
	storm_stable();
	for (unsigned p = 0; p < procs; p++) {
		if (fork() == 0)
			_exit(run_process(p));
	}
	while (wait(&status) > 0)
		failed += status != 0;
	return report(procs * n_threads) || failed;
}
