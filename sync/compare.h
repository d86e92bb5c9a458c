/* layer: sync */
#ifndef MIRRORFS_SYNC_COMPARE_H
#define MIRRORFS_SYNC_COMPARE_H

#include "sync/engine.h"

/* A folder that is to be walked after what is beside it: lists of names are
 * large, so one is held at a time. */
struct descent {
	char *name;	       /* NULL: no folder, or not to be walked */
	bool fresh;	       /* the replica has nothing in it */
	enum depth depth;      /* of its entries */
	struct fhandle *moved; /* itself, when the replica may have another
				* folder there; else NULL */
};

/*
 * compare_entry - push the steps that make the replica equal at `path`. `fd` is
 * the lower object (O_PATH); `a` what the replica has there, or NULL. *ret, its
 * members owned by the caller, says whether to go on below. Returns 0, or a
 * negative errno that ends the connection; what fails is in e->failed.
 */
int compare_entry(struct engine *e, int fd, const char *path,
		  const struct remote_attr *a, enum strictness strict,
		  enum depth depth, struct descent *ret);
/* compare_unseen - the master could not be asked what is at `path`. */
void compare_unseen(struct engine *e, const char *path, int error);
/* compare_attributes - of something whose content is the same. */
int compare_attributes(struct engine *e, const char *path,
		       const struct stat *st, const struct fhandle *obj,
		       const struct remote_attr *a);

#endif
