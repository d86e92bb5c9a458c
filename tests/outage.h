/*
 * outage - the mount is taken away on purpose, or its disk is filled, and a test
 * says so
 *
 * A file grows by a byte when the supervisor has been killed, and by another one
 * when the tree is mounted again: while its size is odd there is no mount, and
 * what was open before stays dead. A call that fails as they do then must be
 * followed by that. A file beside, FILE.killed, is touched before each kill. Another
 * one tells in the same way since when and until when the disk is full. Not for
 * threads.
 */
#ifndef TESTS_OUTAGE_H
#define TESTS_OUTAGE_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *outage_file, *full_file; /* NULL: there is none */
static off_t outage_seen, full_seen;

static off_t outage_size_of(const char *file)
{
	struct stat st;
	if (!file)
		return 0;
	if (stat(file, &st) < 0) {
		perror(file);
		exit(2);
	}
	return st.st_size;
}

static off_t outage_size(void)
{
	return outage_size_of(outage_file);
}

/* outage_met - a call of `us` microseconds, just over, has met a kill. */
static inline bool outage_met(long long us)
{
	char killed[4096];
	struct timespec now;
	struct stat st;
	snprintf(killed, sizeof(killed), "%s.killed",
		 outage_file ? outage_file : "");
	if (!outage_file || stat(killed, &st) < 0)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	/* times of files are those of the last tick of the kernel's clock */
	return (now.tv_sec - st.st_mtim.tv_sec) * 1000000LL +
		       (now.tv_nsec - st.st_mtim.tv_nsec) / 1000 <
	       us + 10000;
}

/* outage_begin - what may fail begins, once there is a mount. True: another
 * one than at the last call. */
static inline bool outage_begin(void)
{
	off_t now;
	while ((now = outage_size()) % 2)
		usleep(10000);
	bool another = now != outage_seen;
	outage_seen = now;
	full_seen = outage_size_of(full_file);
	return another;
}

/* outage_explains - that errno, since outage_begin. */
static inline bool outage_explains(int error)
{
	if (error == ENOSPC && full_file)
		return full_seen % 2 || outage_size_of(full_file) != full_seen;
	if (!outage_file ||
	    (error != ENOTCONN && error != ECONNABORTED && error != EIO))
		return false;
	for (int i = 0; i < 6000; i++) {
		if (outage_size() != outage_seen)
			return true;
		usleep(10000);
	}
	errno = error;
	return false;
}

#endif
