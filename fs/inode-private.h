#ifndef MIRRORFS_FS_INODE_PRIVATE_H
#define MIRRORFS_FS_INODE_PRIVATE_H

/* For inode.c and names.c only: see inode.h. */

#include <pthread.h>
#include <stdatomic.h>

#include "fs/inode.h"

#define INLINE_HANDLE 24

struct name {
	struct name *next;
	struct inode *dir; /* a reference */
	char text[];
};

struct inode {
	uint64_t id;		 /* constant */
	uint64_t nlookup;	 /* LOCK_inodes */
	struct inode *next;	 /* LOCK_inodes: same bucket */
	struct name *names;	 /* LOCK_inodes: newest first */
	struct content *content; /* order lock of the object */
	struct pass *pass;	 /* LOCK_pass; owned */
	uint32_t hash;		 /* constant */
	uint32_t refs;		 /* LOCK_inodes */
	_Atomic int pin_fd;	 /* its own order lock */
	uint16_t type;		 /* constant: S_IFMT bits */
	bool former;		 /* LOCK_inodes: names[0] is a former name */
	_Atomic bool gone;	 /* no link is left */
	_Atomic bool setid;
	_Atomic bool unseen, prefers_pages; /* passthrough.h */
	uint8_t fh_len; /* constant, with what follows */
	int32_t fh_type;
	union {
		uint8_t here[INLINE_HANDLE];
		uint8_t *there; /* owned, when fh_len > INLINE_HANDLE */
	} fh;
};

/* LOCK_inodes: the table, names and counts; a leaf, never held across a
 * system call. */
extern pthread_mutex_t inodes_lock;

void inode_unref_locked(struct inode *i);
void inode_name_add_locked(struct inode *i, struct inode *dir,
			   const char *name);
/* inode_names_free_locked - all names, with their references. */
void inode_names_free_locked(struct inode *i);

#endif
