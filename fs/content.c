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
 * If the worker dies, the next one knows from the inodes what was dirty, but
 * not which parts: the SETTLE says none, which means any. If there is none, the
 * journal knows from DIRTY without SETTLE what must be looked at.
 */
#include "confdefs.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include "clock.h"
#include "fs/change.h"
#include "fs/content.h"
#include "fs/handle.h"
#include "fs/order.h"
#include "fs/passthrough.h"
#include "fs/touch.h"

#define UNSEEN_REST_NS (10 * NS_PER_S)
#define ALONE_LOOK_NS  (10 * NS_PER_MS) /* the kernel closes files late */

struct content {
	struct inode *inode; /* a reference */
	unsigned writers;    /* order lock of the object, as all below */
	unsigned writing;
	bool dirty;
	_Atomic bool overdue;	  /* settle as soon as nothing is under way */
	bool unseen, stays;	  /* touch_stays was called */
	_Atomic bool alone;	  /* unseen, and no writer is open any more */
	_Atomic bool rests;	  /* unseen, and clean */
	_Atomic int64_t alone_ns; /* since when */
	int64_t looked_ns;	  /* LOCK_dirty */
	struct who who;		  /* the last one to write, or to open */
	bool all; /* a worker before us wrote to it, nobody knows where */
	uint64_t low; /* nothing below is written, as DIRTY says; 0: perhaps */
	uint32_t n_ranges;
	struct range ranges[RECORD_RANGES_MAX];
	_Atomic int64_t first_ns, last_ns; /* changes since it is dirty */
	TAILQ_ENTRY(content) link;	   /* LOCK_dirty */
	TAILQ_ENTRY(content) unseen_link;  /* LOCK_dirty */
};

static pthread_mutex_t dirty_lock = PTHREAD_MUTEX_INITIALIZER; /* LOCK_dirty */
TAILQ_HEAD(content_list, content);
static struct content_list dirty_list =
	TAILQ_HEAD_INITIALIZER(dirty_list); /* LOCK_dirty */
static struct content_list unseen_list =
	TAILQ_HEAD_INITIALIZER(unseen_list); /* LOCK_dirty */
static pthread_cond_t stop_cond = PTHREAD_COND_INITIALIZER;
static bool stopping;	/* LOCK_dirty */
static bool ending;	/* no thread but one: mappings are not waited for */
static bool timer_runs; /* the main thread's */
static pthread_t timer;
static int64_t idle_ns, age_ns; /* constant while the worker runs */

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
	pthread_mutex_lock(&dirty_lock);
	TAILQ_INSERT_TAIL(&dirty_list, c, link);
	pthread_mutex_unlock(&dirty_lock);
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
	change.r.n_ranges = c->all ? 0 : c->n_ranges; /* none: not known */
	change.r.ranges = c->ranges;
	change_append(&change, look(c->inode, fd, &st));
	change_idle(&fh);
	c->dirty = false;
	inode_set_dirty(c->inode, false);
	c->overdue = false;
	c->all = false;
	c->n_ranges = 0;
	c->last_ns = clock_mono_ns();
	c->rests = c->unseen;
	pthread_mutex_lock(&dirty_lock);
	TAILQ_REMOVE(&dirty_list, c, link);
	pthread_mutex_unlock(&dirty_lock);
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
	change_append(&change, now);
	if (!c->dirty)
		content_set_dirty(c);
	c->low = appends ? (uint64_t)now->st_size : 0;
}

/* All of it may be something else now. */
static void content_dirty_all(struct content *c)
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
		pthread_mutex_lock(&dirty_lock);
		TAILQ_INSERT_TAIL(&unseen_list, c, unseen_link);
		pthread_mutex_unlock(&dirty_lock);
	}
	c->unseen = true;
	content_dirty_all(c);
}

/* Whoever could store unseen is gone. */
static void content_set_seen(struct content *c)
{
	content_dirty_all(c);
	c->unseen = false;
	if (c->stays)
		touch_stays_not(c->inode);
	pthread_mutex_lock(&dirty_lock);
	TAILQ_REMOVE(&unseen_list, c, unseen_link);
	pthread_mutex_unlock(&dirty_lock);
	passthrough_seen(c->inode);
}

/* Not yet: the timer looks again. */
static void content_is_alone(struct content *c)
{
	if (c->alone)
		return;
	c->alone_ns = clock_mono_ns();
	c->alone = true;
	pthread_mutex_lock(&dirty_lock);
	pthread_cond_signal(&stop_cond);
	pthread_mutex_unlock(&dirty_lock);
}

static void content_free(struct content *c)
{
	*inode_content(c->inode) = NULL;
	inode_pages(c->inode)->dropped = false;
	inode_unref(c->inode);
	free(c);
}

/* Settle what is due, forget what nobody uses. */
static void content_review(struct content *c, int fd)
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

static void lock_object(struct order *o, const struct inode *i)
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
	lock_object(&o, i);
	struct content *c = content_make(i, who);
	c->writers++;
	c->alone = false;
	if (!c->dirty || unseen)
		c->who = *who;
	if (unseen)
		content_set_unseen(c);
	order_unlock(&o);
	if (unseen) /* nobody else changes the mark from now on */
		touch_unseen(i);
}

void content_close(struct inode *i, int fd)
{
	struct order o;
	lock_object(&o, i);
	struct content *c = *inode_content(i);
	c->writers--;
	content_review(c, fd);
	order_unlock(&o);
}

bool content_is_open(struct inode *i)
{
	struct order o;
	lock_object(&o, i);
	bool open = content_is_open_locked(i);
	order_unlock(&o);
	return open;
}

void content_begin(struct inode *i, const struct who *who, int fd,
		   uint64_t from)
{
	struct order o;
	touch_file(i);
	lock_object(&o, i);
	content_begin_locked(i, who, fd, from);
	order_unlock(&o);
}

void content_end(struct inode *i, int fd, uint64_t off, uint64_t len)
{
	struct order o;
	lock_object(&o, i);
	struct content *c = *inode_content(i);
	if (c->dirty && len) {
		range_add(c->ranges, &c->n_ranges, off, len);
		c->last_ns = clock_mono_ns();
	}
	c->writing--;
	content_review(c, fd);
	order_unlock(&o);
}

/* ---- the timer ---- */

static bool content_due(const struct content *c, int64_t now)
{
	return (idle_ns && now - c->last_ns >= idle_ns) ||
	       (age_ns && now - c->first_ns >= age_ns);
}

static bool unseen_due(const struct content *c, int64_t now)
{
	return c->alone || (c->rests && now - c->last_ns >= UNSEEN_REST_NS);
}

static struct inode *referenced(const struct content *c)
{
	inode_ref(c->inode);
	return c->inode;
}

/* One that is due, with a reference on its inode. What is overdue already
 * settles by itself when the change that is under way ends. */
static struct inode *next_due_locked(int64_t now)
{
	const struct content *c = TAILQ_FIRST(&dirty_list);
	for (; c; c = TAILQ_NEXT(c, link)) {
		if (!c->overdue && content_due(c, now))
			return referenced(c);
	}
	return NULL;
}

/* The next unseen one that is due and was not looked at since `start`. */
static struct inode *next_unseen_locked(int64_t start)
{
	struct content *c = TAILQ_FIRST(&unseen_list);
	for (; c; c = TAILQ_NEXT(c, unseen_link)) {
		if (c->looked_ns < start && unseen_due(c, start)) {
			c->looked_ns = start;
			return referenced(c);
		}
	}
	return NULL;
}

static void look_again(struct inode *i)
{
	struct order o;
	lock_object(&o, i);
	struct content *c = *inode_content(i);
	int64_t now = clock_mono_ns();
	if (c && c->unseen && c->writers == 0)
		content_review(c, -1);
	c = *inode_content(i);
	if (c && c->unseen && !c->dirty && unseen_due(c, now) &&
	    now - c->last_ns >= UNSEEN_REST_NS)
		content_dirty_all(c);
	order_unlock(&o);
	inode_unref(i);
}

static void settle_due(struct inode *i)
{
	struct order o;
	lock_object(&o, i);
	struct content *c = *inode_content(i);
	if (c && c->dirty && content_due(c, clock_mono_ns())) {
		c->overdue = true;
		content_review(c, -1);
	}
	order_unlock(&o);
	inode_unref(i);
}

static int64_t timer_tick(void)
{
	int64_t tick = NS_PER_S * 4;
	if (idle_ns && idle_ns < tick)
		tick = idle_ns;
	if (age_ns && age_ns < tick)
		tick = age_ns;
	tick /= 4;
	return tick < 10 * NS_PER_MS ? 10 * NS_PER_MS : tick;
}

/* How long to sleep: briefly while the kernel may be about to close what
 * keeps somebody alone. */
static int64_t nap_locked(int64_t now)
{
	const struct content *c = TAILQ_FIRST(&unseen_list);
	for (; c; c = TAILQ_NEXT(c, unseen_link)) {
		if (c->alone && now - c->alone_ns < NS_PER_S)
			return ALONE_LOOK_NS;
	}
	return timer_tick();
}

static void sleep_locked(void)
{
	int64_t now = clock_mono_ns(), until = now + nap_locked(now);
	struct timespec ts = {until / NS_PER_S, until % NS_PER_S};
	pthread_cond_timedwait(&stop_cond, &dirty_lock, &ts);
}

static void *timer_main(void *arg)
{
	pthread_mutex_lock(&dirty_lock);
	while (!stopping) {
		struct inode *i;
		sleep_locked();
		while (!stopping && (i = next_due_locked(clock_mono_ns()))) {
			pthread_mutex_unlock(&dirty_lock);
			settle_due(i);
			pthread_mutex_lock(&dirty_lock);
		}
		int64_t start = clock_mono_ns();
		while (!stopping && (i = next_unseen_locked(start))) {
			pthread_mutex_unlock(&dirty_lock);
			look_again(i);
			pthread_mutex_lock(&dirty_lock);
		}
	}
	pthread_mutex_unlock(&dirty_lock);
	return NULL;
}

int contents_start(int64_t settle_idle_ns, int64_t settle_age_ns)
{
	pthread_condattr_t attr;
	struct content *c;
	TAILQ_FOREACH(c, &unseen_list, unseen_link)
	{ /* of a former worker */
		touch_unseen(c->inode);
		c->stays = touch_stays(c->inode);
	}
	touch_end();
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&stop_cond, &attr);
	pthread_condattr_destroy(&attr);
	idle_ns = settle_idle_ns;
	age_ns = settle_age_ns;
	stopping = false;
	timer_runs = false;
	ending = false;
	int r = pthread_create(&timer, NULL, timer_main, NULL);
	timer_runs = r == 0;
	return -r;
}

static void timer_stop(void)
{
	pthread_mutex_lock(&dirty_lock);
	stopping = true;
	pthread_cond_signal(&stop_cond);
	pthread_mutex_unlock(&dirty_lock);
	if (timer_runs)
		pthread_join(timer, NULL);
	timer_runs = false;
}

void contents_stop(void)
{
	timer_stop();
	ending = true;
	struct content *c;
	while ((c = TAILQ_FIRST(&unseen_list)))
		look_again(referenced(c));
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
		TAILQ_INSERT_TAIL(&unseen_list, c, unseen_link);
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
	lock_object(&o, i);
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
		TAILQ_REMOVE(&dirty_list, c, link);
	if (c->unseen)
		TAILQ_REMOVE(&unseen_list, c, unseen_link);
	content_free(c);
}

void contents_leave(void)
{
	timer_stop();
	inodes_each(leave_inode);
}
