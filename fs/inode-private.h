#ifndef MIRRORFS_FS_INODE_PRIVATE_H
#define MIRRORFS_FS_INODE_PRIVATE_H

/*
 * For inode.c, names.c, kept.c and object.c only: see inode.h.
 *
 * Inodes and names are kept for the next worker (kept.h), but for what is
 * marked "own": that is this process's and is found out again.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "fs/inode.h"

#define INLINE_HANDLE 24

/* LOCK_inodes */
struct name {
	struct name *next; /* own */
	uint64_t owner;	   /* an inode's number; 0: it is being made */
	uint64_t dir;	   /* an inode's number: a reference on it */
	uint32_t stamp;	   /* the newest has the highest */
	char text[];
};

struct inode {
	uint64_t id;		 /* constant */
	uint64_t nlookup;	 /* LOCK_inodes; 0: perhaps being made */
	struct inode *next;	 /* own; LOCK_inodes: same bucket */
	struct name *names;	 /* own; LOCK_inodes: newest first */
	struct content *content; /* own; order lock of the object */
	struct pass *pass;	 /* own; LOCK_pass */
	uint32_t hash;		 /* constant */
	uint32_t refs;		 /* own; LOCK_inodes */
	_Atomic int pin_fd;	 /* own; its own order lock */
	_Atomic uint32_t n_open; /* own: handles */
	_Atomic uint32_t told;	 /* own: told.c's */
	uint16_t type;		 /* constant: S_IFMT bits */
	bool former;		 /* LOCK_inodes: names[0] is a former name */
	_Atomic bool gone;	 /* no link is left */
	_Atomic bool setid;
	_Atomic bool unseen, prefers_pages, mapped; /* passthrough.h */
	_Atomic bool dirty;			    /* content.h */
	_Atomic bool held; /* own: the supervisor has a descriptor, too */
	struct inode_pages pages;
	uint8_t fh_len;	   /* constant, with what follows */
	int32_t fh_type;
	union {
		uint8_t here[INLINE_HANDLE];
		uint64_t there; /* number, when fh_len > INLINE_HANDLE */
	} fh;
};

/* LOCK_inodes: the table, names and counts; never held across a system call that
 * may take long, and of locks only before that of closer.c. */
extern pthread_mutex_t inodes_lock;

void inode_unref_locked(struct inode *i);

/* names_start - opens the table, names_stop closes it.
 * Returns 0, or a negative errno. */
int names_start(void);
void names_stop(void);
/* names_restore - to the inodes that there are. */
void names_restore(void);
/* name_bytes - of the names in table 0 to NAME_TABLES - 1. */
#define NAME_TABLES 4
size_t name_bytes(unsigned table);
/* inode_name_add_locked - false: `dir` is below `i`, or the same. */
bool inode_name_add_locked(struct inode *i, struct inode *dir,
			   const char *name);
/* inode_names_free_locked - names from `at` on, with their references. */
void inode_names_free_locked(struct name **at);

#endif
