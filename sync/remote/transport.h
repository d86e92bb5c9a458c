/* layer: remote */
#ifndef MIRRORFS_REMOTE_TRANSPORT_H
#define MIRRORFS_REMOTE_TRANSPORT_H

/*
 * A two-way stream of bytes to an SFTP server that never blocks: a pipe to a
 * child or a channel of an SSH session. Owned by one `struct remote`.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote.h"

struct transport;

struct transport_ops {
	/*
	 * Return how many bytes were moved, 0 when nothing can move now, or
	 * -ENOTCONN: the stream has ended, t->why says how.
	 */
	ssize_t (*write)(struct transport *t, const void *p, size_t n);
	ssize_t (*read)(struct transport *t, void *p, size_t n);
	/* poll(2) events to wait for; `unsent`: write() did not take all. */
	short (*events)(struct transport *t, bool unsent);
	/* A number that grows with each sign of life of the peer, also of
	 * those that carry no byte of SFTP. */
	uint64_t (*heard)(struct transport *t);
	/* Provoke a sign of life; NULL when the peer cannot give one while the
	 * SFTP server is busy. */
	void (*provoke)(struct transport *t);
	/* Hang up and free. */
	void (*close)(struct transport *t);
};

struct transport {
	const struct transport_ops *ops;
	int fd;        /* to poll */
	int stop_fd;   /* constant: of the configuration */
	bool is_local; /* constant */
	bool ended;    /* the peer hung up in good order */
	char why[256]; /* the end of the stream, in words */
};

/* stop_poll - what poll(2) is to wait for besides, where there is a stop_fd. */
static inline struct pollfd stop_poll(int stop_fd)
{
	return (struct pollfd){.fd = stop_fd > 0 ? stop_fd : -1,
			       .events = POLLIN};
}

/* pipe_open - start sftp-server as a child. */
int pipe_open(struct transport **ret, struct remote_error *err);

/* pipe_adopt - a stream over the socket `fd`, taken; no child. */
struct transport *pipe_adopt(int fd);

/* session_open - connect, check the host key, log in, start the subsystem. */
int session_open(const struct remote_url *url, const struct remote_config *cfg,
		 struct transport **ret, struct remote_error *err);

#endif
