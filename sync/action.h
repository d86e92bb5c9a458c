/* layer: sync */
#ifndef SYNC_ACTION_H
#define SYNC_ACTION_H

/*
 * An action: what a replica is told to do, made by the plan out of one or
 * several records. It reads the master when it is sent, not when it is made:
 * the content and attributes of `obj` as they are then.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

enum action_kind {
	ACT_NONE,      /* was folded into another one */
	ACT_PUT,       /* path gets the content and attributes of obj */
	ACT_MKDIR,     /* path, with the attributes of the record */
	ACT_SYMLINK,   /* path -> target */
	ACT_LINK,      /* path2 becomes another name of path */
	ACT_NAME,      /* path names obj, whose content is still to come */
	ACT_RENAME,    /* path becomes path2, replacing it */
	ACT_EXCHANGE,  /* path and path2 change places */
	ACT_UNLINK,    /* path, if it is there */
	ACT_RMDIR,     /* path, if it is there */
	ACT_SETATTR,   /* path gets the attributes of obj */
	ACT_RECONCILE, /* path is made equal to what the master has now */
	ACT_OBJECT,    /* … and so are all names that the replica has of obj */
	ACT_UNSURE,    /* reconcile what the record names by its object */
};

/* How sure reconcile must be that a regular file is the same. */
enum strictness {
	STRICT_ATTR, /* content counts as the same when the size is */
	STRICT_DATA, /* … when size and time (1 s) are */
	STRICT_NEWS, /* … and if nobody knows of newer content (stale.h) */
	STRICT_FULL, /* never: upload it */
	STRICT_TREE, /* … and so all files below it, if it is a folder: the
		      * replica may have another one there */
};

struct action {
	enum action_kind kind;
	bool fresh;              /* PUT, SYMLINK: nothing is at path before;
				  * RENAME: at path2 */
	bool absent;             /* PUT: the replica has no name of obj before */
	bool lone;               /* PUT: obj has no other name, here or there */
	bool update;             /* PUT: path has an older content of obj, and
				  * no action before has to do with them */
	bool attrs;              /* PUT: it carries a change of them, too */
	bool tree;               /* RENAME: of a directory */
	bool deep;               /* RECONCILE, OBJECT: and all below it */
	enum strictness strict;  /* RECONCILE, OBJECT */
	const struct record *rec;/* newest that it stands for; borrowed */
	const char *path;        /* borrowed from a record */
	const char *path2;       /* … or NULL; SYMLINK: its target */
	uint64_t first_seq;      /* oldest record that it stands for */
};

/* action_second - the other path that it changes, or NULL. */
static inline const char *action_second(const struct action *a)
{
	return a->kind == ACT_LINK || a->kind == ACT_RENAME ||
			       a->kind == ACT_EXCHANGE
		       ? a->path2
		       : NULL;
}

/* action_covers - PUT: something older may be at its path, or at another name of
 * its object. */
static inline bool action_covers(const struct action *a)
{
	return !a->fresh || !a->lone;
}

/* action_redone - how its paths are reconciled when it failed. */
static inline enum strictness action_redone(const struct action *a)
{
	return a->tree || a->kind == ACT_EXCHANGE ? STRICT_TREE : STRICT_FULL;
}

/* action_is_state - made after the others, by reconcile. */
static inline bool action_is_state(const struct action *a)
{
	return a->kind == ACT_RECONCILE || a->kind == ACT_OBJECT ||
	       a->kind == ACT_UNSURE;
}

#endif
