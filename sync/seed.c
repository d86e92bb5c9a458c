/*
 * The first copy, and the comparison of everything: a reconcile of the whole
 * tree that can be cut off at any point, tells how far it is, and does not
 * delete before it knows how much.
 *
 * The walk takes folders in an order that does not depend on the file system,
 * so one path says what is done: each second all that was pushed is waited
 * for, what failed is done over, and the path goes into the journal with what
 * was learned of links. Cut off, the next connection goes on behind that path.
 * Meanwhile the records since the beginning of the walk are kept; they are
 * applied by comparing afterwards, so it does not matter when a folder was
 * looked at.
 *
 * What the master does not have is counted and left alone, and so are folders
 * in whose place the master has something else. When the walk is over, and
 * that is not too much, it goes: the paths, if they are few, else by another
 * walk. Too much means that somebody has to say so; the first copy stays where
 * it is until then.
 */
#include "confdefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "sync/durable.h"
#include "sync/engine.h"
#include "sync/lower.h"
#include "sync/seed-private.h"

#define MARK_NS	      NS_PER_S
#define MARK_TRIPS    100 /* round trips: each mark lets the line run dry */
#define TICK_NS	      NS_PER_S

/* ---- how far it is ---- */

/* so_far - as it is told: bytes count when they were sent, if they had to be.
 */
static struct seed so_far(const struct engine *e, const struct seeding *w)
{
	struct seed s = w->s;
	uint64_t written = remote_written(e->remote);
	uint64_t done = written - w->settled;
	uint64_t left = w->queued > done ? w->queued - done : 0;

	s.bytes -= left < s.bytes ? left : s.bytes;
	s.sent = w->sent + written - w->written;
	return s;
}

static int save_counts(struct engine *e, struct seeding *w)
{
	w->c.entries = w->s.entries;
	if (e->verify)
		w->c.read = w->read + verify_read(e->verify);
	return !w->asked ? 0
	       : w->part ? journal_comparison_put(e->journal, &w->c)
			 : journal_comparison_put_all(e->journal, e->row.id,
						      &w->c);
}

void seed_tick(struct engine *e)
{
	struct seeding *w = e->progress;
	int64_t now = clock_mono_ns();

	if (!w || now < w->tick_ns)
		return;
	w->tick_ns = now + TICK_NS;
	struct seed s = so_far(e, w);
	int r = w->part ? save_counts(e, w)
			: journal_seed_tick(e->journal, e->row.id, &s);
	if (r < 0)
		log_debug("%s: %s", e->row.name, journal_error(e->journal));
}

/* all_sent - nothing is queued any more. */
static void all_sent(struct engine *e, struct seeding *w)
{
	w->queued = 0;
	w->settled = remote_written(e->remote);
}

static void mark_key(const struct engine *e, char key[32])
{
	snprintf(key, 32, "seed-mark-%lld", (long long)e->row.id);
}

/* mark_keep, mark_load - what was counted up to the path behind which an
 * interrupted walk goes on: seed_tick tells more than that. */
static int mark_keep(struct engine *e, const struct seed *s)
{
	char key[32], text[48];

	mark_key(e, key);
	snprintf(text, sizeof(text), "%llu %llu",
		 (unsigned long long)s->entries, (unsigned long long)s->bytes);
	return journal_meta_set(e->journal, key, text);
}

static int mark_load(struct engine *e, struct seed *s)
{
	CLEANUP_FREE char *text = NULL;
	unsigned long long entries, bytes;
	char key[32];

	mark_key(e, key);
	int r = journal_meta_get(e->journal, key, &text);
	if (r == 0 && text && sscanf(text, "%llu %llu", &entries, &bytes) == 2) {
		s->entries = entries;
		s->bytes = bytes;
	}
	return r;
}

/* note - how far it is. `safe`: as durable_commit says; < 0: as it was. */
static int note(struct engine *e, struct seeding *w, int safe)
{
	int r = journal_transaction_begin(e->journal);

	if (r < 0)
		return r;
	r = engine_flush(e);
	if (r == 0 && safe >= 0)
		r = durable_note(e, safe);
	for (unsigned i = 0; r == 0 && i < w->n_extra; i++)
		r = journal_seed_extra(e->journal, e->row.id, w->extra[i]);
	struct seed s = so_far(e, w);
	if (r == 0)
		r = journal_seed_put(e->journal, e->row.id, &s);
	if (r == 0)
		r = mark_keep(e, &s);
	if (r == 0)
		r = save_counts(e, w);
	r = journal_transaction_close(e->journal, r);
	while (w->n_extra > 0)
		free(w->extra[--w->n_extra]);
	return r;
}

static int save(struct engine *e, struct seeding *w)
{
	int r = stage_turn_begin(e, 0);
	int safe = r < 0 ? r : durable_commit(e);

	r = safe < 0 ? safe : stage_turn_end(e);
	return r < 0 ? r : note(e, w, safe);
}

/* settle - all that was pushed is on the replica, or parked. */
static int settle(struct engine *e, struct seeding *w)
{
	int r = exec_drain(e->exec);

	if (r == 0)
		r = batch_mend(e, w->s.seq);
	return r == 0 ? engine_dir_times(e) : r;
}

static int64_t next_mark(const struct engine *e)
{
	return clock_mono_ns() + MARK_NS +
	       MARK_TRIPS * remote_round_trip_ns(e->remote);
}

int seed_mark(struct engine *e, const char *path)
{
	struct seeding *w = e->seeding;

	if (!w || w->part || clock_mono_ns() < w->next_ns)
		return 0;
	e->seeding = NULL; /* what is done over does not count */
	int r = settle(e, w);
	e->seeding = w;
	if (r < 0)
		return r;
	all_sent(e, w);
	free(w->s.path);
	w->s.path = strdup(path);
	w->next_ns = next_mark(e);
	return save(e, w);
}

/* count_local - what the walk is going to meet, for those who wait for it. */
static int count_local(struct engine *e, int fd, const char *path,
		       struct seed *s)
{
	struct pollfd stop = {.fd = e->stop_fd, .events = POLLIN};
	struct dirent *de;
	struct stat st;
	int r = 0;
	CLEANUP_CLOSEDIR DIR *d = fdopendir(fd);

	if (!d) {
		close(fd);
		return 0;
	}
	if (poll(&stop, 1, 0) > 0)
		return -ECANCELED;
	while (r == 0 && (de = readdir(d))) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
		    fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		CLEANUP_FREE char *child = path_join(path, de->d_name);
		if (filter_excludes(e->filter, child, S_ISDIR(st.st_mode)))
			continue;
		s->all_entries++;
		if (S_ISREG(st.st_mode))
			s->all_bytes += (uint64_t)st.st_size;
		int sub = S_ISDIR(st.st_mode) && !path_is_long(child)
				  ? lower_open_folder(fd, de->d_name)
				  : -1;
		if (sub >= 0)
			r = count_local(e, sub, child, s);
	}
	return r;
}

/* ---- the phases ---- */

/* count_on - from what earlier connections did. */
static void count_on(struct engine *e, struct seeding *w)
{
	w->sent = w->s.sent;
	w->read = w->c.read;
	w->written = w->settled = remote_written(e->remote);
}

/* may_delete - it was said of what is mounted now: the disk of the tree may not be
 * there any more. */
static bool may_delete(const struct engine *e, const struct comparison *c)
{
	return c->allowed && SEQ_EPOCH(c->seq) == shared_epoch(e->shared);
}

/* begin_asked - what the administrator has asked for is answered as well. */
static int begin_asked(struct engine *e, struct seeding *w, bool anew)
{
	int r = journal_comparison_begin_all(e->journal, e->row.id, anew,
					     &w->c);

	w->asked = r > 0;
	w->s.allowed |= may_delete(e, &w->c);
	return r < 0 ? r : 0;
}

/* is_outdated - what was counted, and is to be asked or looked for once more, may
 * have changed since, while nothing was mounted. */
static bool is_outdated(const struct engine *e, const struct seed *s)
{
	return (s->walked || !s->listed) &&
	       SEQ_EPOCH(s->seq) != shared_epoch(e->shared);
}

/* forget - all is looked at: what was known of the replica does not count. */
static void forget(struct engine *e)
{
	links_clear(e->links);
	pathset_done(&e->met);
	plan_memory_clear(e->memory);
}

static int begin(struct engine *e, struct seeding *w)
{
	int r = journal_seed_get(e->journal, e->row.id, &w->s);

	if (r == 0 && is_outdated(e, &w->s)) {
		w->leave = w->s.allowed ? w->s.extra : 0;
		seed_done(&w->s);
		r = journal_seed_end(e->journal, e->row.id);
		r = r < 0 ? r : -ENOENT;
	}
	if (r == 0) {
		if (w->s.path && !e->unsafe_ns)
			log_notice("%s: going on behind /%s", e->row.name,
				   w->s.path);
		r = mark_load(e, &w->s);
		/* the time between does not count */
		w->s.started_ns += clock_wall_ns() - w->s.updated_ns;
		/* what may be lost with the replica's power is compared */
		w->passed =
			w->s.path && !e->unsafe_ns ? strdup(w->s.path) : NULL;
		/* all is looked at again: "" is the root, and nothing below */
		bool anew = !w->s.walked && (!w->passed || !*w->passed);
		if (anew) {
			forget(e);
			w->s.entries = w->s.bytes = w->s.there = w->s.extra = 0;
		}
		if (r == 0)
			r = journal_seed_extras(e->journal, e->row.id,
						&w->known, &w->n_known);
		w->n_listed = w->n_known;
		while (anew && w->n_known > 0) /* and counted again */
			free(w->known[--w->n_known]);
		return r < 0 ? r : begin_asked(e, w, false);
	}
	if (r != -ENOENT)
		return r;
	forget(e);
	r = journal_seed_begin(e->journal, e->row.id, &w->s);
	if (r == 0)
		r = begin_asked(e, w, true);
	w->s.all_entries = 1; /* the root */
	/* what has gone already is a part of what is asked for */
	if (e->told.untold > 0)
		w->s.extra = w->s.there = (uint64_t)e->told.untold;
	int fd = r < 0 ? -1 : lower_open_folder(e->cfg->lower_fd, ".");
	return fd < 0 ? r : count_local(e, fd, "", &w->s);
}

/* walk_at - compare what is at `path`, and count. */
static int walk_at(struct engine *e, struct seeding *w, const char *path)
{
	/* the replica is told in its turn: nothing has arrived yet */
	int r = w->part ? 0 : note(e, w, -1);

	w->next_ns = next_mark(e);
	e->verify = w->c.checksum ? verify_new() : NULL;
	e->seeding = e->progress = w;
	if (r == 0)
		r = reconcile(e, path, STRICT_DATA, DEPTH_ALL);
	e->seeding = NULL;
	if (r == 0)
		r = settle(e, w);
	if (r == 0)
		r = save_counts(e, w);
	e->progress = NULL;
	verify_free(e->verify);
	e->verify = NULL;
	if (r == 0)
		all_sent(e, w);
	return r;
}

static int walk(struct engine *e, struct seeding *w)
{
	int r = walk_at(e, w, "");

	if (r < 0)
		return r;
	w->s.walked = true;
	return save(e, w);
}

/* is_empty - the tree itself is one entry, and what mkfs puts there is another. */
static bool is_empty(const struct engine *e, const struct seeding *w)
{
	struct stat st;

	return !w->part &&
	       (w->s.entries <= 1 ||
		(w->s.entries == 2 && fstatat(e->cfg->lower_fd, "lost+found",
					      &st, AT_SYMLINK_NOFOLLOW) == 0));
}

/* too_much - would a careful administrator want to be asked? */
static bool too_much(const struct engine *e, const struct seeding *w)
{
	const struct seed *s = &w->s;
	unsigned share = e->row.options.max_delete;

	if (s->allowed || s->extra <= w->leave || share >= 100)
		return false;
	if (is_empty(e, w) && w->ours)
		return true;
	return s->extra > TOLD_FREE && s->extra * 100 > s->there * share;
}

static int refuse(struct engine *e, const struct seeding *w)
{
	const struct seed *s = &w->s;
	char **list = NULL;
	unsigned n = 0;
	int r = journal_seed_extras(e->journal, e->row.id, &list, &n);
	CLEANUP_FREE char *example = text_printable(n ? list[0] : "");

	snprintf(e->refusal, sizeof(e->refusal),
		 "%llu of the %llu entries on the replica are not in the "
		 "tree%s, such as /%s, and would be deleted: if that is right, "
		 "say mirrorfs replica resume %s --allow-delete",
		 (unsigned long long)s->extra, (unsigned long long)s->there,
		 is_empty(e, w) ? ", which is empty" : "", example,
		 e->row.name);
	for (unsigned i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return r < 0 ? r : -ECANCELED;
}

/* is_in_tree - the folder that it is in. Gone since, that has not been counted. */
static bool is_in_tree(struct engine *e, const char *path)
{
	CLEANUP_FREE char *parent = path_parent(path);
	struct stat st;
	struct fhandle obj;

	return lower_look(e->cfg->lower_fd, parent, &st, &obj) == 0 &&
	       S_ISDIR(st.st_mode);
}

static int clear_all(struct engine *e, struct seeding *w, const char *path)
{
	char **list = w->extra;
	unsigned n = w->n_extra;
	int r = 0;

	if (!w->s.listed) {
		r = reconcile(e, path, STRICT_DATA, DEPTH_ALL);
		return r == 0 ? batch_mend(e, w->s.seq) : r;
	}
	if (!w->part)
		r = journal_seed_extras(e->journal, e->row.id, &list, &n);
	for (unsigned i = 0; i < n; i++) {
		if (r == 0 && is_in_tree(e, list[i]))
			r = reconcile(e, list[i], STRICT_DATA, DEPTH_ALL);
		if (r == 0)
			r = batch_mend(e, w->s.seq);
		if (!w->part)
			free(list[i]);
	}
	if (!w->part)
		free(list);
	return r;
}

/* clear - what the master does not have, at `path` or below, goes now. */
static int clear(struct engine *e, struct seeding *w, const char *path)
{
	if (w->s.extra == 0)
		return 0;
	w->c.differed += w->s.extra;
	pathset_done(&e->met); /* each of them has its own now */
	e->told.counted = true;
	int r = clear_all(e, w, path);
	e->told.counted = false;
	e->told.untold = 0;
	return r;
}

static void done(struct seeding *w)
{
	while (w->n_extra > 0)
		free(w->extra[--w->n_extra]);
	while (w->n_known > 0)
		free(w->known[--w->n_known]);
	free(w->known);
	free(w->passed);
	free(w->c.error);
	w->c.error = NULL;
	seed_done(&w->s);
}

/* note_held_back - a word about it, when some of `path` is parked. */
static void note_held_back(struct engine *e, struct seeding *w,
			   const char *path)
{
	if (!w->c.error && pathset_related(&e->parked_paths, path))
		w->c.error = strdup("some of it is held back: see mirrorfs "
				    "status --parked");
}

/* tell - what came of a comparison that was asked for. */
static int tell(struct engine *e, struct seeding *w, const char *path)
{
	CLEANUP_FREE char *name = text_printable(path);

	if (!w->asked)
		return 0;
	note_held_back(e, w, path);
	w->c.ended_ns = clock_wall_ns();
	log_notice("%s: compared /%s%s: entries=%llu differed=%llu%s%s",
		   e->row.name, name, w->c.checksum ? " by content" : "",
		   (unsigned long long)w->c.entries,
		   (unsigned long long)w->c.differed, w->c.error ? ": " : "",
		   w->c.error ? w->c.error : "");
	return save_counts(e, w);
}

int seed_run(struct engine *e)
{
	struct seeding w = {.ours = e->cursor > 0 || e->unsafe_ns};
	int r = begin(e, &w);

	e->refusal[0] = 0;
	aside_end_all(e);
	count_on(e, &w);
	if (r == 0 && !w.s.walked)
		r = walk(e, &w);
	if (r == 0 && too_much(e, &w))
		r = refuse(e, &w);
	if (r == 0)
		r = clear(e, &w, "");
	e->seeding = &w; /* its end is a part of the commit */
	if (r == 0)
		r = batch_commit(e, w.s.seq, true);
	if (r == 0)
		pathset_done(&e->met);
	e->seeding = NULL;
	e->changed_ns = UINT64_MAX;
	if (r == 0)
		r = tell(e, &w, "");
	done(&w);
	return r;
}

/* ---- a part of the tree ---- */

int seed_unsure(struct engine *e, const char *path, enum strictness strict,
		enum depth depth, uint64_t seq)
{
	struct seeding w = {
		.part = true, .ours = true, .s = {.listed = true, .seq = seq}};
	bool asks = e->row.options.max_delete < 100;

	e->seeding = &w;
	int r = batch_redo(e, path, strict, depth, seq);
	e->seeding = NULL;
	if (r == 0 && asks && w.s.extra > TOLD_FREE) {
		CLEANUP_FREE char *name = text_printable(path);
		log_notice("%s: %llu entries below /%s are not in the tree: "
			   "comparing everything before they go",
			   e->row.name, (unsigned long long)w.s.extra, name);
		r = -ESTALE;
	}
	if (r == 0)
		e->told.untold -= (int64_t)w.s.extra;
	for (unsigned i = 0; i < w.n_extra; i++) {
		if (r == 0)
			r = batch_redo(e, w.extra[i], strict, DEPTH_ALL, seq);
		free(w.extra[i]);
	}
	if (r == 0 && !w.s.listed) /* there are more than were listed */
		r = batch_redo(e, path, STRICT_ATTR, depth, seq);
	return r;
}

/* stay - too much would go: nothing does. */
static void stay(struct seeding *w)
{
	const struct seed *s = &w->s;
	CLEANUP_FREE char *example =
		text_printable(w->n_extra ? w->extra[0] : "");

	if (asprintf(&w->c.error,
		     "%llu of the %llu entries there are not in the tree, such "
		     "as /%s, and would be deleted: if that is right, say "
		     "mirrorfs reconcile PATH --allow-delete",
		     (unsigned long long)s->extra,
		     (unsigned long long)s->there + 1, example) < 0)
		abort();
}

int seed_part(struct engine *e, struct comparison *c)
{
	struct seeding w = {.part = true, .ours = true, .asked = true, .c = *c};

	w.s = (struct seed){
		.listed = true, .allowed = may_delete(e, c), .seq = e->cursor};
	w.c.begun_ns = clock_wall_ns();
	w.c.entries = w.c.differed = w.c.read = 0;
	e->beside = true;
	count_on(e, &w);
	int r = journal_comparison_put(e->journal, &w.c);
	if (r == 0)
		r = walk_at(e, &w, c->path);
	if (r == 0 && too_much(e, &w))
		stay(&w);
	else if (r == 0)
		r = clear(e, &w, c->path);
	if (r == 0)
		r = engine_note(e);
	if (r == 0)
		r = tell(e, &w, c->path);
	done(&w);
	return r;
}
