/*
 * What is marked for which change:
 *
 *	a name comes or goes	its directory; what is made is covered by that
 *	a directory is made	its future name, with all below
 *	a directory moves	it, with all below, and both its parents
 *	content			the file, and where it is
 *	attributes		the directory that the object is in
 *	one more name		its directory, and that of the one before
 *	content, unseen		the file, and where it is, each time it moves
 *
 * A file that has no name any more needs none: nobody will find it.
 *
 * A change is found at a name that is on the disk after a power cut, and the
 * newest name need not be. So the directory of a first name is marked when a
 * file gets a second one; and of a file with several names attributes are
 * marked as content is: that is looked at by all names that the replica has.
 */
#include "confdefs.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "activity.h"
#include "fs/lower.h"
#include "fs/touch.h"

static struct activity *alog;	      /* constant while the worker runs */
static __thread unsigned thread_slot; /* this thread's */

void touches_start(struct activity *a)
{
	alog = a;
}

void touch_thread_start(unsigned slot)
{
	thread_slot = slot;
}

void touch_end(void)
{
	activity_done(alog, thread_slot);
}

static void mark_dir(struct mark *m, const struct inode *dir)
{
	m->kind = MARK_DIR;
	inode_handle(dir, &m->obj);
	if (!inode_parent(dir, &m->dir))
		m->dir.len = 0;
}

void touch_dir(const struct inode *dir)
{
	struct mark m = {0};
	if (!alog)
		return;
	mark_dir(&m, dir);
	activity_touch(alog, thread_slot, &m, 1);
}

void touch_new_dir(const struct inode *dir, const char *name)
{
	struct mark m[2] = {0};
	if (!alog)
		return;
	mark_dir(&m[0], dir);
	m[1].kind = MARK_NEW_DIR;
	inode_handle(dir, &m[1].dir);
	snprintf(m[1].name, sizeof(m[1].name), "%s", name);
	activity_touch(alog, thread_slot, m, 2);
}

void touch_made(const struct fhandle *obj)
{
	activity_covered(alog, thread_slot, obj);
}

/* False: it has no name any more. It may have one that we have not seen. */
static bool mark_file(struct mark *m, const struct inode *i)
{
	m->kind = MARK_FILE;
	inode_handle(i, &m->obj);
	if (!inode_parent(i, &m->dir))
		m->dir.len = 0;
	return !inode_is_gone(i);
}

void touch_file(const struct inode *i)
{
	struct mark m = {0};
	if (alog && mark_file(&m, i))
		activity_touch(alog, thread_slot, &m, 1);
}

static bool has_names(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && st.st_nlink > 1;
}

void touch_attr(const struct inode *i, int fd)
{
	struct mark m[2] = {{.kind = MARK_DIR}};
	unsigned n = 1;
	if (!alog || inode_is_gone(i))
		return;
	if (inode_type(i) == S_IFDIR)
		mark_dir(&m[0], i);
	else if (!inode_parent(i, &m[0].obj))
		mark_file(&m[0], i);
	else if (has_names(fd))
		mark_file(&m[n++], i);
	activity_touch(alog, thread_slot, m, n);
}

void touch_link(const struct inode *dir, const struct inode *i)
{
	struct mark m[2] = {{0}, {.kind = MARK_DIR}};
	unsigned n = 1;
	if (!alog)
		return;
	mark_dir(&m[0], dir);
	if (inode_parent(i, &m[1].obj) || mark_file(&m[1], i))
		n++;
	activity_touch(alog, thread_slot, m, n);
}

void touch_rename(const struct touch_rename *t)
{
	struct mark m[4] = {0};
	unsigned n = 2;
	if (!alog)
		return;
	mark_dir(&m[0], t->from);
	mark_dir(&m[1], t->to);
	for (unsigned k = 0; k < 2; k++) {
		if (!t->trees[k])
			continue;
		m[n] = (struct mark){.kind = MARK_TREE, .obj = *t->trees[k]};
		n++;
	}
	activity_touch(alog, thread_slot, m, n);
}

/*
 * The mark of such a file stays for long, when those of the folders that a name
 * came from and went to are lifted. It may be moved while we mark it: who moves
 * it looks after that whether it is unseen, and we after this where it is.
 */
void touch_unseen(const struct inode *i)
{
	struct mark m = {.stays = true};
	struct fhandle now;
	if (!alog || !i || !inode_is_unseen(i))
		return;
	do {
		if (!mark_file(&m, i))
			return;
		activity_place(alog, thread_slot, &m);
	} while (inode_parent(i, &now) && !fhandle_equal(&now, &m.dir));
}

static void stays(const struct inode *i,
		  void (*pin)(struct activity *a, const struct fhandle *obj))
{
	struct fhandle fh;
	inode_handle(i, &fh);
	pin(alog, &fh);
}

bool touch_stays(const struct inode *i)
{
	bool named = !inode_is_gone(i);
	if (named)
		stays(i, activity_pin);
	return named;
}

void touch_stays_not(const struct inode *i)
{
	stays(i, activity_unpin);
}

bool touch_stayed(struct mark *ret)
{
	return activity_stayed(alog, ret);
}

void touch_stayed_not(const struct mark *m)
{
	activity_unpin(alog, &m->obj);
}

int touch_sync(int fd, bool datasync)
{
	uint64_t ticket = activity_sync_begin(alog);
	int r = (datasync ? fdatasync(fd) : fsync(fd)) < 0 ? lower_errno() : 0;
	activity_sync_end(alog, ticket);
	return r;
}
