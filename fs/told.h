#ifndef MIRRORFS_FS_TOLD_H
#define MIRRORFS_FS_TOLD_H

/*
 * Old attributes that arrive late. After setxattr, mknod, unlink, rename and the
 * like the kernel only notes that it does not know the attributes any more. If
 * it is told what they were before (by a LOOKUP, GETATTR or READDIRPLUS that
 * was answered before the change, and whose caller comes to it after it), it
 * takes that for what they are, for as long as it may keep it. A notification
 * makes it refuse the answers to all that was asked before.
 *
 * That costs some microseconds, and the kernel asks for the attributes once
 * more, so it is only done when somebody else than who makes the change was
 * told of them since the last one: who makes it waits for us, and has
 * nothing to come to. How long ago that was does not count. The caller
 * of a READDIRPLUS puts names into memory of its own choice in between, and
 * may be held up there for as long as it likes.
 *
 * Any thread.
 */

#include <stdbool.h>

struct inode;

/* told_note - the kernel is about to be told of its attributes, by the answer
 * to the request of this thread. What is looked up after this call is new
 * enough. */
void told_note(struct inode *i);
/* told_changes - if it is the same number before the attributes were looked up
 * and after told_note, they are new enough, too. */
unsigned told_changes(void);
/* told_changed - its attributes were changed by the request of this thread,
 * which has not been answered. Under the order lock by which they were. */
void told_changed(struct inode *i);

#endif
