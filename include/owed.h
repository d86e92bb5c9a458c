/* layer: journal */
#ifndef MIRRORFS_OWED_H
#define MIRRORFS_OWED_H

/*
 * The tree says itself that its journal does not know all that was changed: an
 * attribute of its root, trusted.mirrorfs.owed, while the state folder takes
 * neither records nor marks. As long as it is there, a mount begins with a
 * comparison of everything. All of these return a negative errno when the file
 * system, or this process, can have no such attribute.
 */

#include <stdbool.h>
#include <stdint.h>

struct journal;

/* Through the mount nobody but mirrorfs can list, set or remove these. */
#define OWED_PREFIX "trusted.mirrorfs."

/* journal_may_recover - a disk that is full, read-only or gives errors may work
 * again, with all that was on it. */
bool journal_may_recover(int error);
/* journal_recall - a journal in memory that has what STATE/identity says: who
 * the replicas are, for as long as the database cannot be read. */
int journal_recall(const char *state_dir, struct journal **ret);

/*
 * journal_epoch_reach - `epoch`, of which there are records in memory already,
 * begins, empty; what journal_epoch_begin owes to the time before goes into the
 * one before it, with a GAP when since_ns is not 0 (journal_rescan_next). One
 * that failed, or was killed at any point, can be tried again. -ESTALE: there
 * are other records of that epoch, or of a later one.
 */
int journal_epoch_reach(struct journal *j, uint64_t epoch, int64_t since_ns);

/* owed_note - what was changed since `since_ns` may be unknown; on the disk
 * when it returns. One that is there already stays. */
int owed_note(int lower_fd, int64_t since_ns);
/* owed_begin - a mount begins. One that no mount has put away (owed_put_away)
 * was cut off: what was written in place may have reached the disk with old
 * times, so everything may be unknown. */
int owed_begin(int lower_fd);
/* owed_put_away - all that was changed is on the disk, and nobody changes more
 * before the next mount: times can be believed. */
int owed_put_away(int lower_fd);
/* owed_read - 1 and since when, or 0: nothing is owed. */
int owed_read(int lower_fd, int64_t *ret_since_ns);
/* owed_clear - all is known by what is on the disk. */
int owed_clear(int lower_fd);

#endif
