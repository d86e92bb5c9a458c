/* layer: sync */
#ifndef SYNC_ATTR_H
#define SYNC_ATTR_H

/* Attributes of a step's object, as far as they are carried (attr.c). */

#include <sys/stat.h>

#include "abilities.h"
#include "remote.h"

struct owners;
struct step;

/* attr_owner - no flags when it is not carried; attr_mode_times - the others */
struct remote_attr attr_owner(struct step *s);
struct remote_attr attr_mode_times(const struct step *s);
/* attr_time - SFTP version 3 has times from 1970 to 2106: the nearest one. */
uint32_t attr_time(time_t t);
/* attr_mode - permissions as the replica can have them: a login that is not root
 * keeps all of its own on folders, or could not change what is in them */
uint32_t attr_mode(const struct owners *owners, const struct abilities *can,
		   const struct stat *st);
/* attr_send_open - of the upload, which is open; attr_send - owner, mode and
 * times of what is `at` that path */
void attr_send_open(struct step *s, const struct remote_attr *a,
		    remote_done_fn *done);
void attr_send(struct step *s, const char *at, bool times);
/* attr_send_file - of the file that is at the step's path, whatever the server
 * can: a symbolic link there is not followed, if it makes hard links. */
void attr_send_file(struct step *s);
/* attr_send_dirtimes - of the folder at the step's path. The tree is ahead of the
 * replica, and others may write there: where it has folders, the replica may have
 * a link to who knows where, on any part of the path. Then no times are set, and
 * the step has failed. */
void attr_send_dirtimes(struct step *s);
/* attr_look_dirtimes - the looks for that, before its turn: nothing that comes
 * before it makes, moves or removes a folder. */
void attr_look_dirtimes(struct step *s);
/* attr_send_named - `a`; not of what a link leads to, if the server can */
void attr_send_named(struct step *s, const char *at,
		     const struct remote_attr *a, remote_done_fn *done);

#endif
