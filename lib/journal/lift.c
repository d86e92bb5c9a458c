/*
 * Lifting marks, in a thread of its own: now and then, when most slots are
 * taken, and at once when somebody waits for one.
 *
 * A cycle: the next generation begins; changes of the last one end; their
 * records are synced in the journal, their effects in the tree. Then marks
 * that were not used since can go. They are emptied on the disk without a
 * sync, as a mark too many does no harm.
 *
 * A file that is written to while somebody moves it: its mark may be of the next
 * generation already and yet say where it was, as the move is not done. So marks
 * of folders stay for one cycle more than those of files: then the mark of the
 * file is gone, or says where it is now (test_moved_meanwhile).
 *
 * A sync that fails is told once, and Linux takes what could not be written for
 * clean: that a later one succeeds says nothing of it. So from then on everything is
 * compared after a power cut, until the tree is mounted anew.
 *
 * The header says up to which record the journal is on the disk, by which one can
 * tell that a database is an older copy; and how old the ctime of a changed object
 * can be: the time of the beginning of the oldest generation that is not lifted, or
 * less, when the clock was set back meanwhile.
 */
#include "confdefs.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "activity.h"
#include "log.h"
#include "owed.h"
#include "lib/journal/activity-private.h"

#define TICK_NS	    NS_PER_S
#define CHANGE_NS   (60 * NS_PER_S) /* one that takes longer: not this time */
#define STEP_NS	    (100 * NS_PER_MS)
#define FULL_OF_4TH 3u
#define MOST_MARKS  4u /* of one change */

/* wait_changes - those that began before `gen` have ended. */
static int wait_changes(struct activity *a, uint32_t gen)
{
	int64_t end = clock_mono_ns() + CHANGE_NS;
	for (unsigned t = 0; t < SHARED_THREADS; t++) {
		for (;;) {
			uint32_t g = atomic_load(&a->threads[t].gen);
			if (g == 0 || g == gen)
				break;
			if (clock_mono_ns() > end)
				return -EBUSY;
			nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS / 5},
				  NULL);
		}
	}
	return 0;
}

static void free_old_locked(struct activity *a, uint32_t gen)
{
	for (unsigned i = 0; i < a->head.slots; i++) {
		struct activity_slot *s = &a->slots[i];
		if (s->gen && s->pins)
			s->gen = gen;
		if (s->gen &&
		    s->gen < (s->mark.kind == MARK_FILE ? gen : a->before))
			activity_free_slot_locked(a, (int)i);
	}
	a->before = gen;
}

/* rewrite - what could not be written or synced need not be on the disk, nor
 * come there later, though a sync succeeds now. */
static int rewrite_locked(struct activity *a)
{
	int r = 0;
	for (unsigned i = 0; r == 0 && i < a->head.slots; i++) {
		const struct activity_slot *s = &a->slots[i];
		if (s->gen && s->mark.kind != MARK_NONE)
			r = activity_put_slot(a->fd, i, &s->mark);
	}
	return r == 0 && fdatasync(a->fd) < 0 ? -errno : r;
}

static void end_cycle_locked(struct activity *a, uint32_t gen, int64_t since,
			     bool was_all)
{
	int64_t now = clock_wall_ns();
	free_old_locked(a, gen);
	int r = was_all ? rewrite_locked(a) : 0;
	if (r < 0)
		activity_fail_locked(a, "written", r);
	a->all = a->all || a->unpinned || a->head.flags & ACTIVITY_LOST;
	if (!(a->head.flags & ACTIVITY_LOST)) /* as of what is lost */
		a->head.since_ns = since < now ? since : now;
	if (!a->all)
		a->head.flags &= ~(uint32_t)ACTIVITY_ALL;
	r = activity_put_head(a->fd, &a->head);
	if (r == 0 && was_all && fdatasync(a->fd) < 0)
		r = -errno;
	if (r < 0)
		activity_fail_locked(a, "written", r);
	if (a->owed && !a->all)
		a->owed = owed_clear(a->lower_fd) < 0;
	if (a->said && !a->all)
		log_notice("the activity log works again");
	a->said = a->said && a->all;
}

/* sync_tree - Linux tells of an error once for each time that the tree was
 * opened. A worker may have been killed as it was told by its own: then
 * lower_fd, which all of them have, still tells the next one. */
static int sync_tree(struct activity *a)
{
	if (syncfs(a->tree_fd) < 0 || (!a->asked && syncfs(a->lower_fd) < 0))
		return -errno;
	a->asked = true;
	return 0;
}

/* sync_all - the records, then the tree. *ret_lost: some may be lost for good. A
 * journal that cannot be written has kept its records (writer.c). */
static int sync_all(struct activity *a, bool *ret_lost)
{
	int r = journal_writer_sync(a->w);
	*ret_lost = journal_writer_lost(a->w);
	if (r == 0) {
		r = sync_tree(a);
		/* of a thin pool that is full, it is one of these */
		*ret_lost |= r == -EIO || r == -ENOSPC || r == -EDQUOT;
	}
	return r;
}

static void lose_locked(struct activity *a)
{
	if (a->head.flags & ACTIVITY_LOST)
		return;
	log_error("a disk has lost what was to be synced: after a power cut "
		  "everything is compared, until the tree is mounted anew");
	a->head.flags |= ACTIVITY_LOST;
	activity_everything_locked(a);
}

/* is_pinned_full - no cycle frees what is pinned: so few slots are left that who
 * waits for some might do so for ever. */
static bool is_pinned_full_locked(const struct activity *a)
{
	unsigned left = 0;
	for (unsigned i = 0; i < a->head.slots; i++)
		left += !a->slots[i].pins;
	return left < a->head.slots / 8 + MOST_MARKS;
}

static int cycle(struct activity *a)
{
	pthread_mutex_lock(&a->lock);
	bool lost = false, was_all = a->all;
	int64_t since = clock_wall_ns();
	uint64_t last = journal_writer_last(a->w);
	uint32_t gen = a->gen + 1;
	/* the header says it until all of this is done; first, as what begins in
	 * the new generation needs marks */
	if (is_pinned_full_locked(a))
		activity_fail_locked(a, "lifted", -EMFILE);
	else
		a->all = false;
	a->gen = gen;
	pthread_mutex_unlock(&a->lock);
	int r = wait_changes(a, gen);
	if (r == 0)
		r = sync_all(a, &lost);
	pthread_mutex_lock(&a->lock);
	if (lost)
		lose_locked(a);
	if (r == 0 && !lost)
		a->head.synced = last;
	if (r == 0)
		end_cycle_locked(a, gen, since, was_all);
	else if (was_all)
		a->all = true;
	else if (a->waiting)
		activity_fail_locked(a, "lifted", r);
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	return r;
}

int activity_lift(struct activity *a)
{
	if (!a)
		return 0;
	pthread_mutex_lock(&a->cycle);
	int r = cycle(a);
	pthread_mutex_unlock(&a->cycle);
	if (r < 0)
		log_debug("marks are not lifted: %s", strerror(-r));
	return r;
}

/* ---- the thread ---- */

/* watch_clock - set back: what changes now gets older ctimes. */
static void watch_clock_locked(struct activity *a)
{
	int64_t now = clock_wall_ns();
	int64_t offset = now - clock_mono_ns();
	if (offset < a->offset_ns - STEP_NS && now < a->head.since_ns) {
		a->head.since_ns = now;
		int r = activity_put_head(a->fd, &a->head);
		if (r == 0 && fdatasync(a->fd) < 0)
			r = -errno;
		if (r < 0)
			activity_fail_locked(a, "written", r);
	}
	a->offset_ns = offset;
}

/* watch_folder - a copy was put in its place: that has none of our marks. Who is
 * not there yet, or any more, is looked for again. */
static void watch_folder(const struct activity *a)
{
	if (!activity_is_at(a->fd, a->state_dir))
		(void)activity_doubt(a->state_dir);
}

static bool is_due_locked(const struct activity *a, int64_t last)
{
	if (a->waiting)
		return true;
	if (!a->used && !a->all)
		return false;
	int64_t now = clock_mono_ns();
	return (a->lift_ns && now - last >= a->lift_ns) ||
	       (((a->owed && !a->unpinned &&
		  !(a->head.flags & ACTIVITY_LOST)) ||
		 a->used * 4 >= a->head.slots * FULL_OF_4TH) &&
		now - last >= TICK_NS);
}

static void sleep_locked(struct activity *a)
{
	bool often = a->lift_ns && a->lift_ns < TICK_NS;
	int64_t nap = often ? a->lift_ns : TICK_NS;
	int64_t until = clock_mono_ns() + nap;
	struct timespec ts = clock_timespec(until);
	pthread_cond_timedwait(&a->changed, &a->lock, &ts);
}

static void *lifter_main(void *arg)
{
	struct activity *a = arg;
	int64_t last = clock_mono_ns();
	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		watch_clock_locked(a);
		pthread_mutex_unlock(&a->lock); /* a disk may hang */
		watch_folder(a);
		pthread_mutex_lock(&a->lock);
		if (a->stop)
			break;
		if (!is_due_locked(a, last)) {
			sleep_locked(a);
			continue;
		}
		pthread_mutex_unlock(&a->lock);
		activity_lift(a);
		last = clock_mono_ns();
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

int lifter_start(struct activity *a)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->changed, &attr);
	pthread_condattr_destroy(&attr);
	a->offset_ns = clock_wall_ns() - clock_mono_ns();
	return -pthread_create(&a->lifter, NULL, lifter_main, a);
}

void lifter_stop(struct activity *a)
{
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->lifter, NULL);
	pthread_cond_destroy(&a->changed);
}
