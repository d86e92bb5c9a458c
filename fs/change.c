#include "confdefs.h"

#include <stdlib.h>
#include <string.h>

#include "fs/change.h"
#include "shared.h"

static struct shared *shared;	      /* constant while the worker runs */
static __thread unsigned intent_slot; /* this thread's */

void changes_start(struct shared *s)
{
	shared = s;
}

void change_thread_start(unsigned slot)
{
	intent_slot = slot;
}

void change_init(struct change *c, enum record_op op, const struct who *who,
		 char *path, char *path2)
{
	memset(&c->r, 0, sizeof(c->r));
	c->r.op = op;
	c->r.who = *who;
	c->r.path = path;
	c->r.path2 = path2;
}

void change_object(struct change *c, const struct inode *i)
{
	bool former;
	inode_handle(i, &c->r.obj);
	c->r.path = inode_path(i, &former);
	if (former)
		c->r.flags |= RF_LAST;
}

void change_begin(struct change *c)
{
	shared_begin(shared, intent_slot, &c->r);
}

static void change_done(struct change *c)
{
	free(c->r.path);
	free(c->r.path2);
	c->r.path = c->r.path2 = NULL;
}

static void change_attr(struct change *c, const struct stat *st)
{
	if (!st)
		return;
	c->r.mode = st->st_mode;
	c->r.uid = st->st_uid;
	c->r.gid = st->st_gid;
	c->r.size = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size;
}

void change_end(struct change *c, const struct stat *st)
{
	change_attr(c, st);
	shared_end(shared, intent_slot, &c->r);
	change_done(c);
}

void change_cancel(struct change *c)
{
	shared_cancel(shared, intent_slot);
	change_done(c);
}

void change_append(struct change *c, const struct stat *st)
{
	change_attr(c, st);
	shared_append(shared, &c->r);
	change_done(c);
}

void change_busy(const struct fhandle *fh)
{
	shared_busy_begin(shared, fh);
}

void change_idle(const struct fhandle *fh)
{
	shared_busy_end(shared, fh);
}
