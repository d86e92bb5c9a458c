/*
 * See pages.h. `filled` says that a READ was begun since the pages were dropped
 * last. It is set before the lower file is read, and taken after it was
 * written, so of a read that got old bytes it is always seen; and its pages are
 * locked until it is answered, so whoever drops them waits for that.
 *
 * The kernel lets one write(2) at a time to a file, so no other page of it can
 * be on its way. What was opened with O_DIRECT is left alone: there the kernel
 * drops the pages afterwards itself, and asynchronous I/O is not held back.
 *
 * A large write comes in several requests, while the kernel has dropped the
 * pages of all of it before the first. So with each one the pages of what may
 * follow go, too.
 *
 * The thread: what is owed is kept as a mark of the inode, so that the next
 * worker finds it. It drops pages at any time, also those of a write(2) that
 * is on its way through them, which then are read again from before it. So
 * from then on such writes have the pages dropped as well.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/kept.h"
#include "fs/ops.h"
#include "fs/pages.h"

#define TRIES_MAX 100

struct owed {
	struct inode *inode; /* a reference */
	STAILQ_ENTRY(owed) link;
};

static pthread_mutex_t pages_lock = PTHREAD_MUTEX_INITIALIZER; /* LOCK_pages:
								  a leaf */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* LOCK_pages: all of them */
static TAILQ_HEAD(, pages_write) writes = TAILQ_HEAD_INITIALIZER(writes);
static TAILQ_HEAD(, pages_cut) cuts = TAILQ_HEAD_INITIALIZER(cuts);
static STAILQ_HEAD(, owed) owed = STAILQ_HEAD_INITIALIZER(owed);
static unsigned slots, taken; /* threads that may wait, and that do */
static bool serving;	      /* all of them do, from then on */
static bool stopping;

static struct fuse_session *session; /* constant after pages_start */
static bool thread_runs;	     /* the main thread's */
static pthread_t thread;

/* From that of `off` on, all: it waits for who has one locked. */
static int drop(struct inode *i, uint64_t off)
{
	return fuse_lowlevel_notify_inval_inode(session, inode_id(i),
						(off_t)off, 0);
}

/* ---- one thread stays free ---- */

static bool slot_take(void)
{
	/* nobody else serves yet */
	if (flight_again())
		return false;
	pthread_mutex_lock(&pages_lock);
	/* this one serves before the last one was started: for a moment */
	while (!serving && !stopping)
		pthread_cond_wait(&changed, &pages_lock);
	bool free = !stopping && taken < slots;
	taken += free;
	pthread_mutex_unlock(&pages_lock);
	return free;
}

static void slot_give(void)
{
	pthread_mutex_lock(&pages_lock);
	taken--;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&pages_lock);
}

bool pages_written(struct inode *i)
{
	if (!slot_take())
		return false;
	int r = drop(i, 0);
	slot_give();
	return r == 0;
}

/* ---- what is owed ---- */

static void owe(struct inode *i)
{
	struct inode_pages *p = inode_pages(i);
	struct owed *o = malloc(sizeof(*o));
	if (!o)
		abort();
	inode_ref(i);
	o->inode = i;
	pthread_mutex_lock(&pages_lock);
	p->owed = true;
	bool queued = p->queued || stopping;
	if (!queued) {
		p->queued = true;
		STAILQ_INSERT_TAIL(&owed, o, link);
		pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&pages_lock);
	if (queued) {
		inode_unref(i);
		free(o);
	}
}

static struct owed *next_locked(void)
{
	struct owed *o;
	while (!stopping && !(o = STAILQ_FIRST(&owed)))
		pthread_cond_wait(&changed, &pages_lock);
	if (stopping)
		return NULL;
	STAILQ_REMOVE_HEAD(&owed, link);
	inode_pages(o->inode)->queued = false;
	return o;
}

static void *thread_main(void *arg)
{
	struct owed *o;
	pthread_mutex_lock(&pages_lock);
	while ((o = next_locked())) {
		struct inode_pages *p = inode_pages(o->inode);
		pthread_mutex_unlock(&pages_lock);
		p->dropped = true;
		p->filled = false;
		drop(o->inode, 0);
		pthread_mutex_lock(&pages_lock);
		if (!p->queued) /* not once more since */
			p->owed = false;
		pthread_mutex_unlock(&pages_lock);
		inode_unref(o->inode);
		free(o);
		pthread_mutex_lock(&pages_lock);
	}
	pthread_mutex_unlock(&pages_lock);
	return NULL;
}

static void drop_or_owe(struct inode *i, uint64_t off)
{
	if (!slot_take()) {
		owe(i);
		return;
	}
	drop(i, off);
	slot_give();
}

void pages_changed(struct inode *i)
{
	drop_or_owe(i, 0);
}

/* ---- beginning and end ---- */

static void restore(struct inode *i)
{
	if (inode_pages(i)->owed)
		owe(i);
}

void pages_start(struct fuse_session *se)
{
	session = se;
	slots = taken = 0;
	serving = stopping = false;
	inodes_each(restore);
}

int pages_serve(unsigned threads)
{
	pthread_mutex_lock(&pages_lock);
	/* one may be looking who somebody is (who.c) */
	slots = threads > 2 ? threads - 2 : threads - 1;
	serving = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&pages_lock);
	int r = pthread_create(&thread, NULL, thread_main, NULL);
	thread_runs = r == 0;
	return -r;
}

void pages_stop(void)
{
	struct owed *o;
	pthread_mutex_lock(&pages_lock);
	stopping = true;
	pthread_cond_broadcast(&changed);
	while (taken > 0)
		pthread_cond_wait(&changed, &pages_lock);
	pthread_mutex_unlock(&pages_lock);
	if (thread_runs)
		pthread_join(thread, NULL);
	thread_runs = false;
	while ((o = STAILQ_FIRST(&owed))) {
		STAILQ_REMOVE_HEAD(&owed, link);
		inode_unref(o->inode);
		free(o);
	}
}

/* ---- reading and writing ---- */

/* The kernel names the owner of locks only for what goes past its pages. */
static bool goes_past(const struct fuse_file_info *fi)
{
	return fi->lock_owner != 0;
}

void pages_read(struct inode *i, const struct fuse_file_info *fi)
{
	struct inode_pages *p = inode_pages(i);
	if (!goes_past(fi) && !p->filled)
		p->filled = true;
}

static enum pages_way way_of(const struct fuse_file_info *fi)
{
	if (fi->writepage)
		return PAGES_BACK;
	/* the kernel mends this itself */
	if (fi->flags & O_DIRECT)
		return PAGES_THROUGH;
	return goes_past(fi) ? PAGES_PAST : PAGES_THROUGH;
}

static bool overlap(const struct pages_write *a, const struct pages_write *b)
{
	return a->inode == b->inode && a->way != b->way && a->from < b->to &&
	       b->from < a->to;
}

static bool is_cut_locked(const struct inode *i)
{
	struct pages_cut *c;
	TAILQ_FOREACH(c, &cuts, link)
	{
		if (c->inode == i)
			return true;
	}
	return false;
}

static bool is_written_back_locked(const struct inode *i)
{
	struct pages_write *w;
	TAILQ_FOREACH(w, &writes, link)
	{
		if (w->inode == i && w->way == PAGES_BACK)
			return true;
	}
	return false;
}

void pages_cut_begin(struct pages_cut *c, struct inode *i)
{
	c->inode = i;
	pthread_mutex_lock(&pages_lock);
	TAILQ_INSERT_TAIL(&cuts, c, link);
	while (is_written_back_locked(i))
		pthread_cond_wait(&changed, &pages_lock);
	pthread_mutex_unlock(&pages_lock);
}

void pages_cut_end(struct pages_cut *c)
{
	pthread_mutex_lock(&pages_lock);
	TAILQ_REMOVE(&cuts, c, link);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&pages_lock);
}

void pages_write_begin(struct pages_write *w, struct inode *i,
		       const struct fuse_file_info *fi, off_t off, size_t len)
{
	struct pages_write *o;
	*w = (struct pages_write){
		.inode = i,
		.way = way_of(fi),
		.from = (uint64_t)off,
		.to = (uint64_t)off + len,
	};
	if (w->way == PAGES_THROUGH)
		return;
	pthread_mutex_lock(&pages_lock);
	while (w->way == PAGES_BACK && is_cut_locked(i))
		pthread_cond_wait(&changed, &pages_lock);
	TAILQ_FOREACH(o, &writes, link)
	{
		if (overlap(w, o))
			w->overrun = o->overrun = true;
	}
	TAILQ_INSERT_TAIL(&writes, w, link);
	pthread_mutex_unlock(&pages_lock);
}

size_t pages_write_fits(const struct pages_write *w, int fd)
{
	struct stat st;
	size_t len = (size_t)(w->to - w->from);
	if (w->way != PAGES_BACK || fstat(fd, &st) < 0 ||
	    (uint64_t)st.st_size >= w->to)
		return len;
	return (uint64_t)st.st_size > w->from
		       ? (size_t)((uint64_t)st.st_size - w->from)
		       : 0;
}

static bool take_overrun(struct pages_write *w)
{
	pthread_mutex_lock(&pages_lock);
	bool overrun = w->overrun;
	w->overrun = false;
	pthread_mutex_unlock(&pages_lock);
	return overrun;
}

bool pages_write_again(struct pages_write *w)
{
	struct inode_pages *p = inode_pages(w->inode);
	if (w->way == PAGES_BACK)
		return false;
	if (w->way == PAGES_THROUGH) {
		if (p->dropped && p->filled)
			owe(w->inode);
		return false;
	}
	if (atomic_exchange(&p->filled, false))
		drop_or_owe(w->inode, w->from);
	return take_overrun(w) && ++w->tries < TRIES_MAX;
}

void pages_write_end(struct pages_write *w)
{
	if (w->way == PAGES_THROUGH)
		return;
	pthread_mutex_lock(&pages_lock);
	TAILQ_REMOVE(&writes, w, link);
	if (w->way == PAGES_BACK)
		pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&pages_lock);
}
