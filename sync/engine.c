/* What a connected replica remembers, and where the ends of steps are heard. */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "sync/begun.h"
#include "sync/durable.h"
#include "sync/engine.h"
#include "sync/second.h"
#include "sync/textset.h"

#define TIMES_TRIES 2

void engine_changed(struct engine *e, const char *path)
{
	struct text_set *t = e->durable ? set_add(&e->changed, path) : NULL;

	if (t) /* steps before that one have not seen it */
		t->n = exec_next(e->exec);
}

/* engine_synced - a step that was pushed behind all that has changed there. */
static void engine_synced(struct engine *e, const struct step *s)
{
	struct text_set *t;

	HASH_FIND_STR(e->changed, s->path, t);
	if (t && t->n <= s->number)
		set_del(&e->changed, t);
}

void engine_touch(struct engine *e, const char *path)
{
	if (filter_excludes(e->filter, path, true))
		return;
	set_add(&e->touched, path);
	engine_changed(e, path);
}

void engine_touch_parent(struct engine *e, const char *path)
{
	CLEANUP_FREE char *parent = path_parent(path);

	if (*path)
		engine_touch(e, parent);
}

void engine_count(struct engine *e, const char *kind, const char *path)
{
	struct text_set *t = set_add(&e->counts, kind);

	t->n++;
	if (!t->example)
		t->example = strdup(path);
}

int engine_push(struct engine *e, enum step_kind kind, const char *path,
		const char *path2, const struct fhandle *obj, void *tag)
{
	int r = e->seeding ? durable_ahead(e) : 0;

	if (kind == STEP_SETATTR)
		engine_changed(e, path);
	return r < 0 ? r : exec_push(e->exec, kind, path, path2, obj, tag);
}

/* ---- what comes of steps ---- */

/* failed_add - the newest failure counts: it says what is so now. A link takes
 * no room, also when it is made to a new content. */
static void failed_add(struct engine *e, const char *path, const struct step *s)
{
	struct text_set *t = set_add(&e->failed, path);

	t->why = (struct failure){.kind = s->linked ? STEP_LINK : s->kind,
				  .error = s->error,
				  .need = s->linked ? 0 : space_need(&s->st),
				  .want = s->st.st_mode & S_IFMT};
}

void engine_fail(struct engine *e, const char *path, mode_t want, int error)
{
	struct text_set *t = set_add(&e->failed, path);

	t->why = (struct failure){
		.kind = STEP_SETATTR, .error = error, .want = want};
	log_debug("%s: path=%s cannot be looked at: %s", e->row.name, path,
		  strerror(-error));
}

/* doubt_links - it may have failed because a name of the object is not what
 * we think: look at all of them, and forget them. */
static void doubt_links(struct engine *e, const struct step *s)
{
	char **names;
	unsigned n;

	if (s->kind != STEP_PUT && s->kind != STEP_SYMLINK &&
	    s->kind != STEP_LINK)
		return;
	n = links_copies(e->links, &s->obj, "", &names);
	for (unsigned i = 0; i < n; i++) {
		failed_add(e, names[i], s);
		links_del(e->links, names[i]);
	}
	links_copies_free(names, n);
}

/* written_in_place - all of it, but it is not the content of any moment. */
static void written_in_place(struct engine *e, const struct step *s)
{
	const struct stale_content is = {
		.since = s->ranges_to,
		.size = s->base_size ? s->base_size : s->source_size};

	stale_in_place(e->stale, &s->obj, is);
}

/* is_later - another one will bring the content. */
static bool is_later(const struct step *s)
{
	return s->result == STEP_SUPERSEDED || s->result == STEP_ASIDE;
}

static void step_finished(void *arg, const struct step *s)
{
	struct engine *e = arg;
	const struct action *a = s->tag;
	bool later = is_later(s);
	/* in place of a link: the other names have what they had (after a lost
	 * connection there is no plan any more, nor what the tag points to) */
	bool copy = e->plan && a && a->kind == ACT_LINK;

	if (s->kind == STEP_DIRTIMES && s->synced)
		engine_synced(e, s);
	if (s->kind == STEP_PUT && later) {
		bool linked = s->st.st_nlink > 1;
		if (!a) /* what is there is not what it is taken for */
			stale_add(e->stale, &s->obj);
		if (!a || a->absent)
			plan_memory_absent(e->memory, &s->obj, linked);
	}
	if (s->kind == STEP_PUT && s->result == STEP_GONE && a && a->absent &&
	    !copy)
		plan_memory_gone(e->memory, &s->obj, action_covers(a),
				 shared_last_seq(e->shared));
	if (s->result == STEP_SUPERSEDED && s->in_place)
		written_in_place(e, s);
	if (s->kind == STEP_PUT && later)
		aside_left(e, s);
	else if (s->kind == STEP_PUT &&
		 asides_end(e->asides, &s->obj, s->result == STEP_DONE)) {
		/* its SETTLE record is behind us: none will tell */
		plan_memory_present(e->memory, &s->obj);
		if (copy) /* nor bring it to the name that it was for */
			engine_fail(e, a->path, 0, -EOPNOTSUPP);
	}
	if (s->kind == STEP_PUT && s->result == STEP_DONE)
		e->behind.uploads++;
	/* reconcile puts it where it is now, not where the records have it */
	if (s->kind == STEP_PUT && s->result == STEP_DONE && a && !copy) {
		plan_memory_present(e->memory, &s->obj);
		if (!s->unowned)
			fresh_put(&e->fresh, &s->obj, s->as_of, e->cursor);
	}
	/* of a folder the times are, too, but they follow what is in it */
	if (s->kind == STEP_SETATTR && s->result == STEP_DONE && a &&
	    S_ISREG(s->st.st_mode) && !s->unowned)
		fresh_put_attrs(&e->fresh, &s->obj, s->as_of, e->cursor);
	if (s->kind == STEP_PUT && !copy &&
	    (s->result == STEP_DONE || s->result == STEP_GONE)) {
		stale_published(e->stale, &s->obj);
		asides_paid(e->asides, &s->obj, s->result == STEP_DONE);
	}
	/* early: the content will bring them */
	if (s->result != STEP_FAILED || s->error == -ENOTCONN || s->early)
		return;
	if (s->kind == STEP_SETATTR && !*s->path) {
		/* a login that may write there, but does not own it: nothing
		 * else is to wait for that */
		engine_count(e, "root-attributes", "");
		return;
	}
	if (s->kind == STEP_PUT)
		stale_add(e->stale, &s->obj);
	doubt_links(e, s);
	failed_add(e, s->path, s);
	if (s->path2 && strncmp(s->path2, RESERVED_NAME "/", 10) != 0)
		failed_add(e, s->path2, s);
	log_debug("%s: step kind=%d path=%s failed: %s", e->row.name, s->kind,
		  s->path, strerror(-s->error));
}

static uint64_t planned(void *arg)
{
	const struct engine *e = arg;

	return e->inflight > e->cursor ? e->inflight : e->cursor;
}

/* attributes_first - who may read a file must not wait for its content: that of
 * one that never rests may take hours. What is at its path is an older content
 * of it. No set-id bits go there, which are for the new one, nor times, by
 * which the older one would look like that. Nothing at all to another file. */
static void attributes_first(struct engine *e, const struct step *s)
{
	const struct action *a = s->tag;

	if (!a || a->kind != ACT_PUT || a->absent || !a->attrs ||
	    links_is_other(e->links, s->path, &s->obj))
		return;
	engine_changed(e, s->path);
	exec_push_early(e->exec, s);
}

static void step_sending(void *arg, const struct step *s)
{
	struct engine *e = arg;
	const struct action *a = s->tag;
	bool later = s->result == STEP_SUPERSEDED;
	const char **names;
	unsigned n;

	/* who is gone, or comes later, takes no name now; but where it has
	 * others, or a copy is in place of a link, the content that comes later
	 * must come to this one, too */
	if (a && (s->result == STEP_DONE || later || a->kind == ACT_LINK))
		batch_sending(e, s);
	if (s->kind == STEP_PUT && is_later(s))
		attributes_first(e, s);
	if (s->result != STEP_DONE)
		return;
	if (s->kind != STEP_PUT && s->kind != STEP_SYMLINK &&
	    s->kind != STEP_LINK)
		return;
	/* its other names are made anew, in their folders; by a link only if
	 * what it leads to is not known as one (exec.c) */
	bool anew = s->kind != STEP_LINK ||
		    !links_is(e->links, s->path, &s->obj);
	links_taken(e->links, s->kind == STEP_LINK ? s->path2 : s->path);
	n = links_other(e->links, &s->obj, s->path, s->number, &names);
	for (unsigned i = 0; i < n; i++) {
		if (anew)
			links_taken(e->links, names[i]);
		engine_touch_parent(e, names[i]);
	}
	free(names);
}

/* rate - looked up once a second. */
static uint64_t rate(void *arg)
{
	struct engine *e = arg;
	int64_t now = clock_mono_ns();
	time_t wall;
	struct tm tm;

	seed_tick(e);
	if (now < e->rate_next_ns)
		return e->rate;
	wall = (time_t)(clock_wall_ns() / NS_PER_S);
	localtime_r(&wall, &tm);
	e->rate = rate_at(&e->row.options.bwlimit,
			  (unsigned)(tm.tm_hour * 60 + tm.tm_min));
	e->rate_next_ns = now + NS_PER_S;
	return e->rate;
}

static void wish_second(void *arg)
{
	struct engine *e = arg;

	second_wish(e->second, e->remote);
}

static void uncarried(void *arg, const char *kind, const char *path)
{
	engine_count(arg, kind, path);
}

static void copy(void *arg, const char *path)
{
	engine_fail(arg, path, 0, -EOPNOTSUPP);
}

unsigned engine_take_failed(struct engine *e, bool top, char ***ret)
{
	unsigned n = set_list(e->failed, top, ret);

	set_clear(&e->taken);
	e->taken = e->failed;
	e->failed = NULL;
	return n;
}

unsigned engine_take_changed(struct engine *e, char ***ret)
{
	unsigned n = set_list(e->changed, false, ret);

	set_clear(&e->changed);
	return n;
}

const char *engine_failure(const struct engine *e, const char *path,
			   struct failure *ret)
{
	struct text_set *t;

	HASH_FIND_STR(e->taken, path, t);
	for (struct text_set *i = e->taken; i && !t; i = i->hh.next) {
		if (path_is_below(i->text, path))
			t = i;
	}
	if (t)
		*ret = t->why;
	return t ? t->text : NULL;
}

/* ---- beginning and end ---- */

int engine_start(struct engine *e)
{
	bool two = e->second && !remote_is_local(e->remote);
	const struct exec_config cfg = {
		.remote = e->remote,
		.shared = e->shared,
		.journal = e->journal,
		.stage = e->stage,
		.partials = &e->partials,
		.lower_fd = e->cfg->lower_fd,
		.stop_fd = e->stop_fd,
		.can = &e->can,
		.owners = e->owners,
		.durable = e->durable,
		.delta_above = e->cfg->delta_above,
		.rate = rate,
		.planned = planned,
		.update = e->row.options.update,
		.inplace_above = e->row.options.inplace_above,
		.parallel_above = e->row.options.parallel_above,
		.second = two ? wish_second : NULL,
		.sending = step_sending,
		.finished = step_finished,
		.may_leave = aside_may_leave,
		.aside_above = e->row.options.aside_above,
		.uncarried = uncarried,
		.copy = copy,
		.arg = e};
	struct fence *fences;
	unsigned n;
	int r = links_open(e->journal, e->row.id, &e->links);

	if (r < 0)
		return r;
	r = stale_open(e->journal, e->row.id, &e->stale);
	if (r < 0)
		return r;
	r = journal_fences_load(e->journal, e->row.id, &fences, &n);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < n; i++)
		pathset_put(&e->fences, fences[i].path, fences[i].seq);
	fences_free(fences, n);
	e->changed_ns = UINT64_MAX;
	r = absent_load(e);
	if (r < 0)
		return r;
	e->exec = exec_new(&cfg);
	e->exec->hasty = e->unsynced;
	e->unsynced = false;
	e->exec->cfg.links = e->links;
	r = aside_begin(e);
	return r < 0 ? r : engine_parked_load(e);
}

void engine_stop(struct engine *e)
{
	if (e->second)
		second_stop(e->second, e->remote);
	partials_leave(e->exec);
	remote_close(e->remote); /* answers all that is pending */
	e->remote = NULL;
	e->unsynced |= e->exec && e->exec->hasty;
	e->beside &= e->unsynced;
	exec_free(e->exec);
	e->exec = NULL;
	owners_close(e->owners);
	e->owners = NULL;
	links_close(e->links);
	e->links = NULL;
	asides_close(e->asides);
	e->asides = NULL;
	e->plan = NULL;
	stale_close(e->stale);
	e->stale = NULL;
	fresh_clear(&e->fresh);
	pathset_done(&e->fences);
	pathset_done(&e->parked_paths);
	pathset_done(&e->resent);
	e->fences = e->parked_paths = (struct pathset){0};
	parked_free(e->parked, e->n_parked);
	e->parked = NULL;
	e->n_parked = 0;
	plan_memory_free(e->memory);
	e->memory = NULL;
	set_clear(&e->touched);
	set_clear(&e->recent);
	set_clear(&e->failed);
	set_clear(&e->taken);
	set_clear(&e->counts);
	set_clear(&e->begun);
	told_done(&e->told);
	e->state = (struct state_write){.suspect = e->state.suspect,
					.vague = e->state.vague};
	e->reconciling = e->doubt_disk = e->lull = false;
}

void engine_end(struct engine *e)
{
	set_clear(&e->changed);
	pathset_done(&e->met);
}

int engine_push_times(struct engine *e)
{
	struct text_set *t, *tmp;
	int r = 0;

	if (HASH_COUNT(e->changed) > DURABLE_MAX)
		e->exec->hasty = true;
	HASH_ITER(hh, e->touched, t, tmp)
	{
		/* what is parked is done as a whole, later or now */
		if (r == 0 && !path_is_reserved(t->text) &&
		    (e->reconciling ||
		     !pathset_cover(&e->parked_paths, t->text)))
			r = engine_push(e, STEP_DIRTIMES, t->text, NULL, NULL,
					NULL);
		set_add(&e->recent, t->text);
		set_del(&e->touched, t);
	}
	return r;
}

/* touch_refused - those whose times the server did not set, though the login may.
 * Returns false when there are none. */
static bool touch_refused(struct engine *e)
{
	struct text_set *t, *tmp;
	bool some = false;

	HASH_ITER(hh, e->failed, t, tmp)
	{
		if (t->why.kind != STEP_DIRTIMES || t->why.error == -EACCES)
			continue;
		engine_touch(e, t->text);
		some = true;
	}
	return some;
}

int engine_dir_times(struct engine *e)
{
	int tries = TIMES_TRIES, r;

	do {
		r = engine_push_times(e);
		if (r == 0)
			r = exec_drain(e->exec);
	} while (r == 0 && --tries > 0 && touch_refused(e));
	/* a folder whose times cannot be set: it says so by other steps */
	set_clear(&e->failed);
	return r;
}

int engine_flush(struct engine *e)
{
	struct text_set *t, *tmp;
	int r = links_save(e->links);

	if (r == 0)
		r = stale_save(e->stale);
	if (r == 0)
		r = asides_save(e->asides);
	if (r == 0)
		r = absent_save(e);
	if (r == 0)
		r = begun_over(e);
	if (r == 0)
		r = stage_turn_keep(e);
	HASH_ITER(hh, e->counts, t, tmp)
	{
		bool first = false;
		if (r == 0)
			r = journal_uncarried_count(e->journal, e->row.id,
						    t->text, t->n, t->example,
						    &first);
		if (r == 0 && first)
			log_notice("%s: SFTP does not carry %s, as in /%s",
				   e->row.name, t->text, t->example);
		set_del(&e->counts, t);
	}
	return r;
}

int engine_note(struct engine *e)
{
	int safe, r = stage_turn_begin(e, e->cursor);

	e->beside = true;
	if (r == 0)
		r = engine_dir_times(e);
	safe = r < 0 ? r : durable_commit(e);
	r = safe < 0 ? safe : stage_turn_end(e);
	if (r == 0)
		r = journal_transaction_begin(e->journal);
	if (r < 0)
		return r;
	r = engine_flush(e);
	if (r == 0)
		r = durable_note(e, safe);
	r = journal_transaction_close(e->journal, r);
	e->beside = false;
	return r;
}

int engine_fence(struct engine *e, const char *path, uint64_t seq)
{
	pathset_put(&e->fences, path, seq);
	return journal_fence_put(e->journal, e->row.id, path, seq);
}

/* ---- trees that move ---- */

/* move_folders - those of `set` below `from` are to be touched below `to`. */
static void move_folders(struct engine *e, struct text_set **set,
			 const char *from, const char *to)
{
	struct text_set *t, *tmp;

	HASH_ITER(hh, *set, t, tmp)
	{
		if (!path_is_below(t->text, from))
			continue;
		CLEANUP_FREE char *moved = path_rebase(t->text, from, to);
		set_del(set, t);
		set_add(&e->touched, moved);
		engine_changed(e, moved);
	}
}

int engine_moved(struct engine *e, const char *from, const char *to)
{
	int r = 0;

	move_folders(e, &e->touched, from, to);
	move_folders(e, &e->recent, from, to);
	if (!pathset_below(&e->parked_paths, from))
		return 0;
	for (unsigned i = 0; r == 0 && i < e->n_parked; i++) {
		if (!path_is_below(e->parked[i].path, from))
			continue;
		CLEANUP_FREE char *moved =
			path_rebase(e->parked[i].path, from, to);
		r = journal_parked_move(e->journal, e->row.id,
					e->parked[i].path, moved);
	}
	return r < 0 ? r : engine_parked_load(e);
}

int engine_swapped(struct engine *e, const char *a, const char *b)
{
	static const char aside[] = RESERVED_NAME "/swap";
	int r = engine_moved(e, a, aside);

	if (r == 0)
		r = engine_moved(e, b, a);
	return r == 0 ? engine_moved(e, aside, b) : r;
}

void engine_recall(struct engine *e, const char *path)
{
	if (!filter_excludes(e->filter, path, true))
		set_add(&e->recent, path);
}

void engine_settled(struct engine *e)
{
	set_clear(&e->recent);
	partials_drop_all(&e->partials, e->remote);
}
