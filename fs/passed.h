#ifndef MIRRORFS_FS_PASSED_H
#define MIRRORFS_FS_PASSED_H

/* Files that programs may still write to by descriptors and mappings of a mount that
 * is gone, past the one that is there now: see passed.c. */

/* passed_resume - they count as unseen (passthrough.h) until nobody can any more.
 * When contents_start is done, and nobody is served yet. */
void passed_resume(void);

#endif
