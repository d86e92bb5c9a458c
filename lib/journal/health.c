/*
 * How the database does, for all processes to see. The writer tells it after
 * each commit. The words live in shared memory, as a database that fails is
 * no place to write down that it does.
 */
#include "confdefs.h"

#include <errno.h>

#include "clock.h"
#include "lib/journal/db.h"
#include "lib/journal/memory.h"
#include "shared.h"

static void health_since(struct memory *m)
{
	if (!m->journal_error && !m->journal_damaged)
		m->journal_since_ns = clock_wall_ns();
}

void shared_set_journal(struct shared *s, int error)
{
	if (error)
		health_since(s->mem);
	s->mem->journal_error = error;
}

int shared_journal(const struct shared *s, int64_t *ret_since_ns)
{
	const struct memory *m = s->mem;
	int error = m->journal_damaged ? -EUCLEAN : m->journal_error;
	*ret_since_ns = error ? m->journal_since_ns : 0;
	return error;
}

void shared_journal_damaged(struct shared *s)
{
	health_since(s->mem);
	s->mem->journal_damaged = 1;
	ring_wake_taker(s);
}

void shared_journal_mended(struct shared *s)
{
	atomic_fetch_add(&s->mem->doubts, 1); /* it knows of nothing dirty */
	s->mem->journal_damaged = 0;
}

void shared_set_lost(struct shared *s)
{
	s->mem->journal_lost = 1;
}

void db_lost(struct journal *j)
{
	j->lost = true;
	if (j->tell)
		shared_set_lost(j->tell);
}

void journal_tell_lost(struct journal *j, struct shared *s)
{
	j->tell = s;
	if (j->lost)
		shared_set_lost(s);
}

bool shared_lost(const struct shared *s)
{
	return s->mem->journal_lost;
}

void shared_set_late(struct shared *s, int error)
{
	if (error)
		shared_set_journal(s, error);
	s->mem->journal_late = error;
	ring_wake_taker(s);
}

int shared_late(const struct shared *s)
{
	return s->mem->journal_late;
}

void shared_set_required(struct shared *s, bool required)
{
	s->mem->journal_required = required;
}

bool shared_required(const struct shared *s)
{
	return s->mem->journal_required;
}
