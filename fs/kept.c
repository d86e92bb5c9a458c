/*
 * The memfd is one file with a fixed layout, far larger than what is used of
 * it: memory is taken where something is written.
 *
 *	head | the flight of each thread | the items of each kind
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs/handle.h"
#include "fs/inode-private.h"
#include "fs/kept.h"

#define KEPT_MAGIC 0x6d6972726f726b70ULL
/* What the members of inodes, handles, names, flights or the number of a
 * feature in them mean: one more with each change. Their sizes are compared
 * besides. */
#define KEPT_VERSION 4

struct head {
	uint64_t magic;
	uint32_t version;
	uint32_t sizes[KEPT_ITEMS + 1]; /* of items, of a flight */
	struct kept_init init;
};

#define HEAD_BYTES   ((off_t)1 << 20)
#define FLIGHT_BYTES ((off_t)sizeof(struct flight))
#define ITEMS_AT     ((off_t)1 << 32)
#define KEPT_BYTES   (ITEMS_AT + KEPT_ITEMS * SLOTS_BYTES)

_Static_assert(sizeof(struct head) <= HEAD_BYTES, "it fits");
_Static_assert(HEAD_BYTES + SHARED_THREADS * FLIGHT_BYTES <= ITEMS_AT,
	       "they fit");

static int kept_fd = -1;       /* constant while the worker runs */
static struct head *head;      /* constant while the worker runs */
static struct flight *flights; /* constant while the worker runs */
static __thread struct flight *now;

static size_t size_of(unsigned which)
{
	switch (which) {
	case KEPT_INODES:
		return sizeof(struct inode);
	case KEPT_HANDLES:
		return sizeof(struct handle);
	case KEPT_FILE_HANDLES:
		return FHANDLE_MAX;
	case KEPT_ITEMS:
		return sizeof(struct flight);
	default:
		return name_bytes(which - KEPT_NAMES);
	}
}

static void *map(int fd, off_t at, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);
	return p == MAP_FAILED ? NULL : p;
}

int kept_create(int *ret_fd)
{
	CLEANUP_CLOSE int fd =
		memfd_create("mirrorfs-kept", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, KEPT_BYTES) < 0)
		return -errno;
	/* A shrunk file would kill everybody who has it mapped. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	struct head *h = map(fd, 0, sizeof(*h));
	if (!h)
		return -errno;
	for (unsigned i = 0; i <= KEPT_ITEMS; i++)
		h->sizes[i] = (uint32_t)size_of(i);
	h->version = KEPT_VERSION;
	h->magic = KEPT_MAGIC;
	munmap(h, sizeof(*h));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

uint64_t kept_served(int fd)
{
	off_t at = HEAD_BYTES + (off_t)offsetof(struct flight, request) +
		   (off_t)offsetof(struct fuse_in_header, unique);
	uint64_t sum = 0, number;
	for (unsigned t = 0; t < SHARED_THREADS; t++, at += FLIGHT_BYTES) {
		if (pread(fd, &number, sizeof(number), at) ==
		    (ssize_t)sizeof(number))
			sum += number;
	}
	return sum;
}

static int check(const struct head *h)
{
	if (h->magic != KEPT_MAGIC || h->version != KEPT_VERSION)
		return -EPROTO;
	for (unsigned i = 0; i <= KEPT_ITEMS; i++) {
		if (h->sizes[i] != size_of(i))
			return -EPROTO;
	}
	return 0;
}

int kept_open(int fd)
{
	int r = 0;
	kept_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		r = kept_create(&kept_fd);
	else if (kept_fd < 0)
		r = -errno;
	if (r == 0 && !(head = map(kept_fd, 0, sizeof(*head))))
		r = -errno;
	if (r == 0)
		r = check(head);
	if (r == 0 && !(flights = map(kept_fd, HEAD_BYTES,
				      SHARED_THREADS * sizeof(*flights))))
		r = -errno;
	if (r < 0)
		kept_close();
	return r;
}

void kept_close(void)
{
	if (flights)
		munmap(flights, SHARED_THREADS * sizeof(*flights));
	if (head)
		munmap(head, sizeof(*head));
	if (kept_fd >= 0)
		close(kept_fd);
	flights = NULL;
	head = NULL;
	kept_fd = -1;
}

int kept_slots(enum kept_items which, struct slots **ret)
{
	return slots_open(size_of(which), kept_fd,
			  kept_fd < 0 ? 0 : ITEMS_AT + which * SLOTS_BYTES,
			  ret);
}

struct kept_init *kept_init(void)
{
	return &head->init;
}

/* ---- flights ---- */

static struct fuse_in_header *header(const struct flight *f)
{
	return (void *)f->request;
}

struct flight *kept_flight(unsigned thread)
{
	assert(thread < SHARED_THREADS);
	return &flights[thread];
}

void flight_begin(struct flight *f)
{
	now = f;
}

struct flight *flight_now(void)
{
	return now;
}

uint64_t flight_number(const struct flight *f)
{
	return f ? header(f)->unique : 0;
}

uint32_t flight_caller(const struct flight *f)
{
	return f ? header(f)->pid : 0;
}

static uint64_t *page_begin(const struct flight *f, size_t at)
{
	return (uint64_t *)(uintptr_t)(f->request + at);
}

size_t flight_whole(const struct flight *f)
{
	size_t len = header(f)->len, n = KEPT_HEAD_BYTES;
	if (len > sizeof(f->request))
		len = 0;
	if (f->got >= len)
		return len;
	while (n < len && *page_begin(f, n))
		n += KEPT_HEAD_BYTES;
	return n < len ? n : len;
}

/* What it has left behind its first page would pass for the next one's. */
static void flight_wipe(struct flight *f)
{
	size_t len = header(f)->len;
	if (len > sizeof(f->request) || f->got > len)
		len = f->got;
	for (size_t n = KEPT_HEAD_BYTES; n < len; n += KEPT_HEAD_BYTES)
		*page_begin(f, n) = 0;
	atomic_signal_fence(memory_order_seq_cst);
}

void flight_done(struct flight *f)
{
	header(f)->unique = 0;
	atomic_signal_fence(memory_order_seq_cst);
	flight_wipe(f);
	f->counted = 0;
	f->got = 0;
	f->forgetting.begun = f->forgetting.done = 0;
	f->other = 0;
	f->before = 0;
	f->tries = 0;
}

bool flight_again(void)
{
	return now && now->tries > 0;
}

void flight_map(struct flight *f)
{
	/* refused, it is as if it were not there */
	(void)madvise(f, sizeof(*f), MADV_POPULATE_WRITE);
}
