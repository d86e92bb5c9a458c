#ifndef MIRRORFS_FS_ROOM_H
#define MIRRORFS_FS_ROOM_H

/*
 * Where objects are pinned by descriptors (pins.h): a thread that lets the
 * kernel forget files when there are many, so that there is room for others.
 */

/* room_start - Returns 0, or a negative errno: no thread can be made. Does
 * nothing where there are handles. */
int room_start(void);
void room_stop(void);

#endif
