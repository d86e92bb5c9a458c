/*
 * States of a content, by its members:
 *
 *   not there        nobody has the file open for writing
 *   writers, clean   open, unchanged since it was opened or settled
 *   writers, dirty   the journal has DIRTY, SETTLE is owed
 *   writing > 0      a lower call that changes it is under way; never settled
 *                    in this state, but by the content_end that ends it
 *
 * If the worker dies, the journal knows from DIRTY without SETTLE what must
 * be looked at.
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
#include "fs/order.h"

struct content {
	struct inode *inode; /* a reference */
	unsigned writers;    /* order lock of the object, as all below */
	unsigned writing;
	bool dirty;
	_Atomic bool overdue; /* settle as soon as nothing is under way */
	struct who who;	      /* the last one to write, or to open */
	uint32_t n_ranges;
	struct range ranges[RECORD_RANGES_MAX];
	_Atomic int64_t first_ns, last_ns; /* changes since it is dirty */
	TAILQ_ENTRY(content) link;	   /* LOCK_dirty */
};

static pthread_mutex_t dirty_lock = PTHREAD_MUTEX_INITIALIZER; /* LOCK_dirty */
TAILQ_HEAD(content_list, content);
static struct content_list dirty_list =
	TAILQ_HEAD_INITIALIZER(dirty_list); /* LOCK_dirty */
static pthread_cond_t stop_cond = PTHREAD_COND_INITIALIZER;
static bool stopping;	/* LOCK_dirty */
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
	if (c->writers)
		change.r.flags |= RF_IDLE;
	change.r.n_ranges = c->n_ranges;
	change.r.ranges = c->ranges;
	change_append(&change, look(c->inode, fd, &st));
	change_idle(&fh);
	c->dirty = false;
	c->overdue = false;
	c->n_ranges = 0;
	pthread_mutex_lock(&dirty_lock);
	TAILQ_REMOVE(&dirty_list, c, link);
	pthread_mutex_unlock(&dirty_lock);
}

static void content_free(struct content *c)
{
	*inode_content(c->inode) = NULL;
	inode_unref(c->inode);
	free(c);
}

/* Settle what is due, forget what nobody uses. */
static void content_review(struct content *c, int fd)
{
	if (c->writing)
		return;
	if (c->dirty && (c->writers == 0 || c->overdue))
		content_settle(c, fd);
	if (c->writers == 0)
		content_free(c);
}

bool content_is_open_locked(struct inode *i)
{
	return *inode_content(i) != NULL;
}

void content_created_locked(struct inode *i, const struct who *who)
{
	struct content *c = content_make(i, who);
	c->writers++;
	content_set_dirty(c);
}

bool content_linked_locked(struct inode *i, uint64_t size)
{
	struct content *c = *inode_content(i);
	struct fhandle fh;
	if (!c)
		return false;
	inode_handle(i, &fh);
	change_busy(&fh);
	content_set_dirty(c);
	if (size)
		range_add(c->ranges, &c->n_ranges, 0, size);
	return true;
}

void content_begin_locked(struct inode *i, const struct who *who, int fd)
{
	struct content *c = content_make(i, who);
	if (who->pid > 0)
		c->who = *who;
	c->writing++;
	if (c->dirty || inode_is_gone(i))
		return;
	struct change change;
	struct stat st;
	change_init(&change, OP_DIRTY, &c->who, NULL, NULL);
	change_object(&change, i);
	change_busy(&change.r.obj);
	change_append(&change, look(i, fd, &st));
	content_set_dirty(c);
}

/* ---- these take it ---- */

static void lock_object(struct order *o, const struct inode *i)
{
	*o = (struct order)ORDER_INIT;
	order_add(o, inode_hash(i));
	order_lock(o, ORDER_SHARED);
}

void content_open(struct inode *i, const struct who *who)
{
	struct order o;
	lock_object(&o, i);
	struct content *c = content_make(i, who);
	c->writers++;
	if (!c->dirty)
		c->who = *who;
	order_unlock(&o);
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

void content_begin(struct inode *i, const struct who *who, int fd)
{
	struct order o;
	lock_object(&o, i);
	content_begin_locked(i, who, fd);
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

/* One that is due, with a reference on its inode. What is overdue already
 * settles by itself when the change that is under way ends. */
static struct inode *next_due_locked(int64_t now)
{
	struct content *c = TAILQ_FIRST(&dirty_list);
	for (; c; c = TAILQ_NEXT(c, link)) {
		if (!c->overdue && content_due(c, now)) {
			inode_ref(c->inode);
			return c->inode;
		}
	}
	return NULL;
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

static void *timer_main(void *arg)
{
	int64_t tick =
		idle_ns && (!age_ns || idle_ns < age_ns) ? idle_ns : age_ns;
	tick /= 4;
	tick = tick < 10 * NS_PER_MS ? 10 * NS_PER_MS : tick;
	tick = tick > NS_PER_S ? NS_PER_S : tick;
	pthread_mutex_lock(&dirty_lock);
	while (!stopping) {
		int64_t until = clock_mono_ns() + tick;
		struct timespec ts = {until / NS_PER_S, until % NS_PER_S};
		pthread_cond_timedwait(&stop_cond, &dirty_lock, &ts);
		struct inode *i;
		while (!stopping && (i = next_due_locked(clock_mono_ns()))) {
			pthread_mutex_unlock(&dirty_lock);
			settle_due(i);
			pthread_mutex_lock(&dirty_lock);
		}
	}
	pthread_mutex_unlock(&dirty_lock);
	return NULL;
}

int contents_start(int64_t settle_idle_ns, int64_t settle_age_ns)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&stop_cond, &attr);
	pthread_condattr_destroy(&attr);
	idle_ns = settle_idle_ns;
	age_ns = settle_age_ns;
	stopping = false;
	timer_runs = false;
	if (!idle_ns && !age_ns)
		return 0;
	int r = pthread_create(&timer, NULL, timer_main, NULL);
	timer_runs = r == 0;
	return -r;
}

void contents_stop(void)
{
	pthread_mutex_lock(&dirty_lock);
	stopping = true;
	pthread_cond_signal(&stop_cond);
	pthread_mutex_unlock(&dirty_lock);
	if (timer_runs)
		pthread_join(timer, NULL);
	timer_runs = false;
}
