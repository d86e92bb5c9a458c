#ifndef MIRRORFS_FS_SLOTS_H
#define MIRRORFS_FS_SLOTS_H

/*
 * Numbered items of one size. A number names one item for ever: its low half
 * is the place, its high half counts the uses of that place, so the number
 * of something that is gone never names something new. The first item taken
 * has number 1 (FUSE's root).
 *
 * Items do not move. slots_get takes no lock; whoever calls it knows that the
 * item cannot be dropped meanwhile (the kernel refers to it, or the caller
 * holds the lock under which it is dropped).
 *
 * They lie in a memfd: another process that opens it finds items and numbers
 * as a dead one left them, but with pointers that mean nothing.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct slots;

#define SLOTS_BYTES ((off_t)1 << 36) /* of the memfd, at most */

/*
 * slots_open - items of `item_bytes`, kept in the part of the memfd `fd`
 * (borrowed) that begins at `at` and has SLOTS_BYTES; -1: in one of its own.
 * Aborts without memory.
 * Returns 0, or a negative errno: -EPROTO when what is there has another size.
 */
int slots_open(size_t item_bytes, int fd, off_t at, struct slots **ret);
/* slots_close - the items stay in the memfd. NULL is fine. */
void slots_close(struct slots *s);

/* slots_take - a new item, zeroed. Returns it, or NULL when there are too
 * many (64 M) or memory is exhausted. */
void *slots_take(struct slots *s, uint64_t *ret_id);
/* slots_get - the item with that number, or NULL. */
void *slots_get(const struct slots *s, uint64_t id);
/* slots_number - of an item that is in use. */
uint64_t slots_number(const void *item);
void slots_drop(struct slots *s, uint64_t id);
/* slots_each - fn for each item in use, which it may drop. Nobody else uses
 * `s` meanwhile. */
void slots_each(struct slots *s, void (*fn)(void *item));

#endif
