#ifndef MIRRORFS_FS_DEPOSIT_H
#define MIRRORFS_FS_DEPOSIT_H

/*
 * Files that are open but have no link any more would be gone with the worker
 * that has them open: nothing but a descriptor leads to them. So the worker
 * leaves one of each with the supervisor, before the last link goes, and a new
 * worker gets them. At most DEPOSIT_MAX; beyond that such a file is lost to
 * its users (EBADF) if the worker dies.
 *
 * Over the same socket the worker says when it serves and when it ends, and
 * learns at once that the supervisor is gone. And the supervisor gets the end of
 * a pipe that hangs up when the worker dies, though it cannot end.
 */

#include <stdbool.h>
#include <stdint.h>

#define DEPOSIT_MAX 4096u

/* ---- the worker's side; any thread ---- */

/* deposit_open - `sock` (borrowed) is the supervisor's; -1: there is none, and
 * nothing below does anything. */
void deposit_open(int sock);
/* deposit_live - the supervisor hears at once when the process dies. Starts a
 * thread: once the privileges have been dropped, which is done by each for itself. */
void deposit_live(void);
/* deposit_fetch - call `fn` with all that was left by earlier workers; it
 * takes the descriptors over. Returns 0, or a negative errno. */
int deposit_fetch(void (*fn)(uint64_t id, int fd));
/* deposit_hold - `fd` (borrowed) is the object of inode `id`. */
void deposit_hold(uint64_t id, int fd);
/* deposit_drop - the supervisor need not have it any more. Does not wait. */
void deposit_drop(uint64_t id);
/* deposit_flush - tell the supervisor of drops for which there was no room in
 * its queue. False: there is none yet, and some remain. */
bool deposit_flush(void);
/* deposit_say - from now on requests are answered; or not any more, as the kernel
 * says that the mount is gone, or as another worker is to come. What is left to be
 * done then may take a while. */
enum deposit_word {
	DEPOSIT_SERVING = 2, /* among the kinds of messages */
	DEPOSIT_UNMOUNTED = 5,
	DEPOSIT_RETIRING
};
void deposit_say(enum deposit_word word);
/* deposit_orphaned - the supervisor is gone, or wants the end of it. */
bool deposit_orphaned(void);

/* ---- the supervisor's side ---- */

struct deposits {
	int sock; /* to the worker that runs, -1 at first */
	int life; /* hangs up when that one dies; -1: it has, or is not known */
	unsigned n, max;
	bool said; /* that there are too many */
	struct deposited {
		uint64_t id;
		int fd;
	} * items; /* n of them are in use; owned */
};

/* deposits_init - nothing yet, at most `max`. */
void deposits_init(struct deposits *d, unsigned max);
/* deposits_connect - for a new worker: takes in what the one before has said
 * last, and offers all to it. Returns the worker's end of the socket, to be
 * closed after it was started, or a negative errno. */
int deposits_connect(struct deposits *d);
/* deposits_read - what there is to read from d->sock. Returns which words were
 * said: 1 << word; *ret_said_ns, monotonic: when that it is unmounted was. */
unsigned deposits_read(struct deposits *d, int64_t *ret_said_ns);
/* deposits_life_ends - d->life has hung up. */
void deposits_life_ends(struct deposits *d);
/* deposits_hang_up - the worker shall end. */
void deposits_hang_up(struct deposits *d);
/* deposits_done - and closes all. */
void deposits_done(struct deposits *d);

#endif
