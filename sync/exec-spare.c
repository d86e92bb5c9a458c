/*
 * Spares: files on the stage that are open before there is something to put
 * into them. On a long line that saves a small file one of three round trips.
 * What is left of them when the connection ends, the next visit removes.
 */
#include "confdefs.h"

#include <stdlib.h>

#include "clock.h"
#include "sync/exec.h"

#define WORTH_NS (4 * NS_PER_MS) /* a round trip below that is none */

static void opened(void *arg, const struct remote_reply *reply)
{
	struct spare *p = arg;

	p->asked = false;
	if (reply->status == 0) {
		remote_keep_handle(reply, &p->handle);
		return;
	}
	free(p->name);
	p->name = NULL;
}

bool exec_is_far(const struct exec *x)
{
	return remote_round_trip_ns(x->cfg.remote) >= WORTH_NS;
}

void spare_fill(struct exec *x)
{
	if (!exec_is_far(x))
		return;
	for (unsigned i = 0; i < EXEC_SPARES; i++) {
		struct spare *p = &x->spares[i];
		if (p->name)
			continue;
		p->name = exec_stage_name(x);
		p->asked = true;
		remote_send_open(x->cfg.remote, p->name,
				 RO_WRITE | RO_CREATE | RO_TRUNC, 0600, opened,
				 p);
	}
}

bool spare_take(struct step *s)
{
	for (unsigned i = 0; i < EXEC_SPARES; i++) {
		struct spare *p = &s->exec->spares[i];
		if (!p->name || p->asked)
			continue;
		s->stage = p->name;
		s->handle = p->handle;
		p->name = NULL;
		return true;
	}
	return false;
}

void spares_free(struct exec *x)
{
	for (unsigned i = 0; i < EXEC_SPARES; i++)
		free(x->spares[i].name);
}
