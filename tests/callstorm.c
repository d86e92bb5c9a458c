/*
 * callstorm - does each call do what it must, and how long does it take?
 *
 *	callstorm [--seed N] [--procs N] [--calls N] [--seconds N]
 *		  [--until FILE] DIR
 *
 * Several processes, each in a folder of its own with a model of it, make
 * random calls: every one must give the result that the model foresees, down
 * to the errno, and the content. What is killed or replaced under the file
 * system meanwhile must not show but in the time that a call takes.
 *
 * The last line tells calls, errors, the worst time and the 99th percentile.
 * Status 1: there were errors.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <getopt.h>
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

#define PROCS_MAX 32

struct stats *stats;
static uint64_t state;
static const char *until; /* stop when it is there */

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

static int run(unsigned proc, uint64_t calls, unsigned seconds)
{
	char folder[32];
	int64_t end = now_ns() + seconds * 1000000000LL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(folder, sizeof(folder), "p%u", proc);
	if ((mkdir(folder, 0755) < 0 && errno != EEXIST) || chdir(folder) < 0) {
		wrong("mkdir", folder);
		return 1;
	}
	storm_begin();
	if (proc % 2)
		be_interrupted();
	while (stats->calls < calls && (!seconds || now_ns() < end) &&
	       !(until && access(until, F_OK) == 0))
		storm_step();
	storm_end();
	return 0;
}

static int report(const struct stats *all, unsigned procs)
{
	struct stats sum = {0};
	for (unsigned p = 0; p < procs; p++) {
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
		{"calls", required_argument, NULL, 'c'},
		{"seconds", required_argument, NULL, 't'},
		{"until", required_argument, NULL, 'u'},
		{0},
	};
	uint64_t seed = 1, calls = UINT64_MAX;
	unsigned procs = 4, seconds = 0, failed = 0;
	int c, status;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			procs = (unsigned)atoi(optarg);
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
	if (optind != argc - 1 || procs > PROCS_MAX || chdir(argv[optind]) < 0)
		return 2;
	struct stats *all =
		mmap(NULL, procs * sizeof(*all), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return 2;
	for (unsigned p = 0; p < procs; p++) {
		stats = &all[p];
		state = (seed + 1) * 0x9e3779b97f4a7c15ULL + p;
		if (fork() == 0)
			_exit(run(p, calls / procs, seconds));
	}
	while (wait(&status) > 0)
		failed += status != 0;
	return report(all, procs) || failed;
}
