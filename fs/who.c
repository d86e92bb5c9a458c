/*
 * Reading a title takes a lock of the process looked at. It may hold that while
 * it waits for us (a write-back when it unmaps a file), or for a file system of
 * its own that never answers. So one thread looks at a time, the others always
 * go on serving: who finds it looking waits for a moment, and while it is overdue
 * nobody looks or waits. (To have a thread of its own look took 100 us each
 * time, for waking two.) The kernel's own write-back, pid 0, is never looked up.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fs/kept.h"
#include "fs/who.h"

#define CACHE_SIZE   256u
#define CACHE_NS     (10 * NS_PER_MS)
#define LOOK_WAIT_NS (20 * NS_PER_MS)

struct known {
	int32_t pid;
	int64_t until_ns;
	char program[sizeof(((struct who *)0)->program)];
	char title[sizeof(((struct who *)0)->title)];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* LOCK_who: a leaf */
static pthread_cond_t looked = PTHREAD_COND_INITIALIZER;
static struct known cache[CACHE_SIZE]; /* LOCK_who */
static bool looking;		       /* LOCK_who: somebody is … */
static int64_t overdue_ns;	       /* … and should be back by then */

/* How many bytes of the file were read; the rest of `out` is zero. */
static size_t read_proc(pid_t pid, const char *file, char *out, size_t size)
{
	char path[64];
	memset(out, 0, size);
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, out, size - 1);
	close(fd);
	return n > 0 ? (size_t)n : 0;
}

/* Arguments end with NUL; a rewritten title ends with many. */
static void tidy_title(char *title, size_t n)
{
	while (n > 0 && (title[n - 1] == '\0' || title[n - 1] == ' '))
		n--;
	for (size_t i = 0; i < n; i++) {
		if (title[i] == '\0' || title[i] == '\n')
			title[i] = ' ';
	}
	title[n] = '\0';
}

static void look_program(pid_t pid, char *program, size_t size)
{
	size_t n = read_proc(pid, "comm", program, size);
	if (n > 0 && program[n - 1] == '\n')
		program[n - 1] = '\0';
}

static void look(pid_t pid, struct known *k)
{
	k->pid = pid;
	look_program(pid, k->program, sizeof(k->program));
	size_t n = read_proc(pid, "cmdline", k->title, sizeof(k->title));
	tidy_title(k->title, n);
	k->until_ns = clock_mono_ns() + CACHE_NS;
}

/* may_look_locked - false: somebody looks who should be back. */
static bool may_look_locked(void)
{
	while (looking) {
		struct timespec end = clock_timespec(overdue_ns);
		if (clock_mono_ns() >= overdue_ns ||
		    pthread_cond_clockwait(&looked, &lock, CLOCK_MONOTONIC,
					   &end) == ETIMEDOUT)
			return false;
	}
	looking = true;
	overdue_ns = clock_mono_ns() + LOOK_WAIT_NS;
	return true;
}

static void take(const struct known *k, struct who *ret)
{
	memcpy(ret->program, k->program, sizeof(ret->program));
	memcpy(ret->title, k->title, sizeof(ret->title));
}

void who_get(uid_t uid, gid_t gid, pid_t pid, struct who *ret)
{
	*ret = (struct who){.uid = uid, .gid = gid, .pid = pid};
	if (pid <= 0)
		return;
	/* the former worker may have been held up by this very title, and
	 * nobody is served before these are answered */
	if (flight_again()) {
		look_program(pid, ret->program, sizeof(ret->program));
		return;
	}
	struct known *k = &cache[(uint32_t)pid % CACHE_SIZE];
	pthread_mutex_lock(&lock);
	if (k->pid == pid && clock_mono_ns() < k->until_ns) {
		take(k, ret);
	} else if (may_look_locked()) {
		struct known fresh;
		pthread_mutex_unlock(&lock);
		look(pid, &fresh);
		pthread_mutex_lock(&lock);
		*k = fresh;
		take(k, ret);
		looking = false;
		pthread_cond_broadcast(&looked);
	}
	pthread_mutex_unlock(&lock);
}
