/* Removing names: unlink, rmdir. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs/change.h"
#include "fs/folder.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/order.h"
#include "fs/told.h"
#include "fs/touch.h"
#include "fs/victim.h"

static int remove_locked(struct change *c, int dirfd, struct inode *dir,
			 const char *name, struct victim *v)
{
	c->r.obj = v->fh;
	if (victim_is_last(v))
		c->r.flags |= RF_LAST;
	victim_hold(v);
	change_attr(c, &v->st);
	change_begin(c);
	int flags = c->r.op == OP_RMDIR ? AT_REMOVEDIR : 0;
	if (unlinkat(dirfd, name, flags) < 0) {
		int r = lower_errno();
		if (change_failed(c, r))
			victim_look_again(v, dirfd, dir, name);
		return r;
	}
	victim_gone(v, dir, name);
	change_end(c, &v->st);
	return 0;
}

/* The lower call was made by a worker that died before it could answer. */
static void remove_finish(struct inode *dir, const char *name)
{
	struct order o = ORDER_INIT;
	const struct record *r = change_past_record();
	struct inode *i = inode_find(&r->obj);
	order_add(&o, inode_hash(dir));
	order_add(&o, fhandle_hash(&r->obj));
	order_lock(&o, ORDER_SHARED);
	if (i)
		inode_name_del(i, dir, name);
	if (i && (r->flags & RF_LAST))
		inode_gone(i, -1);
	change_finish();
	told_changed(dir);
	order_unlock(&o);
	touch_unseen(i);
	inode_unref(i);
}

static int remove_name(fuse_req_t req, struct inode *dir, const char *name,
		       enum record_op op)
{
	struct order o = ORDER_INIT;
	struct victim v = VICTIM_INIT;
	struct change c;
	struct who who;
	if (!dir)
		return -ESTALE;
	if (op_reserved(dir, name))
		return -ENOENT;
	CLEANUP_FOLDER int dirfd = folder_open(dir);
	if (dirfd < 0)
		return dirfd;
	int r = victim_find(&v, dirfd, name);
	if (r == -ENOENT && change_past() != CHANGE_NEW) {
		remove_finish(dir, name);
		return 0;
	}
	if (r < 0) {
		victim_done(&v);
		return r;
	}
	op_who(req, &who);
	touch_dir(dir);
	order_add(&o, inode_hash(dir));
	order_add(&o, fhandle_hash(&v.fh));
	order_lock(&o, ORDER_SHARED);
	change_init(&c, op, &who, inode_path_of(dir, name), NULL);
	r = remove_locked(&c, dirfd, dir, name, &v);
	if (r == 0)
		told_changed(dir);
	order_unlock(&o);
	touch_unseen(v.inode); /* it may have other names */
	victim_done(&v);
	return r;
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	op_reply(req, remove_name(req, inode_get(parent), name, OP_UNLINK));
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	op_reply(req, remove_name(req, inode_get(parent), name, OP_RMDIR));
}
