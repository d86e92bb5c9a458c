#ifndef MIRRORFS_FS_ORDER_H
#define MIRRORFS_FS_ORDER_H

/*
 * The order locks: they make the journal's order the order of effect. Who
 * changes the tree holds the lock of each directory and object concerned
 * across the one lower call and the append of its record, never across a
 * reply.
 *
 * Records name paths, and the rename of a directory changes many of them at
 * once: everything that appends a record holds the tree lock shared, the
 * rename of a directory holds it exclusively. Nobody is kept out for long: who
 * waits for a lock shared has it after the next one that holds it alone.
 *
 * Rank: LOCK_handle (of a folder that is being read, which looks at the entries),
 * tree, objects by stripe (order_lock sorts them), LOCK_pass, and then all others
 * (LOCK_inodes, LOCK_dirty, LOCK_pages, LOCK_pins, LOCK_activity, LOCK_ring …).
 */

#include <stdint.h>

#define ORDER_OBJECTS 4

enum order_tree { ORDER_SHARED, ORDER_EXCLUSIVE };

struct order {
	unsigned n;
	uint16_t stripe[ORDER_OBJECTS];
	enum order_tree tree; /* how it was locked */
};

#define ORDER_INIT {0, {0}, ORDER_SHARED}

/* order_add - one more object to be locked, by inode_hash. */
void order_add(struct order *o, uint32_t hash);
void order_lock(struct order *o, enum order_tree tree);
void order_unlock(struct order *o);

/* order_look - hold off changes of one directory while looking at it; no
 * record may be appended meanwhile, and nothing else locked. */
void order_look(uint32_t hash);
void order_looked(uint32_t hash);

/* order_bar - this thread takes a lock that ranks below these: until order_unbar
 * it may not ask for one of them. That is checked: it goes well nearly always, and
 * then, once, everybody waits for everybody. */
void order_bar(void);
void order_unbar(void);

#endif
