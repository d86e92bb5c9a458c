#ifndef MIRRORFS_FS_KEPT_H
#define MIRRORFS_FS_KEPT_H

/*
 * What a worker leaves to the next one, besides shared.h: the inodes that the
 * kernel knows, the open handles, what was agreed with the kernel, and the
 * requests that are being served. It lies in a memfd that the supervisor
 * holds. One a process; opened before there are threads.
 *
 * Who is killed at any instruction leaves it usable: what can be told from
 * the rest (hash chains, references, free lists) is not kept but found out
 * again, and what is kept becomes true by one store.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fs/slots.h"
#include "shared.h"

/* What has numbered items there. */
enum kept_items {
	KEPT_INODES,
	KEPT_HANDLES,
	KEPT_FILE_HANDLES, /* of inodes: those that are too long for it */
	KEPT_NAMES,	   /* of inodes: by length */
	KEPT_NAMES_LAST = KEPT_NAMES + 3,
	KEPT_ITEMS
};

/* The largest request: what is written at once, and its head. */
#define KEPT_WRITE_BYTES   (1u << 20)
#define KEPT_HEAD_BYTES	   4096u
#define KEPT_REQUEST_BYTES (KEPT_HEAD_BYTES + KEPT_WRITE_BYTES)

/*
 * The request that a thread serves. It is read right into it, so that it is
 * there from the moment on at which the kernel takes it as read. Zero in the
 * place of its number: none. The rest is about this request only.
 *
 * Killed while it is read, all of it may be there or only some of its pages
 * (flight_whole). So a page behind the first one begins with zeros as long as
 * nothing was read into it.
 */
struct flight {
	_Atomic uint64_t counted; /* an inode: one lookup more, for the reply */
	_Atomic uint32_t got;	  /* so long is it, once that is known */
	struct forgetting {
		_Atomic uint32_t begun, done; /* of what it gives back */
		uint64_t left; /* lookups of the one that has begun */
	} forgetting;	       /* inode_forget_next */
	uint64_t other;	       /* what the operation wants to find again … */
	uint32_t before;       /* … as it was before the lower call */
	uint32_t tries;	       /* how many workers took it over */
	_Alignas(KEPT_HEAD_BYTES) uint8_t request[KEPT_REQUEST_BYTES];
};

/* The INIT request and its answer, as they went over /dev/fuse. */
struct kept_init {
	uint32_t request_len, answer_len; /* 0: not yet */
	_Alignas(8) uint8_t request[512]; /* read as what it is */
	_Alignas(8) uint8_t answer[256];
};

/* kept_create - for the supervisor; *ret_fd is a memfd with FD_CLOEXEC.
 * Returns 0, or a negative errno. */
int kept_create(int *ret_fd);
/* kept_served - for the supervisor: it is the same as long as no thread begins or
 * ends a request; 0: none is served. */
uint64_t kept_served(int fd);
/*
 * kept_open - the one behind `fd` (borrowed); -1: a new one of our own.
 * Returns 0, or a negative errno: -EPROTO when another version of this program
 * made it, which understands it otherwise.
 */
int kept_open(int fd);
void kept_close(void);

/* kept_slots - the items, which slots_close'd stay; without kept_open new
 * ones. Returns 0, or a negative errno. */
int kept_slots(enum kept_items which, struct slots **ret);
struct kept_init *kept_init(void);
/* kept_flight - that of a thread, as for shared_begin. */
struct flight *kept_flight(unsigned thread);

/* flight_begin - this thread serves `f` now (NULL: none). flight_now - which
 * one it serves. */
void flight_begin(struct flight *f);
struct flight *flight_now(void);
/* flight_number - the kernel's number of the request; 0: none. */
uint64_t flight_number(const struct flight *f);
/* flight_caller - the thread that waits for the answer; 0: nobody knows. */
uint32_t flight_caller(const struct flight *f);
/* flight_whole - how many bytes of it are there, from its beginning. For
 * requests that have no zeros where a page begins. */
size_t flight_whole(const struct flight *f);
/* flight_done - it was answered. */
void flight_done(struct flight *f);
/* flight_map - this thread will read into `f`: all of it is mapped from here
 * on. The kernel answers EIO for a request whose reader is killed with a page
 * missing (fuse_dev_do_read: pages are not faulted in for who dies). */
void flight_map(struct flight *f);
/* flight_again - the request of this thread was begun by another worker. */
bool flight_again(void);

#endif
