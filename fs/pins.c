/*
 * A table of pinned objects, by number and by (device, inode number).
 *
 * Two objects can have one such pair: hard links in a lower layer of overlayfs
 * (index=off) are one file to stat(2), but each name is an inode of its own,
 * which becomes a file of its own when it is written. They are told apart by
 * a watch of inotify(7), of which an inode has at most one.
 *
 * LOCK_pins guards all of it; it is below LOCK_inodes. Against the rule it is
 * held across fstat(2) and inotify's calls, which wait for nobody: what was
 * looked at must not be moved meanwhile.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "cleanup.h"
#include "clock.h"
#include "fs/lower.h"
#include "fs/pins.h"
#include "log.h"
#include "shared.h"

#define COMPLAIN_NS (60 * NS_PER_S)

struct key { /* no padding: hashed as bytes */
	uint64_t dev, ino;
};

struct pin {
	uint64_t number; /* constant, as `type` and `fd` */
	mode_t type;
	int fd;
	struct key key;
	struct pin *twin;  /* another object with this key */
	unsigned refs;	   /* of requests and inodes */
	unsigned suspects; /* requests that may give it another key */
	struct key busy_key;
	unsigned busy;
	UT_hash_handle by_number, by_key;
	TAILQ_ENTRY(pin) order, suspect;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* LOCK_pins */
static pthread_cond_t crowd = PTHREAD_COND_INITIALIZER;
static bool used;		   /* constant while the worker runs */
static int watch_fd = -1;	   /* constant while the worker runs; or -1 */
static unsigned max_pins;	   /* constant while the worker runs */
static uint64_t root_mount;	   /* constant while the worker runs */
static struct shared *told;	   /* constant while the worker runs */
static uint64_t salt, next_number; /* LOCK_pins, as all below */
static struct pin *numbers, *keys;
TAILQ_HEAD(pin_list, pin);
static struct pin_list oldest = TAILQ_HEAD_INITIALIZER(oldest);
static struct pin_list suspects = TAILQ_HEAD_INITIALIZER(suspects);
static _Atomic unsigned n_pins;
static int64_t complained_ns;
static bool stopping;

/* What this thread's request uses. */
static __thread struct use {
	struct pin *pin;
	bool suspect;
} * uses;
static __thread size_t n_uses, cap_uses;

/* ---- all with the lock held ---- */

static struct key key_of(const struct stat *st)
{
	return (struct key){.dev = st->st_dev, .ino = st->st_ino};
}

static bool key_equal(const struct key *a, const struct key *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

static void handle_of(const struct pin *p, struct fhandle *ret)
{
	*ret = (struct fhandle){.type = PIN_TYPE, .len = 16};
	memcpy(ret->bytes, &salt, 8);
	memcpy(ret->bytes + 8, &p->number, 8);
}

static struct pin *by_handle(const struct fhandle *fh)
{
	struct pin *p = NULL;
	uint64_t of, number;
	if (fh->type != PIN_TYPE || fh->len != 16)
		return NULL;
	memcpy(&of, fh->bytes, 8);
	memcpy(&number, fh->bytes + 8, 8);
	if (of == salt)
		HASH_FIND(by_number, numbers, &number, sizeof(number), p);
	return p;
}

static void key_add(struct pin *p)
{
	struct pin *first;
	p->twin = NULL;
	HASH_FIND(by_key, keys, &p->key, sizeof(p->key), first);
	if (first) {
		p->twin = first->twin;
		first->twin = p;
	} else {
		HASH_ADD(by_key, keys, key, sizeof(p->key), p);
	}
}

static void key_del(struct pin *p)
{
	struct pin *first;
	HASH_FIND(by_key, keys, &p->key, sizeof(p->key), first);
	if (first == p) {
		HASH_DELETE(by_key, keys, p);
		if (p->twin) {
			first = p->twin;
			HASH_ADD(by_key, keys, key, sizeof(first->key), first);
		}
	} else {
		while (first->twin != p)
			first = first->twin;
		first->twin = p->twin;
	}
}

/* It may have been copied up. */
static void look_again(struct pin *p)
{
	struct stat st;
	if (fstat(p->fd, &st) < 0)
		return;
	struct key now = key_of(&st);
	if (key_equal(&now, &p->key))
		return;
	key_del(p);
	p->key = now;
	key_add(p);
}

static bool same_inode(int a, int b)
{
	char path_a[LOWER_LINK_BYTES], path_b[LOWER_LINK_BYTES], rest[4096];
	int wa = inotify_add_watch(watch_fd, lower_link_path(a, path_a),
				   IN_DELETE_SELF);
	if (wa < 0)
		return true; /* as stat(2) says */
	int wb = inotify_add_watch(watch_fd, lower_link_path(b, path_b),
				   IN_DELETE_SELF);
	if (wb >= 0 && wb != wa)
		inotify_rm_watch(watch_fd, wb);
	inotify_rm_watch(watch_fd, wa);
	while (read(watch_fd, rest, sizeof(rest)) > 0)
		;
	return wa == wb;
}

/* The object with these attributes, of which `fd` is one more descriptor, or
 * -1 when it cannot have twins. */
static struct pin *find(const struct stat *st, int fd)
{
	struct key key = key_of(st);
	struct pin *p;
	HASH_FIND(by_key, keys, &key, sizeof(key), p);
	while (p && fd >= 0 && !same_inode(p->fd, fd))
		p = p->twin;
	return p;
}

static bool may_have_twins(const struct stat *st)
{
	return watch_fd >= 0 && st->st_nlink > 1 && !S_ISDIR(st->st_mode);
}

static void tell(void)
{
	if (told)
		shared_set_pinned(told, n_pins + 1);
}

static struct pin *make(int fd, const struct stat *st)
{
	struct pin *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->number = next_number++;
	p->type = st->st_mode & S_IFMT;
	p->fd = fd;
	p->key = key_of(st);
	HASH_ADD(by_number, numbers, number, sizeof(p->number), p);
	key_add(p);
	TAILQ_INSERT_TAIL(&oldest, p, order);
	n_pins++;
	if (n_pins > max_pins / 2)
		pthread_cond_signal(&crowd);
	tell();
	return p;
}

/* Returns the descriptor to be closed, or -1: it is still used. */
static int unref(struct pin *p)
{
	if (--p->refs)
		return -1;
	int fd = p->fd;
	key_del(p);
	HASH_DELETE(by_number, numbers, p);
	TAILQ_REMOVE(&oldest, p, order);
	n_pins--;
	tell();
	free(p);
	return fd;
}

static void use(struct pin *p, bool suspect)
{
	if (n_uses == cap_uses) {
		cap_uses = cap_uses ? cap_uses * 2 : 16;
		uses = reallocarray(uses, cap_uses, sizeof(*uses));
		if (!uses)
			abort();
	}
	uses[n_uses++] = (struct use){p, suspect};
	p->refs++;
	if (suspect && p->suspects++ == 0)
		TAILQ_INSERT_TAIL(&suspects, p, suspect);
}

/* Something unknown: is it one that got another number just now? */
static struct pin *find_suspect(const struct stat *st, int fd)
{
	struct pin *p;
	TAILQ_FOREACH(p, &suspects, suspect)
	{
		look_again(p);
	}
	return find(st, fd);
}

static void complain(void)
{
	int64_t now = clock_mono_ns();
	if (complained_ns && now - complained_ns < COMPLAIN_NS)
		return;
	complained_ns = now;
	log_warning("%u files are known and pinned by a descriptor each, "
		    "others are refused (ENFILE): raise the limit of open "
		    "files (ulimit -n, LimitNOFILE=)",
		    n_pins);
}

/* ---- these take it ---- */

/* Nearly all is taken: whoever wants more waits a moment, so that the thread
 * that makes room (room.c) keeps up. */
static void wait_for_room(void)
{
	const struct timespec moment = {0, 2 * NS_PER_MS};
	if (n_pins > max_pins / 4 * 3)
		nanosleep(&moment, NULL);
}

static int identify_anew(int fd, struct stat *st, bool suspect,
			 struct fhandle *ret_fh)
{
	int r = 0;
	pthread_mutex_lock(&lock);
	int twins_fd = may_have_twins(st) ? fd : -1;
	struct pin *p = find(st, twins_fd);
	if (!p)
		p = find_suspect(st, twins_fd);
	bool known = p;
	if (!p && n_pins >= max_pins) {
		complain();
		r = -ENFILE;
	} else if (!p) {
		p = make(fd, st);
		r = p ? 0 : -ENOMEM;
	}
	if (p) {
		use(p, suspect);
		handle_of(p, ret_fh);
	}
	pthread_mutex_unlock(&lock);
	if (!p || known)
		close(fd);
	return r;
}

static bool identify_known(const struct stat *st, bool suspect,
			   struct fhandle *ret_fh)
{
	if (may_have_twins(st))
		return false;
	pthread_mutex_lock(&lock);
	struct pin *p = find(st, -1);
	if (p) {
		use(p, suspect);
		handle_of(p, ret_fh);
	}
	pthread_mutex_unlock(&lock);
	return p;
}

static int mount_of(int fd, uint64_t *ret)
{
	struct statx stx;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return lower_errno();
	*ret = stx.stx_mask & STATX_MNT_ID ? stx.stx_mnt_id : 0;
	return 0;
}

int pins_identify(int dirfd, const char *name, struct fhandle *ret_fh,
		  struct stat *ret_st)
{
	/* what is looked at by itself is about to be changed, or was */
	bool suspect = !*name;
	uint64_t mount;
	if (fstatat(dirfd, name, ret_st,
		    AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT |
			    (*name ? 0 : AT_EMPTY_PATH)) < 0)
		return lower_errno();
	if (identify_known(ret_st, suspect, ret_fh))
		return 0;
	int fd = *name ? openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)
		       : lower_reopen(dirfd, O_PATH);
	if (fd < 0)
		return *name ? lower_errno() : fd;
	int r = fstat(fd, ret_st) < 0 ? lower_errno() : mount_of(fd, &mount);
	if (r == 0 && mount != root_mount)
		r = -EXDEV;
	if (r < 0) {
		close(fd);
		return r;
	}
	wait_for_room();
	return identify_anew(fd, ret_st, suspect, ret_fh);
}

int pins_open(const struct fhandle *fh, int flags)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
	int fd = -ESTALE;
	pthread_mutex_lock(&lock);
	struct pin *p = by_handle(fh);
	if (p) {
		fd = lower_duplicate(p->fd);
		if (flags & O_DIRECTORY && !S_ISDIR(p->type)) {
			close(fd);
			fd = -ENOTDIR;
		}
	}
	if (fd >= 0 && writes)
		use(p, true);
	pthread_mutex_unlock(&lock);
	if (fd < 0 || flags & O_PATH)
		return fd;
	int again = lower_reopen(fd, flags);
	close(fd);
	return again;
}

void pins_hold(const struct fhandle *fh)
{
	if (!used)
		return;
	pthread_mutex_lock(&lock);
	struct pin *p = by_handle(fh);
	if (p)
		p->refs++;
	pthread_mutex_unlock(&lock);
}

void pins_drop(const struct fhandle *fh)
{
	if (!used)
		return;
	pthread_mutex_lock(&lock);
	struct pin *p = by_handle(fh);
	int fd = p ? unref(p) : -1;
	pthread_mutex_unlock(&lock);
	if (fd >= 0)
		close(fd);
}

void pins_touch(const struct fhandle *fh)
{
	if (!used)
		return;
	pthread_mutex_lock(&lock);
	struct pin *p = by_handle(fh);
	if (p)
		use(p, true);
	pthread_mutex_unlock(&lock);
}

void pins_copy_up(const struct fhandle *fh)
{
	int fd = used ? pins_open(fh, O_WRONLY) : -1;
	if (fd >= 0)
		close(fd);
}

void pins_request_done(void)
{
	if (!uses)
		return;
	while (n_uses > 0) {
		struct use *u = &uses[--n_uses];
		pthread_mutex_lock(&lock);
		if (u->suspect) {
			look_again(u->pin);
			if (--u->pin->suspects == 0)
				TAILQ_REMOVE(&suspects, u->pin, suspect);
		}
		int fd = unref(u->pin);
		pthread_mutex_unlock(&lock);
		if (fd >= 0)
			close(fd);
	}
	free(uses);
	uses = NULL;
	cap_uses = 0;
}

static void public_of(const struct pin *p, const struct key *key,
		      struct fhandle *ret)
{
	fhandle_by_number(key->dev, key->ino, p->type, ret);
}

void pins_public(const struct fhandle *fh, struct fhandle *ret)
{
	*ret = *fh;
	if (!used || fh->len == 0)
		return;
	pthread_mutex_lock(&lock);
	struct pin *p = by_handle(fh);
	ret->len = 0;
	if (p && p->suspects)
		look_again(p);
	if (p)
		public_of(p, &p->key, ret);
	pthread_mutex_unlock(&lock);
}

void pins_busy_name(const struct fhandle *fh, struct fhandle *ret)
{
	*ret = *fh;
	if (!used)
		return;
	pthread_mutex_lock(&lock);
	struct pin *p = by_handle(fh);
	if (p && p->suspects)
		look_again(p);
	if (p && p->busy++ == 0)
		p->busy_key = p->key;
	if (p)
		public_of(p, &p->busy_key, ret);
	pthread_mutex_unlock(&lock);
}

void pins_idle_name(const struct fhandle *fh, struct fhandle *ret)
{
	*ret = *fh;
	if (!used)
		return;
	pthread_mutex_lock(&lock);
	struct pin *p = by_handle(fh);
	if (p)
		public_of(p, &p->busy_key, ret);
	if (p)
		p->busy--;
	pthread_mutex_unlock(&lock);
}

/* ---- making room ---- */

bool pins_crowded(void)
{
	return used && n_pins > max_pins / 2;
}

bool pins_wait_crowded(void)
{
	pthread_mutex_lock(&lock);
	while (!stopping && n_pins <= max_pins / 2)
		pthread_cond_wait(&crowd, &lock);
	bool go_on = !stopping;
	pthread_mutex_unlock(&lock);
	return go_on;
}

bool pins_oldest(struct fhandle *ret)
{
	pthread_mutex_lock(&lock);
	struct pin *p = TAILQ_FIRST(&oldest);
	bool more = p && !stopping && n_pins > max_pins / 2;
	if (more) {
		handle_of(p, ret);
		TAILQ_REMOVE(&oldest, p, order);
		TAILQ_INSERT_TAIL(&oldest, p, order);
	}
	pthread_mutex_unlock(&lock);
	return more;
}

void pins_wake_all(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_broadcast(&crowd);
	pthread_mutex_unlock(&lock);
}

/* ---- beginning and end ---- */

bool pins_used(void)
{
	return used;
}

int pins_start(int root_fd, unsigned max, struct shared *shared,
	       struct fhandle *ret_root)
{
	struct stat st;
	int r = mount_of(root_fd, &root_mount);
	if (r == 0 && fstat(root_fd, &st) < 0)
		r = lower_errno();
	int fd = r == 0 ? lower_reopen(root_fd, O_PATH) : r;
	if (fd < 0)
		return fd;
	/* numbers are for this run only */
	if (getrandom(&salt, sizeof(salt), 0) < 0)
		salt = (uint64_t)clock_wall_ns();
	watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	used = true;
	stopping = false;
	max_pins = max;
	told = shared;
	next_number = 1;
	struct pin *root = make(fd, &st);
	if (!root)
		return -ENOMEM;
	root->refs = 1;
	handle_of(root, ret_root);
	return 0;
}

void pins_stop(void)
{
	struct pin *p;
	if (!used)
		return;
	pins_request_done();
	while ((p = TAILQ_FIRST(&oldest))) {
		p->refs = 1;
		close(unref(p));
	}
	if (watch_fd >= 0)
		close(watch_fd);
	watch_fd = -1;
	used = false;
}
