/*
 * How the database does, for all processes to see. The writer tells it after
 * each commit. The words live in shared memory, as a database that fails is
 * no place to write down that it does.
 */
#include "confdefs.h"

#include "clock.h"
#include "lib/journal/memory.h"

void shared_set_journal(struct shared *s, int error)
{
	struct memory *m = s->mem;
	if (error && !m->journal_error)
		m->journal_since_ns = clock_wall_ns();
	m->journal_error = error;
}

int shared_journal(const struct shared *s, int64_t *ret_since_ns)
{
	int error = s->mem->journal_error;
	*ret_since_ns = error ? s->mem->journal_since_ns : 0;
	return error;
}

void shared_set_required(struct shared *s, bool required)
{
	s->mem->journal_required = required;
}

bool shared_required(const struct shared *s)
{
	return s->mem->journal_required;
}
