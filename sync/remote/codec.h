/* layer: remote */
#ifndef MIRRORFS_REMOTE_CODEC_H
#define MIRRORFS_REMOTE_CODEC_H

/*
 * SFTP version 3 (draft-ietf-secsh-filexfer-02) as bytes: requests are
 * appended to a buffer, replies are taken from one. Pure: no I/O, no state.
 *
 * Whatever the server sends is either understood or refused with -EBADMSG;
 * no length, count or name in it is trusted.
 */

#include <stdint.h>

#include "buf.h"
#include "remote.h"

enum packet_type {
	FXP_INIT = 1,
	FXP_VERSION = 2,
	FXP_OPEN = 3,
	FXP_CLOSE = 4,
	FXP_READ = 5,
	FXP_WRITE = 6,
	FXP_LSTAT = 7,
	FXP_FSTAT = 8,
	FXP_SETSTAT = 9,
	FXP_FSETSTAT = 10,
	FXP_OPENDIR = 11,
	FXP_READDIR = 12,
	FXP_REMOVE = 13,
	FXP_MKDIR = 14,
	FXP_RMDIR = 15,
	FXP_REALPATH = 16,
	FXP_RENAME = 18,
	FXP_READLINK = 19,
	FXP_SYMLINK = 20,
	FXP_STATUS = 101,
	FXP_HANDLE = 102,
	FXP_DATA = 103,
	FXP_NAME = 104,
	FXP_ATTRS = 105,
	FXP_EXTENDED = 200,
	FXP_EXTENDED_REPLY = 201,
};

#define CODEC_VERSION 3
/* A longer packet from a server is an attack or not SFTP. OpenSSH's own limit
 * is 256 KiB. */
#define CODEC_PACKET_MAX (512u * 1024)

/* ---- requests ---- */

/* codec_begin - head of a packet; returns what codec_end wants. For FXP_INIT
 * `id` is the protocol version. */
size_t codec_begin(struct buf *out, enum packet_type type, uint32_t id);
/* codec_end - sets the length of the packet that began at `start`. */
void codec_end(struct buf *out, size_t start);
void codec_put_attr(struct buf *out, const struct remote_attr *a);

/* ---- replies ---- */

struct packet {
	uint8_t type;
	uint32_t id;     /* VERSION: the server's protocol version */
	struct buf body; /* a view, to be read only */
};

/*
 * codec_next - the packet at the front of `in`, which must be buf_consume'd
 * with *ret_size when it was dealt with.
 * Returns 1, 0 when it is not complete yet, or -EBADMSG.
 */
int codec_next(const struct buf *in, struct packet *ret, size_t *ret_size);

/* What a request hopes for; a STATUS is right for each but INIT. */
enum reply_kind {
	REPLY_STATUS,
	REPLY_HANDLE,
	REPLY_DATA,
	REPLY_LIST,
	REPLY_TEXT,
	REPLY_ATTR,
	REPLY_STATVFS,
	REPLY_LIMITS,
	REPLY_NAMES,
	REPLY_VERSION, /* to INIT; the only reply without an id */
};

struct codec_limits { /* 0: unknown */
	uint64_t packet_bytes, read_bytes, write_bytes, handles;
};

/* A reply, with what its pointers need. Reused from packet to packet. */
struct decoded {
	struct remote_reply reply;
	struct remote_attr attr;
	struct remote_space space;
	char *text;
	struct codec_limits limits;
	uint32_t version, ext; /* VERSION: enum remote_ext */
};

/*
 * codec_decode - `max_data` is how much the READ asked for. What an earlier
 * call left in `d` is freed first; start with zeroes.
 * Returns 0, or -EBADMSG: not a reply to such a request.
 */
int codec_decode(struct packet *p, enum reply_kind kind, uint32_t max_data,
		 struct decoded *d);
void codec_decoded_done(struct decoded *d);

#endif
