/* Owners are learnt before something of theirs is sent. Where nobody can tell now
 * what one is called here, as a directory service is down, that waits: it would
 * be another one's there. */
#include "confdefs.h"

#include <errno.h>

#include "sync/engine.h"
#include "sync/learn.h"

/* fails - it counts as a step that failed, so it is tried again. */
static bool fails(struct engine *e, const char *path, int r)
{
	bool here = r < 0 && r != -ENOTCONN;

	if (here)
		engine_fail(e, path, 0, r);
	return here;
}

int engine_owner(struct engine *e, uint32_t uid, uint32_t gid, const char *path)
{
	int r = owners_learn(e->owners, uid, gid);

	if (fails(e, path, r))
		return 1;
	if (r > 0)
		engine_count(e, "owner-name", path);
	return r < 0 ? r : 0;
}

int engine_owners(struct engine *e, const struct record *records, unsigned n)
{
	int r = 0;

	for (unsigned i = 0; r != -ENOTCONN && i < n; i++) {
		const struct record *rec = &records[i];
		r = rec->mode && rec->path
			    ? owners_learn(e->owners, rec->uid, rec->gid)
			    : 0;
		fails(e, rec->path, r);
	}
	return r == -ENOTCONN ? r : 0;
}
