#ifndef MIRRORFS_FS_INTAKE_H
#define MIRRORFS_FS_INTAKE_H

/*
 * How the threads of the worker wait for the next request: asleep, or, when
 * requests have just come and a processor has nothing else to do, looking
 * again for some microseconds.
 *
 *	struct intake_thread t = {0};
 *	for (;;) {
 *		read without blocking;
 *		if (there was a request) { intake_got(in, &t); serve it; }
 *		else if (intake_wait(in, &t)) the end;
 *	}
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct intake {
	int poll_fd;	       /* all threads sleep here */
	int fuse_fd;	       /* borrowed */
	_Atomic bool spinning; /* a thread looks again and again */
	/* written by whoever ends looking: */
	_Atomic int credit;	/* what it has brought lately */
	_Atomic unsigned pause; /* without credit: sleep so often before */
};

struct intake_thread { /* owned by its thread; zeroed at the start */
	bool spins;    /* it is the one that looks */
	bool busy;     /* somebody else had use for its processor */
	bool disarmed; /* it owes the others to arm the descriptor */
	bool served;   /* a request since it slept */
	unsigned turns;
	int64_t until_ns, last_ns;
};

/* intake_open - `fuse_fd` does not block; `exit_fd` is readable when all
 * shall end. Both are borrowed. Returns 0, or a negative errno. */
int intake_open(struct intake *in, int fuse_fd, int exit_fd);
void intake_close(struct intake *in);

/* intake_got - there was a request. */
void intake_got(struct intake *in, struct intake_thread *t);
/* intake_wait - there was none; returns when to look again, true when all
 * shall end. */
bool intake_wait(struct intake *in, struct intake_thread *t);

#endif
