/*
 * States of a content, by its members:
 *
 *   not there        nobody has the file open for writing
 *   writers, clean   open, unchanged since it was opened or settled
 *   writers, dirty   the journal has DIRTY, SETTLE is owed
 *   writing > 0      a lower call that changes it is under way; never settled
 *                    in this state, but by the content_end that ends it
 *
 * Unseen (passthrough.h): it may change without a request. It is dirty from the
 * open on, until nobody has it open for writing or mapped. Settled because it
 * was idle, it is dirty again after a rest, in which sync can read it.
 *
 * Held: settled though it has writers, and sync, which was overtaken by them
 * before, wants to read it (shared_want). Who writes waits until it has, for
 * HOLD_NS at most.
 *
 * If the worker dies, the next one knows from the inodes what was dirty, but
 * not which parts: the SETTLE says none, which means any. If there is none, the
 * journal knows from DIRTY without SETTLE what must be looked at.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "fs/change.h"
#include "fs/content-private.h"
#include "fs/handle.h"
#include "fs/passthrough.h"
#include "fs/touch.h"

#define HOLD_NS	    (50 * NS_PER_MS) /* a pause that users do not feel */
#define HOLD_NAP_US 500

struct contents contents = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.dirty = TAILQ_HEAD_INITIALIZER(contents.dirty),
	.unseen = TAILQ_HEAD_INITIALIZER(contents.unseen),
};
static bool ending; /* no thread but one: mappings are not waited for */

/* ---- all with the order lock held ---- */

static struct content *content_make(struct inode *i, const struct who *who)
{
	struct content **at = inode_content(i);
	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			abort();
		(*at)->inode = i;
		(*at)->who = *who;
		inode_ref(i);
	}
	return *at;
}

static void content_set_dirty(struct content *c)
{
	int64_t now = clock_mono_ns();
	c->dirty = true;
	c->low = 0;
	inode_set_dirty(c->inode, true);
	c->first_ns = c->last_ns = now;
	pthread_mutex_lock(&contents.lock);
	TAILQ_INSERT_TAIL(&contents.dirty, c, link);
	pthread_mutex_unlock(&contents.lock);
}

/* `fd` is the object, or -1. */
static const struct stat *look(struct inode *i, int fd, struct stat *st)
{
	int r = fd >= 0 ? fstat(fd, st) : inode_stat(i, st);
	return r < 0 ? NULL : st;
}

static void content_settle(struct content *c, int fd)
{
	struct change change;
	struct stat st;
	change_init(&change, OP_SETTLE, &c->who, NULL, NULL);
	change_object(&change, c->inode);
	struct fhandle fh = change.r.obj;
	if (c->writers || c->unseen)
		change.r.flags |= RF_IDLE;
	/* none: not known */
	change.r.n_ranges = c->all || c->unseen ? 0 : c->n_ranges;
	change.r.ranges = c->ranges;
	change_append(&change, look(c->inode, fd, &st));
	change_idle(&fh);
	c->dirty = false;
	inode_set_dirty(c->inode, false);
	c->overdue = false;
	c->all = false;
	c->n_ranges = 0;
	c->last_ns = clock_mono_ns();
	c->held_until_ns = c->writers && !c->unseen && change_wanted(&fh)
				   ? c->last_ns + HOLD_NS
				   : 0;
	c->rests = c->unseen;
	pthread_mutex_lock(&contents.lock);
	TAILQ_REMOVE(&contents.dirty, c, link);
	pthread_mutex_unlock(&contents.lock);
	/* it may change at once: "wait" is to know that while we do not look */
	if (c->unseen)
		content_tell(c);
}

/* Its DIRTY record: nothing below byte `from` will be written. Said once more
 * when that turns out to be wrong, and then of all of it. Of what has no link
 * nothing is told. */
static void content_begin_dirty(struct content *c, int fd, uint64_t from)
{
	struct change change;
	struct stat st;
	if (inode_is_gone(c->inode) || (c->dirty && from >= c->low))
		return;
	change_init(&change, OP_DIRTY, &c->who, NULL, NULL);
	change_object(&change, c->inode);
	const struct stat *now = look(c->inode, fd, &st);
	bool appends = !c->dirty && now && from >= (uint64_t)now->st_size;
	if (appends)
		change.r.flags |= RF_APPENDS;
	if (!c->dirty)
		change_busy(&change.r.obj);
	if (!c->dirty) /* before its record: see content_tell */
		content_set_dirty(c);
	change_append(&change, now);
	c->low = appends ? (uint64_t)now->st_size : 0;
}

/* Whoever becomes dirty is in the list before its record is put, and its lock is
 * held until then: so one of which the GAP has taken the record is met here. Once
 * more than needed does no harm. */
void content_tell(struct content *c)
{
	struct change change;
	struct stat st;
	if (inode_is_gone(c->inode))
		return;
	change_init(&change, OP_DIRTY, &c->who, NULL, NULL);
	change_object(&change, c->inode);
	change_append(&change, look(c->inode, -1, &st));
	c->low = 0;
}

/* All of it may be something else now. */
void content_dirty_all(struct content *c)
{
	struct stat st;
	content_begin_dirty(c, -1, 0);
	c->rests = false;
	if (c->dirty && inode_stat(c->inode, &st) == 0)
		range_add(c->ranges, &c->n_ranges, 0, (uint64_t)st.st_size);
}

static void content_set_unseen(struct content *c)
{
	if (!c->unseen) {
		c->stays = touch_stays(c->inode);
		pthread_mutex_lock(&contents.lock);
		TAILQ_INSERT_TAIL(&contents.unseen, c, unseen_link);
		pthread_mutex_unlock(&contents.lock);
	}
	c->unseen = true;
	content_dirty_all(c);
}

/* Whoever could store unseen is gone; or we are, and for the next mount its mark
 * stays (passed.h). */
static void content_set_seen(struct content *c)
{
	content_dirty_all(c);
	c->unseen = false;
	if (c->stays && !(ending && passthrough_stores(c->inode)))
		touch_stays_not(c->inode);
	pthread_mutex_lock(&contents.lock);
	TAILQ_REMOVE(&contents.unseen, c, unseen_link);
	pthread_mutex_unlock(&contents.lock);
	passthrough_seen(c->inode);
}

/* Not yet: the timer looks again. */
static void content_is_alone(struct content *c)
{
	if (c->alone)
		return;
	c->alone_ns = clock_mono_ns();
	c->alone = true;
	pthread_mutex_lock(&contents.lock);
	settle_soon();
	pthread_mutex_unlock(&contents.lock);
}

static void content_free(struct content *c)
{
	*inode_content(c->inode) = NULL;
	inode_pages(c->inode)->dropped = false;
	inode_unref(c->inode);
	free(c);
}

/* Settle what is due, forget what nobody uses. */
void content_review(struct content *c, int fd)
{
	if (c->writing)
		return;
	if (c->unseen && c->writers == 0 && ending)
		content_set_seen(c);
	if (c->unseen && c->writers == 0) {
		if (passthrough_stores(c->inode))
			content_is_alone(c);
		else
			content_set_seen(c);
	}
	bool over = c->writers == 0 && !c->unseen;
	if (c->dirty && (over || c->overdue))
		content_settle(c, fd);
	if (over)
		content_free(c);
}

bool content_is_open_locked(struct inode *i)
{
	return *inode_content(i) != NULL;
}

void content_created_locked(struct inode *i, const struct who *who)
{
	struct content *c = content_make(i, who);
	struct fhandle fh;
	c->writers++;
	if (c->dirty)
		return;
	inode_handle(i, &fh);
	change_busy(&fh);
	content_set_dirty(c);
}

bool content_linked_locked(struct inode *i, uint64_t size)
{
	struct content *c = *inode_content(i);
	struct fhandle fh;
	if (!c)
		return false;
	inode_handle(i, &fh);
	if (!c->dirty) {
		change_busy(&fh);
		content_set_dirty(c);
	}
	if (size)
		range_add(c->ranges, &c->n_ranges, 0, size);
	return true;
}

void content_begin_locked(struct inode *i, const struct who *who, int fd,
			  uint64_t from)
{
	struct content *c = content_make(i, who);
	if (who->pid > 0)
		c->who = *who;
	c->writing++;
	content_begin_dirty(c, fd, from);
}

/* ---- these take it ---- */

void content_lock(struct order *o, const struct inode *i)
{
	*o = (struct order)ORDER_INIT;
	order_add(o, inode_hash(i));
	order_lock(o, ORDER_SHARED);
}

void content_open(struct inode *i, const struct who *who, bool unseen)
{
	struct order o;
	if (unseen) /* before the first store can be made */
		touch_unseen(i);
	content_lock(&o, i);
	struct content *c = content_make(i, who);
	c->writers++;
	c->alone = false;
	if (!c->dirty || unseen)
		c->who = *who;
	if (unseen) { /* again: it may have been seen just now (settle.c) */
		inode_set_unseen(i, true);
		content_set_unseen(c);
	}
	order_unlock(&o);
	if (unseen) /* nobody else changes the mark from now on */
		touch_unseen(i);
}

void content_close(struct inode *i, int fd)
{
	struct order o;
	content_lock(&o, i);
	struct content *c = *inode_content(i);
	c->writers--;
	content_review(c, fd);
	order_unlock(&o);
}

bool content_is_open(struct inode *i)
{
	struct order o;
	content_lock(&o, i);
	bool open = content_is_open_locked(i);
	order_unlock(&o);
	return open;
}

static bool is_held(struct content *c)
{
	struct fhandle fh;
	if (!c || !c->held_until_ns)
		return false;
	inode_handle(c->inode, &fh);
	if (!c->dirty && clock_mono_ns() < c->held_until_ns &&
	    change_wanted(&fh))
		return true;
	c->held_until_ns = 0;
	return false;
}

void content_begin(struct inode *i, const struct who *who, int fd,
		   uint64_t from)
{
	struct order o;
	touch_file(i);
	content_lock(&o, i);
	while (is_held(*inode_content(i))) {
		order_unlock(&o);
		usleep(HOLD_NAP_US);
		content_lock(&o, i);
	}
	content_begin_locked(i, who, fd, from);
	order_unlock(&o);
}

void content_end(struct inode *i, int fd, uint64_t off, uint64_t len)
{
	struct order o;
	content_lock(&o, i);
	struct content *c = *inode_content(i);
	if (c->dirty && len) {
		range_add(c->ranges, &c->n_ranges, off, len);
		c->last_ns = clock_mono_ns();
	}
	c->writing--;
	content_review(c, fd);
	order_unlock(&o);
}

/* ---- beginning and end ---- */

int contents_start(int64_t settle_idle_ns, int64_t settle_age_ns)
{
	struct content *c;
	TAILQ_FOREACH(c, &contents.unseen, unseen_link)
	{ /* of a former worker */
		touch_unseen(c->inode);
		c->stays = touch_stays(c->inode);
	}
	touch_end();
	ending = false;
	return settle_start(settle_idle_ns, settle_age_ns);
}

void contents_stop(void)
{
	settle_stop();
	ending = true;
	struct content *c;
	while ((c = TAILQ_FIRST(&contents.unseen))) {
		inode_ref(c->inode);
		settle_look_again(c->inode);
	}
}

/* ---- from one worker to the next ---- */

static void restore_writer(struct handle *h)
{
	if (h->writable) {
		struct who who = {.uid = h->uid, .gid = h->gid};
		content_make(h->inode, &who)->writers++;
	}
}

static void restore_inode(struct inode *i)
{
	static const struct who nobody;
	if (!inode_is_dirty(i) && !inode_is_unseen(i))
		return;
	struct content *c = content_make(i, &nobody);
	if (inode_is_dirty(i)) {
		content_set_dirty(c);
		/* its size now does not tell: it may have been cut */
		c->all = true;
		c->low = UINT64_MAX;
	}
	c->unseen = inode_is_unseen(i);
	c->rests = c->unseen && !c->dirty;
	if (c->unseen)
		TAILQ_INSERT_TAIL(&contents.unseen, c, unseen_link);
}

static struct fhandle *dirty_objects; /* one thread, at the start */
static unsigned n_dirty_objects;

static void note_dirty(struct inode *i)
{
	if (!inode_is_dirty(i))
		return;
	dirty_objects = realloc(dirty_objects,
				(n_dirty_objects + 1) * sizeof(*dirty_objects));
	if (!dirty_objects)
		abort();
	inode_handle(i, &dirty_objects[n_dirty_objects++]);
}

void contents_restore(void)
{
	handles_each(restore_writer);
	inodes_each(restore_inode);
	inodes_each(note_dirty);
	changes_restore_busy(dirty_objects, n_dirty_objects);
	free(dirty_objects);
	dirty_objects = NULL;
	n_dirty_objects = 0;
}

static void review_inode(struct inode *i)
{
	struct order o;
	if (!*inode_content(i))
		return;
	content_lock(&o, i);
	struct content *c = *inode_content(i);
	if (c && c->writers == 0)
		content_review(c, -1);
	order_unlock(&o);
}

void contents_restored(void)
{
	inodes_each(review_inode);
}

static void leave_inode(struct inode *i)
{
	struct content *c = *inode_content(i);
	if (!c)
		return;
	if (c->dirty)
		TAILQ_REMOVE(&contents.dirty, c, link);
	if (c->unseen)
		TAILQ_REMOVE(&contents.unseen, c, unseen_link);
	content_free(c);
}

void contents_leave(void)
{
	settle_stop();
	inodes_each(leave_inode);
}
