/*
 * Large uploads that leave the line.
 *
 * What is seen is sent in the order of the steps, so a large file that is
 * still on its way would hold up all that is ready behind it. After a while
 * it goes aside: the step ends as STEP_ASIDE, its upload goes on, and when all
 * of it is in the stage the owner pushes it again, under the name that the
 * object has by then; that step takes over what is in the stage.
 *
 * At most ASIDE_MAX are aside, so that what must be remembered of them stays
 * small; the next one then waits in the line, with what is behind it.
 */
#include "confdefs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "sync/exec.h"

#define ASIDE_NS  (30 * NS_PER_MS)
#define ASIDE_AT  (16u << 20) /* bytes, which take longer than that anyway */
#define ASIDE_MAX 256

/* is_slow - it takes a while, or has taken one. */
static bool is_slow(const struct step *s)
{
	return s->exec->cfg.aside_above == 0 ||
	       (!s->ranges && s->st.st_size >= ASIDE_AT) ||
	       clock_mono_ns() > s->begun_ns + ASIDE_NS;
}

bool aside_leave(struct step *s)
{
	struct exec *x = s->exec;

	if (s->in_place)
		return false;
	bool waits = s->phase == PHASE_WAITING ||
		     (s->phase == PHASE_PREPARING && !s->all_sent &&
		      is_slow(s));

	if (!waits || x->n_aside >= ASIDE_MAX || s->result != STEP_DONE ||
	    (uint64_t)s->st.st_size < x->cfg.aside_above || s->st.st_nlink != 1)
		return false;
	return x->cfg.may_leave(x->cfg.arg, s);
}

/* aside_add - behind those that are there. When one that waits begins, its path
 * may be another one's on the replica: what is there is not its old content. */
void aside_add(struct step *s)
{
	struct exec *x = s->exec;
	struct step **at = &x->asides;

	while (*at)
		at = &(*at)->next;
	*at = s;
	s->aside = true;
	s->tag = NULL;
	s->result = STEP_DONE;
	s->next = NULL;
	if (s->phase == PHASE_WAITING)
		s->since = s->base_size = 0;
	x->n_aside++;
}

static struct step *take(struct exec *x, struct step *s)
{
	struct step **at = &x->asides;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->next = NULL;
	s->aside = false;
	x->n_aside--;
	return s;
}

static struct step *find(struct exec *x, const struct fhandle *obj)
{
	for (struct step *s = x->asides; s; s = s->next) {
		if (!s->dropped && fhandle_equal(&s->obj, obj))
			return s;
	}
	return NULL;
}

struct step *aside_take(struct exec *x, const struct fhandle *obj)
{
	struct step *s = find(x, obj);

	if (s && (s->phase == PHASE_READY || moment_goes_on(s)))
		return take(x, s);
	exec_aside_drop(x, obj);
	return kept_take(x, obj);
}

void aside_reap(struct exec *x)
{
	for (struct step *s = x->asides, *next; s; s = next) {
		next = s->next;
		if (!s->dropped ||
		    (s->phase != PHASE_READY && s->phase != PHASE_WAITING))
			continue;
		upload_drop_stage(s);
		step_free(take(x, s));
	}
}

/* ---- for the owner ---- */

void exec_aside(struct exec *x, const char *path, const struct fhandle *obj)
{
	struct step *s = step_new(x, STEP_PUT, path, NULL, obj);

	s->phase = PHASE_WAITING;
	x->n_waiting++;
	aside_add(s);
}

void exec_aside_drop(struct exec *x, const struct fhandle *obj)
{
	struct step *s = find(x, obj);

	if (!s)
		return;
	s->dropped = true;
	if (s->result == STEP_DONE)
		s->result = STEP_SUPERSEDED;
	if (s->phase == PHASE_WAITING)
		x->n_waiting--;
	aside_reap(x);
}

const struct fhandle *exec_aside_ready(struct exec *x)
{
	for (struct step *s = x->asides; s; s = s->next) {
		if (!s->dropped && s->phase == PHASE_READY)
			return &s->obj;
	}
	return NULL;
}

bool exec_aside_is_ready(struct exec *x, const struct fhandle *obj)
{
	const struct step *s = find(x, obj);

	return s && s->phase == PHASE_READY;
}

bool exec_aside_comes(struct exec *x, const struct fhandle *obj)
{
	const struct step *s = find(x, obj);

	return s && s->phase != PHASE_READY && s->result == STEP_DONE;
}

bool exec_has_asides(const struct exec *x)
{
	return x->n_aside > 0;
}

/* ---- those that wait for a place among the large ones ---- */

unsigned aside_large(const struct exec *x)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->n_active; i++)
		n += upload_is_large(x->active[i]);
	return n;
}

static struct step *waiting_in(struct step *s)
{
	while (s && s->phase != PHASE_WAITING)
		s = s->next;
	return s;
}

/* Those in the line first: others may be behind them. */
struct step *aside_waiting(struct exec *x)
{
	struct step *s = waiting_in(x->head);

	return s ? s : waiting_in(x->asides);
}
