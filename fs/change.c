#include "confdefs.h"

#include <stdlib.h>
#include <string.h>

#include "fs/change.h"
#include "fs/pins.h"
#include "shared.h"

static struct shared *shared;	      /* constant while the worker runs */
static __thread unsigned intent_slot; /* this thread's, as what follows */
static __thread enum change_past past;
static __thread struct record past_record; /* unless CHANGE_NEW */

void changes_start(struct shared *s)
{
	shared = s;
}

void change_thread_start(unsigned slot)
{
	intent_slot = slot;
}

/* ---- taken over from a dead worker ---- */

static void past_is(enum change_past is)
{
	if (past != CHANGE_NEW)
		record_done(&past_record);
	past = is;
}

void change_request(uint64_t number, bool again)
{
	static const enum change_past of[] = {
		[PAST_NONE] = CHANGE_NEW,
		[PAST_BEGUN] = CHANGE_BEGUN,
		[PAST_RECORDED] = CHANGE_RECORDED,
	};
	past_is(CHANGE_NEW);
	shared_tag(shared, intent_slot, number);
	if (again)
		past = of[shared_past(shared, intent_slot, number,
				      &past_record)];
}

enum change_past change_past(void)
{
	return past;
}

const struct record *change_past_record(void)
{
	return &past_record;
}

void change_finish(void)
{
	if (past == CHANGE_BEGUN)
		shared_end(shared, intent_slot, &past_record);
	past_is(CHANGE_NEW);
}

bool change_was_begun(unsigned slot, uint64_t number)
{
	struct record r;
	if (shared_past(shared, slot, number, &r) == PAST_NONE)
		return false;
	record_done(&r);
	return true;
}

void change_left(void)
{
	struct record left;
	past_is(CHANGE_NEW);
	if (!shared_leftover(shared, intent_slot, &left))
		return;
	shared_append(shared, &left);
	record_done(&left);
}

/* ---- a change ---- */

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

/* What the object of `c` is called outside; *ret_own is what it is called here,
 * to be put back. */
static void name_outside(struct change *c, struct fhandle *ret_own)
{
	*ret_own = c->r.obj;
	if (pins_used())
		pins_public(ret_own, &c->r.obj);
}

void change_begin(struct change *c)
{
	struct fhandle own;
	pins_touch(&c->r.obj);
	name_outside(c, &own);
	/* a worker before us has said so, and perhaps more */
	if (past == CHANGE_NEW)
		shared_begin(shared, intent_slot, &c->r);
	c->r.obj = own;
}

static void change_done(struct change *c)
{
	free(c->r.path);
	free(c->r.path2);
	c->r.path = c->r.path2 = NULL;
}

void change_attr(struct change *c, const struct stat *st)
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
	struct fhandle own;
	change_attr(c, st);
	name_outside(c, &own);
	if (past != CHANGE_RECORDED)
		shared_end(shared, intent_slot, &c->r);
	past_is(CHANGE_NEW);
	c->r.obj = own;
	change_done(c);
}

void change_cancel(struct change *c)
{
	shared_cancel(shared, intent_slot);
	past_is(CHANGE_NEW);
	change_done(c);
}

bool change_failed(struct change *c, int r)
{
	/* that it is read-only is said before a name is touched, each time */
	if (r == -EROFS || !change_in_doubt(r)) {
		change_cancel(c);
		return false;
	}
	record_unsure(&c->r);
	/* without the intent: served again, it is to be done and recorded */
	change_append(c, NULL);
	change_cancel(c);
	return true;
}

void change_append(struct change *c, const struct stat *st)
{
	struct fhandle own;
	change_attr(c, st);
	name_outside(c, &own);
	shared_append(shared, &c->r);
	c->r.obj = own;
	change_done(c);
}

bool changes_doubts(uint32_t *ret_doubts)
{
	if (shared_told(shared))
		return false;
	*ret_doubts = shared_doubts(shared);
	return true;
}

void changes_told(uint32_t doubts)
{
	shared_set_told(shared, doubts);
}

void change_busy(const struct fhandle *fh)
{
	struct fhandle outside;
	pins_busy_name(fh, &outside);
	shared_busy_begin(shared, &outside);
}

void change_idle(const struct fhandle *fh)
{
	struct fhandle outside;
	pins_idle_name(fh, &outside);
	shared_busy_end(shared, &outside);
}

bool change_wanted(const struct fhandle *fh)
{
	struct fhandle outside = *fh;
	if (pins_used())
		pins_public(fh, &outside);
	return shared_is_wanted(shared, &outside);
}

void changes_restore_busy(const struct fhandle *objs, unsigned n)
{
	shared_busy_restore(shared, objs, n);
}
