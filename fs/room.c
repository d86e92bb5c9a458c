/*
 * The oldest go first, but for directories, which may be somebody's working
 * directory, and for what is open: a name that the kernel had to forget looks
 * removed to who holds it. The kernel answers with FORGET, which drops the pin.
 * Nobody waits for this: who comes meanwhile takes what is left, up to the
 * limit.
 */
#include "confdefs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "cleanup.h"
#include "clock.h"
#include "fs/inode.h"
#include "fs/ops.h"
#include "fs/pins.h"
#include "fs/room.h"

#define ROUND	 32 /* so many, then let the kernel answer */
#define PAUSE_NS NS_PER_MS

static pthread_t thread;
static bool runs; /* the main thread's */

static void forget(const struct fhandle *fh)
{
	uint64_t dir;
	struct inode *i = inode_find(fh);
	CLEANUP_FREE char *name = i ? inode_spare(i, &dir) : NULL;
	inode_unref(i);
	if (name)
		op_forget_name(dir, name);
}

static void *room_main(void *arg)
{
	const struct timespec pause = {0, PAUSE_NS};
	struct fhandle fh;
	while (pins_wait_crowded()) {
		for (unsigned n = 0; n < ROUND && pins_oldest(&fh); n++)
			forget(&fh);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int room_start(void)
{
	if (!pins_used())
		return 0;
	int r = pthread_create(&thread, NULL, room_main, NULL);
	runs = r == 0;
	return -r;
}

void room_stop(void)
{
	if (!runs)
		return;
	pins_wake_all();
	pthread_join(thread, NULL);
	runs = false;
}
