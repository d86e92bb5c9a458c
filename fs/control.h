#ifndef MIRRORFS_FS_CONTROL_H
#define MIRRORFS_FS_CONTROL_H

/*
 * The supervisor's end of the control socket (include/runtime.h). Requests
 * are one short line. The supervisor waits for it in its poll set: a client
 * that dawdles holds up nobody but other clients, and these for a second.
 */

#include <stddef.h>

#include "clock.h"

enum control_verb {
	CONTROL_NONE, /* nothing to do: dropped or unknown, already answered */
	CONTROL_STATUS,
	CONTROL_WAKE,
	CONTROL_STOP,
	CONTROL_UPGRADE, /* its text: the program */
};

#define CONTROL_TEXT 4096

#define CONTROL_WAIT_NS NS_PER_S

/* control_accept - the next client, or -1. */
int control_accept(int listen_fd);

/* control_read - what the client wants, once there is something to read. `fd`
 * is for control_answer, or closed when the verb is CONTROL_NONE. `text` is
 * what follows the word. */
enum control_verb control_read(int fd, char text[CONTROL_TEXT]);

/* control_answer - one line (a newline is added), then hang up. */
void control_answer(int fd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
