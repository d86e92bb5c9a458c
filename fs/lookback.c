/*
 * What was changed while nothing was mounted.
 *
 * Nobody may look at a whole tree for it: mounting takes no longer for a large
 * one. So at a clean unmount the ctimes of what the journal knows are kept
 * (stamps.h), and a child of the supervisor compares them when users are
 * served already. A ctime cannot be set, not even back. For files that differ
 * there are records that say "look", as after a power cut
 * (lib/journal/recover.c). A user may have changed the same thing meanwhile:
 * then it is compared in vain.
 *
 * A file that was overwritten changes its own ctime and not that of its
 * directory: only what the journal knows is noticed. What was made, removed
 * or renamed changes that of the directory. Then everything is compared, as
 * nobody knows how much it was: perhaps a disk is missing, and who compares
 * everything asks before much is removed on a replica (sync/seed.c). So it is
 * when the root is another one, as the tree was put there anew. Of a directory
 * that was changed after the mount, by users, it cannot be told whether it was
 * before, too: it is looked at, by itself. The root was looked at before.
 *
 * After an end that was not clean there are no stamps. Then what was changed
 * behind the newest record of that time is looked at, by itself.
 *
 * Killed, the child leaves all stamps, or that time, to the next mount.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "cleanup.h"
#include "clock.h"
#include "fs/lower.h"
#include "fs/lookback.h"
#include "log.h"
#include "paths.h"
#include "stamps.h"

#define TAKE_NS (2 * NS_PER_S) /* of an unmount, at most */
#define RECORDED_NAP_US 5000

/* ---- at the end ---- */

struct seen {
	struct stamp stamp;
	UT_hash_handle hh; /* by stamp.obj */
};

struct take {
	struct journal *j;
	const struct shared *s; /* NULL: nobody else has the journal */
	bool aside;	   /* into `seen`, not into the journal */
	struct seen *seen; /* owned */
	int lower_fd;
	int64_t known_ns; /* who changed something later was not seen */
	int64_t end_ns;
	unsigned n;
};

#define STAMP_NONE 0 /* differs from all: it has changed already */

static int64_t mtime_ns(const struct stat *st)
{
	return st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
}

/* put - 1: it is new; 0: the object has one. */
static int put(struct take *t, const struct stamp *s)
{
	struct seen *had;
	if (!t->aside)
		return journal_stamp_put(t->j, s);
	HASH_FIND(hh, t->seen, &s->obj, fhandle_size(&s->obj), had);
	if (had)
		return 0;
	had = calloc(1, sizeof(*had));
	if (!had)
		return -ENOMEM;
	had->stamp = *s;
	HASH_ADD_KEYPTR(hh, t->seen, &had->stamp.obj, fhandle_size(&s->obj),
			had);
	return 1;
}

/* 1: go on with what is above; 0: that has stamps, too; -ENOENT. */
static int take_one(struct take *t, const char *path)
{
	CLEANUP_FREE char *up = path_parent(path);
	struct stamp s = {0};
	struct stat st, st_up;
	int r = lower_identify(t->lower_fd, path, &s.obj, &st);
	if (r == 0 && !S_ISDIR(st.st_mode))
		r = lower_identify(t->lower_fd, up, &s.dir, &st_up);
	if (r < 0)
		return -ENOENT; /* or it is on another file system */
	s.ctime_ns = clock_ctime_ns(&st);
	if (s.ctime_ns > t->known_ns && (*path || mtime_ns(&st) > t->known_ns))
		s.ctime_ns = STAMP_NONE;
	r = put(t, &s);
	t->n += r > 0;
	/* a file may have other names elsewhere */
	return r == 0 && !S_ISDIR(st.st_mode) ? 1 : r;
}

/* take_path - it, and what is above. */
static int take_path(void *arg, const char *path)
{
	struct take *t = arg;
	char *p = strdup(path);
	int r = p ? 0 : -ENOMEM;
	while (r == 0) {
		r = take_one(t, p);
		if (r == 0 || (r < 0 && r != -ENOENT) || !*p)
			break;
		char *up = path_parent(p);
		free(p);
		p = up;
		r = 0;
	}
	free(p);
	if (r < 0 && r != -ENOENT)
		return r;
	/* a database that is to be replaced has to be let go */
	int64_t since_ns;
	if (t->s && shared_journal(t->s, &since_ns) == -EUCLEAN)
		return -EUCLEAN;
	return clock_mono_ns() > t->end_ns ? -ETIME : 0;
}

struct paths {
	char **list; /* owned */
	unsigned n;
};

static int collect(void *arg, const char *path)
{
	struct paths *p = arg;
	p->list[p->n] = strdup(path);
	return p->list[p->n] ? (p->n++, 0) : -ENOMEM;
}

/* take_all - the paths are collected first: what is read of the database keeps
 * its log from becoming small again. */
static int take_all(struct take *t)
{
	struct paths p = {.list = calloc(STAMPS_PATHS, sizeof(*p.list))};
	unsigned i = 0;
	int r = p.list ? journal_recent_paths(t->j, collect, &p) : -ENOMEM;
	if (r == 0)
		r = take_path(t, "");
	while (r == 0 && i < p.n)
		r = take_path(t, p.list[i++]);
	if (r == -ETIME && i < p.n)
		log_notice("of %u paths that were changed last, %u were left "
			   "out, as it took too long: changes there before the "
			   "next mount are not noticed",
			   p.n, p.n - i);
	while (p.n > 0)
		free(p.list[--p.n]);
	free(p.list);
	return r == -ETIME ? 0 : r;
}

/* Between the end of the mount and now somebody may have written. What was
 * changed through it has a record, and no ctime behind the newest of them; but
 * for the root, where we note what is owed. */
int stamps_take(struct journal *j, int lower_fd, int64_t gone_ns)
{
	struct take t = {
		.j = j,
		.lower_fd = lower_fd,
		.known_ns = gone_ns,
		.end_ns = clock_mono_ns() + TAKE_NS,
	};
	struct fhandle root;
	struct stat st;
	int64_t known;
	int r = lower_start(lower_fd, &root, &st);
	if (r == 0)
		r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = journal_known_ns(j, INT64_MAX, &known);
	if (known && known < t.known_ns)
		t.known_ns = known;
	if (r == 0)
		r = journal_stamps_since(j, t.known_ns - CTIME_SLACK_NS);
	if (r == 0)
		r = take_all(&t);
	r = journal_transaction_close(j, r);
	log_debug("stamps=%u", t.n);
	return r;
}

/* ---- at the next beginning ---- */

struct look {
	struct shared *s;
	const struct stamps_mount *at;
	struct fhandle root;
	int64_t since_ns;
	unsigned files;
};

static void unsure(struct look *l, const struct fhandle *obj, uint32_t flags)
{
	char nothing[] = "";
	struct record r = {
		.op = OP_UNSURE,
		.flags = RF_OBJECT | flags,
		.who = {.pid = getpid(), .program = "mirrorfs"},
		.obj = *obj,
		.path = nothing,
		.size = flags || l->since_ns < 0 ? 0 : (uint64_t)l->since_ns,
	};
	shared_append(l->s, &r);
}

/* differs - *ret_st is what it is now. Returns 1, 0, or a negative errno: it is
 * gone, or cannot be read. */
static int differs(const struct stamp *s, struct stat *ret_st)
{
	CLEANUP_CLOSE int fd = lower_open(&s->obj, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	return fstat(fd, ret_st) < 0 ? lower_errno()
				     : clock_ctime_ns(ret_st) != s->ctime_ns;
}

static void look_at_one(struct look *l, const struct stamp *s)
{
	bool file = s->dir.len;
	unsure(l, &s->obj, file ? RF_CONTENT : 0);
	if (file)
		unsure(l, &s->dir, 0);
	l->files += file;
}

/* A file is met when its directory is looked at, so that comes second. What is
 * gone has left its directory; a file that has not is there, and unreadable. */
static void look_at(struct look *l, const struct stamp *s)
{
	struct stat st;
	if (fhandle_equal(&s->obj, &l->root))
		return;
	int r = differs(s, &st);
	if (r > 0 || (r < 0 && s->dir.len))
		look_at_one(l, s);
}

/* was_changed - a directory, and surely before the mount? */
static bool was_changed(const struct look *l, const struct stamp *s)
{
	struct stat st;
	if (fhandle_equal(&s->obj, &l->root))
		return s->ctime_ns != l->at->root_ctime_ns;
	return !s->dir.len && differs(s, &st) > 0 &&
	       clock_ctime_ns(&st) < l->at->mounted_ns;
}

static unsigned folders(const struct look *l, const struct stamp *list,
			unsigned n)
{
	unsigned found = 0;
	for (unsigned i = 0; i < n; i++)
		found += was_changed(l, &list[i]);
	return found;
}

/* all - everything is compared. */
static void all(struct look *l, const char *why)
{
	struct record gap = {.op = OP_GAP};
	if (l->since_ns >= 0) {
		gap.flags = RF_CONTENT;
		gap.size = (uint64_t)l->since_ns;
	}
	shared_append(l->s, &gap);
	log_notice("%s while it was not mounted: everything is compared with "
		   "the replicas",
		   why);
}

static bool has_root(const struct stamp *list, unsigned n,
		     const struct fhandle *root)
{
	for (unsigned i = 0; i < n; i++) {
		if (fhandle_equal(&list[i].obj, root))
			return true;
	}
	return false;
}

static unsigned look_at_all(struct look *l, const struct stamp *list,
			    unsigned n)
{
	if (!has_root(list, n, &l->root)) {
		l->since_ns = -1;
		all(l, "the tree was put there anew");
		return n;
	}
	unsigned changed = folders(l, list, n);
	if (changed) {
		all(l, "folders were changed");
		return changed;
	}
	for (unsigned i = 0; i < n; i++)
		look_at(l, &list[i]);
	if (l->files)
		log_notice("changed while it was not mounted: files=%u, they "
			   "are compared with the replicas",
			   l->files);
	return l->files;
}

/* Not what users have changed since the mount. */
static void look_at_late(struct look *l, const struct stamp *s,
			 unsigned *differed)
{
	struct stat st;
	if (differs(s, &st) <= 0)
		return;
	bool root = fhandle_equal(&s->obj, &l->root);
	if ((root ? mtime_ns(&st) : clock_ctime_ns(&st)) >= l->at->mounted_ns)
		return;
	look_at_one(l, s);
	++*differed;
}

/* look_at_past - there are no stamps: the last end was none, or was no clean one.
 * What it has marked is looked at already. What was changed later has a ctime
 * behind the newest record of then. Beside users, so nothing is written. */
static int look_at_past(struct journal *j, struct look *l, int lower_fd,
			unsigned *ret_differed)
{
	struct take t = {
		.j = j,
		.s = l->s,
		.aside = true,
		.lower_fd = lower_fd,
		.end_ns = INT64_MAX,
	};
	uint64_t first = SEQ_FIRST(shared_epoch(l->s));
	struct seen *e, *next;
	int r = journal_known_ns(j, first, &t.known_ns);
	if (r < 0 || t.known_ns == 0)
		return r;
	r = journal_known_keep(j, t.known_ns);
	if (r == 0)
		r = take_all(&t);
	l->since_ns = t.known_ns - CTIME_SLACK_NS;
	HASH_ITER(hh, t.seen, e, next)
	{
		if (r == 0 && e->stamp.ctime_ns == STAMP_NONE)
			look_at_late(l, &e->stamp, ret_differed);
		HASH_DEL(t.seen, e);
		free(e);
	}
	if (*ret_differed)
		log_notice("changed behind what the journal knows, when it was "
			   "not mounted: %u, they are compared with the "
			   "replicas",
			   *ret_differed);
	return r;
}

int stamps_look(struct journal *j, struct shared *s, int lower_fd,
		const struct stamps_mount *at)
{
	struct look l = {.s = s, .at = at};
	CLEANUP_FREE struct stamp *list = NULL;
	struct stat st;
	unsigned n, differed = 0;
	int r = lower_start(lower_fd, &l.root, &st);
	if (r == 0)
		r = journal_stamps_load(j, &list, &n, &l.since_ns);
	if (r < 0)
		return r;
	if (n > 0)
		differed = look_at_all(&l, list, n);
	else
		r = look_at_past(j, &l, lower_fd, &differed);
	if (r < 0)
		return r;
	/* else what was found is lost with the ring */
	uint64_t put = shared_last_seq(s);
	int64_t since_ns;
	while ((r = journal_stamps_done(j, put, differed)) == -EAGAIN &&
	       shared_journal(s, &since_ns) != -EUCLEAN)
		usleep(RECORDED_NAP_US);
	return r; /* or it is to be replaced, and everybody to close it */
}
