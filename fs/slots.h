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
 */

#include <stddef.h>
#include <stdint.h>

struct slots;

/* slots_new - no items yet, each of `item_bytes`. Aborts without memory. */
struct slots *slots_new(size_t item_bytes);
/* slots_free - and all items in it. NULL is fine. */
void slots_free(struct slots *s);

/* slots_take - a new item, zeroed. Returns it, or NULL when there are too
 * many (64 M) or memory is exhausted. */
void *slots_take(struct slots *s, uint64_t *ret_id);
/* slots_get - the item with that number, or NULL. */
void *slots_get(const struct slots *s, uint64_t id);
void slots_drop(struct slots *s, uint64_t id);
/* slots_each - fn for each item in use, which it may drop. Nobody else uses
 * `s` meanwhile. */
void slots_each(struct slots *s, void (*fn)(void *item));

#endif
