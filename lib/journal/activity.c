/*
 * Marking. The usual case takes no lock: a table of hashes says that the
 * object is covered in this generation. It forgets when it must, and is then
 * told again by the slots; what it says is true but for two hashes of 64 bits
 * (with a random seed) that are equal.
 *
 * A mark is written at once, and synced by whoever comes first, for all that
 * were written until then. While a thread waits for that it is in no
 * generation, so it looks again afterwards: a lifting cycle may have come in
 * between.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "owed.h"
#include "paths.h"
#include "lib/journal/activity-private.h"

/* ---- hashes ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ h >> 29;
}

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
	const uint8_t *at = p;
	while (n > 0) {
		uint64_t v = 0;
		size_t m = n < sizeof(v) ? n : sizeof(v);
		memcpy(&v, at, m);
		h = mix(h, v + n);
		at += m;
		n -= m;
	}
	return h;
}

static uint64_t hash_object(const struct activity *a, const struct fhandle *h)
{
	return hash_bytes(mix(a->seed, (uint64_t)h->type), h->bytes, h->len);
}

static uint64_t hot_tag(const struct activity *a, const struct fhandle *obj,
			uint32_t gen)
{
	uint64_t tag = mix(hash_object(a, obj), gen);
	return tag ? tag : 1;
}

static bool hot_has(const struct activity *a, const struct fhandle *obj,
		    uint32_t gen)
{
	uint64_t tag = hot_tag(a, obj, gen);
	return atomic_load(&a->hot[tag % ACTIVITY_HOT]) == tag;
}

static void hot_put(struct activity *a, const struct fhandle *obj, uint32_t gen)
{
	uint64_t tag = hot_tag(a, obj, gen);
	atomic_store(&a->hot[tag % ACTIVITY_HOT], tag);
}

/* ---- slots; all with the lock held ---- */

static bool same_object(const struct mark *a, const struct mark *b)
{
	if ((a->kind == MARK_NEW_DIR) != (b->kind == MARK_NEW_DIR))
		return false;
	if (a->kind != MARK_NEW_DIR)
		return fhandle_equal(&a->obj, &b->obj);
	return fhandle_equal(&a->dir, &b->dir) && !strcmp(a->name, b->name);
}

/* Does `have` say all that `want` says? They are of the same object. */
static bool says(const struct mark *have, const struct mark *want)
{
	if (want->kind == MARK_TREE)
		return have->kind == MARK_TREE;
	if (want->stays && !have->stays)
		return false;
	if (want->kind == MARK_FILE && want->dir.len)
		return fhandle_equal(&have->dir, &want->dir);
	return true;
}

static int *bucket_of(struct activity *a, const struct mark *m)
{
	uint64_t h = m->kind == MARK_NEW_DIR
			     ? hash_bytes(hash_object(a, &m->dir), m->name,
					  strlen(m->name))
			     : hash_object(a, &m->obj);
	return &a->buckets[h % a->head.slots];
}

static struct activity_slot *find_slot(struct activity *a, const struct mark *m)
{
	int i = *bucket_of(a, m);
	while (i >= 0 && !same_object(&a->slots[i].mark, m))
		i = a->slots[i].next;
	return i >= 0 ? &a->slots[i] : NULL;
}

static struct activity_slot *take_slot(struct activity *a, const struct mark *m)
{
	int i = a->free, *bucket = bucket_of(a, m);
	if (i < 0)
		return NULL;
	a->free = a->slots[i].next;
	a->used++;
	a->slots[i] = (struct activity_slot){.mark = *m, .next = *bucket};
	*bucket = i;
	return &a->slots[i];
}

void activity_free_slot_locked(struct activity *a, int slot)
{
	struct activity_slot *s = &a->slots[slot];
	if (s->mark.kind != MARK_NONE) {
		int *at = bucket_of(a, &s->mark);
		while (*at != slot)
			at = &a->slots[*at].next;
		*at = s->next;
	}
	int r = activity_zero_slot(a->fd, (unsigned)slot);
	if (r < 0)
		activity_fail_locked(a, "written", r);
	*s = (struct activity_slot){.next = a->free};
	a->free = slot;
	a->used--;
}

/* owe - the file cannot even be told that it is not to be believed. */
static int owe(int lower_fd)
{
	int r = owed_note(lower_fd, clock_wall_ns());
	if (r < 0)
		log_error("the tree cannot be told that a comparison is owed "
			  "(%s): after a power cut use \"mount --rescan\"",
			  strerror(-r));
	return r;
}

static void owe_locked(struct activity *a)
{
	if (!a->owed)
		owe(a->lower_fd);
	a->owed = true;
}

void activity_everything_locked(struct activity *a)
{
	a->head.flags |= ACTIVITY_ALL;
	if (activity_put_head(a->fd, &a->head) < 0 || fdatasync(a->fd) < 0)
		owe_locked(a);
	a->all = true; /* now: others look at it without the lock, and go on */
	pthread_cond_broadcast(&a->changed);
}

void activity_fail_locked(struct activity *a, const char *what, int error)
{
	if (!a->said)
		log_error("the activity log cannot be %s: %s; after a power "
			  "cut everything would have to be compared",
			  what, strerror(-error));
	a->said = true;
	activity_everything_locked(a);
}

/* Where a pinned file is says only who places it: others may have looked before
 * it was moved, and its mark stays for long. */
static bool is_placed(const struct activity_slot *s)
{
	return s->pins && (s->mark.dir.len || s->mark.stays);
}

/* replace_mark - `stays` is kept: only an unpin clears it. */
static void replace_mark(struct activity_slot *s, const struct mark *m)
{
	bool stays = m->stays || s->mark.stays;
	s->mark = *m;
	s->mark.stays = stays;
}

/* need_slot - `m` is written, perhaps not synced. 0 and its ticket, -ENOSPC,
 * or another negative errno. */
static int need_slot(struct activity *a, const struct mark *m, bool places,
		     uint64_t *ticket)
{
	struct activity_slot *s = find_slot(a, m);
	int r = 0;
	if (!s || (!says(&s->mark, m) && (places || !is_placed(s)))) {
		if (!s)
			s = take_slot(a, m);
		if (!s)
			return -ENOSPC;
		if (s->mark.kind != MARK_TREE)
			replace_mark(s, m);
		s->ticket = ++a->written;
		r = activity_put_slot(a->fd, (unsigned)(s - a->slots),
				      &s->mark);
	}
	s->gen = a->gen;
	if (s->ticket > *ticket)
		*ticket = s->ticket;
	return r;
}

static int need_slots(struct activity *a, const struct mark *marks, unsigned n,
		      bool places, uint64_t *ticket)
{
	int r = 0;
	*ticket = 0;
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = need_slot(a, &marks[i], places, ticket);
	return r;
}

static void wait_synced(struct activity *a, uint64_t ticket)
{
	while (a->synced < ticket && !a->all) {
		if (a->syncing) {
			pthread_cond_wait(&a->changed, &a->lock);
			continue;
		}
		uint64_t upto = a->written;
		a->syncing = true;
		pthread_mutex_unlock(&a->lock);
		int r = fdatasync(a->fd) < 0 ? -errno : 0;
		pthread_mutex_lock(&a->lock);
		a->syncing = false;
		if (r < 0)
			activity_fail_locked(a, "synced", r);
		else
			a->synced = upto;
		pthread_cond_broadcast(&a->changed);
	}
}

static void wait_free(struct activity *a)
{
	a->waiting++;
	pthread_cond_broadcast(&a->changed); /* the lifter, too */
	while (a->free < 0 && !a->all)
		pthread_cond_wait(&a->changed, &a->lock);
	a->waiting--;
}

/* ---- a change ---- */

static bool is_hot(const struct activity *a, const struct mark *marks,
		   unsigned n, uint32_t gen)
{
	for (unsigned i = 0; i < n; i++) {
		if (marks[i].kind == MARK_TREE ||
		    marks[i].kind == MARK_NEW_DIR ||
		    !hot_has(a, &marks[i].obj, gen))
			return false;
	}
	return true;
}

/* touch_locked - the thread is in the present generation when it returns. While
 * "everything" is marked only what stays gets a mark, which is synced before
 * "everything" is taken back (lift.c). If there is no slot, its pin keeps that. */
static void touch_locked(struct activity *a, _Atomic uint32_t *mine,
			 const struct mark *marks, unsigned n, bool places)
{
	uint64_t ticket;
	for (;;) {
		atomic_store(mine, a->gen);
		if (a->all && !marks->stays)
			return;
		int r = need_slots(a, marks, n, places, &ticket);
		if (a->all)
			return;
		if (r == 0 && ticket <= a->synced)
			break;
		atomic_store(mine, 0);
		if (r == 0)
			wait_synced(a, ticket);
		else if (r == -ENOSPC && a->free < 0)
			wait_free(a);
		else
			activity_fail_locked(a, "written", r);
	}
	for (unsigned i = 0; i < n; i++) {
		if (marks[i].kind != MARK_NEW_DIR)
			hot_put(a, &marks[i].obj, a->gen);
	}
}

void activity_touch(struct activity *a, unsigned thread,
		    const struct mark *marks, unsigned n)
{
	if (!a)
		return;
	_Atomic uint32_t *mine = &a->threads[thread].gen;
	uint32_t gen;
	do {
		gen = atomic_load(&a->gen);
		atomic_store(mine, gen);
	} while (gen != atomic_load(&a->gen));
	if (atomic_load(&a->all) || is_hot(a, marks, n, gen))
		return;
	atomic_store(mine, 0);
	pthread_mutex_lock(&a->lock);
	touch_locked(a, mine, marks, n, false);
	pthread_mutex_unlock(&a->lock);
}

void activity_place(struct activity *a, unsigned thread, const struct mark *m)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	touch_locked(a, &a->threads[thread].gen, m, 1, true);
	pthread_mutex_unlock(&a->lock);
}

void activity_done(struct activity *a, unsigned thread)
{
	if (a)
		atomic_store_explicit(&a->threads[thread].gen, 0,
				      memory_order_release);
}

void activity_covered(struct activity *a, unsigned thread,
		      const struct fhandle *obj)
{
	uint32_t gen = a ? atomic_load(&a->threads[thread].gen) : 0;
	if (gen)
		hot_put(a, obj, gen);
}

/* Whoever could change it unseen is gone, as far as this mount can tell; the next
 * worker must not take it for one that is. */
static void stay_no_more(struct activity *a, struct activity_slot *s)
{
	s->mark.stays = false;
	int r = activity_put_slot(a->fd, (unsigned)(s - a->slots), &s->mark);
	if (r < 0)
		activity_fail_locked(a, "written", r);
}

/* When it is not there, "everything" is marked, or was until just now: then it
 * is until all of these were unpinned. */
static void pin(struct activity *a, const struct fhandle *obj, bool on)
{
	const struct mark m = {.kind = MARK_FILE, .obj = *obj};
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	struct activity_slot *s = find_slot(a, &m);
	unsigned *pins = s && (on || s->pins) ? &s->pins : &a->unpinned;
	if (on)
		++*pins;
	else if (*pins > 0)
		--*pins;
	if (s && !on && !s->pins && s->mark.stays)
		stay_no_more(a, s);
	if (s)
		s->gen = a->gen;
	else if (on && !(a->head.flags & ACTIVITY_ALL))
		activity_everything_locked(a);
	pthread_mutex_unlock(&a->lock);
}

void activity_pin(struct activity *a, const struct fhandle *obj)
{
	pin(a, obj, true);
}

void activity_unpin(struct activity *a, const struct fhandle *obj)
{
	pin(a, obj, false);
}

uint64_t activity_sync_begin(struct activity *a)
{
	return a ? journal_writer_sync_begin(a->w) : 0;
}

/* A journal that fails, or hangs, stops nobody: the mark is there. */
void activity_sync_end(struct activity *a, uint64_t ticket)
{
	if (a)
		journal_writer_sync_end(a->w, ticket);
}

/* ---- beginning and end ---- */

/* What a former worker has marked is as it was, but nobody knows what of it was
 * synced: who needs one of them waits for that, as of one's own (ticket 1). */
static void adopt_slots(struct activity *a)
{
	struct activity_reader reader = {.fd = a->fd};
	a->free = -1;
	for (unsigned i = 0; i < a->head.slots; i++)
		a->buckets[i] = -1;
	for (int i = (int)a->head.slots - 1; i >= 0; i--) {
		struct activity_slot *s = &a->slots[i];
		int r = activity_get_slot(&reader, (unsigned)i, &s->mark);
		if (r == 0) {
			s->next = a->free;
			a->free = i;
			continue;
		}
		a->used++;
		s->gen = 1;
		s->ticket = a->written = 1;
		if (r < 0) {
			s->mark.kind = MARK_NONE;
			activity_fail_locked(a, "read", r);
			continue;
		}
		s->stayed = s->mark.stays;
		s->pins = s->stayed;
		int *bucket = bucket_of(a, &s->mark);
		s->next = *bucket;
		*bucket = i;
	}
}

bool activity_stayed(struct activity *a, struct mark *ret)
{
	bool found = false;
	if (!a)
		return false;
	pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; !found && i < a->head.slots; i++) {
		struct activity_slot *s = &a->slots[i];
		found = s->stayed;
		if (found)
			*ret = s->mark;
		s->stayed = false;
	}
	pthread_mutex_unlock(&a->lock);
	return found;
}

static struct activity *new_activity(int fd, const struct activity_head *head)
{
	struct activity *a = aligned_alloc(64, (sizeof(*a) + 63) / 64 * 64);
	if (!a)
		abort();
	memset(a, 0, sizeof(*a));
	a->fd = fd;
	a->head = *head;
	a->all = head->flags & ACTIVITY_ALL;
	a->gen = 2;
	a->slots = calloc(head->slots, sizeof(*a->slots));
	a->buckets = calloc(head->slots, sizeof(*a->buckets));
	if (!a->slots || !a->buckets)
		abort();
	if (getrandom(&a->seed, sizeof(a->seed), 0) < 0)
		a->seed = (uintptr_t)a;
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->cycle, NULL);
	return a;
}

static void free_activity(struct activity *a)
{
	close(a->fd);
	close(a->tree_fd);
	pthread_mutex_destroy(&a->lock);
	pthread_mutex_destroy(&a->cycle);
	free(a->state_dir);
	free(a->slots);
	free(a->buckets);
	free(a);
}

/* go_without - nobody is stopped by that. What changes from now on is not
 * marked, so what the file says must not be believed after a power cut. */
static void go_without(const char *state_dir, int lower_fd, int error)
{
	log_error("the activity log cannot be opened: %s; after a power cut "
		  "everything would have to be compared",
		  strerror(-error));
	if (activity_discard(state_dir) < 0)
		owe(lower_fd);
}

int activity_start(const char *state_dir, int lower_fd,
		   struct journal_writer *w, int64_t lift_ns,
		   struct activity **ret)
{
	struct activity_head head;
	int fd = activity_open(state_dir, &head);
	*ret = NULL;
	if (fd < 0) {
		go_without(state_dir, lower_fd, fd);
		return 0;
	}
	if (head.flags & ACTIVITY_OFF) {
		close(fd);
		return 0;
	}
	int tree_fd = openat(lower_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree_fd < 0) {
		go_without(state_dir, lower_fd, -errno);
		close(fd);
		return 0;
	}
	struct activity *a = new_activity(fd, &head);
	a->tree_fd = tree_fd;
	a->state_dir = text_copy(state_dir);
	a->lower_fd = lower_fd;
	a->w = w;
	a->lift_ns = lift_ns;
	adopt_slots(a);
	int64_t since;
	/* what was changed meanwhile is not among the marks */
	a->owed = owed_read(lower_fd, &since) > 0;
	a->all = a->all || a->owed;
	int r = lifter_start(a);
	if (r < 0)
		free_activity(a);
	else
		*ret = a;
	return r;
}

void activity_stop(struct activity *a)
{
	if (!a)
		return;
	lifter_stop(a);
	free_activity(a);
}
