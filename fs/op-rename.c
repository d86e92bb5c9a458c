/*
 * Renaming. The rename of a directory changes the paths of everything below
 * it: nobody else may append a record between the lower call and its own.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fs/change.h"
#include "fs/folder.h"
#include "fs/kept.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/order.h"
#include "fs/told.h"
#include "fs/touch.h"
#include "fs/victim.h"

struct end {
	struct inode *dir; /* the kernel's reference */
	const char *name;
	int dirfd;
	struct victim v; /* what has the name before */
};

struct rename {
	struct end from, to;
	bool target; /* the new name is taken */
	unsigned flags;
};

/* `dirfd`: of the other one, if that has the same directory; else -1. */
static int end_open(struct end *end, int dirfd)
{
	if (!end->dir)
		return -ESTALE;
	if (op_reserved(end->dir, end->name))
		return -EACCES;
	end->dirfd = dirfd >= 0 ? dirfd : folder_open(end->dir);
	return end->dirfd < 0 ? end->dirfd : 0;
}

static void end_done(struct end *end)
{
	victim_done(&end->v);
	folder_close(end->dirfd);
}

static int rename_look(struct rename *rn)
{
	struct end *from = &rn->from, *to = &rn->to;
	int r = end_open(from, -1);
	if (r == 0)
		r = end_open(to, to->dir == from->dir ? from->dirfd : -1);
	if (r < 0)
		return r;
	r = victim_know(&from->v, from->dirfd, from->name);
	if (r < 0 && change_past() == CHANGE_NEW)
		return r;
	int there = victim_find(&to->v, to->dirfd, to->name);
	rn->target = there == 0;
	return r < 0 || there == -ENOENT ? r : there;
}

/* Two names of one object: rename(2) leaves both. */
static bool rename_is_void(const struct rename *rn)
{
	return rn->target && fhandle_equal(&rn->from.v.fh, &rn->to.v.fh);
}

static bool rename_moves_dir(const struct rename *rn)
{
	return S_ISDIR(rn->from.v.st.st_mode) ||
	       (rn->target && S_ISDIR(rn->to.v.st.st_mode));
}

/* The lower call was made: our names follow. */
static void rename_names(struct rename *rn)
{
	struct inode *moved = rn->from.v.inode, *other = rn->to.v.inode;
	if (rn->flags & RENAME_EXCHANGE) {
		if (other) {
			inode_name_add(other, rn->from.dir, rn->from.name);
			inode_name_del(other, rn->to.dir, rn->to.name);
		}
	} else if (rn->target) {
		victim_gone(&rn->to.v, rn->to.dir, rn->to.name);
	}
	if (moved) {
		inode_name_add(moved, rn->to.dir, rn->to.name);
		inode_name_del(moved, rn->from.dir, rn->from.name);
	}
}

/* Whom the next worker has to find, if we die: it is nowhere in the tree. */
static void rename_note(const struct rename *rn)
{
	struct flight *f = flight_now();
	if (!f || !rn->target || !rn->to.v.inode)
		return;
	f->other = inode_id(rn->to.v.inode);
	f->before = victim_is_last(&rn->to.v);
}

/* The new name first: a folder has but one. */
static void rename_look_again(const struct rename *rn)
{
	const struct end *from = &rn->from, *to = &rn->to;
	victim_look_again(&to->v, to->dirfd, to->dir, to->name);
	victim_look_again(&from->v, from->dirfd, from->dir, from->name);
}

static int rename_locked(struct rename *rn, struct change *c)
{
	c->r.obj = rn->from.v.fh;
	if (rn->flags & RENAME_EXCHANGE)
		c->r.flags |= RF_EXCHANGE;
	else if (rn->target)
		c->r.flags |= RF_REPLACED;
	if (rn->flags & RENAME_WHITEOUT)
		c->r.flags |= RF_WHITEOUT;
	rename_note(rn);
	if (rn->target && !(rn->flags & RENAME_EXCHANGE))
		victim_hold(&rn->to.v);
	change_attr(c, &rn->from.v.st);
	change_begin(c);
	if (renameat2(rn->from.dirfd, rn->from.name, rn->to.dirfd, rn->to.name,
		      rn->flags) < 0) {
		int r = lower_errno();
		if (change_failed(c, r))
			rename_look_again(rn);
		return r;
	}
	if (rename_is_void(rn)) {
		change_cancel(c);
		return 0;
	}
	rename_names(rn);
	change_end(c, &rn->from.v.st);
	return 0;
}

static void rename_lock(const struct rename *rn, struct order *o)
{
	order_add(o, inode_hash(rn->from.dir));
	order_add(o, inode_hash(rn->to.dir));
	order_add(o, fhandle_hash(&rn->from.v.fh));
	if (rn->target)
		order_add(o, fhandle_hash(&rn->to.v.fh));
	order_lock(o, rename_moves_dir(rn) ? ORDER_EXCLUSIVE : ORDER_SHARED);
}

/* ---- taken over from a worker that died ---- */

/* The lower call was made: the object has the new name, and not the old. */
static bool rename_was_made(const struct rename *rn, int from_r)
{
	if (change_past() == CHANGE_NEW || !rn->target)
		return false;
	const struct fhandle *obj = &change_past_record()->obj;
	return fhandle_equal(&rn->to.v.fh, obj) &&
	       (from_r == -ENOENT || !fhandle_equal(&rn->from.v.fh, obj));
}

static void rename_finish_names(struct rename *rn)
{
	struct inode *moved = rn->to.v.inode, *other = rn->from.v.inode;
	const struct flight *f = flight_now();
	struct inode *replaced = f->other ? inode_get(f->other) : NULL;
	if (rn->flags & RENAME_EXCHANGE) {
		if (other) {
			inode_name_add(other, rn->from.dir, rn->from.name);
			inode_name_del(other, rn->to.dir, rn->to.name);
		}
	} else if (replaced) {
		inode_name_del(replaced, rn->to.dir, rn->to.name);
		if (f->before)
			inode_gone(replaced, -1);
	}
	if (moved) {
		inode_name_add(moved, rn->to.dir, rn->to.name);
		inode_name_del(moved, rn->from.dir, rn->from.name);
	}
}

/* What the kernel does not know any more. */
static void rename_told(const struct rename *rn)
{
	told_changed(rn->from.dir);
	if (rn->to.dir != rn->from.dir)
		told_changed(rn->to.dir);
	told_changed(rn->from.v.inode);
	told_changed(rn->to.v.inode);
}

static void rename_finish(struct rename *rn)
{
	struct order o = ORDER_INIT;
	order_lock(&o, ORDER_EXCLUSIVE);
	rename_finish_names(rn);
	change_finish();
	rename_told(rn);
	order_unlock(&o);
}

/* ---- */

static void rename_touch(const struct rename *rn)
{
	const struct end *from = &rn->from, *to = &rn->to;
	struct touch_rename t = {.from = from->dir, .to = to->dir};
	if (S_ISDIR(from->v.st.st_mode))
		t.trees[0] = &from->v.fh;
	if (rn->target && S_ISDIR(to->v.st.st_mode))
		t.trees[1] = &to->v.fh;
	touch_rename(&t);
}

static int rename_run(fuse_req_t req, struct rename *rn)
{
	struct order o = ORDER_INIT;
	struct change c;
	struct who who;
	int r = rename_look(rn);
	if (rename_was_made(rn, r)) {
		rename_finish(rn);
		return 0;
	}
	if (r < 0)
		return r;
	/* a whiteout belongs to the caller */
	r = op_become(req, CALLER_KEEPS_SETID);
	if (r < 0)
		return r;
	op_who(req, &who);
	rename_touch(rn);
	rename_lock(rn, &o);
	change_init(&c, OP_RENAME, &who,
		    inode_path_of(rn->from.dir, rn->from.name),
		    inode_path_of(rn->to.dir, rn->to.name));
	r = rename_locked(rn, &c);
	if (r == 0)
		rename_told(rn);
	order_unlock(&o);
	return r;
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	       fuse_ino_t newparent, const char *newname, unsigned flags)
{
	struct rename rn = {
		.from = {inode_get(parent), name, -1, VICTIM_INIT},
		.to = {inode_get(newparent), newname, -1, VICTIM_INIT},
		.flags = flags,
	};
	int r = rename_run(req, &rn);
	touch_unseen(rn.from.v.inode);
	touch_unseen(rn.to.v.inode);
	if (rn.to.dirfd == rn.from.dirfd)
		rn.to.dirfd = -1;
	/* what was replaced is gone when the caller hears of it */
	end_done(&rn.to);
	op_reply(req, r);
	end_done(&rn.from);
}
