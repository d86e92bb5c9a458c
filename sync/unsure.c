/*
 * Records that name an object: what was marked in the activity log when a run
 * did not end well. They say "look", nothing more; where to look is found out
 * here, when it is done, as objects may have been renamed since.
 *
 * A directory can be asked for its path. A file cannot, when nobody has looked
 * at it since the start of the machine; it is met when its directory is looked
 * at, which another record asks for: until then it counts as stale. What is not
 * there any more was removed later, by a record that is still to come. What
 * cannot be read says the same (sync/lower.c): it has a name where it is, and is
 * parked when that is looked at. So the directory above one that was marked is
 * looked at, too.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "mounts.h"
#include "paths.h"
#include "sync/engine.h"
#include "sync/filters.h"
#include "sync/lower.h"
#include "sync/moves.h"
#include "sync/seed.h"

/* object_path - where `obj` is now; owned by the caller. -ENOENT: nowhere, or
 * it does not tell. */
static int object_path(struct engine *e, const struct fhandle *obj, char **ret)
{
	struct stat st;
	struct fhandle there;
	CLEANUP_CLOSE int fd =
		lower_open_object(e->cfg->lower_fd, obj, NULL, O_PATH);
	if (fd < 0)
		return fd == -ESTALE ? -ENOENT : fd;
	CLEANUP_FREE char *path = mount_tree_path(fd, e->cfg->lower_fd);
	if (!path || path_is_reserved(path) ||
	    lower_look(e->cfg->lower_fd, path, &st, &there) < 0 ||
	    !fhandle_equal(&there, obj))
		return -ENOENT;
	*ret = path;
	path = NULL;
	return 0;
}

/* file - at the names that are known of it. One that seems to be gone may only
 * be unreadable, so it stays stale until unsure_sweep. */
static int file(struct engine *e, const struct record *r, uint64_t seq)
{
	CLEANUP_FREE char *path = NULL;
	char **names;
	int s = 0;

	if (lower_is_gone(e->cfg->lower_fd, &r->obj, NULL)) {
		e->swept = false;
		return 0;
	}
	/* reconcile changes the set that the names belong to */
	unsigned n = links_copies(e->links, &r->obj, "", &names);
	if (object_path(e, &r->obj, &path) == 0)
		s = batch_redo(e, path, STRICT_FULL, DEPTH_ONE, seq);
	for (unsigned i = 0; i < n; i++) {
		if (s == 0)
			s = batch_redo(e, names[i], STRICT_FULL, DEPTH_ONE,
				       seq);
	}
	links_copies_free(names, n);
	return s;
}

void unsure_sweep(struct engine *e)
{
	if (!e->swept)
		stale_sweep(e->stale, e->cfg->lower_fd);
	e->swept = true;
}

static int folder(struct engine *e, const struct record *r, uint64_t seq)
{
	CLEANUP_FREE char *path = NULL;
	bool deep = r->flags & RF_DEEP;
	int s = object_path(e, &r->obj, &path);

	if (s == -ENOENT)
		return 0;
	if (s < 0) { /* it cannot be found: so all of it */
		deep = true;
		path = strdup("");
	} else if (r->path2) {
		char *child = path_join(path, r->path2);
		free(path);
		path = child;
	}
	/* it was moved: the replica may have another one there */
	bool moved = deep && !r->path2 && *path;
	e->changed_ns = r->size;
	s = seed_unsure(e, path, moved ? STRICT_TREE : STRICT_DATA,
			deep ? DEPTH_ALL : DEPTH_ENTRIES, seq);
	e->changed_ns = UINT64_MAX;
	return s;
}

int unsure_run(struct engine *e, const struct record *r, uint64_t seq)
{
	e->told.doubting = true;
	int s = r->flags & RF_CONTENT ? file(e, r, seq) : folder(e, r, seq);
	e->told.doubting = false;
	return s;
}

/* ---- what a rename has moved ---- */

static struct moves moves(struct engine *e)
{
	return (struct moves){.journal = e->journal,
			      .replica = e->row.id,
			      .lower_fd = e->cfg->lower_fd,
			      .stale = e->stale};
}

int unsure_moved(struct engine *e, const struct record *r)
{
	const struct moves m = moves(e);

	return moves_note(&m, r);
}

/* leads_to_parked - it gave what is there, or above it, another object. */
static bool leads_to_parked(const struct engine *e, const struct record *r)
{
	if (r->op != OP_RENAME && r->op != OP_LINK)
		return false;
	return pathset_cover(&e->parked_paths, r->path2) ||
	       (r->flags & RF_EXCHANGE &&
		pathset_cover(&e->parked_paths, r->path));
}

int unsure_parked(struct engine *e, const struct record *records, unsigned n)
{
	int s = 0;

	for (unsigned i = 0; s == 0 && i < n; i++) {
		const struct record *r = &records[i];
		if (leads_to_parked(e, r) &&
		    !lower_is_gone(e->cfg->lower_fd, &r->obj, r->path2))
			s = unsure_moved(e, r);
	}
	return s;
}

void unsure_name(struct engine *e, const char *path, const struct fhandle *obj)
{
	if (links_is_other(e->links, path, obj))
		stale_add(e->stale, obj);
	links_keep(e->links, path, obj);
}

int unsure_moves(struct engine *e)
{
	const struct moves m = moves(e);

	return moves_note_all(&m, e->cursor ? e->cursor : e->inflight);
}

int unsure_at(struct engine *e, const char *path)
{
	const struct moves m = moves(e);

	return moves_note_at(&m, path);
}

/* ---- what is not known, of all ---- */

#define DOUBTS 256

/* since_at - files that were changed from then on are sent. */
static void since_at(struct engine *e, uint64_t ns)
{
	if (ns < e->changed_ns)
		e->changed_ns = ns;
}

/* since_forgotten - the same, of what no record tells any more. */
static int since_forgotten(struct engine *e, int64_t replica)
{
	uint64_t ns;
	int r = journal_forgotten_since(e->journal, replica, &ns);

	if (r == 0)
		since_at(e, ns);
	return r;
}

/* since_next - what the replica has not got was changed since the records
 * behind `after` were made: a later version may be of the same size and
 * second. */
static int since_next(struct engine *e, uint64_t after)
{
	int64_t ns = INT64_MAX;
	int r = after ? journal_changed_since(e->journal, after, &ns) : 0;

	if (r == 0 && ns != INT64_MAX)
		since_at(e, ns < 0 ? 0 : (uint64_t)ns);
	return r;
}

int unsure_below(struct engine *e, const struct parked *p)
{
	uint64_t after = e->cursor;
	int64_t ns = INT64_MAX, left = INT64_MAX;
	int r = journal_parked_since(e->journal, e->row.id, p->path, &after);

	if (r == 0)
		r = since_next(e, after);
	if (r == 0)
		r = journal_doubts_since(e->journal, after, &ns);
	/* a comparison of everything has left out what is parked */
	if (r == 0)
		r = journal_left_since(e->journal, e->row.id, &left);
	if (left < ns)
		ns = left;
	/* whatever was pruned */
	if (p->first_ns - CTIME_SLACK_NS < ns)
		ns = p->first_ns - CTIME_SLACK_NS;
	since_at(e, ns < 0 ? 0 : (uint64_t)ns);
	return r;
}

int unsure_all(struct engine *e, uint64_t after)
{
	struct record *list = calloc(DOUBTS, sizeof(*list));
	int n = since_next(e, after);

	if (!list)
		abort();
	const struct moves m = moves(e);
	if (n == 0)
		n = moves_note_all(&m, after);
	if (n == 0)
		n = since_forgotten(e, e->row.id);
	while (n >= 0) {
		n = journal_read_doubts(e->journal, after, list, DOUBTS);
		for (int i = 0; i < n; i++) {
			const struct record *r = &list[i];
			bool file = r->op == OP_UNSURE && r->flags & RF_CONTENT;
			stale_record(e->stale, r, 0);
			if (!file && r->flags & (RF_OBJECT | RF_CONTENT))
				since_at(e, r->size);
			after = r->seq;
			record_done(&list[i]);
		}
		if (n < DOUBTS)
			break;
	}
	free(list);
	return n < 0 ? n : 0;
}

int unsure_inherit(struct engine *e, int64_t replica)
{
	int r = stale_inherit(e->stale, replica);

	if (r == 0)
		r = since_forgotten(e, replica);
	return r < 0 ? r : filters_inherit(e, replica);
}
