/*
 * Disk full, foreseen: what cannot fit is not begun. What the file system of
 * the replica has left is asked for once a second while there are uploads, and
 * what was sent since is taken off. Whoever does not fit by that has it asked
 * for anew before it is given up: things may have been removed. An estimate
 * all the same: what is wrong with it shows when a write fails.
 */
#include "confdefs.h"

#include <errno.h>

#include "clock.h"
#include "sync/exec.h"

#define ASK_NS	   NS_PER_S
/* ext4 keeps so many blocks of 4 KiB at most that root may not use either, and
 * calls them free (ext4_set_resv_clusters) */
#define NOBODYS	   (4096u * 4096)
#define LARGE_SIZE (16u * 1024 * 1024) /* is not begun on good faith */

uint64_t space_need(const struct stat *st)
{
	uint64_t size = (uint64_t)st->st_size;
	uint64_t used = (uint64_t)st->st_blocks * 512; /* less if sparse */

	return size < used ? size : used;
}

/* promised - what other uploads have still to send. */
static uint64_t promised(const struct step *s)
{
	const struct exec *x = s->exec;
	uint64_t sum = 0;

	for (unsigned i = 0; i < x->n_active; i++) {
		const struct step *a = x->active[i];
		uint64_t need = space_need(&a->st);
		if (a != s && !a->space_asked && a->result == STEP_DONE &&
		    a->off < need)
			sum += need - a->off;
	}
	return sum;
}

uint64_t space_room(const struct remote_space *now, bool may_fill)
{
	uint64_t all = now->free_bytes;

	all -= all < NOBODYS ? all : NOBODYS;
	return may_fill && all > now->avail_bytes ? all : now->avail_bytes;
}

static bool fits(const struct step *s)
{
	const struct space *p = &s->exec->space;
	uint64_t room =
		space_room(&p->now, s->exec->cfg.can->can[CAN_OWNER]);

	room -= p->sent < room ? p->sent : room;
	return space_need(&s->st) + promised(s) <= room;
}

static void ask(struct exec *x);

/* make_room - with what is in the stage and only saves time; false: nothing is. */
static bool make_room(struct exec *x)
{
	struct partials *p = x->cfg.partials;
	bool some = x->kept || (p && p->n);

	kept_drop_all(x);
	if (p)
		partials_drop_all(p, x->cfg.remote);
	return some;
}

static void measured(void *arg, const struct remote_reply *reply)
{
	struct exec *x = arg;
	struct step *waiting[EXEC_UPLOADS + 1];
	unsigned n = 0;

	x->space.asking = false;
	x->space.known = reply->status == 0;
	if (x->space.known) {
		x->space.now = *reply->space;
		x->space.sent = x->space.sent_since;
	}
	for (unsigned i = 0; i < x->n_active; i++) {
		if (x->active[i]->space_asked)
			waiting[n++] = x->active[i];
	}
	for (unsigned i = 0; i < n; i++) {
		if (x->space.known && !fits(waiting[i]) && make_room(x)) {
			ask(x);
			return;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		waiting[i]->space_asked = false;
		if (x->space.known && !fits(waiting[i]))
			step_fail(waiting[i], -ENOSPC);
		upload_answered(waiting[i]);
	}
}

static void ask(struct exec *x)
{
	if (x->space.asking)
		return;
	x->space.asking = true;
	x->space.sent_since = 0;
	x->space.asked_ns = clock_mono_ns();
	remote_send_statvfs(x->cfg.remote, "", measured, x);
}

void space_begin(struct step *s)
{
	struct exec *x = s->exec;

	if (!(remote_caps(x->cfg.remote)->ext & EXT_STATVFS))
		return;
	if (clock_mono_ns() - x->space.asked_ns > ASK_NS)
		ask(x);
	if (x->space.known ? fits(s) : s->st.st_size < LARGE_SIZE)
		return;
	if (x->space.known)
		make_room(x);
	s->space_asked = true;
	s->pending++;
	ask(x);
}

void space_sent(struct exec *x, uint64_t n)
{
	x->space.sent += n;
	x->space.sent_since += n;
}
