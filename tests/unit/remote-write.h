/* A small file and a folder on the other side, for the tests of requests. */
#ifndef TEST_REMOTE_WRITE_H
#define TEST_REMOTE_WRITE_H

#include "remote-wait.h"

struct written {
	unsigned pending;
	int status; /* of the first that failed */
	struct remote_handle handle;
};

static void written_got(void *arg, const struct remote_reply *reply)
{
	struct written *w = arg;
	w->pending--;
	if (w->status == 0)
		w->status = reply->status;
	if (reply->status == 0 && reply->handle)
		remote_keep_handle(reply, &w->handle);
}

/* The requests behind the open are sent without waiting; all must succeed. */
static inline int remote_write_file(struct remote *r, const char *path,
				    uint32_t mode, const void *data, size_t len)
{
	const struct remote_attr attr = {.flags = ATTR_MODE, .mode = mode};
	struct written w = {.pending = 1};
	remote_send_open(r, path, RO_WRITE | RO_CREATE | RO_TRUNC, mode,
			 written_got, &w);
	answers_wait(r, &w.pending);
	if (w.status < 0)
		return w.status;
	for (size_t n, off = 0; off < len; off += n) {
		n = len - off < 32768 ? len - off : 32768;
		w.pending++;
		remote_send_write(r, &w.handle, off, (const char *)data + off,
				  (uint32_t)n, written_got, &w);
	}
	w.pending += 2;
	remote_send_fsetstat(r, &w.handle, &attr, written_got, &w);
	remote_send_close(r, &w.handle, written_got, &w);
	answers_wait(r, &w.pending);
	return w.status;
}

static inline int remote_mkdir(struct remote *r, const char *path,
			       uint32_t mode)
{
	struct written w = {.pending = 1};
	remote_send_mkdir(r, path, mode, written_got, &w);
	answers_wait(r, &w.pending);
	return w.status;
}

#endif
