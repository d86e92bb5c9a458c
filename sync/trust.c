/* See trust.h. */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "sync/probe.h"
#include "sync/trust.h"

const char *trust_is_other(const struct engine *e,
			   const struct stage_state *state)
{
	CLEANUP_FREE char *owners = NULL;
	struct abilities had;

	/* another filter, other owners, other things that could not be brought */
	if (state->replica && state->replica != e->row.id)
		return "what it has was brought for another replica, or "
		       "before it was added";
	if (journal_abilities_load(e->journal, e->row.id, &had, &owners) <= 0 ||
	    !owners)
		return NULL;
	if (strcmp(owners, owners_asked(e->owners)) != 0)
		return "its owners are to be others";
	return probe_lacks(&had, &e->can)
		       ? "its server can do more than it could"
		       : NULL;
}

bool trust(const struct engine *e, const struct stage_state *state, bool older,
	   const char *other)
{
	const char *why = other;

	if (!e->seeded && !why)
		return false;
	if (why)
		;
	else if (!state->exists)
		why = "its state file is gone";
	else if (state->seq < e->cursor || older)
		why = "it is older than it was";
	else if (state->seq > e->inflight && state->seq > e->cursor)
		why = "it is ahead of the journal";
	if (why)
		log_notice("%s: comparing everything: %s", e->row.name, why);
	return !why;
}

int trust_doubt(struct engine *e, bool anew)
{
	int s = journal_transaction_begin(e->journal);

	if (s < 0)
		return s;
	s = stale_save(e->stale);
	if (s == 0 && anew)
		s = journal_seed_end(e->journal, e->row.id);
	if (s >= 0)
		s = journal_replica_doubt(e->journal, e->row.id, e->changed_ns);
	if (s >= 0)
		s = journal_abilities_put(e->journal, e->row.id, &e->can,
					  owners_asked(e->owners));
	s = journal_transaction_close(e->journal, s);
	e->seeded = false;
	return s;
}
