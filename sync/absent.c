/* What plan_memory knows, in the journal: as of the cursor. */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>

#include "record.h"
#include "sync/engine.h"

static int put(void *arg, const struct absent_row *row)
{
	struct engine *e = arg;

	return journal_absent_put(e->journal, e->row.id, row);
}

static int del(void *arg, const struct fhandle *obj)
{
	struct engine *e = arg;

	return journal_absent_del(e->journal, e->row.id, obj);
}

int absent_load(struct engine *e)
{
	struct absent_row *rows;
	unsigned n;
	int r = journal_absent_load(e->journal, e->row.id, &rows, &n);

	if (r < 0)
		return r;
	e->memory = plan_memory_new();
	plan_memory_restore(e->memory, SEQ_EPOCH(e->cursor), rows, n);
	free(rows);
	return 0;
}

int absent_save(struct engine *e)
{
	int r = plan_memory_save(e->memory, put, del, e);

	return r == -ENOENT ? 0 : r; /* the replica was removed */
}
