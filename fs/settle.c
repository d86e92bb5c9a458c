/*
 * What makes a file that stays open settle: it was idle for long, or dirty for
 * too long. Those that may change unseen are looked at again. And what is dirty is
 * told once more to a journal that does not know any more.
 */
#include "confdefs.h"

#include <time.h>

#include "clock.h"
#include "fs/change.h"
#include "fs/content-private.h"

#define UNSEEN_REST_NS (10 * NS_PER_S)
#define ALONE_LOOK_NS  (10 * NS_PER_MS) /* the kernel closes files late */

static pthread_cond_t stop_cond = PTHREAD_COND_INITIALIZER;
static bool stopping;	/* LOCK_dirty */
static bool timer_runs; /* the main thread's */
static pthread_t timer;
static int64_t idle_ns, age_ns; /* constant while the worker runs */

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
	const struct content *c = TAILQ_FIRST(&contents.dirty);
	for (; c; c = TAILQ_NEXT(c, link)) {
		if (!c->overdue && content_due(c, now))
			return referenced(c);
	}
	return NULL;
}

/* The next unseen one that is due and was not looked at since `start`. */
static struct inode *next_unseen_locked(int64_t start)
{
	struct content *c = TAILQ_FIRST(&contents.unseen);
	for (; c; c = TAILQ_NEXT(c, unseen_link)) {
		if (c->looked_ns < start && unseen_due(c, start)) {
			c->looked_ns = start;
			return referenced(c);
		}
	}
	return NULL;
}

void settle_look_again(struct inode *i)
{
	struct order o;
	content_lock(&o, i);
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
	content_lock(&o, i);
	struct content *c = *inode_content(i);
	if (c && c->dirty && content_due(c, clock_mono_ns())) {
		c->overdue = true;
		content_review(c, -1);
	}
	order_unlock(&o);
	inode_unref(i);
}

/* ---- what the journal is in doubt of ---- */

/* The next one that was not told as of `doubts`; it goes to the end, behind which
 * come those that are dirty since then. */
static struct inode *next_untold_locked(uint32_t doubts)
{
	struct content *c = TAILQ_FIRST(&contents.dirty);
	if (!c || c->told == doubts)
		return NULL;
	c->told = doubts;
	TAILQ_REMOVE(&contents.dirty, c, link);
	TAILQ_INSERT_TAIL(&contents.dirty, c, link);
	return referenced(c);
}

static void tell_one(struct inode *i)
{
	struct order o;
	content_lock(&o, i);
	struct content *c = *inode_content(i);
	if (c && c->dirty)
		content_tell(c);
	order_unlock(&o);
	inode_unref(i);
}

static void tell_all(void)
{
	struct inode *i;
	uint32_t doubts;
	if (!changes_doubts(&doubts))
		return;
	pthread_mutex_lock(&contents.lock);
	while (!stopping && (i = next_untold_locked(doubts))) {
		pthread_mutex_unlock(&contents.lock);
		tell_one(i);
		pthread_mutex_lock(&contents.lock);
	}
	bool all = !stopping;
	pthread_mutex_unlock(&contents.lock);
	if (all)
		changes_told(doubts);
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
	const struct content *c = TAILQ_FIRST(&contents.unseen);
	for (; c; c = TAILQ_NEXT(c, unseen_link)) {
		if (c->alone && now - c->alone_ns < NS_PER_S)
			return ALONE_LOOK_NS;
	}
	return timer_tick();
}

static void sleep_locked(void)
{
	int64_t now = clock_mono_ns(), until = now + nap_locked(now);
	struct timespec ts = clock_timespec(until);
	pthread_cond_timedwait(&stop_cond, &contents.lock, &ts);
}

static void *timer_main(void *arg)
{
	pthread_mutex_lock(&contents.lock);
	while (!stopping) {
		struct inode *i;
		pthread_mutex_unlock(&contents.lock);
		tell_all();
		pthread_mutex_lock(&contents.lock);
		sleep_locked();
		while (!stopping && (i = next_due_locked(clock_mono_ns()))) {
			pthread_mutex_unlock(&contents.lock);
			settle_due(i);
			pthread_mutex_lock(&contents.lock);
		}
		int64_t start = clock_mono_ns();
		while (!stopping && (i = next_unseen_locked(start))) {
			pthread_mutex_unlock(&contents.lock);
			settle_look_again(i);
			pthread_mutex_lock(&contents.lock);
		}
	}
	pthread_mutex_unlock(&contents.lock);
	return NULL;
}

int settle_start(int64_t idle, int64_t age)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&stop_cond, &attr);
	pthread_condattr_destroy(&attr);
	idle_ns = idle;
	age_ns = age;
	stopping = false;
	int r = pthread_create(&timer, NULL, timer_main, NULL);
	timer_runs = r == 0;
	return -r;
}

void settle_stop(void)
{
	pthread_mutex_lock(&contents.lock);
	stopping = true;
	pthread_cond_signal(&stop_cond);
	pthread_mutex_unlock(&contents.lock);
	if (timer_runs)
		pthread_join(timer, NULL);
	timer_runs = false;
}

void settle_soon(void)
{
	pthread_cond_signal(&stop_cond);
}
