/*
 * What the replica acknowledged survives its own power cut.
 *
 * Content is fsynced in the stage, before the rename that publishes it
 * (upload.c). The rename itself, and all else that happens to names, is in
 * folders: SFTP has no request for those, but OpenSSH's server opens a folder
 * like a file and fsyncs what it has open. So before the cursor moves, all
 * folders that changed are fsynced, most of them with their times (attr.c),
 * which is no round trip more; and files whose attributes were set by path; and
 * the folder of the state file, behind its new name (stage.c). Only then the
 * journal says that the records are there. A cut before
 * that is like a lost connection: what is between cursor and inflight is
 * compared.
 *
 * An fsync takes milliseconds. Of much at once (a first copy, a backlog) each
 * file cannot have its own: then the replica is left to write it back by
 * itself, which Linux does within 35 s (dirty_expire_centisecs and the commit
 * interval), and for a minute the journal has a mark of what is not sure. If
 * the connection is lost meanwhile, the replica may have lost its power: the
 * cursor goes back to the mark, and what lies behind is compared. Where more comes
 * before the minute is over, it has a mark of its own for when that is over, so the
 * mark moves on, however busy the replica is. What was
 * parked, or is compared on demand, is of records behind the cursor, which may
 * be gone: of much at once of that the mark says that all is compared.
 *
 * What was cut off, too, is equal for the next connection, which does not send it
 * again, so nothing of it is fsynced any more: the mark is made before that is
 * looked at; by a walk over the tree before it sends anything. A mark for each try
 * of what is parked would have everything compared after each cut: when one was
 * cut off, what the next one finds as it should be is fsynced, too.
 *
 * A refused fsync makes such a mark, too: a disk tells once of what it has lost,
 * and nobody writes that any more. It stays as long as the connection.
 *
 * What is not there any more needs nothing, and what is neither folder nor
 * file is left alone: opening a fifo would stop the server. A server that
 * cannot do this to a folder (probe.c) still had its contents fsynced.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "sync/durable.h"
#include "sync/engine.h"
#include "sync/textset.h"

#define WRITTEN_BACK_NS (60 * NS_PER_S) /* see below */

struct job {
	struct engine *e;
	unsigned pending; /* requests */
};

struct item {
	struct job *job;
	const char *path;
};

void durable_answered(struct exec *x, int status, const char *path)
{
	if (status < 0)
		log_debug("fsync of /%s: %s", path, strerror(-status));
	if (status < 0 && status != -ENOTCONN && status != -EOPNOTSUPP)
		x->hasty = x->unsure = true;
}

static void synced(void *arg, const struct remote_reply *reply)
{
	struct item *i = arg;

	i->job->pending--;
	durable_answered(i->job->e->exec, reply->status, i->path);
}

static void closed(void *arg, const struct remote_reply *reply)
{
	struct item *i = arg;

	i->job->pending--;
}

static void opened(void *arg, const struct remote_reply *reply)
{
	struct item *i = arg;
	struct remote *r = i->job->e->remote;
	struct remote_handle h;

	i->job->pending--;
	if (reply->status < 0)
		return;
	remote_keep_handle(reply, &h);
	i->job->pending += 2;
	remote_send_fsync(r, &h, synced, i);
	remote_send_close(r, &h, closed, i);
}

static void looked(void *arg, const struct remote_reply *reply)
{
	struct item *i = arg;
	bool folders = i->job->e->can.can[CAN_FSYNC_FOLDER];

	i->job->pending--;
	if (reply->status < 0 || !(S_ISREG(reply->attr->mode) ||
				   (folders && S_ISDIR(reply->attr->mode))))
		return;
	i->job->pending++;
	remote_send_open(i->job->e->remote, i->path, RO_READ, 0, opened, i);
}

static int await(struct job *job)
{
	while (job->pending) {
		if (exec_pump(job->e->exec) < 0)
			return -ENOTCONN;
	}
	return 0;
}

static int sync_some(struct engine *e, char **paths, unsigned n)
{
	struct item items[DURABLE_MAX];
	struct job job = {.e = e};

	for (unsigned i = 0; i < n; i++) {
		items[i] = (struct item){.job = &job, .path = paths[i]};
		job.pending++;
		remote_send_lstat(e->remote, paths[i], looked, &items[i]);
	}
	return await(&job);
}

int durable_commit(struct engine *e)
{
	struct exec *x = e->exec;
	char **paths;
	int r = 0;

	if (!e->durable)
		return 1;
	unsigned n = engine_take_changed(e, &paths);
	if (n > DURABLE_MAX)
		x->hasty = true;
	if (!x->hasty)
		r = sync_some(e, paths, n);
	for (unsigned i = 0; i < n; i++) {
		if (r < 0) /* nobody names them again */
			engine_changed(e, paths[i]);
		free(paths[i]);
	}
	free(paths);
	bool safe = !x->hasty;
	x->hasty = false;
	x->n_synced = 0;
	return r < 0 ? r : safe;
}

static int mark(struct engine *e)
{
	uint64_t from = e->seeded && !e->beside ? e->cursor : 0;

	int64_t now = clock_mono_ns();

	e->ahead = false;
	e->beside = false;
	if (!e->unsafe_ns) {
		e->unsafe_ns = now;
	} else {
		if (!e->unsafe_next_ns || from < e->unsafe_next)
			e->unsafe_next = from;
		e->unsafe_next_ns = now;
	}
	return journal_unsafe_put(e->journal, e->row.id, from);
}

static int mark_clear(struct engine *e)
{
	int r = journal_unsafe_clear(e->journal, e->row.id);

	if (r < 0)
		return r;
	e->ahead = false;
	e->unsafe_ns = e->unsafe_next_ns = 0;
	return 0;
}

int durable_note(struct engine *e, bool safe)
{
	if (!safe)
		return mark(e);
	return e->ahead ? mark_clear(e) : 0;
}

int durable_resume(struct engine *e)
{
	return e->durable && e->inflight > e->cursor ? mark(e) : 0;
}

int durable_ahead(struct engine *e)
{
	if (!e->durable || e->unsafe_ns)
		return 0;
	int r = mark(e);
	e->ahead = true;
	return r;
}

void durable_found(struct engine *e, const char *path)
{
	CLEANUP_FREE char *parent = NULL;

	if (!e->durable || !e->doubt_disk || e->exec->hasty)
		return;
	parent = path_parent(path);
	engine_changed(e, path);
	engine_changed(e, parent);
	/* too much for an fsync each */
	e->exec->hasty = HASH_COUNT(e->changed) > DURABLE_MAX;
}

int durable_review(struct engine *e)
{
	if (!e->unsafe_ns || e->exec->unsure ||
	    clock_mono_ns() - e->unsafe_ns < WRITTEN_BACK_NS)
		return 0;
	if (!e->unsafe_next_ns)
		return mark_clear(e);
	int r = journal_unsafe_set(e->journal, e->row.id, e->unsafe_next);
	if (r < 0)
		return r;
	e->unsafe_ns = e->unsafe_next_ns;
	e->unsafe_next_ns = 0;
	return 0;
}

int durable_back(struct engine *e)
{
	uint64_t seq = 0;
	int r = journal_unsafe_get(e->journal, e->row.id, &seq);

	e->unsafe_ns = e->unsafe_next_ns = 0;
	e->ahead = false; /* what that mark was for is not on the disk either */
	if (r <= 0)
		return r;
	e->unsafe_ns = clock_mono_ns();
	log_info("%s: what it got last may have been lost with its power, "
		 "and is compared",
		 e->row.name);
	return journal_unsafe_back(e->journal, e->row.id);
}
