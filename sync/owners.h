/* layer: sync */
#ifndef SYNC_OWNERS_H
#define SYNC_OWNERS_H

/*
 * Whose things are on the replica: the option `owner` of a replica.
 *
 *	(nothing)     numeric where the login may change owners, else ignore
 *	numeric       the same numbers
 *	name          the same names; their numbers there are asked for
 *	map:FILE      numbers out of a file
 *	USER[:GROUP]  one owner for all, by name or number
 *	ignore        whatever the login makes
 *
 * Numbers of names are learnt where waiting is allowed (owners_learn), and
 * used where it is not (owners_map). Belongs to the thread of the replica.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "remote.h"

struct owners;

/*
 * owners_open - `option` may be NULL; `chown_ok`: the login may change owners.
 * Asks the replica where names are to be known. Returns 0, or -1 with *err
 * filled, one line that says what to do.
 */
int owners_open(const char *option, bool chown_ok, struct remote *r,
		struct owners **ret, struct remote_error *err);
void owners_close(struct owners *o);

/* owners_carried - false: owners are neither sent nor compared. */
bool owners_carried(const struct owners *o);
/* owners_asked - what was asked for, a word for the journal: with another one
 * the replica must be compared. Borrowed. */
const char *owners_asked(const struct owners *o);

/* owners_learn - before `uid` and `gid` are mapped; may ask the replica.
 * Returns 0; 1 when one of them is not known there, so that the number must
 * do; -ENOTCONN; or another negative errno: its name here cannot be told now. */
int owners_learn(struct owners *o, uint32_t uid, uint32_t gid);
/* owners_map - false: owners are not carried, or this one was not learnt: it was
 * given away meanwhile, and a record that tells of it is still to come, which
 * must be acted on. */
bool owners_map(const struct owners *o, uint32_t uid, uint32_t gid,
		uint32_t *ret_uid, uint32_t *ret_gid);

/* owners_mode - the permissions of a file. A set-id bit lends the rights of the
 * file's owner, and is of no one else: it goes where the owner goes, not to a
 * number that is somebody else's there, nor to one that stands for all. */
uint32_t owners_mode(const struct owners *o, const struct stat *st);

#endif
