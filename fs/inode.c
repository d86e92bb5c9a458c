/*
 * A hash table by file handle over numbered slots. An entry is freed when the
 * kernel has forgotten it and no child name, open file or running operation
 * refers to it; freeing the last child of a forgotten directory frees the
 * directory too, and so on upward.
 *
 * About 130 bytes an inode and 64 for each name, both kept for the next
 * worker (kept.h); the buckets are made anew.
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/closer.h"
#include "fs/deposit.h"
#include "fs/inode-private.h"
#include "fs/kept.h"
#include "fs/pins.h"
#include "fs/slots.h"

#define FIRST_BUCKETS 1024u

pthread_mutex_t inodes_lock = PTHREAD_MUTEX_INITIALIZER;

static struct slots *slots;	   /* constant while the worker runs */
static struct slots *long_handles; /* constant while the worker runs */
static struct inode **buckets;	   /* LOCK_inodes */
static uint32_t n_buckets;	   /* LOCK_inodes: a power of two */
static uint32_t n_inodes;	   /* LOCK_inodes */
static bool trim_due;		   /* LOCK_inodes: many names were freed */

uint32_t fhandle_hash(const struct fhandle *fh)
{
	uint64_t h = 0xcbf29ce484222325u ^ (uint32_t)fh->type;
	for (uint32_t i = 0; i < fh->len; i++)
		h = (h ^ fh->bytes[i]) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32);
}

static const uint8_t *handle_bytes(const struct inode *i)
{
	return i->fh_len > INLINE_HANDLE ? slots_get(long_handles, i->fh.there)
					 : i->fh.here;
}

static bool inode_is(const struct inode *i, const struct fhandle *fh,
		     uint32_t hash)
{
	return i->hash == hash && i->fh_len == fh->len &&
	       i->fh_type == fh->type &&
	       memcmp(handle_bytes(i), fh->bytes, fh->len) == 0;
}

static struct inode *find_locked(const struct fhandle *fh, uint32_t hash)
{
	struct inode *i = buckets[hash & (n_buckets - 1)];
	while (i && !inode_is(i, fh, hash))
		i = i->next;
	return i;
}

static void insert_locked(struct inode *i)
{
	struct inode **bucket = &buckets[i->hash & (n_buckets - 1)];
	i->next = *bucket;
	*bucket = i;
}

static void remove_locked(struct inode *i)
{
	struct inode **at = &buckets[i->hash & (n_buckets - 1)];
	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
}

/* Without memory the chains just grow. */
static void resize_locked(uint32_t n)
{
	struct inode **old = buckets;
	uint32_t n_old = n_buckets;
	struct inode **other = calloc(n, sizeof(*other));
	if (!other)
		return;
	buckets = other;
	n_buckets = n;
	for (uint32_t b = 0; b < n_old; b++) {
		struct inode *i = old[b];
		while (i) {
			struct inode *next = i->next;
			insert_locked(i);
			i = next;
		}
	}
	free(old);
}

/* Twice the buckets when there are more inodes than buckets, half of them
 * when there are eight times as many. Who forgets that much gives memory
 * back, too. */
static void fit_locked(void)
{
	if (n_inodes > n_buckets) {
		resize_locked(n_buckets * 2);
	} else if (n_buckets > FIRST_BUCKETS && n_inodes < n_buckets / 8) {
		resize_locked(n_buckets / 2);
		trim_due = true;
	}
}

/* False: no memory. */
static bool set_handle(struct inode *i, const struct fhandle *fh)
{
	uint8_t *to = i->fh.here;
	i->fh_type = fh->type;
	if (fh->len > INLINE_HANDLE &&
	    !(to = slots_take(long_handles, &i->fh.there)))
		return false;
	memcpy(to, fh->bytes, fh->len);
	atomic_signal_fence(memory_order_seq_cst);
	i->fh_len = fh->len;
	return true;
}

static void drop(struct inode *i)
{
	if (i->fh_len > INLINE_HANDLE)
		slots_drop(long_handles, i->fh.there);
	slots_drop(slots, i->id);
}

/* It is one when it has a file handle (kept.h). */
static struct inode *make_locked(const struct fhandle *fh, mode_t mode,
				 uint32_t hash)
{
	uint64_t id;
	struct inode *i = slots_take(slots, &id);
	if (!i)
		return NULL;
	i->id = id;
	i->hash = hash;
	i->type = mode & S_IFMT;
	i->pin_fd = -1;
	if (!set_handle(i, fh)) {
		drop(i);
		return NULL;
	}
	n_inodes++;
	fit_locked();
	insert_locked(i);
	pins_hold(fh);
	return i;
}

/* What is this process's alone, but the names. */
static void leave(struct inode *i)
{
	if (i->pin_fd >= 0)
		closer_close(i->pin_fd);
	i->pin_fd = -1;
	free(i->pass);
	i->pass = NULL;
}

static struct inode *unused; /* LOCK_inodes: to be freed; by `next` */
static bool freeing;	     /* LOCK_inodes */

static void free_locked(struct inode *i)
{
	n_inodes--;
	if (pins_used()) {
		struct fhandle fh;
		inode_handle(i, &fh);
		pins_drop(&fh);
	}
	inode_names_free_locked(&i->names);
	leave(i);
	if (i->held)
		deposit_drop(i->id);
	drop(i);
	fit_locked();
}

/* To free one may leave its directory unused, and so on upward: one after the
 * other, as users make trees that are deeper than our stack. */
static void free_if_unused_locked(struct inode *i)
{
	if (i->nlookup || i->refs)
		return;
	remove_locked(i);
	i->next = unused;
	unused = i;
	if (freeing)
		return;
	freeing = true;
	while ((i = unused)) {
		unused = i->next;
		free_locked(i);
	}
	freeing = false;
}

/* ---- beginning and end ---- */

static void restore_item(void *item)
{
	struct inode *i = item;
	if (i->fh_len && !handle_bytes(i)) /* killed while it was dropped */
		i->fh_len = 0;
	if (!i->fh_len) { /* or made */
		drop(i);
		return;
	}
	i->next = NULL;
	i->names = NULL;
	i->content = NULL;
	i->pass = NULL;
	i->refs = 0;
	i->pin_fd = -1;
	i->n_open = 0;
	i->told = TOLD_MANY;
	i->held = false;
	i->pages.filled = true; /* nobody knows */
	i->pages.dropped = i->pages.queued = false;
	n_inodes++;
	fit_locked();
	insert_locked(i);
}

int inodes_start(const struct fhandle *root)
{
	assert(!slots);
	buckets = calloc(FIRST_BUCKETS, sizeof(*buckets));
	if (!buckets)
		abort();
	n_buckets = FIRST_BUCKETS;
	int r = kept_slots(KEPT_INODES, &slots);
	if (r == 0)
		r = kept_slots(KEPT_FILE_HANDLES, &long_handles);
	if (r == 0)
		r = names_start();
	if (r < 0)
		return r;
	slots_each(slots, restore_item);
	names_restore();
	if (inode_get(INODE_ROOT))
		return 0;
	struct inode *i = make_locked(root, S_IFDIR, fhandle_hash(root));
	assert(i && i->id == INODE_ROOT);
	i->nlookup = 1;
	return 0;
}

static void (*each)(struct inode *i); /* one thread, at the start */

static void each_item(void *item)
{
	each(item);
}

static void leave_item(void *item)
{
	leave(item);
}

void inodes_stop(void)
{
	if (slots)
		slots_each(slots, leave_item);
	slots_close(slots);
	slots_close(long_handles);
	names_stop();
	free(buckets);
	slots = long_handles = NULL;
	buckets = NULL;
	n_buckets = n_inodes = 0;
}

void inodes_each(void (*fn)(struct inode *i))
{
	each = fn;
	if (slots)
		slots_each(slots, each_item);
}

static void settle_item(struct inode *i)
{
	if (i->pin_fd >= 0 && !i->gone)
		inode_linked(i);
	free_if_unused_locked(i);
}

void inodes_restored(void)
{
	pthread_mutex_lock(&inodes_lock);
	inodes_each(settle_item);
	pthread_mutex_unlock(&inodes_lock);
}

size_t inodes_count(void)
{
	pthread_mutex_lock(&inodes_lock);
	size_t n = n_inodes;
	pthread_mutex_unlock(&inodes_lock);
	return n;
}

struct inode *inode_get(uint64_t id)
{
	return slots_get(slots, id);
}

struct inode *inode_find(const struct fhandle *fh)
{
	uint32_t hash = fhandle_hash(fh);
	pthread_mutex_lock(&inodes_lock);
	struct inode *i = find_locked(fh, hash);
	if (i)
		i->refs++;
	pthread_mutex_unlock(&inodes_lock);
	return i;
}

struct inode *inode_learn(const struct fhandle *fh, const struct stat *st,
			  struct inode *dir, const char *name)
{
	uint32_t hash = fhandle_hash(fh);
	pthread_mutex_lock(&inodes_lock);
	struct inode *i = find_locked(fh, hash);
	if (!i && !(i = make_locked(fh, st->st_mode, hash)))
		errno = ENOMEM;
	if (i) {
		atomic_signal_fence(memory_order_seq_cst);
		i->nlookup++;
		inode_saw(i, st);
	}
	if (i && !inode_name_add_locked(i, dir, name)) {
		i->nlookup--; /* it had others */
		errno = ELOOP;
		i = NULL;
	}
	pthread_mutex_unlock(&inodes_lock);
	return i;
}

void inode_forget(uint64_t id, uint64_t n)
{
	if (id == INODE_ROOT)
		return;
	pthread_mutex_lock(&inodes_lock);
	struct inode *i = inode_get(id);
	if (i) {
		i->nlookup -= n < i->nlookup ? n : i->nlookup;
		free_if_unused_locked(i);
	}
	pthread_mutex_unlock(&inodes_lock);
}

/* The number that is left is noted before it is set, so that it can be set
 * twice: under the lock nobody else changes it in between. */
static struct inode *forget_next_locked(struct forgetting *p, uint64_t id,
					uint64_t n)
{
	struct inode *i = inode_get(id);
	if (p->begun == p->done) {
		uint64_t had = i ? i->nlookup : 0;
		p->left = had - (n < had ? n : had);
		atomic_signal_fence(memory_order_seq_cst);
		p->begun++;
	}
	atomic_signal_fence(memory_order_seq_cst);
	if (i && id != INODE_ROOT)
		i->nlookup = p->left;
	return i;
}

void inode_forget_next(struct forgetting *p, uint64_t id, uint64_t n)
{
	pthread_mutex_lock(&inodes_lock);
	struct inode *i = forget_next_locked(p, id, n);
	if (i)
		free_if_unused_locked(i);
	p->done++;
	pthread_mutex_unlock(&inodes_lock);
}

void inode_forget_resume(struct forgetting *p, uint64_t id, uint64_t n)
{
	pthread_mutex_lock(&inodes_lock);
	forget_next_locked(p, id, n);
	p->done++;
	pthread_mutex_unlock(&inodes_lock);
}

void inodes_trim(void)
{
	pthread_mutex_lock(&inodes_lock);
	bool due = trim_due;
	trim_due = false;
	pthread_mutex_unlock(&inodes_lock);
	if (due)
		malloc_trim(0);
}

void inode_ref(struct inode *i)
{
	pthread_mutex_lock(&inodes_lock);
	i->refs++;
	pthread_mutex_unlock(&inodes_lock);
}

void inode_unref_locked(struct inode *i)
{
	assert(i->refs > 0);
	i->refs--;
	free_if_unused_locked(i);
}

void inode_unref(struct inode *i)
{
	if (!i)
		return;
	pthread_mutex_lock(&inodes_lock);
	inode_unref_locked(i);
	pthread_mutex_unlock(&inodes_lock);
}

uint64_t inode_id(const struct inode *i)
{
	return i->id;
}

uint64_t inode_generation(const struct inode *i)
{
	return i->id >> 32;
}

mode_t inode_type(const struct inode *i)
{
	return i->type;
}

uint32_t inode_hash(const struct inode *i)
{
	return i->hash;
}

void inode_handle(const struct inode *i, struct fhandle *ret)
{
	ret->len = i->fh_len;
	ret->type = i->fh_type;
	memcpy(ret->bytes, handle_bytes(i), i->fh_len);
}
