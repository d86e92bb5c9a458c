/* layer: journal, private */
#ifndef MIRRORFS_JOURNAL_IDENTITY_H
#define MIRRORFS_JOURNAL_IDENTITY_H

#include "journal.h"

/* identity_save - what the transaction that is open makes of it, durable when
 * it returns. Returns 0, or a negative errno. */
int identity_save(struct journal *j);

/* identity_load - into the empty tables of `j`. Returns 0, or a negative
 * errno: -ENODATA when there is none, or it is damaged. */
int identity_load(struct journal *j, const char *state_dir);

/* identity_missing - is there nothing to begin a new database with? */
bool identity_missing(const char *state_dir);

#endif
