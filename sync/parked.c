/*
 * What a replica refuses is parked: its path is left out of everything, with
 * the cause and the time of the next try, while other paths go on. A try is a
 * reconcile of the path; when the first one fails the log tells. Pauses double;
 * but where there was no room, a look at the file system tells when there is
 * some again. Where many are due, others have their turn in between; and while
 * none of them arrives, tries take a small part of the time: there may be a
 * hundred thousand.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "filter.h"
#include "log.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/cause.h"
#include "sync/engine.h"
#include "sync/lower.h"

#define PARK_FIRST_NS NS_PER_S
#define PARK_MAX_NS   (300 * NS_PER_S)
#define PARK_FULL_NS  (2 * NS_PER_S)   /* a look is cheap */
#define TURN_NS	      (50 * NS_PER_MS) /* then others have theirs */
#define TURN_MAX      256	       /* paths; one commit for all of them */
#define REST	      20	       /* times as long, when all was in vain */
#define REST_MAX_NS   (30 * NS_PER_S)
#define ARRIVED	      INT64_MAX /* as next_ns, in the turn */

static void paths_put(struct engine *e, const struct parked *p)
{
	pathset_put(&e->parked_paths, p->path, p->seq + 1);
}

static void paths_anew(struct engine *e)
{
	pathset_done(&e->parked_paths);
	e->parked_paths = (struct pathset){0};
	for (unsigned i = 0; i < e->n_parked; i++)
		paths_put(e, &e->parked[i]);
}

int engine_parked_load(struct engine *e)
{
	parked_free(e->parked, e->n_parked);
	e->parked = NULL;
	e->n_parked = 0;
	int r = journal_parked_load(e->journal, e->row.id, &e->parked,
				    &e->n_parked);
	for (unsigned i = 0; i < e->n_parked; i++)
		e->parked[i].unsynced = e->try_cut;
	paths_anew(e);
	return r;
}

bool engine_is_parked(const struct engine *e, const char *path, uint64_t seq)
{
	return pathset_cover(&e->parked_paths, path) > seq;
}

/* parked_find - mostly it is the one that is tried. */
static struct parked *parked_find(struct engine *e, const char *path)
{
	for (unsigned i = 0; i < e->n_parked; i++) {
		unsigned at = (e->parked_turn + i) % e->n_parked;
		if (strcmp(e->parked[at].path, path) == 0)
			return &e->parked[at];
	}
	return NULL;
}

/* parked_slot - that of `path`, made if there is none, for records up to `seq`
 * at least. */
static struct parked *parked_slot(struct engine *e, const char *path,
				  uint64_t seq)
{
	struct parked *p = pathset_at(&e->parked_paths, path)
				   ? parked_find(e, path)
				   : NULL;

	if (!p) {
		e->parked = reallocarray(e->parked, e->n_parked + 1,
					 sizeof(*e->parked));
		if (!e->parked)
			abort();
		p = &e->parked[e->n_parked++];
		*p = (struct parked){.path = strdup(path),
				     .first_ns = clock_wall_ns()};
	}
	if (seq > p->seq)
		p->seq = seq;
	paths_put(e, p);
	return p;
}

/* ---- the cause ---- */

static char *cause_words(enum cause cause, const struct evidence *ev)
{
	char need[24], room[24], *text = NULL;
	int n;

	size_text(ev->need, need, sizeof(need));
	size_text(cause_room(ev), room, sizeof(room));
	if (cause == CAUSE_DISK_FULL && ev->measured)
		n = asprintf(&text, "%s: needs %s, has %s", cause_text(cause),
			     need, room);
	else if (cause == CAUSE_MASTER)
		n = asprintf(&text, "%s: %s", cause_text(cause),
			     strerror(-ev->error));
	else
		n = asprintf(&text, "%s", cause_text(cause));
	if (n < 0)
		abort();
	return text;
}

static int find_cause(struct engine *e, struct parked *p)
{
	struct failure why = {.error = -EREMOTEIO};
	struct evidence ev;
	struct fhandle obj;
	struct stat st;
	const char *failed = engine_failure(e, p->path, &why);
	const char *at = failed ? failed : p->path;
	CLEANUP_FREE char *above =
		why.kind == STEP_MKDIR ? path_parent(at) : NULL;
	int r;

	ev = (struct evidence){.kind = why.kind,
			       .error = why.error,
			       .need = why.need,
			       .want = why.want,
			       .may_fill = e->can.can[CAN_OWNER]};
	if (lower_look(e->cfg->lower_fd, above ? above : at, &st, &obj) == 0)
		ev.names = (unsigned)st.st_nlink;
	r = cause_look(e->remote, at, e->stage, &ev);
	if (r < 0)
		return r;
	p->cause = cause_judge(&ev);
	free(p->error);
	p->error = cause_words(p->cause, &ev);
	return 0;
}

static bool waits_for_room(const struct parked *p)
{
	return p->cause == CAUSE_DISK_FULL || p->cause == CAUSE_NO_INODES;
}

/* is_told - in the log: what users change as it is sent fails once, and arrives
 * a second later. */
static bool is_told(const struct parked *p)
{
	return p->tries > 1 || (p->tries && waits_for_room(p));
}

int engine_park(struct engine *e, const char *path, uint64_t seq)
{
	struct parked *p = parked_slot(e, path, seq);
	bool told = is_told(p);
	int64_t max, pause = PARK_FIRST_NS;
	int r = find_cause(e, p);

	if (r < 0)
		return r;
	max = waits_for_room(p) ? PARK_FULL_NS : PARK_MAX_NS;
	for (unsigned i = 0; i < p->tries && pause < max; i++)
		pause *= 2;
	p->tries++;
	p->next_ns = clock_wall_ns() + (pause < max ? pause : max);
	if (!told && is_told(p)) {
		CLEANUP_FREE char *name = text_printable(path);
		log_warning("%s: parked /%s: %s", e->row.name, name, p->error);
	}
	return journal_parked_put(e->journal, e->row.id, p);
}

int engine_park_for_now(struct engine *e, const char *path, uint64_t seq)
{
	if (engine_is_parked(e, path, seq))
		return 0;
	struct parked *p = parked_slot(e, path, seq);

	p->next_ns = clock_wall_ns();
	if (p->tries == 0) {
		p->cause = CAUSE_WAITING;
		free(p->error);
		p->error = strdup(cause_text(p->cause));
	}
	return journal_parked_put(e->journal, e->row.id, p);
}

/* has_moved - `r` has taken it from there to where it is now. */
static bool has_moved(const struct engine *e, const struct record *r)
{
	struct stat st;
	struct fhandle obj;
	int fd = e->cfg->lower_fd;

	return lower_look(fd, r->path, &st, &obj) == -ENOENT &&
	       lower_look(fd, r->path2, &st, &obj) == 0 &&
	       fhandle_equal(&obj, &r->obj) && !S_ISDIR(st.st_mode);
}

static bool concerns(const struct record *r, const char *path)
{
	return (r->path && path_related(r->path, path)) ||
	       (r->path2 && path_related(r->path2, path));
}

/* is_alone - no other record has to do with its names: what the replica has there
 * is its own. */
static bool is_alone(const struct record *r, const struct record *list,
		     unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (&list[i] != r && (concerns(&list[i], r->path) ||
				      concerns(&list[i], r->path2)))
			return false;
	}
	return true;
}

/* in_folders - a link there would lead out of the replica. 1, 0 or -ENOTCONN. */
static int in_folders(struct engine *e, const char *path)
{
	CLEANUP_FREE char *up = strdup(path);
	int s = 1;

	for (char *p = up; s > 0 && (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		s = remote_is_folder(e->remote, up);
	}
	return s;
}

static int take_along(struct engine *e, const struct record *r)
{
	struct remote_attr a;
	int s = in_folders(e, r->path);

	if (s > 0)
		s = in_folders(e, r->path2);
	if (s <= 0)
		return s;
	s = remote_lstat(e->remote, r->path2, &a);
	if (s != -ENOENT) /* it has something there */
		return s == -ENOTCONN ? s : 0;
	s = remote_lstat(e->remote, r->path, &a);
	if (s == 0 && S_ISDIR(a.mode))
		return 0;
	if (s == 0)
		s = remote_rename(e->remote, r->path, r->path2);
	if (s < 0)
		return s == -ENOTCONN ? s : 0;
	links_move(e->links, r->path, r->path2);
	engine_touch_parent(e, r->path);
	engine_touch_parent(e, r->path2);
	return 0;
}

int engine_parked_renamed(struct engine *e, const struct record *list, unsigned n)
{
	int s = 0;

	for (unsigned i = 0; e->n_parked && s == 0 && i < n; i++) {
		const struct record *r = &list[i];
		if (r->op == OP_RENAME &&
		    pathset_at(&e->parked_paths, r->path) &&
		    !filter_excludes(e->filter, r->path2, false) &&
		    has_moved(e, r) && is_alone(r, list, n))
			s = take_along(e, r);
	}
	return s;
}

/* parked_over - the path that is parked, there or above it: owned by the caller, or
 * NULL. */
static char *parked_over(const struct engine *e, const char *path)
{
	size_t n = strlen(path);

	for (; pathset_cover(&e->parked_paths, path);
	     n = path_parent_len(path, n)) {
		char *over = strndup(path, n);
		if (!over)
			abort();
		if (pathset_at(&e->parked_paths, over))
			return over;
		free(over);
		if (n == 0)
			break;
	}
	return NULL;
}

static int carry(struct engine *e, const char *from, const char *to,
		 uint64_t renamed)
{
	uint64_t seq = UINT64_MAX >> 1;
	CLEANUP_FREE char *over = parked_over(e, from);
	CLEANUP_FREE char *over2 = over ? parked_over(e, to) : NULL;
	const struct parked_rename p = {.seq = renamed,
					.path = from,
					.over = over,
					.over2 = over2};
	int s = 0;

	if (!over || (over2 && strcmp(over, over2) == 0))
		return 0;
	if (!asides_empty(e->asides)) {
		s = journal_parked_since(e->journal, e->row.id, from, &seq);
		asides_since(e->asides, to, s < 0 ? 0 : seq);
	}
	return s == 0 && over2 ? journal_parked_carry(e->journal, e->row.id, &p)
			       : s;
}

int engine_parked_carry(struct engine *e, const struct record *list, unsigned n)
{
	int s = 0;

	for (unsigned i = 0; e->n_parked && s == 0 && i < n; i++) {
		const struct record *r = &list[i];
		if (r->op != OP_RENAME)
			continue;
		s = carry(e, r->path, r->path2, r->seq);
		if (s == 0 && r->flags & RF_EXCHANGE)
			s = carry(e, r->path2, r->path, r->seq);
	}
	return s;
}

/* unpark - parked_paths keeps it for the moment: see paths_anew. */
static int unpark(struct engine *e, unsigned i, bool arrived)
{
	struct parked *p = &e->parked[i];
	int r = journal_parked_del(e->journal, e->row.id, p->path);

	if (is_told(p) && arrived) {
		CLEANUP_FREE char *name = text_printable(p->path);
		log_notice("%s: /%s arrived after all", e->row.name, name);
	}
	free(p->path);
	free(p->error);
	*p = e->parked[--e->n_parked];
	return r == -ENOENT ? 0 : r;
}

/* ---- trying again ---- */

struct retry {
	const char *path;
	uint64_t seq;
	bool again; /* it has failed, or what is below it */
};

static int retry_failed(struct engine *e, const char *failed,
			const struct mending *m, void *arg)
{
	struct retry *t = arg;

	if (m->missing)
		return reconcile(e, failed, STRICT_FULL, DEPTH_ALL);
	if (!path_is_below(failed, t->path))
		/* another name of an object there, or beside it */
		return engine_park(e, failed, t->seq);
	if (t->again)
		return 0;
	t->again = true;
	return engine_park(e, t->path, t->seq);
}

/* try_again - *ret: all of it is there. */
static int try_again(struct engine *e, const struct parked *p, bool *ret)
{
	CLEANUP_FREE char *path = strdup(p->path);
	struct retry t = {.path = path, .seq = p->seq};
	struct stat st;
	struct fhandle obj;
	int r = 0;

	/* it may have been made, or removed, by another connection */
	if (p->tries == 0 || p->unsynced)
		engine_touch_parent(e, path);
	if (lower_look(e->cfg->lower_fd, path, &st, &obj) == 0 &&
	    S_ISDIR(st.st_mode))
		r = unsure_below(e, p);
	if (r == 0)
		r = reconcile(e, path, STRICT_FULL, DEPTH_ALL);
	if (r == 0)
		r = batch_each_failed(e, retry_failed, &t);
	e->changed_ns = UINT64_MAX;
	*ret = r == 0 && !t.again;
	return r;
}

/* no_room - it cannot arrive yet, as far as can be told; `root` is what the
 * replica's root looks like, looked up once for all. */
static int no_room(struct engine *e, const struct parked *p,
		   struct evidence *root, bool *ret)
{
	enum cause cause;
	struct stat st;
	struct fhandle obj;
	int r = 0;

	*ret = false;
	if (!waits_for_room(p) ||
	    lower_look(e->cfg->lower_fd, p->path, &st, &obj) < 0 ||
	    S_ISDIR(st.st_mode))
		return 0;
	if (!root->measured) {
		*root = (struct evidence){.kind = STEP_PUT,
					  .error = -EREMOTEIO,
					  .may_fill = e->can.can[CAN_OWNER]};
		r = cause_look(e->remote, "", NULL, root);
		root->want = root->have;
	}
	root->need = space_need(&st);
	cause = cause_judge(root);
	*ret = cause == CAUSE_DISK_FULL || cause == CAUSE_NO_INODES;
	return r;
}

/* may_have_moved - it is not there, and the records to come may tell where it is:
 * then the replica is not to lose what it has of it. */
static bool may_have_moved(const struct engine *e, struct parked *p)
{
	struct stat st;
	struct fhandle obj;

	if (lower_look(e->cfg->lower_fd, p->path, &st, &obj) != -ENOENT)
		p->gone = 0;
	else if (p->gone == 0)
		p->gone = shared_settled_seq(e->shared);
	return p->gone > e->cursor;
}

/* is_due - and there is a point in trying. */
static int is_due(struct engine *e, struct parked *p, struct evidence *root,
		  bool *ret)
{
	int64_t now = clock_wall_ns();
	bool full = false;
	int r;

	/* no pause is so long: the clock was set back */
	*ret = p->next_ns <= now || p->next_ns > now + PARK_MAX_NS;
	if (*ret && may_have_moved(e, p)) {
		*ret = false;
		if (p->next_ns) /* not asked for */
			return 0;
		p->next_ns = now;
		return journal_parked_put(e->journal, e->row.id, p);
	}
	if (!*ret || p->next_ns == 0) /* asked for: whatever we think */
		return 0;
	r = no_room(e, p, root, &full);
	if (full) {
		p->next_ns = now + PARK_FULL_NS;
		*ret = false;
	}
	return r;
}

/* What is tried before others have their turn. */
struct turn {
	struct evidence root;
	int64_t begun_ns;
	unsigned tried, n_arrived; /* at least one is tried */
	bool asked; /* one of them, or never tried before */
	bool over;
};

/* try_one - the one whose turn it is, if it is due. */
static int try_one(struct engine *e, struct turn *t)
{
	struct parked *p = &e->parked[e->parked_turn];
	bool due, arrived;
	int r = is_due(e, p, &t->root, &due);

	if (r < 0 || !due)
		return r;
	t->over = t->tried == TURN_MAX ||
		  (t->tried && clock_mono_ns() > t->begun_ns + TURN_NS);
	if (t->over)
		return 0;
	t->tried++;
	t->asked |= p->next_ns == 0 || p->tries == 0;
	e->try_cut = true; /* until it has been noted */
	e->doubt_disk = p->unsynced;
	r = try_again(e, p, &arrived);
	if (r == 0)
		e->parked[e->parked_turn].unsynced = false;
	if (arrived) {
		e->parked[e->parked_turn].next_ns = ARRIVED;
		t->n_arrived++;
	}
	t->root.measured = false;
	if (r != -ESTALE)
		return r;
	/* what is parked would not be compared with everything; which is noted
	 * first, as no record names it */
	int s = unsure_all(e, e->cursor);
	if (s == 0)
		s = journal_replica_drop(e->journal, e->row.id);
	if (s >= 0)
		s = unpark(e, e->parked_turn, false);
	paths_anew(e);
	return s < 0 ? s : r;
}

static bool any_unsynced(const struct engine *e)
{
	for (unsigned i = 0; i < e->n_parked; i++) {
		if (e->parked[i].unsynced)
			return true;
	}
	return false;
}

static int try_some(struct engine *e, struct turn *t)
{
	unsigned n = e->n_parked;
	int r = 0;

	e->reconciling = e->beside = true;
	for (unsigned k = 0; r == 0 && k < n; k++) {
		if (e->parked_turn >= n)
			e->parked_turn = 0;
		r = try_one(e, t);
		if (t->over)
			break;
		e->parked_turn++;
	}
	if (r == 0 && t->tried) /* on its disk, before it has arrived */
		r = engine_note(e);
	if (r == 0 && t->tried)
		e->try_cut = any_unsynced(e);
	e->reconciling = e->doubt_disk = false;
	return r;
}

/* leave - those that arrived, and were not parked again by another one; the last
 * one first, as its place is taken by one that stays. */
static int leave(struct engine *e)
{
	int r = 0;

	for (unsigned i = e->n_parked; r == 0 && i > 0; i--) {
		if (e->parked[i - 1].next_ns == ARRIVED)
			r = unpark(e, i - 1, true);
	}
	return r;
}

static void rest(struct engine *e, int64_t begun_ns)
{
	int64_t now = clock_mono_ns(), ns = (now - begun_ns) * REST;

	e->parked_rest_ns = now + (ns < REST_MAX_NS ? ns : REST_MAX_NS);
}

int batch_parked(struct engine *e, bool *ret_more)
{
	struct turn t = {.begun_ns = clock_mono_ns()};
	int r = 0;

	*ret_more = false;
	if (e->n_parked == 0) {
		pathset_done(&e->resent);
		if (shared_settled_seq(e->shared) == e->cursor)
			unsure_sweep(e);
	}
	if (e->n_parked && journal_parked_asked(e->journal, e->row.id) > 0) {
		r = engine_parked_load(e);
		e->parked_rest_ns = 0;
	}
	if (r < 0 || e->n_parked == 0 || t.begun_ns < e->parked_rest_ns)
		return r;
	r = try_some(e, &t);
	if (r == 0 && t.n_arrived)
		r = leave(e);
	if (t.n_arrived)
		paths_anew(e);
	bool vain = t.tried && t.n_arrived == 0 && !t.asked;
	if (vain)
		rest(e, t.begun_ns);
	*ret_more = t.over && !vain;
	return r;
}
