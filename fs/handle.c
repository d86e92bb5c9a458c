/*
 * Handles are kept for the next worker, which opens their objects again by
 * file handle. There is no way to see from outside that it is another
 * descriptor: the kernel gives the position with each request, and permissions
 * were checked when it was opened first.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs/content.h"
#include "fs/handle.h"
#include "fs/kept.h"
#include "fs/slots.h"
#include "log.h"

static struct slots *slots; /* constant while the worker runs */
static int fd_limit;	    /* constant while the worker runs */

int handles_start(int max_fd)
{
	fd_limit = max_fd;
	return kept_slots(KEPT_HANDLES, &slots);
}

/* ---- all of them ---- */

static void (*each)(struct handle *h); /* one thread, at start and end */

static void each_item(void *item)
{
	each(item);
}

void handles_each(void (*fn)(struct handle *h))
{
	each = fn;
	if (slots)
		slots_each(slots, each_item);
}

void handles_free(void)
{
	handles_each(handle_free);
}

static void handle_leave(struct handle *h)
{
	if (h->dir)
		closedir(h->dir);
	else if (h->fd >= 0)
		close(h->fd);
}

void handles_stop(void)
{
	if (slots)
		handles_each(handle_leave);
	slots_close(slots);
	slots = NULL;
}

/* ---- an earlier worker's ---- */

static const uint64_t *orphan_makers; /* one thread, at the start */
static unsigned n_orphan_makers;

static bool is_orphan(const struct handle *h)
{
	for (unsigned i = 0; i < n_orphan_makers; i++) {
		if (h->maker == orphan_makers[i])
			return true;
	}
	return false;
}

static int open_again(const struct handle *h)
{
	int fd = inode_open(h->inode, h->flags);
	/* it was made append-only since (chattr +a) */
	if (fd == -EPERM && (h->flags & O_ACCMODE) != O_RDONLY)
		fd = inode_open(h->inode, h->flags | O_APPEND);
	return fd;
}

static int open_to_read(struct handle *h)
{
	h->reads_only = true;
	return inode_open(h->inode, (h->flags & ~O_ACCMODE) | O_RDONLY);
}

static void handle_restore(struct handle *h)
{
	struct inode *i = inode_get(h->inode_id);
	h->dir = NULL;
	h->fd = -1;
	if (!h->id || !i) {
		slots_drop(slots, slots_number(h));
		return;
	}
	h->inode = i;
	h->dir_off = -1;
	pthread_mutex_init(&h->lock, NULL);
	inode_ref(i);
	inode_opened(i);
	h->reads_only = false;
	int fd = open_again(h);
	/* made immutable since, or the file system became read-only */
	if (fd == -EPERM || fd == -EROFS)
		fd = open_to_read(h);
	h->fd = fd < 0 ? -EBADF : fd;
	if (fd < 0)
		log_warning("an open file cannot be opened again: %s",
			    strerror(-fd));
	else if (h->is_dir)
		h->dir = fdopendir(fd);
	/* of a worker without passthrough: this one may have it */
	if (h->served == SERVED_PLAIN && !h->is_dir)
		h->served = SERVED_PAGE;
	passthrough_restore(i, h->served, h->backing_id);
}

static void orphan_free(struct handle *h)
{
	if (!is_orphan(h))
		return;
	h->writable = false; /* content_open was of the one who died */
	handle_free(h);
}

void handles_restore(const uint64_t *makers, unsigned n)
{
	handles_each(handle_restore);
	orphan_makers = makers;
	n_orphan_makers = n;
	handles_each(orphan_free);
}

/* ---- one of them ---- */

/* The lowest free number is given first, so a high one means that nearly all
 * below are taken. */
bool handle_fits(int fd)
{
	return fd < fd_limit;
}

int handle_new(struct inode *i, int fd, int flags, struct handle **ret)
{
	uint64_t id;
	struct handle *h = handle_fits(fd) ? slots_take(slots, &id) : NULL;
	if (!h) {
		close(fd);
		return handle_fits(fd) ? -ENOMEM : -ENFILE;
	}
	h->inode = i;
	h->inode_id = inode_id(i);
	h->maker = flight_number(flight_now());
	h->fd = fd;
	h->flags = flags;
	h->is_dir = inode_type(i) == S_IFDIR;
	h->dir_off = -1;
	h->reads_only = false;
	pthread_mutex_init(&h->lock, NULL);
	inode_ref(i);
	inode_opened(i);
	atomic_signal_fence(memory_order_seq_cst);
	h->id = id;
	*ret = h;
	return 0;
}

struct handle *handle_get(uint64_t id)
{
	return slots_get(slots, id);
}

int handle_writes(struct handle *h)
{
	int r = 0;
	pthread_mutex_lock(&h->lock);
	if (h->reads_only) {
		CLEANUP_CLOSE int fd = open_again(h);
		r = fd < 0 ? fd : 0;
		/* the number stays: others read by it meanwhile */
		if (r == 0 && dup3(fd, h->fd, O_CLOEXEC) < 0)
			r = -errno;
		h->reads_only = r < 0;
	}
	pthread_mutex_unlock(&h->lock);
	return r;
}

void handle_free(struct handle *h)
{
	struct inode *i = h->inode;
	/* whether others can still write can be asked when we cannot */
	if (h->writable && !h->unseen)
		content_close(i, h->fd);
	if (h->dir)
		closedir(h->dir);
	else if (h->fd >= 0)
		close(h->fd);
	passthrough_close(i, h->served);
	if (h->writable && h->unseen)
		content_close(i, -1);
	pthread_mutex_destroy(&h->lock);
	slots_drop(slots, h->id);
	inode_closed(i);
	inode_unref(i);
}
