/*
 * The object behind an inode: how it is opened, what is noted of it. What has
 * no link any more is pinned by a descriptor; while it is open, the supervisor
 * has another one for the next worker (deposit.h).
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/deposit.h"
#include "fs/inode-private.h"
#include "fs/lower.h"
#include "fs/order.h"
#include "fs/pins.h"

/* -ESTALE: it is not pinned. Waits for whoever takes the last name away. */
static int open_pinned(struct inode *i, int flags)
{
	int fd = -ESTALE;
	order_look(i->hash);
	if (i->pin_fd >= 0)
		fd = flags & O_PATH ? lower_duplicate(i->pin_fd)
				    : lower_reopen(i->pin_fd, flags);
	order_looked(i->hash);
	return fd;
}

int inode_open(struct inode *i, int flags)
{
	struct fhandle fh;
	int fd = i->pin_fd >= 0 ? open_pinned(i, flags) : -ESTALE;
	if (fd != -ESTALE)
		return fd;
	inode_handle(i, &fh);
	fd = lower_open(&fh, flags);
	return fd == -ESTALE ? open_pinned(i, flags) : fd;
}

void inode_copy_up(struct inode *i)
{
	struct fhandle fh;
	if (!pins_used())
		return;
	inode_handle(i, &fh);
	pins_copy_up(&fh);
}

int inode_stat(struct inode *i, struct stat *ret)
{
	int fd = i->pin_fd;
	if (fd >= 0)
		return fstat(fd, ret) < 0 ? lower_errno() : 0;
	struct fhandle fh;
	inode_handle(i, &fh);
	fd = lower_open(&fh, O_PATH);
	if (fd < 0)
		return fd;
	int r = fstat(fd, ret) < 0 ? lower_errno() : 0;
	close(fd);
	return r;
}

/* ---- without a link ---- */

/* may_be_open - of a fifo, socket or device the kernel tells us nothing. */
static bool may_be_open(const struct inode *i)
{
	return i->n_open > 0 ||
	       (i->type != S_IFREG && i->type != S_IFDIR && i->type != S_IFLNK);
}

void inode_hold(struct inode *i, int fd)
{
	if (i->held || fd < 0 || !may_be_open(i))
		return;
	i->held = true;
	deposit_hold(i->id, fd);
}

void inode_gone(struct inode *i, int pin_fd)
{
	int old = i->pin_fd;
	if (pin_fd >= 0)
		i->pin_fd = pin_fd;
	i->gone = true;
	if (pin_fd >= 0 && old >= 0)
		close(old);
	inode_hold(i, i->pin_fd);
}

void inode_held(struct inode *i, int fd)
{
	i->held = true;
	i->pin_fd = fd;
}

void inode_opened(struct inode *i)
{
	i->n_open++;
	if (i->gone)
		inode_hold(i, i->pin_fd);
}

void inode_closed(struct inode *i)
{
	i->n_open--;
}

void inode_linked(struct inode *i)
{
	int fd = i->pin_fd;
	i->pin_fd = -1;
	i->gone = false;
	if (i->held)
		deposit_drop(i->id);
	i->held = false;
	if (fd >= 0)
		close(fd);
}

bool inode_is_gone(const struct inode *i)
{
	return i->gone;
}

void inode_saw(struct inode *i, const struct stat *st)
{
	bool setid = st->st_mode & (S_ISUID | S_ISGID);
	if (i->setid != setid)
		i->setid = setid;
}

bool inode_had_setid(const struct inode *i)
{
	return i->setid;
}

struct content **inode_content(struct inode *i)
{
	return &i->content;
}

_Atomic uint32_t *inode_told(struct inode *i)
{
	return &i->told;
}

struct inode_pages *inode_pages(struct inode *i)
{
	return &i->pages;
}

struct pass **inode_pass(struct inode *i)
{
	return &i->pass;
}

void inode_set_unseen(struct inode *i, bool unseen)
{
	i->unseen = unseen;
}

bool inode_is_unseen(const struct inode *i)
{
	return i->unseen;
}

void inode_prefer_pages(struct inode *i)
{
	i->prefers_pages = true;
}

bool inode_prefers_pages(const struct inode *i)
{
	return i->prefers_pages;
}

void inode_set_mapped(struct inode *i, bool mapped)
{
	i->mapped = mapped;
}

bool inode_is_mapped(const struct inode *i)
{
	return i->mapped;
}

void inode_set_dirty(struct inode *i, bool dirty)
{
	i->dirty = dirty;
}

bool inode_is_dirty(const struct inode *i)
{
	return i->dirty;
}
