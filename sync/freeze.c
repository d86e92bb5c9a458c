/*
 * A file that is written all over without a pause: whatever is read of it has
 * been overtaken when it could be published. So the worker is asked to hold its
 * writers for a moment when it settles next (shared_want). In that moment a copy
 * is made, which is sent at leisure: a clone where the lower file system has
 * such (xfs, btrfs), in memory where the file is small.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "sync/exec.h"

#define WANTS	 4
#define COPY_MAX (16 << 20) /* bytes; some ms */

struct freeze {
	struct want {
		struct fhandle obj;
		int place; /* of shared_want */
	} wants[WANTS];
	unsigned n; /* the first is the oldest */
	bool no_clone;
};

static struct want *find(struct freeze *f, const struct fhandle *obj)
{
	for (unsigned i = 0; f && i < f->n; i++) {
		if (fhandle_equal(&f->wants[i].obj, obj))
			return &f->wants[i];
	}
	return NULL;
}

static void unwant(struct exec *x, struct want *w)
{
	struct freeze *f = x->freeze;

	shared_unwant(x->cfg.shared, w->place);
	for (f->n--; w < &f->wants[f->n]; w++)
		*w = w[1];
}

void freeze_want(struct step *s)
{
	struct exec *x = s->exec;
	struct freeze *f = x->freeze;

	if (!f && !(f = x->freeze = calloc(1, sizeof(*f))))
		abort();
	if (find(f, &s->obj) || (f->no_clone && s->st.st_size > COPY_MAX))
		return;
	if (f->n == WANTS)
		unwant(x, &f->wants[0]);
	int place = shared_want(x->cfg.shared, &s->obj);
	if (place >= 0)
		f->wants[f->n++] = (struct want){s->obj, place};
}

/* clone - of the file, without a name. -1: the file system has none. */
static int clone(const struct step *s)
{
	int fd = openat(s->exec->cfg.lower_fd, ".",
			O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 && ioctl(fd, FICLONE, s->fd) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool copy_to(int fd, const struct step *s)
{
	off_t off = 0, end, size = s->st.st_size;

	while ((off = lseek(s->fd, off, SEEK_DATA)) >= 0 && off < size) {
		end = lseek(s->fd, off, SEEK_HOLE);
		if (end < 0 || lseek(fd, off, SEEK_SET) < 0)
			return false;
		while (off < end) {
			ssize_t n =
				sendfile(fd, s->fd, &off, (size_t)(end - off));
			if (n <= 0)
				return false;
		}
	}
	return true;
}

/* copy - of a small one, in memory. -1: that cannot be. */
static int copy(const struct step *s)
{
	if (s->st.st_size > COPY_MAX)
		return -1;
	int fd = memfd_create("mirrorfs", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, s->st.st_size) == 0 && copy_to(fd, s))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

void freeze_take(struct step *s)
{
	struct exec *x = s->exec;
	struct freeze *f = x->freeze;
	struct want *w = find(f, &s->obj);
	bool busy;

	if (!w || shared_busy_mark(x->cfg.shared, &s->obj, &busy) != s->mark ||
	    busy)
		return; /* too late: when it settles next */
	int fd = f->no_clone ? -1 : clone(s);
	f->no_clone |= fd < 0;
	if (fd < 0)
		fd = copy(s);
	s->frozen = fd >= 0 &&
		    shared_busy_mark(x->cfg.shared, &s->obj, &busy) == s->mark;
	if (s->frozen) {
		close(s->fd);
		s->fd = fd;
	} else if (fd >= 0) {
		close(fd);
		return; /* the moment was too short */
	}
	unwant(x, w);
}

void freeze_forget(struct exec *x)
{
	while (x->freeze && x->freeze->n)
		unwant(x, &x->freeze->wants[0]);
	free(x->freeze);
	x->freeze = NULL;
}
