#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs/handle.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/victim.h"

int victim_know(struct victim *v, int dirfd, const char *name)
{
	int r = lower_identify(dirfd, name, &v->fh, &v->st);
	if (r == 0)
		v->inode = inode_find(&v->fh);
	return r;
}

int victim_find(struct victim *v, int dirfd, const char *name)
{
	v->fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r = v->fd < 0 ? lower_errno() : 0;
	if (r == -ENFILE)
		return victim_know(v, dirfd, name);
	return r < 0 ? r : victim_know(v, v->fd, "");
}

bool victim_is_last(const struct victim *v)
{
	return S_ISDIR(v->st.st_mode) || v->st.st_nlink == 1;
}

void victim_hold(const struct victim *v)
{
	if (v->inode && victim_is_last(v))
		inode_hold(v->inode, v->fd);
}

void victim_gone(struct victim *v, struct inode *dir, const char *name)
{
	if (!v->inode)
		return;
	inode_name_del(v->inode, dir, name);
	if (!victim_is_last(v))
		return;
	bool keep = handle_fits(v->fd);
	inode_gone(v->inode, keep ? v->fd : -1);
	if (keep)
		v->fd = -1;
}

void victim_look_again(const struct victim *v, int dirfd, struct inode *dir,
		       const char *name)
{
	struct victim now = VICTIM_INIT;
	int r = victim_know(&now, dirfd, name);
	bool other = r == 0 && !fhandle_equal(&now.fh, &v->fh);
	if (v->inode && (other || r == -ENOENT))
		inode_name_del(v->inode, dir, name);
	if (now.inode)
		inode_name_add(now.inode, dir, name);
	if (v->inode)
		op_forget_attributes(v->inode);
	op_forget_attributes(dir);
	victim_done(&now);
}

void victim_done(struct victim *v)
{
	if (v->fd >= 0)
		close(v->fd);
	inode_unref(v->inode);
	v->inode = NULL;
	v->fd = -1;
}
