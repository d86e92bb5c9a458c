/*
 * A large file of which all is in the stage, and that was refused its place: it
 * stays there, so that the next try is a rename, and not all of the content once
 * more. They are few, and go when room is short, or with the connection.
 */
#include "confdefs.h"

#include <stdlib.h>

#include "sync/exec.h"

#define KEPT_MAX 4

bool kept_want(struct step *s)
{
	s->kept = s->kind == STEP_PUT && upload_is_large(s);
	return s->kept;
}

static struct step *take(struct step **at)
{
	struct step *s = *at;

	*at = s->next;
	s->next = NULL;
	return s;
}

static void drop(struct step **at)
{
	struct step *s = take(at);

	upload_drop_stage(s);
	step_free(s);
}

void kept_add(struct step *s)
{
	struct exec *x = s->exec;
	struct step **at = &x->kept;

	for (unsigned n = 1; *at && n < KEPT_MAX; n++)
		at = &(*at)->next;
	if (*at) /* the oldest */
		drop(at);
	s->kept = s->linked = false;
	s->tag = NULL;
	s->result = STEP_DONE;
	s->error = 0;
	s->retries = 0;
	s->phase = PHASE_READY;
	s->next = x->kept;
	x->kept = s;
}

struct step *kept_take(struct exec *x, const struct fhandle *obj)
{
	struct step **at = &x->kept;

	while (*at && !fhandle_equal(&(*at)->obj, obj))
		at = &(*at)->next;
	return *at ? take(at) : NULL;
}

void kept_drop_all(struct exec *x)
{
	while (x->kept)
		drop(&x->kept);
}
