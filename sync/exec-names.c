/* The names of an object: one more, and all that the replica has of it. */
#include "confdefs.h"

#include <stdlib.h>
#include <string.h>

#include "sync/exec.h"

static void link_done(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	s->linked |= s->result == STEP_DONE && reply->status < 0;
	step_done(s, reply);
}

void step_tried(void *arg, const struct remote_reply *reply)
{
	step_answered(arg);
}

void step_link(struct step *s, const char *from, const char *to)
{
	struct remote *r = s->exec->cfg.remote;
	char *stage = exec_stage_name(s->exec);

	s->pending += 2;
	remote_send_link(r, from, stage, link_done, s);
	remote_send_rename(r, stage, to, link_done, s);
	/* posix-rename of one name of an object over another does nothing;
	 * plain RENAME is not done yet when this would be */
	if (s->exec->cfg.can->can[CAN_POSIX_RENAME]) {
		s->pending++;
		remote_send_remove(r, stage, step_tried, s);
	}
	free(stage);
}

void step_link_names(struct step *s)
{
	const char **names;
	unsigned n = links_other(s->exec->cfg.links, &s->obj, s->path,
				 s->number, &names);

	for (unsigned i = 0; i < n; i++) {
		if (s->path2 && strcmp(names[i], s->path2) == 0)
			continue;
		if (s->exec->cfg.can->can[CAN_HARDLINK])
			step_link(s, s->path, names[i]);
		else if (s->tag) /* reconcile comes by all names itself */
			s->exec->cfg.copy(s->exec->cfg.arg, names[i]);
	}
	free(names);
}
