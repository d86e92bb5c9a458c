#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/content.h"
#include "fs/handle.h"
#include "fs/slots.h"

static struct slots *slots; /* constant while the worker runs */
static int fd_limit;	    /* constant while the worker runs */

void handles_start(int max_fd)
{
	fd_limit = max_fd;
	slots = slots_new(sizeof(struct handle));
}

static void close_item(void *item)
{
	handle_free(item);
}

void handles_stop(void)
{
	slots_each(slots, close_item);
	slots_free(slots);
	slots = NULL;
}

/* The lowest free number is given first, so a high one means that nearly all
 * below are taken. */
bool handle_fits(int fd)
{
	return fd < fd_limit;
}

int handle_new(struct inode *i, int fd, struct handle **ret)
{
	uint64_t id;
	struct handle *h = handle_fits(fd) ? slots_take(slots, &id) : NULL;
	if (!h) {
		close(fd);
		return handle_fits(fd) ? -ENOMEM : -ENFILE;
	}
	h->id = id;
	h->inode = i;
	h->fd = fd;
	h->dir_off = -1;
	pthread_mutex_init(&h->lock, NULL);
	inode_ref(i);
	*ret = h;
	return 0;
}

struct handle *handle_get(uint64_t id)
{
	return slots_get(slots, id);
}

void handle_free(struct handle *h)
{
	struct inode *i = h->inode;
	/* whether others can still write can be asked when we cannot */
	if (h->writable && !h->unseen)
		content_close(i, h->fd);
	if (h->dir)
		closedir(h->dir);
	else
		close(h->fd);
	passthrough_close(i, h->served);
	if (h->writable && h->unseen)
		content_close(i, -1);
	pthread_mutex_destroy(&h->lock);
	slots_drop(slots, h->id);
	inode_unref(i);
}
