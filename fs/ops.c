/* The table of operations, and what they share: see ops.h. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fs/folder.h"
#include "fs/kept.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/order.h"
#include "fs/passthrough.h"
#include "fs/told.h"
#include "fs.h"
#include "log.h"
#include "paths.h"

/* Requests that the kernel sends ahead (reading) or behind (closing): many
 * must be on their way at once, or closing waits behind reading. */
#define MAX_BACKGROUND 512

const struct fuse_lowlevel_ops fs_ops = {
#define RECORDED(member, function) .member = function,
#define PASSED(member, function)   .member = function,
#define REFUSED(member)
#include "tbl/fsops.h"
#undef RECORDED
#undef PASSED
#undef REFUSED
};

/* The protocol of Linux 6.6. Before it, a direct write left old pages in the
 * cache, which only a new mtime made stale, and mappings did not see that. */
#ifndef DIRECT_WRITES_MINOR
#define DIRECT_WRITES_MINOR 39
#endif

static struct fuse_session *session; /* constant while the worker runs */
static unsigned without;	     /* constant while the worker runs */
static bool direct_writes;	     /* constant after op_init */
static __thread char *scratch;	     /* this thread's, as big as */
static __thread size_t scratch_size; /* the largest request so far */

void ops_start(struct fuse_session *se, unsigned features_without)
{
	session = se;
	without = features_without;
}

void ops_thread_stop(void)
{
	folder_let_go();
	free(scratch);
	scratch = NULL;
	scratch_size = 0;
}

char *op_scratch(size_t size)
{
	if (size > scratch_size) {
		free(scratch);
		scratch = malloc(size);
		scratch_size = scratch ? size : 0;
	}
	return scratch;
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
static void want(struct fuse_conn_info *conn, uint64_t flag, bool on)
{
	if (on)
		fuse_set_feature_flag(conn, flag);
	else
		fuse_unset_feature_flag(conn, flag);
}
#else
static void want(struct fuse_conn_info *conn, unsigned flag, bool on)
{
	if (on)
		conn->want |= conn->capable & flag;
	else
		conn->want &= ~flag;
}
#endif

void op_init(void *userdata, struct fuse_conn_info *conn)
{
	/* the lower file system applies the umask, or a default ACL */
	want(conn, FUSE_CAP_DONT_MASK, true);
	want(conn, FUSE_CAP_POSIX_ACL, true);
	want(conn, FUSE_CAP_CACHE_SYMLINKS, true);
	/* the kernel clears set-id bits of what it caches, we of the rest */
	want(conn, FUSE_CAP_HANDLE_KILLPRIV, false);
	/* Nobody but the kernel changes the files, and it knows what it did.
	 * If a new mtime made it drop its pages, they could be read again
	 * while a write(2) to them is on its way: old bytes (fsx -b) */
	want(conn, FUSE_CAP_AUTO_INVAL_DATA, false);
	want(conn, FUSE_CAP_EXPLICIT_INVAL_DATA, true);
	/* order, caller and ranges of each write must be seen */
	want(conn, FUSE_CAP_WRITEBACK_CACHE, false);
	want(conn, FUSE_CAP_SPLICE_READ, false);
	want(conn, FUSE_CAP_SPLICE_WRITE, false);
	want(conn, FUSE_CAP_SPLICE_MOVE, false);
#ifdef FUSE_CAP_NO_EXPORT_SUPPORT
	want(conn, FUSE_CAP_NO_EXPORT_SUPPORT, true);
#endif
	passthrough_init(session, conn);
	direct_writes = !(without & FEATURE_DIRECT_WRITES) &&
			conn->proto_minor >= DIRECT_WRITES_MINOR;
	if (conn->max_write > KEPT_WRITE_BYTES)
		conn->max_write = KEPT_WRITE_BYTES;
	conn->max_background = MAX_BACKGROUND;
	conn->congestion_threshold = MAX_BACKGROUND * 3 / 4;
}

bool op_direct_writes(void)
{
	return direct_writes;
}

bool op_reserved(const struct inode *dir, const char *name)
{
	return inode_id(dir) == INODE_ROOT && strcmp(name, RESERVED_NAME) == 0;
}

double op_timeout(const struct inode *i)
{
	return i && inode_is_unseen(i) ? 0 : OP_TIMEOUT;
}

int op_entry(const struct fhandle *fh, const struct stat *st, struct inode *dir,
	     const char *name, struct fuse_entry_param *e)
{
	struct inode *i = inode_learn(fh, st, dir, name);
	struct flight *f = flight_now();
	if (!i)
		return -errno;
	told_note(i);
	if (f) /* until the kernel knows of it */
		f->counted = inode_id(i);
	*e = (struct fuse_entry_param){
		.ino = inode_id(i),
		.generation = inode_generation(i),
		.attr = *st,
		.attr_timeout = op_timeout(i),
		.entry_timeout = OP_TIMEOUT,
	};
	lower_number(&e->attr);
	return 0;
}

void op_entry_cancel(uint64_t id)
{
	struct flight *f = flight_now();
	/* first: a lookup too many is harmless, one too few is not */
	if (f)
		f->counted = 0;
	inode_forget(id, 1);
}

/* What is called "A" there is also "a": to the kernel and to the journal these
 * are two. */
static int refuse_folder(const struct inode *dir)
{
	static _Atomic bool told;
	bool former;
	if (!atomic_exchange(&told, true)) {
		CLEANUP_FREE char *path = inode_path(dir, &former);
		log_warning("names do not differ by case in folder=/%s (chattr "
			    "+F): what is in such folders cannot be used "
			    "through the mount",
			    path);
	}
	return -EOPNOTSUPP;
}

int op_lookup_child(int dirfd, struct inode *dir, const char *name,
		    struct fuse_entry_param *e)
{
	struct fhandle fh;
	struct stat st;
	/* the kernel and some file systems take longer ones */
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (folder_ignores_case(dirfd))
		return refuse_folder(dir);
	order_look(inode_hash(dir));
	unsigned changes = told_changes();
	int r = lower_identify(dirfd, name, &fh, &st);
	if (r == 0)
		r = op_entry(&fh, &st, dir, name, e);
	if (r == 0 && told_changes() != changes)
		e->attr_timeout = 0; /* they may be old ones */
	order_looked(inode_hash(dir));
	return r;
}

void op_reply(fuse_req_t req, int r)
{
	fuse_reply_err(req, -r);
}

void op_reply_entry(fuse_req_t req, int r, const struct fuse_entry_param *e)
{
	if (r < 0)
		fuse_reply_err(req, -r);
	else if (fuse_reply_entry(req, e) < 0 && e->ino)
		op_entry_cancel(e->ino); /* the kernel did not take it */
}

void op_forget_name(uint64_t dir, const char *name)
{
	fuse_lowlevel_notify_inval_entry(session, dir, name, strlen(name));
}

void op_forget_attributes(struct inode *i)
{
	/* no pages: this waits for nobody */
	fuse_lowlevel_notify_inval_inode(session, inode_id(i), -1, 0);
}

void op_setid_check(struct inode *i, int fd)
{
	struct stat st;
	if (!inode_had_setid(i) || fstat(fd, &st) < 0)
		return;
	inode_saw(i, &st);
	op_forget_attributes(i);
}
