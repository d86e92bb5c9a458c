/*
 * A hash table by file handle over numbered slots. An entry is freed when the
 * kernel has forgotten it and no child name, open file or running operation
 * refers to it; freeing the last child of a forgotten directory frees the
 * directory too, and so on upward.
 *
 * About 130 bytes an inode and 40 for each name.
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/inode-private.h"
#include "fs/lower.h"
#include "fs/order.h"
#include "fs/slots.h"

#define FIRST_BUCKETS 1024u

pthread_mutex_t inodes_lock = PTHREAD_MUTEX_INITIALIZER;

static struct slots *slots;    /* constant while the worker runs */
static struct inode **buckets; /* LOCK_inodes */
static uint32_t n_buckets;     /* LOCK_inodes: a power of two */
static uint32_t n_inodes;      /* LOCK_inodes */
static bool trim_due;	       /* LOCK_inodes: many names were freed */

uint32_t fhandle_hash(const struct fhandle *fh)
{
	uint64_t h = 0xcbf29ce484222325u ^ (uint32_t)fh->type;
	for (uint32_t i = 0; i < fh->len; i++)
		h = (h ^ fh->bytes[i]) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32);
}

static const uint8_t *handle_bytes(const struct inode *i)
{
	return i->fh_len > INLINE_HANDLE ? i->fh.there : i->fh.here;
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

static struct inode *make_locked(const struct fhandle *fh, mode_t mode,
				 uint32_t hash)
{
	uint64_t id;
	uint8_t *there = NULL;
	if (fh->len > INLINE_HANDLE && !(there = malloc(fh->len)))
		return NULL;
	struct inode *i = slots_take(slots, &id);
	if (!i) {
		free(there);
		return NULL;
	}
	i->id = id;
	i->hash = hash;
	i->type = mode & S_IFMT;
	i->pin_fd = -1;
	i->fh_type = fh->type;
	i->fh_len = fh->len;
	if (there)
		i->fh.there = there;
	memcpy(there ? there : i->fh.here, fh->bytes, fh->len);
	n_inodes++;
	fit_locked();
	insert_locked(i);
	return i;
}

static void free_if_unused_locked(struct inode *i)
{
	if (i->nlookup || i->refs)
		return;
	remove_locked(i);
	n_inodes--;
	inode_names_free_locked(i);
	if (i->pin_fd >= 0)
		close(i->pin_fd); /* O_PATH: only drops a reference */
	free(i->pass);
	if (i->fh_len > INLINE_HANDLE)
		free(i->fh.there);
	slots_drop(slots, i->id);
	fit_locked();
}

void inodes_start(const struct fhandle *root)
{
	assert(!slots);
	slots = slots_new(sizeof(struct inode));
	buckets = calloc(FIRST_BUCKETS, sizeof(*buckets));
	if (!buckets)
		abort();
	n_buckets = FIRST_BUCKETS;
	struct inode *i = make_locked(root, S_IFDIR, fhandle_hash(root));
	assert(i && i->id == INODE_ROOT);
	i->nlookup = 1;
}

static void free_item(void *item)
{
	struct inode *i = item;
	while (i->names) {
		struct name *n = i->names;
		i->names = n->next;
		free(n);
	}
	if (i->pin_fd >= 0)
		close(i->pin_fd);
	free(i->pass);
	if (i->fh_len > INLINE_HANDLE)
		free(i->fh.there);
}

void inodes_stop(void)
{
	slots_each(slots, free_item);
	slots_free(slots);
	free(buckets);
	slots = NULL;
	buckets = NULL;
	n_buckets = n_inodes = 0;
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
	if (!i)
		i = make_locked(fh, st->st_mode, hash);
	if (i) {
		i->nlookup++;
		inode_name_add_locked(i, dir, name);
		inode_saw(i, st);
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

/* -ESTALE: it is not pinned. Waits for whoever takes the last name away. */
static int open_pinned(struct inode *i, int flags)
{
	int fd = -ESTALE;
	order_look(i->hash);
	if (i->pin_fd >= 0 && flags & O_PATH) {
		fd = fcntl(i->pin_fd, F_DUPFD_CLOEXEC, 0);
		fd = fd < 0 ? lower_errno() : fd;
	} else if (i->pin_fd >= 0) {
		fd = lower_reopen(i->pin_fd, flags);
	}
	order_looked(i->hash);
	return fd;
}

int inode_open(struct inode *i, int flags)
{
	struct fhandle fh;
	int fd = i->pin_fd >= 0 ? open_pinned(i, flags) : -ESTALE;
	if (fd != -ESTALE)
		return fd;
	inode_handle(i, &fh);
	fd = lower_open(&fh, flags);
	return fd == -ESTALE ? open_pinned(i, flags) : fd;
}

int inode_stat(struct inode *i, struct stat *ret)
{
	int fd = i->pin_fd;
	if (fd >= 0)
		return fstat(fd, ret) < 0 ? lower_errno() : 0;
	struct fhandle fh;
	inode_handle(i, &fh);
	fd = lower_open(&fh, O_PATH);
	if (fd < 0)
		return fd;
	int r = fstat(fd, ret) < 0 ? lower_errno() : 0;
	close(fd);
	return r;
}

void inode_gone(struct inode *i, int pin_fd)
{
	i->pin_fd = pin_fd;
	i->gone = true;
}

void inode_linked(struct inode *i)
{
	int fd = i->pin_fd;
	i->pin_fd = -1;
	i->gone = false;
	if (fd >= 0)
		close(fd);
}

bool inode_is_gone(const struct inode *i)
{
	return i->gone;
}

void inode_saw(struct inode *i, const struct stat *st)
{
	bool setid = st->st_mode & (S_ISUID | S_ISGID);
	if (i->setid != setid)
		i->setid = setid;
}

bool inode_had_setid(const struct inode *i)
{
	return i->setid;
}

struct content **inode_content(struct inode *i)
{
	return &i->content;
}

struct pass **inode_pass(struct inode *i)
{
	return &i->pass;
}

void inode_set_unseen(struct inode *i, bool unseen)
{
	i->unseen = unseen;
}

bool inode_is_unseen(const struct inode *i)
{
	return i->unseen;
}

void inode_prefer_pages(struct inode *i)
{
	i->prefers_pages = true;
}

bool inode_prefers_pages(const struct inode *i)
{
	return i->prefers_pages;
}
