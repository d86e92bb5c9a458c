/* layer: remote */
#ifndef MIRRORFS_REMOTE_CONN_H
#define MIRRORFS_REMOTE_CONN_H

/*
 * The inside of a `struct remote`, for the files of this folder and their
 * tests. Everything in it belongs to the thread that owns it.
 */

#include "rate.h"
#include "sync/remote/requests.h"
#include "sync/remote/transport.h"
#include "sync/remote/window.h"

struct remote {
	struct transport *wire;
	char *base;              /* constant: path of the replica's root */
	char *root;              /* another one, which is used; or NULL */
	struct remote_caps caps; /* constant after remote_start, and probing */
	bool swap_symlink;       /* likewise */
	int64_t timeout_ns;      /* constant */
	struct remote *second;   /* pumped along, owned; or NULL */
	struct requests requests;
	struct window window;    /* for large files */
	struct bucket pace;      /* for content */
	uint64_t written;        /* bytes of content */
	struct buf in, out;
	struct decoded decoded;
	uint32_t init_id;        /* what VERSION is a reply to */
	bool dead;
	bool bulk_waits;         /* for `out` to become empty */
	bool delivering;         /* a done function runs */
	bool keepalive;          /* one is under way */
	bool provoked;           /* the wire was asked for a sign of life */
	uint64_t heard;          /* ops->heard when it last grew */
	int64_t heard_ns;        /* and when that was */
	int64_t reply_ns;        /* of the newest reply */
	int64_t left_ns;         /* when remote_pump last returned */
	struct remote_error why; /* of death */
};

/*
 * remote_start - SFTP over `wire`, which is taken in any case: INIT, limits.
 * Returns 0, or -1 with *err filled.
 */
int remote_start(struct transport *wire, const char *base, int timeout_ms,
		 struct remote **ret, struct remote_error *err);

/*
 * remote_begin - a new request: registers it and begins its packet, which the
 * caller completes in r->out and ends with remote_end. On a dead connection
 * the packet leads nowhere and the request fails in the next pump.
 */
size_t remote_begin(struct remote *r, enum packet_type type,
		    const struct request *what);
void remote_end(struct remote *r, size_t start);

/* remote_answer - a request that is answered here, with `status`, from the
 * next pump. */
void remote_answer(struct remote *r, int status, remote_done_fn *fn,
		   void *arg);

/* remote_die - the connection is lost; the next step of the pump buries it. */
void remote_die(struct remote *r, enum remote_failure kind, const char *fmt,
		...) __attribute__((format(printf, 3, 4)));

/* remote_put_path - the tree path as the server knows it. */
void remote_put_path(struct remote *r, const char *path);

#endif
