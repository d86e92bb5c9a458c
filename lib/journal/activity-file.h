/* layer: journal, private */
#ifndef MIRRORFS_JOURNAL_ACTIVITY_FILE_H
#define MIRRORFS_JOURNAL_ACTIVITY_FILE_H

/*
 * The form of STATE/activity: a header of one sector in a page of its own,
 * then slots of one sector each. A sector is written whole or not at all, and
 * both carry a checksum. An empty slot is all zero. It is never made longer or
 * shorter after it was made, so a full disk does not matter.
 */

#include <stdbool.h>
#include <stdint.h>

#include "activity.h"

#define ACTIVITY_PAGE	4096u
#define ACTIVITY_SECTOR 512u

enum activity_flag {
	ACTIVITY_OFF = 1 << 0, /* nothing is marked */
	ACTIVITY_ALL = 1 << 1, /* not all that changes is marked */
	ACTIVITY_LOST = 1 << 2, /* a sync has failed: so it stays (lift.c) */
};

struct activity_head {
	uint32_t slots;
	uint32_t flags;
	uint64_t epoch;
	int64_t since_ns; /* as in struct activity_past */
	char uuid[40];
	uint64_t synced; /* records up to it are on the disk; 0: not known */
};

/* activity_discard - remove it, durably: what it says is not true any more. */
int activity_discard(const char *state_dir);

/* activity_doubt - it says "everything", durably, or is not there. */
int activity_doubt(const char *state_dir);
/* activity_is_at - `fd` is the file there. */
bool activity_is_at(int fd, const char *state_dir);

/* activity_open - for writing, with its header. A descriptor, or a negative
 * errno: -EUCLEAN when the header is none. */
int activity_open(const char *state_dir, struct activity_head *ret);
/* None of these syncs. */
int activity_put_head(int fd, const struct activity_head *h);
int activity_put_slot(int fd, unsigned slot, const struct mark *m);
int activity_zero_slot(int fd, unsigned slot);
/* Slots that lie together are read together. Begins as {.fd = fd}. */
#define ACTIVITY_READ 64
struct activity_reader {
	int fd;
	unsigned first, n; /* those in `data` */
	uint8_t data[ACTIVITY_READ * ACTIVITY_SECTOR];
};
/* activity_get_slot - 1, 0 when it is empty, or a negative errno: -EUCLEAN
 * when it is no mark. */
int activity_get_slot(struct activity_reader *r, unsigned slot,
		      struct mark *ret);

#endif
