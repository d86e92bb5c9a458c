/*
 * A thread that is there as long as there is something to be closed: it does
 * nothing else, so the supervisor may fork meanwhile.
 */
#include "confdefs.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fs/closer.h"
#include "log.h"

#define QUICK_BLOCKS (64u << 11) /* of 512 bytes: these are freed at once */
#define SAY_NS	     (2 * NS_PER_S)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf */
static int *fds;					 /* LOCK_closer */
static size_t n_fds, cap_fds;
static bool runs; /* LOCK_closer */
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;

static void *closer_main(void *arg)
{
	pthread_mutex_lock(&lock);
	while (n_fds > 0) {
		int fd = fds[--n_fds];
		pthread_mutex_unlock(&lock);
		close(fd);
		pthread_mutex_lock(&lock);
	}
	runs = false;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static bool start(void)
{
	pthread_t id;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	bool started = pthread_create(&id, NULL, closer_main, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (started)
		pthread_detach(id);
	return started;
}

static bool room_locked(void)
{
	if (n_fds < cap_fds)
		return true;
	size_t cap = cap_fds ? cap_fds * 2 : 64;
	int *more = reallocarray(fds, cap, sizeof(*fds));
	if (!more)
		return false;
	fds = more;
	cap_fds = cap;
	return true;
}

/* False: there is no memory, or no thread. */
static bool close_later(int fd)
{
	pthread_mutex_lock(&lock);
	bool later = room_locked() && (runs || (runs = start()));
	if (later)
		fds[n_fds++] = fd;
	pthread_mutex_unlock(&lock);
	return later;
}

static bool is_slow(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && st.st_nlink == 0 &&
	       st.st_blocks > QUICK_BLOCKS;
}

void closer_close(int fd)
{
	if (!is_slow(fd) || !close_later(fd))
		close(fd);
}

void closer_wait(void)
{
	struct timespec until = clock_timespec(clock_wall_ns() + SAY_NS);
	pthread_mutex_lock(&lock);
	if (runs)
		pthread_cond_timedwait(&ended, &lock, &until);
	if (runs)
		log_notice("the file system below has still to free a large "
			   "file that was removed: that is waited for");
	while (runs)
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);
}
