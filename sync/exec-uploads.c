/*
 * Which uploads are begun, and which of them may send next: the small ones
 * whatever they have, the large ones a piece each in turn, in the window that
 * is left. A large one waits while many are under way, so that small ones
 * behind it find a place. And folders are looked at in advance.
 */
#include "confdefs.h"

#include <errno.h>

#include "sync/attr.h"
#include "sync/exec.h"

static void feed_small(struct exec *x)
{
	for (unsigned i = 0; i < x->n_active;) {
		struct step *s = x->active[i];
		while (!upload_is_large(s) &&
		       remote_window_open(x->cfg.remote) &&
		       upload_feed(s, x->cfg.remote))
			;
		/* one that has ended has left its place to another */
		i += i < x->n_active && x->active[i] == s;
	}
}

/* The large ones take turns, a piece each, in the room that is left. */
static void feed_large(struct exec *x, struct remote *line)
{
	for (unsigned idle = 0; idle < x->n_active;) {
		struct step *s = x->active[x->turn++ % x->n_active];
		if (!upload_is_large(s)) {
			idle++;
			continue;
		}
		if (!remote_bulk_open(line)) {
			x->turn--;
			return;
		}
		idle = upload_feed(s, line) ? 0 : idle + 1;
	}
}

int exec_pump(struct exec *x)
{
	/* not over the first one: what is waited for would come later */
	x->second = second_line(x);
	if (x->second)
		feed_large(x, x->second);
	return remote_pump(x->cfg.remote, 1000, -1) < 0 ? -ENOTCONN : 0;
}

static void begin_waiting(struct exec *x, unsigned max)
{
	struct step *s;

	while (x->n_waiting && x->n_active < max && (s = aside_waiting(x))) {
		x->n_waiting--;
		upload_begin(s);
		if (s->phase == PHASE_WAITING)
			return; /* no place yet */
	}
}

/* look_ahead - the times of a folder take a round trip less where contents are
 * all that comes before them, soon: it can be looked at beside these. Each step
 * may have a handle or two. */
static void look_ahead(struct exec *x, struct step *s)
{
	if (x->n_other || x->n_live > remote_caps(x->cfg.remote)->handles / 4)
		return;
	for (unsigned i = 0; i < x->n_active; i++) {
		if (upload_is_large(x->active[i]) && !x->active[i]->aside)
			return;
	}
	attr_look_dirtimes(s);
}

static unsigned uploads_max(const struct exec *x)
{
	uint32_t handles = remote_caps(x->cfg.remote)->handles;
	unsigned max = exec_is_far(x) ? EXEC_UPLOADS : EXEC_UPLOADS_NEAR;

	/* two each, as the old content may be open, beside what is open in
	 * advance */
	if (handles > 3 * EXEC_SPARES)
		handles -= EXEC_SPARES + 2;
	handles /= 2;
	return handles && handles < max ? handles : max;
}

void uploads_anew(struct exec *x)
{
	unsigned max = uploads_max(x);

	for (struct step *s = x->head->next; s && x->n_active < max;
	     s = s->next)
		upload_early(s);
}

/* Begin uploads in order, as many as may be under way, and feed them: the
 * small ones first. */
void exec_uploads(struct exec *x)
{
	unsigned max = uploads_max(x);

	aside_reap(x);
	begin_waiting(x, max);
	for (; x->fresh && x->n_active < max; x->fresh = x->fresh->next) {
		if (x->fresh->kind == STEP_PUT && x->fresh->phase == PHASE_NEW)
			upload_begin(x->fresh);
		else if (x->fresh->kind == STEP_DIRTIMES)
			look_ahead(x, x->fresh);
	}
	feed_small(x);
	x->second = second_line(x);
	if (x->second)
		feed_large(x, x->second);
	feed_large(x, x->cfg.remote);
}
