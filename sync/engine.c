/* What a connected replica remembers, and where the ends of steps are heard. */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "sync/engine.h"

#define PARK_FIRST_NS NS_PER_S
#define PARK_MAX_NS   (300 * NS_PER_S)

/* A set of texts, each with a number and perhaps an example. */
struct text_set {
	char *text;
	uint64_t n;
	char *example;
	UT_hash_handle hh;
};

static struct text_set *set_add(struct text_set **set, const char *text)
{
	struct text_set *t;

	HASH_FIND_STR(*set, text, t);
	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	t->text = strdup(text);
	HASH_ADD_KEYPTR(hh, *set, t->text, strlen(t->text), t);
	return t;
}

static void set_del(struct text_set **set, struct text_set *t)
{
	HASH_DEL(*set, t);
	free(t->text);
	free(t->example);
	free(t);
}

static void set_clear(struct text_set **set)
{
	struct text_set *t, *tmp;

	HASH_ITER(hh, *set, t, tmp)
	set_del(set, t);
}

void engine_touch(struct engine *e, const char *path)
{
	set_add(&e->touched, path);
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
	return exec_push(e->exec, kind, path, path2, obj, tag);
}

/* ---- what comes of steps ---- */

static const char *error_text(struct engine *e, int error)
{
	switch (error) {
	case -EACCES:
		return "permission denied on the replica";
	case -ENOENT:
		return "no such file or folder on the replica";
	case -EOPNOTSUPP:
		return "the server of the replica cannot do this";
	case -EREMOTEIO:
		return "failure on the replica (exists, is not empty, or no "
		       "space is left)";
	default:
		return strerror(-error);
	}
}

/* doubt_links - it may have failed because a name of the object is not what
 * we think: look at all of them, and forget them. */
static void doubt_links(struct engine *e, const struct step *s)
{
	const char **names;
	unsigned n;

	if (s->kind != STEP_PUT && s->kind != STEP_SYMLINK &&
	    s->kind != STEP_LINK)
		return;
	n = links_other(e->links, &s->obj, "", UINT64_MAX, &names);
	for (unsigned i = 0; i < n; i++) {
		CLEANUP_FREE char *name = strdup(names[i]);
		set_add(&e->failed, name);
		links_del(e->links, name);
	}
	free(names);
}

static void step_finished(void *arg, const struct step *s)
{
	struct engine *e = arg;
	const struct action *a = s->tag;

	if (s->kind == STEP_PUT && s->result == STEP_SUPERSEDED) {
		bool linked = s->st.st_nlink > 1;
		if (!a || a->absent)
			plan_memory_absent(e->memory, &s->obj, linked);
	}
	/* reconcile puts it where it is now, not where the records have it */
	if (s->kind == STEP_PUT && s->result == STEP_DONE && a)
		plan_memory_present(e->memory, &s->obj);
	if (s->kind == STEP_PUT &&
	    (s->result == STEP_DONE || s->result == STEP_GONE))
		stale_published(e->stale, &s->obj);
	if (s->result != STEP_FAILED || s->error == -ENOTCONN)
		return;
	if (s->kind == STEP_SETATTR && !*s->path) {
		/* a login that may write there, but does not own it: nothing
		 * else is to wait for that */
		engine_count(e, "root-attributes", "");
		return;
	}
	doubt_links(e, s);
	set_add(&e->failed, s->path);
	if (s->path2 && strncmp(s->path2, RESERVED_NAME "/", 10) != 0)
		set_add(&e->failed, s->path2);
	snprintf(e->error, sizeof(e->error), "%s", error_text(e, s->error));
	log_debug("%s: step kind=%d path=%s failed: %s", e->row.name, s->kind,
		  s->path, e->error);
}

static void step_sending(void *arg, const struct step *s)
{
	struct engine *e = arg;
	const char **names;
	unsigned n;

	if (s->tag)
		batch_sending(e, s->tag, s->number);
	if (s->kind != STEP_PUT && s->kind != STEP_SYMLINK &&
	    s->kind != STEP_LINK)
		return;
	/* its other names are made anew, in their folders */
	n = links_other(e->links, &s->obj, s->path, s->number, &names);
	for (unsigned i = 0; i < n; i++)
		engine_touch_parent(e, names[i]);
	free(names);
}

static void uncarried(void *arg, const char *kind, const char *path)
{
	engine_count(arg, kind, path);
}

static int text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

unsigned engine_take_failed(struct engine *e, bool top, char ***ret)
{
	unsigned n = 0, kept = 0;
	struct text_set *t, *tmp;
	char **list = calloc(HASH_COUNT(e->failed) + 1, sizeof(char *));

	if (!list)
		abort();
	HASH_ITER(hh, e->failed, t, tmp)
	list[n++] = strdup(t->text);
	set_clear(&e->failed);
	qsort(list, n, sizeof(*list), text_order);
	for (unsigned i = 0; i < n; i++) {
		bool covered = false;
		for (unsigned k = kept; top && k > 0 && !covered; k--)
			covered = path_is_below(list[i], list[k - 1]);
		if (covered)
			free(list[i]);
		else
			list[kept++] = list[i];
	}
	*ret = list;
	return kept;
}

/* ---- beginning and end ---- */

int engine_start(struct engine *e)
{
	const struct exec_config cfg = {.remote = e->remote,
					.shared = e->shared,
					.journal = e->journal,
					.links = NULL,
					.stage = e->stage,
					.lower_fd = e->cfg->lower_fd,
					.stop_fd = e->stop_fd,
					.chown_ok = e->chown_ok,
					.delta_above = e->cfg->delta_above,
					.sending = step_sending,
					.finished = step_finished,
					.uncarried = uncarried,
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
	e->memory = plan_memory_new();
	e->exec = exec_new(&cfg);
	e->exec->cfg.links = e->links;
	return engine_parked_load(e);
}

void engine_stop(struct engine *e)
{
	remote_close(e->remote); /* answers all that is pending */
	e->remote = NULL;
	exec_free(e->exec);
	e->exec = NULL;
	links_close(e->links);
	e->links = NULL;
	stale_close(e->stale);
	e->stale = NULL;
	pathset_done(&e->fences);
	pathset_done(&e->parked_paths);
	e->fences = e->parked_paths = (struct pathset){0};
	parked_free(e->parked, e->n_parked);
	e->parked = NULL;
	e->n_parked = 0;
	plan_memory_free(e->memory);
	e->memory = NULL;
	set_clear(&e->touched);
	set_clear(&e->recent);
	set_clear(&e->failed);
	set_clear(&e->counts);
	e->reconciling = false;
}

int engine_dir_times(struct engine *e)
{
	struct text_set *t, *tmp;
	int r = 0;

	HASH_ITER(hh, e->touched, t, tmp)
	{
		if (r == 0 && !path_is_reserved(t->text))
			r = engine_push(e, STEP_DIRTIMES, t->text, NULL, NULL,
					NULL);
		set_add(&e->recent, t->text);
		set_del(&e->touched, t);
	}
	return r == 0 ? exec_drain(e->exec) : r;
}

int engine_flush(struct engine *e)
{
	struct text_set *t, *tmp;
	int r = links_save(e->links);

	if (r == 0)
		r = stale_save(e->stale);
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

int engine_fence(struct engine *e, const char *path, uint64_t seq)
{
	pathset_put(&e->fences, path, seq);
	return journal_fence_put(e->journal, e->row.id, path, seq);
}

/* ---- parked paths ---- */

int engine_parked_load(struct engine *e)
{
	parked_free(e->parked, e->n_parked);
	e->parked = NULL;
	e->n_parked = 0;
	int r = journal_parked_load(e->journal, e->row.id, &e->parked,
				    &e->n_parked);
	pathset_done(&e->parked_paths);
	e->parked_paths = (struct pathset){0};
	for (unsigned i = 0; r == 0 && i < e->n_parked; i++)
		pathset_put(&e->parked_paths, e->parked[i].path, 1);
	return r;
}

/* parked_slot - that of `path`, made if there is none. */
static struct parked *parked_slot(struct engine *e, const char *path)
{
	if (pathset_at(&e->parked_paths, path)) {
		for (unsigned i = 0; i < e->n_parked; i++) {
			if (strcmp(e->parked[i].path, path) == 0)
				return &e->parked[i];
		}
	}
	e->parked =
		reallocarray(e->parked, e->n_parked + 1, sizeof(*e->parked));
	if (!e->parked)
		abort();
	struct parked *p = &e->parked[e->n_parked++];
	*p = (struct parked){.path = strdup(path), .first_ns = clock_wall_ns()};
	pathset_put(&e->parked_paths, path, 1);
	return p;
}

int engine_park(struct engine *e, const char *path, uint64_t seq)
{
	struct parked *p = parked_slot(e, path);
	int64_t pause = PARK_FIRST_NS;

	free(p->error);
	p->error = strdup(e->error);
	if (seq > p->seq)
		p->seq = seq;
	for (unsigned i = 0; i < p->tries && pause < PARK_MAX_NS; i++)
		pause *= 2;
	p->tries++;
	p->next_ns =
		clock_wall_ns() + (pause < PARK_MAX_NS ? pause : PARK_MAX_NS);
	if (p->tries == 1)
		log_warning("%s: parked /%s: %s", e->row.name, path, e->error);
	return journal_parked_put(e->journal, e->row.id, p);
}

int engine_unpark(struct engine *e, const char *path)
{
	int r = journal_parked_del(e->journal, e->row.id, path);

	log_notice("%s: /%s arrived after all", e->row.name, path);
	return r < 0 && r != -ENOENT ? r : engine_parked_load(e);
}

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

void engine_settled(struct engine *e)
{
	set_clear(&e->recent);
}
