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
 *		if (there was a request) {
 *			intake_got(in, &t, intake_is_quick(request));
 *			serve it;
 *		} else if (!intake_look(in, &t) && intake_sleep(in, &t)) {
 *			the end;
 *		}
 *	}
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct intake {
	int poll_fd;  /* all threads sleep here */
	int timer_fd; /* the watch */
	int fuse_fd;  /* borrowed */
	bool crowded; /* constant: more threads at once make it no faster */

	_Atomic bool held;	/* somebody is the holder */
	_Atomic bool late;	/* … and shall not be it any longer */
	_Atomic bool watched;	/* the timer runs */
	_Atomic unsigned turns; /* of holders: a request begun, or looked for */
	_Atomic unsigned empty; /* how often they found none */
	/* whoever runs the watch, as it was when it looked last: */
	_Atomic unsigned turns_then, empty_then;
	/* written by whoever ends looking: */
	_Atomic int credit;	/* what it has brought lately */
	_Atomic unsigned pause; /* without credit: sleep so often before */
};

struct intake_thread { /* owned by its thread; zeroed at the start */
	bool holds;
	bool looks;    /* it holds, and waits for the next request */
	bool busy;     /* somebody else had use for its processor */
	bool disarmed; /* it owes the others to arm the descriptor */
	bool served;   /* a request since it slept */
	unsigned turns;
	int64_t until_ns, limit_ns, last_ns;
};

/* intake_open - `fuse_fd` does not block; `exit_fd` is readable when all
 * shall end. Both are borrowed. Returns 0, or a negative errno. */
int intake_open(struct intake *in, int fuse_fd, int exit_fd);
void intake_close(struct intake *in);

/* intake_is_quick - serving this request of FUSE takes some microseconds, as a
 * rule. It must be there as long as its kind and length say. */
bool intake_is_quick(const void *request);
/* intake_got - there was a request. */
void intake_got(struct intake *in, struct intake_thread *t, bool quick);
/* intake_look - there was none; true: look again. intake_sleep - else, until
 * it is worth while; true: all shall end. */
bool intake_look(struct intake *in, struct intake_thread *t);
bool intake_sleep(struct intake *in, struct intake_thread *t);

#endif
