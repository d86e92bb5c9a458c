/*
 * A file that is written to without a pause, and only appended to (a log, a
 * slow upload): what it was when it settled last is still there, as its first
 * bytes. So these are what is sent, and they are published when the journal
 * knows of no change of them since: each DIRTY record says where the file ended
 * then, and whether anything before that is written.
 */
#include "confdefs.h"

#include "written.h"
#include "sync/exec.h"

/* A file that settles because of its age has settled lately. */
#define RECORDS_MAX 100000

/* lately - as far back as it is looked for, within this epoch: a bad end is
 * between two of them, which leaves no records. */
static uint64_t lately(uint64_t seq)
{
	uint64_t n = SEQ_COUNT(seq);

	return seq - (n < RECORDS_MAX ? n : RECORDS_MAX);
}

void moment_begin(struct step *s, bool busy)
{
	uint64_t seq, size;

	s->settled = !busy;
	/* of a number the record may be another one's */
	if (!busy || fhandle_is_number(&s->obj, NULL) ||
	    journal_settled(s->exec->cfg.journal, &s->obj, lately(s->as_of),
			    &seq, &size) <= 0 ||
	    size == 0 || size > (uint64_t)s->st.st_size)
		return;
	s->as_of = seq < s->as_of ? seq : s->as_of;
	s->st.st_size = (off_t)size;
	s->settled = true;
}

bool moment_goes_on(struct step *s)
{
	uint64_t seq, size;

	/* the ranges were asked for as of then: of what is behind them the old
	 * content has something else */
	if (s->source_asked ||
	    (s->ranges && s->source_size > (uint64_t)s->st.st_size))
		return false;
	if (s->phase != PHASE_PREPARING || s->all_sent || !s->settled ||
	    s->frozen || s->result != STEP_DONE || !moment_is_kept(s) ||
	    journal_settled(s->exec->cfg.journal, &s->obj, s->as_of, &seq,
			    &size) <= 0 ||
	    size < (uint64_t)s->st.st_size)
		return false;
	s->as_of = seq;
	s->st.st_size = (off_t)size;
	return true;
}

bool moment_is_kept(struct step *s)
{
	struct exec *x = s->exec;
	uint64_t now = s->settled ? exec_catch_up(s) : 0;

	return now && SEQ_EPOCH(now) == SEQ_EPOCH(s->as_of) &&
	       journal_is_kept(x->cfg.journal, &s->obj, s->as_of,
			       (uint64_t)s->st.st_size) == 1;
}
