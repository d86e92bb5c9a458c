/* layer: sync */
#ifndef SYNC_PROBE_H
#define SYNC_PROBE_H

#include "abilities.h"
#include "remote.h"

/* A server that has the draft's order of SYMLINK would make its link there: it
 * cannot. Nothing but probing has this in a request. */
#define PROBE_NOWHERE "/.mirrorfs-nowhere/x"

/*
 * probe - try in the folder `stage`, which is empty and ours, what the server
 * can do: a list of extensions may name what it refuses, and says nothing of
 * the rest. A few round trips; the folder is empty again afterwards. What the
 * server announces in vain is not used from here on.
 * On a full disk, or where a quota is used up, nothing can be tried: then what it
 * could last counts, `had` (NULL: not known), or what makes room there would never
 * be sent. Of SYMLINK only if the order of its arguments is known now.
 * Returns 0, or -1 with *err filled: the connection is lost, or the server
 * lacks what there is no way without.
 */
int probe(struct remote *r, const char *url, const char *stage,
	  const struct abilities *had, struct abilities *ret,
	  struct remote_error *err);
/* probe_lacks - something that makes a difference to what a replica has. */
bool probe_lacks(const struct abilities *is, const struct abilities *was);

#endif
