#ifndef MIRRORFS_FS_CONTROL_H
#define MIRRORFS_FS_CONTROL_H

/*
 * The supervisor's end of the control socket (include/runtime.h). Requests
 * are one short line; a client that dawdles is dropped after a second, so it
 * cannot hold up the supervisor.
 */

#include <stddef.h>

enum control_verb {
	CONTROL_NONE, /* nothing to do: dropped or unknown, already answered */
	CONTROL_STATUS,
	CONTROL_WAKE,
	CONTROL_STOP,
	CONTROL_UPGRADE, /* its text: the program */
};

#define CONTROL_TEXT 4096

/* control_accept - take one client and its request. *ret_fd is the client,
 * for control_answer, when the verb is not CONTROL_NONE. `text` is what follows
 * the word. */
enum control_verb control_accept(int listen_fd, int *ret_fd,
				 char text[CONTROL_TEXT]);

/* control_answer - one line (a newline is added), then hang up. */
void control_answer(int fd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
