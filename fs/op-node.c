/* Making names: mknod, mkdir, symlink, link. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs/change.h"
#include "fs/content.h"
#include "fs/folder.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/order.h"
#include "fs/told.h"
#include "fs/touch.h"

struct node {
	enum record_op op;
	mode_t mode;
	dev_t rdev;
	const char *target; /* of a symlink, else NULL */
};

static int node_act(int dirfd, const char *name, const struct node *node)
{
	int r;
	switch (node->op) {
	case OP_MKDIR:
		r = mkdirat(dirfd, name, node->mode);
		break;
	case OP_SYMLINK:
		r = symlinkat(node->target, dirfd, name);
		break;
	default:
		r = mknodat(dirfd, name, node->mode, node->rdev);
		break;
	}
	return r < 0 ? lower_errno() : 0;
}

/* Nobody else can have made it, if we had begun to. */
static int node_act_once(int dirfd, const char *name, const struct node *node)
{
	int r = node_act(dirfd, name, node);
	return r == -EEXIST && change_past() != CHANGE_NEW ? 0 : r;
}

void op_unmake(struct change *c, struct inode *i, int dirfd, struct inode *dir,
	       const char *name, const struct stat *st)
{
	bool ours = change_past() == CHANGE_NEW;
	bool is_dir = c->r.op == OP_MKDIR;
	struct change gone;
	struct who who = c->r.who;
	change_end(c, st);
	op_forget_attributes(dir); /* to the kernel it is as it was */
	if (!ours)
		return;
	change_init(&gone, is_dir ? OP_RMDIR : OP_UNLINK, &who,
		    inode_path_of(dir, name), NULL);
	gone.r.obj = c->r.obj;
	gone.r.flags |= RF_LAST;
	change_attr(&gone, st);
	change_begin(&gone);
	if (unlinkat(dirfd, name, is_dir ? AT_REMOVEDIR : 0) < 0) {
		change_failed(&gone, lower_errno());
		return;
	}
	if (i)
		inode_name_del(i, dir, name);
	change_end(&gone, st);
}

/* make_locked - the order lock of `dir` is held. */
static int make_locked(struct change *c, int dirfd, struct inode *dir,
		       const char *name, const struct node *node,
		       struct fuse_entry_param *e)
{
	struct stat st;
	change_begin(c);
	int r = node_act_once(dirfd, name, node);
	if (r < 0) {
		if (change_failed(c, r))
			op_forget_attributes(dir);
		return r;
	}
	r = lower_identify(dirfd, name, &c->r.obj, &st);
	if (r == 0) {
		touch_made(&c->r.obj);
		r = op_entry(&c->r.obj, &st, dir, name, e);
	}
	if (r < 0)
		op_unmake(c, NULL, dirfd, dir, name, NULL);
	else
		change_end(c, &st);
	return r;
}

static int make(fuse_req_t req, struct inode *dir, const char *name,
		const struct node *node, struct fuse_entry_param *e)
{
	struct order o = ORDER_INIT;
	struct change c;
	struct who who;
	if (!dir)
		return -ESTALE;
	if (op_reserved(dir, name))
		return -EACCES;
	CLEANUP_FOLDER int dirfd = folder_open(dir);
	if (dirfd < 0)
		return dirfd;
	int r = op_become_maker(req, node->mode);
	if (r < 0)
		return r;
	caller_umask(fuse_req_ctx(req)->umask);
	op_who(req, &who);
	if (node->op == OP_MKDIR)
		touch_new_dir(dir, name);
	else
		touch_dir(dir);
	order_add(&o, inode_hash(dir));
	order_lock(&o, ORDER_SHARED);
	change_init(&c, node->op, &who, inode_path_of(dir, name),
		    node->target ? strdup(node->target) : NULL);
	r = make_locked(&c, dirfd, dir, name, node, e);
	if (r == 0)
		told_changed(dir);
	order_unlock(&o);
	return r;
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	      dev_t rdev)
{
	struct fuse_entry_param e;
	struct node node = {
		.op = S_ISREG(mode) ? OP_CREATE : OP_MKNOD,
		.mode = mode,
		.rdev = rdev,
	};
	op_reply_entry(req, make(req, inode_get(parent), name, &node, &e), &e);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fuse_entry_param e;
	struct node node = {.op = OP_MKDIR, .mode = mode};
	op_reply_entry(req, make(req, inode_get(parent), name, &node, &e), &e);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		const char *name)
{
	struct fuse_entry_param e;
	struct node node = {.op = OP_SYMLINK, .target = target};
	op_reply_entry(req, make(req, inode_get(parent), name, &node, &e), &e);
}

/* The first name of a file that was made without one (O_TMPFILE) tells the
 * journal of the file; any other is one more name. */
static void link_init(struct change *c, const struct who *who, struct inode *i,
		      struct inode *dir, const char *name)
{
	bool first =
		inode_is_gone(i) || (change_past() != CHANGE_NEW &&
				     change_past_record()->op == OP_CREATE);
	if (first) {
		change_init(c, OP_CREATE, who, inode_path_of(dir, name), NULL);
		inode_handle(i, &c->r.obj);
	} else {
		change_init(c, OP_LINK, who, NULL, inode_path_of(dir, name));
		change_object(c, i);
	}
}

static int link_locked(struct change *c, int fd, int dirfd, struct inode *i,
		       struct inode *dir, const char *name,
		       struct fuse_entry_param *e)
{
	struct stat st;
	change_begin(c);
	if (linkat(fd, "", dirfd, name, AT_EMPTY_PATH) < 0 &&
	    (errno != EEXIST || change_past() == CHANGE_NEW)) {
		int r = lower_errno();
		if (change_failed(c, r)) {
			op_forget_attributes(dir);
			op_forget_attributes(i);
		}
		return r;
	}
	int r = fstat(fd, &st) < 0 ? lower_errno() : 0;
	if (r == 0) /* there is room: the kernel knows it, and so do we */
		r = op_entry(&c->r.obj, &st, dir, name, e);
	if (c->r.op == OP_CREATE) {
		inode_linked(i);
		if (content_linked_locked(i, r == 0 ? (uint64_t)st.st_size : 0))
			c->r.flags |= RF_OPEN;
	}
	change_end(c, r == 0 ? &st : NULL);
	return r;
}

static int make_link(fuse_req_t req, struct inode *i, struct inode *dir,
		     const char *name, struct fuse_entry_param *e)
{
	struct order o = ORDER_INIT;
	struct change c;
	struct who who;
	if (!i || !dir)
		return -ESTALE;
	if (op_reserved(dir, name))
		return -EACCES;
	CLEANUP_FOLDER int dirfd = folder_open(dir);
	if (dirfd < 0)
		return dirfd;
	CLEANUP_CLOSE int fd = inode_open(i, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	/* the folder may grow, from what is reserved for whom we are */
	int r = op_become(req, CALLER_KEEPS_SETID);
	if (r < 0)
		return r;
	op_who(req, &who);
	touch_link(dir, i);
	order_add(&o, inode_hash(dir));
	order_add(&o, inode_hash(i));
	order_lock(&o, ORDER_SHARED);
	link_init(&c, &who, i, dir, name);
	r = link_locked(&c, fd, dirfd, i, dir, name, e);
	if (r == 0)
		told_changed(dir);
	order_unlock(&o);
	return r;
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent,
	     const char *newname)
{
	struct fuse_entry_param e;
	int r = make_link(req, inode_get(ino), inode_get(newparent), newname,
			  &e);
	op_reply_entry(req, r, &e);
}
