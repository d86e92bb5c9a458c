#ifndef MIRRORFS_FS_OPS_H
#define MIRRORFS_FS_OPS_H

/*
 * The operations that the kernel asks for, one function each, in op-*.c;
 * include/tbl/fsops.h lists them. Their parameters are those of struct
 * fuse_lowlevel_ops. Each replies exactly once, after all locks are dropped.
 * Below: what they share.
 */

#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "fs/caller.h"
#include "fs/inode.h"
#include "record.h"

struct change;
struct handle;

/* Nobody else changes the lower tree, so the kernel may keep what it knows:
 * seconds. */
#define OP_TIMEOUT 3600.0

extern const struct fuse_lowlevel_ops fs_ops;

/* ops_start - the session, for notifications, and the features that are not
 * to be used: FEATURE_*. */
void ops_start(struct fuse_session *se, unsigned features_without);
/* ops_thread_stop - frees this thread's scratch memory. */
void ops_thread_stop(void);
/* op_scratch - `size` bytes of this thread's, until the next call. NULL when
 * memory is exhausted. */
char *op_scratch(size_t size);

/* op_reserved - `name` in `dir` is not there and must not be made. */
bool op_reserved(const struct inode *dir, const char *name);
/* op_who - who asked. */
void op_who(fuse_req_t req, struct who *ret);
/* op_become - this thread acts for the caller. */
int op_become(fuse_req_t req, enum caller_setid setid);
/* op_become_changer - the same to change the content or the owner of a file,
 * which has set-id bits or not: they go where they would go below. Returns 0,
 * or a negative errno. */
int op_become_changer(fuse_req_t req, bool has_setid);
/* op_become_maker - the same to make something with `mode`: in a set-gid folder
 * whoever is not in its group makes no program that runs as that. */
int op_become_maker(fuse_req_t req, mode_t mode);
/* op_has_capability - the caller has it; see caller_has_capability. */
bool op_has_capability(fuse_req_t req, int cap);

/*
 * op_entry - the kernel is about to be told of `name` in `dir`: count the
 * lookup and fill `e`. The caller holds (or looks with) the lock of `dir`.
 * Returns 0, or -ENOMEM.
 */
int op_entry(const struct fhandle *fh, const struct stat *st, struct inode *dir,
	     const char *name, struct fuse_entry_param *e);
/* op_entry_cancel - the kernel is not told, after all. No lock is needed. */
void op_entry_cancel(uint64_t id);
/* op_lookup_child - the same, for a name that has to be looked up first; it
 * locks. Returns 0, or a negative errno: -ENAMETOOLONG for what no inode can be
 * called, -EOPNOTSUPP in a folder that ignores case; the kernel then neither
 * makes nor renames it. */
int op_lookup_child(int dirfd, struct inode *dir, const char *name,
		    struct fuse_entry_param *e);
void op_reply_entry(fuse_req_t req, int r, const struct fuse_entry_param *e);
/* op_reply - `r`: 0 or a negative errno. */
void op_reply(fuse_req_t req, int r);
/* op_timeout - how long the kernel may keep the attributes of `i`, s. */
double op_timeout(const struct inode *i);
/* op_forget_name - the kernel forgets `name` in the directory with that number,
 * and what only it led to. Waits for operations in that directory: not from a
 * thread that serves requests. */
void op_forget_name(uint64_t dir, const char *name);
/* op_forget_attributes - the kernel asks for them when it needs them next. */
void op_forget_attributes(struct inode *i);
/* op_setid_check - a change of content by `fd` may have cleared set-id bits:
 * let the kernel forget the attributes then. */
void op_setid_check(struct inode *i, int fd);

/* op_direct_writes - a write that passes by the page cache is seen at once by
 * all who read or map the file: the kernel sees to it. */
bool op_direct_writes(void);

void op_init(void *userdata, struct fuse_conn_info *conn);

/* op-lookup.c */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void op_forget_multi(fuse_req_t req, size_t count,
		     struct fuse_forget_data *forgets);
void op_readlink(fuse_req_t req, fuse_ino_t ino);
void op_statfs(fuse_req_t req, fuse_ino_t ino);

/* op-dir.c */
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		 struct fuse_file_info *fi);

/* op-node.c */
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent,
	     const char *newname);
/* op_unmake - what was made as `name` (`i`, or NULL, with the attributes `st`, or
 * NULL) cannot be used: we have no room for it. The caller is told that it failed,
 * and to the kernel the name goes on being free, so it is removed. The folder has
 * another time: `c` and that are recorded. What a worker before us may have made is
 * not ours to remove. The lock is held. */
void op_unmake(struct change *c, struct inode *i, int dirfd, struct inode *dir,
	       const char *name, const struct stat *st);

/* op-remove.c */
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t newparent, const char *newname, unsigned flags);

/* op-open.c */
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
/* op_handle_new - as handle_new, filled for the caller; `fi` for the reply.
 * `created`: it did not exist before. */
int op_handle_new(fuse_req_t req, struct inode *i, int fd, bool created,
		  struct fuse_file_info *fi, struct handle **ret);

/* op-tmpfile.c */
/* op_tmpfile_translate - a request of O_TMPFILE becomes a CREATE with a name
 * that op_tmpfile_is true of. Other requests stay as they are. */
void op_tmpfile_translate(struct fuse_buf *buf);
bool op_tmpfile_is(const char *name);
/* op_tmpfile - the file is made and opened: fills `fi` and `e`.
 * Returns 0, or a negative errno. */
int op_tmpfile(fuse_req_t req, struct inode *dir, mode_t mode,
	       struct fuse_file_info *fi, struct fuse_entry_param *e);

/* op-file.c */
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	     struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
	      off_t off, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
	      struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off,
		  off_t len, struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t ino_out,
			off_t off_out, struct fuse_file_info *fi_out,
			size_t len, int flags);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
	      struct fuse_file_info *fi);

/* op-attr.c */
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi);

/* op-xattr.c */
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		 const char *value, size_t size, int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);
void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg,
	      struct fuse_file_info *fi, unsigned flags, const void *in_buf,
	      size_t in_size, size_t out_size);

#endif
