#ifndef MIRRORFS_FS_INODE_H
#define MIRRORFS_FS_INODE_H

/*
 * The inodes that the kernel knows. Each is one lower object, found by its
 * file handle, and has a number (FUSE's nodeid) and the names under which it
 * was seen, so that its tree path can be told at any time. What has a name in
 * a directory keeps that directory's entry alive.
 *
 * An inode lives while the kernel has looked it up or somebody holds a
 * reference. A request may use the inodes it names without a reference: the
 * kernel does not forget them meanwhile.
 *
 * One table a process; any thread. It outlives the process (kept.h). Names
 * change only under the order lock of their directory (order.h).
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "record.h"

struct inode;
struct content;
struct pass;

#define INODE_ROOT 1 /* the root's number */

/* inodes_start - those that a worker before us left, or the root alone.
 * Returns 0, or a negative errno. */
int inodes_start(const struct fhandle *root);
/* inodes_restored - all that refers to them was restored, too: what nobody
 * needs goes. */
void inodes_restored(void);
/* inodes_stop - they stay for another worker. */
void inodes_stop(void);
/* inodes_each - nobody else uses them meanwhile. */
void inodes_each(void (*fn)(struct inode *i));
/* inodes_count - how many are known. */
size_t inodes_count(void);

/* inode_get - by number; NULL when there is none (any more). */
struct inode *inode_get(uint64_t id);
/* inode_find - by handle, with a reference; NULL when it is not known. */
struct inode *inode_find(const struct fhandle *fh);
/*
 * inode_learn - the inode of an object that the kernel is about to be told
 * of: made if needed, one lookup more. It is now known as `name` in `dir`.
 * Returns NULL with errno ENOMEM, or ELOOP: `dir` is below it, to us, or itself,
 * as a folder was moved around the mount; the kernel would refuse it as well.
 */
struct inode *inode_learn(const struct fhandle *fh, const struct stat *st,
			  struct inode *dir, const char *name);
/* inode_forget - the kernel gives back `n` lookups. */
void inode_forget(uint64_t id, uint64_t n);
/* inode_forget_next - the same for the next of several, of which `p` keeps how
 * many are done: killed at any point, the next worker goes on there.
 * inode_forget_resume - while it takes over: what nobody needs goes later. */
struct forgetting;
void inode_forget_next(struct forgetting *p, uint64_t id, uint64_t n);
void inode_forget_resume(struct forgetting *p, uint64_t id, uint64_t n);
/* inodes_trim - give back the memory of what was forgotten, if it was much:
 * the C library keeps it. No lock is held. */
void inodes_trim(void);
void inode_ref(struct inode *i);
void inode_unref(struct inode *i);

uint64_t inode_id(const struct inode *i);
/* inode_generation - (number, generation) is never used twice. */
uint64_t inode_generation(const struct inode *i);
mode_t inode_type(const struct inode *i); /* S_IFMT bits */
void inode_handle(const struct inode *i, struct fhandle *ret);
/* inode_hash, fhandle_hash - the same number for the same object. */
uint32_t inode_hash(const struct inode *i);
uint32_t fhandle_hash(const struct fhandle *fh);

void inode_name_add(struct inode *i, struct inode *dir, const char *name);
/* inode_name_del - the last name stays as a former one, for inode_path. */
void inode_name_del(struct inode *i, struct inode *dir, const char *name);

/* inode_spare - `i`, on which the caller has a reference, is not a directory
 * and nobody else uses it: the number of a directory in which it has a name,
 * and that, owned by the caller. Else NULL. */
char *inode_spare(const struct inode *i, uint64_t *ret_dir);
/* inode_path - its tree path, owned by the caller; below a folder whose path is
 * too long (path_is_long) it is that of the folder. *ret_former: it has no
 * name that is known; this is where it was last. */
char *inode_path(const struct inode *i, bool *ret_former);
/* inode_path_of - tree path of `name` in `dir`, owned by the caller. */
char *inode_path_of(const struct inode *dir, const char *name);

/* inode_parent - the directory of the name that was used last. False: it has
 * no name (any more), or is the root. */
bool inode_parent(const struct inode *i, struct fhandle *ret);

/* inode_open - the lower object; flags and errors as for lower_open. The
 * caller does not hold its order lock. */
int inode_open(struct inode *i, int flags);
/* inode_copy_up - see pins_copy_up. */
void inode_copy_up(struct inode *i);
/* inode_stat - of the lower object. The caller holds its order lock. */
int inode_stat(struct inode *i, struct stat *ret);

/*
 * inode_gone - it has lost its last link, or never had one (O_TMPFILE). It may
 * still be used: it is open, somebody's working directory, or somebody has
 * just found it by a path that means something else now. Not every file system
 * opens it by handle any more, so it is pinned by an O_PATH descriptor, taken
 * over here (-1: none), until the kernel forgets it or it gets a link.
 * Under its order lock.
 */
void inode_gone(struct inode *i, int pin_fd);
/* inode_hold - it is about to lose its last link: what is open shall be there
 * after our death, too. `fd` is borrowed. */
void inode_hold(struct inode *i, int fd);
/* inode_held - the descriptor by which an earlier worker had it held; taken
 * over. */
void inode_held(struct inode *i, int fd);
/* inode_opened, inode_closed - a handle more, or less. */
void inode_opened(struct inode *i);
void inode_closed(struct inode *i);
bool inode_is_gone(const struct inode *i);
/* inode_linked - it has a link now. Under its order lock. */
void inode_linked(struct inode *i);

/* inode_saw - note attributes that went to the kernel; inode_had_setid - the
 * last ones had a set-id bit. */
void inode_saw(struct inode *i, const struct stat *st);
bool inode_had_setid(const struct inode *i);

/* inode_content - where content.c keeps its state; guarded by the object's
 * order lock. */
struct content **inode_content(struct inode *i);

/* inode_set_dirty - content.c's: what it owes the journal. Kept. */
void inode_set_dirty(struct inode *i, bool dirty);
bool inode_is_dirty(const struct inode *i);

/* inode_told - told.c's; TOLD_MANY when an earlier worker has left it. */
#define TOLD_MANY UINT32_MAX
_Atomic uint32_t *inode_told(struct inode *i);

/* inode_pages - pages.c's. */
struct inode_pages {
	_Atomic bool filled;  /* own: read since they were dropped */
	_Atomic bool dropped; /* own: at any time, as what was owed */
	bool queued;	      /* own; LOCK_pages: in the list of what is owed */
	bool owed;	      /* LOCK_pages; kept */
};
struct inode_pages *inode_pages(struct inode *i);

/* inode_pass - where passthrough.c keeps its state, from malloc(3); freed with
 * the inode. The others: see passthrough.h. */
struct pass **inode_pass(struct inode *i);
void inode_set_unseen(struct inode *i, bool unseen);
bool inode_is_unseen(const struct inode *i);
void inode_prefer_pages(struct inode *i);
bool inode_prefers_pages(const struct inode *i);
void inode_set_mapped(struct inode *i, bool mapped);
bool inode_is_mapped(const struct inode *i);

#endif
