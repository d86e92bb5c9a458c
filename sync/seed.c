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
#include "remote-wait.h"
#include "sync/engine.h"

#define MARK_NS	      NS_PER_S
#define EXTRA_LISTED  200
#define EXTRA_IGNORED 100 /* so few may always go */

struct seeding {
	struct seed s;
	char *passed; /* all up to it was done in an earlier connection */
	int64_t next_ns;
	unsigned n_listed;
	char *extra[EXTRA_LISTED]; /* those that the journal has not yet */
	unsigned n_extra;
};

/* ---- what reconcile tells ---- */

/* path_order - of two folders in the walk: a folder before what is in it. */
static int path_order(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	/* the end of a name is before all other characters of it */
	unsigned x = *a == '/' ? 1 : (unsigned char)*a * 2u;
	unsigned y = *b == '/' ? 1 : (unsigned char)*b * 2u;
	return x < y ? -1 : x > y;
}

bool seed_passed(const struct engine *e, const char *path)
{
	const char *passed = e->seeding ? e->seeding->passed : NULL;

	return passed && !path_is_below(passed, path) &&
	       path_order(path, passed) < 0;
}

void seed_saw(struct engine *e, const struct stat *st)
{
	if (!e->seeding)
		return;
	e->seeding->s.entries++;
	if (S_ISREG(st->st_mode))
		e->seeding->s.bytes += (uint64_t)st->st_size;
}

void seed_found(struct engine *e, unsigned n)
{
	if (e->seeding)
		e->seeding->s.there += n;
}

static int count_remote(struct engine *e, const char *path, uint64_t *n)
{
	struct remote_entry *list = NULL;
	unsigned len = 0;
	int r = remote_list(e->remote, path, &list, &len);

	*n += len;
	for (unsigned i = 0; r == 0 && i < len; i++) {
		CLEANUP_FREE char *child = path_join(path, list[i].name);
		if (S_ISDIR(list[i].attr.mode))
			r = count_remote(e, child, n);
	}
	remote_entries_free(list, len);
	return r == -ENOTCONN ? r : 0;
}

int seed_spares(struct engine *e, const char *path, const struct remote_attr *a)
{
	struct seeding *w = e->seeding;
	uint64_t n = 0;

	if (!w)
		return 0;
	int r = S_ISDIR(a->mode) ? count_remote(e, path, &n) : 0;
	w->s.there += n;
	w->s.extra += n + 1;
	if (w->n_listed == EXTRA_LISTED) {
		w->s.listed = false;
	} else {
		w->n_listed++;
		w->extra[w->n_extra++] = strdup(path);
	}
	return r < 0 ? r : 1;
}

/* ---- how far it is ---- */

static int save(struct engine *e, struct seeding *w)
{
	int safe = durable_commit(e);
	int r = safe < 0 ? safe : journal_transaction_begin(e->journal);

	if (r < 0)
		return r;
	r = engine_flush(e);
	if (r == 0 && e->durable && !safe)
		r = durable_mark(e);
	for (unsigned i = 0; r == 0 && i < w->n_extra; i++)
		r = journal_seed_extra(e->journal, e->row.id, w->extra[i]);
	if (r == 0)
		r = journal_seed_put(e->journal, e->row.id, &w->s);
	int r2 = journal_transaction_end(e->journal, r == 0);
	while (w->n_extra > 0)
		free(w->extra[--w->n_extra]);
	return r < 0 ? r : r2;
}

/* settle - all that was pushed is on the replica, or parked. */
static int settle(struct engine *e, struct seeding *w)
{
	char **failed = NULL;
	int r = exec_drain(e->exec);

	if (r == 0)
		r = batch_mend(e, w->s.seq);
	if (r == 0)
		r = engine_dir_times(e);
	/* a folder whose times cannot be set: it says so by other steps */
	unsigned n = engine_take_failed(e, true, &failed);
	for (unsigned i = 0; i < n; i++)
		free(failed[i]);
	free(failed);
	return r;
}

int seed_mark(struct engine *e, const char *path)
{
	struct seeding *w = e->seeding;

	if (!w || clock_mono_ns() < w->next_ns)
		return 0;
	e->seeding = NULL; /* what is done over does not count */
	int r = settle(e, w);
	e->seeding = w;
	if (r < 0)
		return r;
	free(w->s.path);
	w->s.path = strdup(path);
	w->next_ns = clock_mono_ns() + MARK_NS;
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
		int sub = S_ISDIR(st.st_mode)
				  ? openat(fd, de->d_name,
					   O_RDONLY | O_NOFOLLOW | O_DIRECTORY |
						   O_CLOEXEC)
				  : -1;
		if (sub >= 0)
			r = count_local(e, sub, child, s);
	}
	return r;
}

/* doubt_lost - what the replica got from a journal that is lost. */
static int doubt_lost(struct engine *e)
{
	CLEANUP_FREE char *since = NULL;
	int r = e->seeded ? 0
			  : journal_meta_get(e->journal, JOURNAL_LOST_SINCE,
					     &since);
	uint64_t ns = since ? strtoull(since, NULL, 10) : UINT64_MAX;

	if (ns < e->changed_ns)
		e->changed_ns = ns;
	return r;
}

/* ---- the phases ---- */

static int begin(struct engine *e, struct seeding *w)
{
	int r = journal_seed_get(e->journal, e->row.id, &w->s);
	char **list = NULL;

	if (r == 0) {
		if (w->s.path && !e->unsafe_ns)
			log_notice("%s: going on behind /%s", e->row.name,
				   w->s.path);
		/* what may be lost with the replica's power is compared */
		w->passed =
			w->s.path && !e->unsafe_ns ? strdup(w->s.path) : NULL;
		r = journal_seed_extras(e->journal, e->row.id, &list,
					&w->n_listed);
		for (unsigned i = 0; i < w->n_listed; i++)
			free(list[i]);
		free(list);
		return r;
	}
	if (r != -ENOENT)
		return r;
	links_clear(e->links);
	r = journal_seed_begin(e->journal, e->row.id, &w->s);
	int fd = r < 0 ? -1
		       : openat(e->cfg->lower_fd, ".",
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? r : count_local(e, fd, "", &w->s);
}

static int walk(struct engine *e, struct seeding *w)
{
	w->next_ns = clock_mono_ns() + MARK_NS;
	int r = save(e, w);

	e->seeding = w;
	if (r == 0)
		r = reconcile(e, "", STRICT_DATA, DEPTH_ALL);
	e->seeding = NULL;
	if (r == 0)
		r = settle(e, w);
	if (r < 0)
		return r;
	w->s.walked = true;
	return save(e, w);
}

/* too_much - would a careful administrator want to be asked? */
static bool too_much(const struct engine *e, const struct seed *s)
{
	unsigned share = e->row.options.max_delete;

	if (s->allowed || s->extra == 0 || share >= 100)
		return false;
	/* the tree itself is one entry */
	if (s->entries <= 1 && e->cursor > 0)
		return true;
	return s->extra > EXTRA_IGNORED && s->extra * 100 > s->there * share;
}

static int refuse(struct engine *e, const struct seed *s)
{
	char **list = NULL;
	unsigned n = 0;
	int r = journal_seed_extras(e->journal, e->row.id, &list, &n);
	CLEANUP_FREE char *example = text_printable(n ? list[0] : "");

	snprintf(e->refusal, sizeof(e->refusal),
		 "%llu of the %llu entries on the replica are not in the "
		 "tree%s, such as /%s, and would be deleted: if that is right, "
		 "say mirrorfs replica resume %s --allow-delete",
		 (unsigned long long)s->extra, (unsigned long long)s->there,
		 s->entries <= 1 ? ", which is empty" : "", example,
		 e->row.name);
	for (unsigned i = 0; i < n; i++)
		free(list[i]);
	free(list);
	return r < 0 ? r : -ECANCELED;
}

/* clear - what the master does not have goes now. */
static int clear(struct engine *e, const struct seed *s)
{
	char **list = NULL;
	unsigned n = 0;

	if (s->extra == 0)
		return 0;
	if (!s->listed) {
		int r = reconcile(e, "", STRICT_DATA, DEPTH_ALL);
		return r == 0 ? batch_mend(e, s->seq) : r;
	}
	int r = journal_seed_extras(e->journal, e->row.id, &list, &n);
	for (unsigned i = 0; i < n; i++) {
		if (r == 0)
			r = reconcile(e, list[i], STRICT_DATA, DEPTH_ALL);
		if (r == 0)
			r = batch_mend(e, s->seq);
		free(list[i]);
	}
	free(list);
	return r;
}

static void done(struct seeding *w)
{
	while (w->n_extra > 0)
		free(w->extra[--w->n_extra]);
	free(w->passed);
	seed_done(&w->s);
}

int seed_run(struct engine *e)
{
	struct seeding w = {0};
	int r = begin(e, &w);

	e->refusal[0] = 0;
	if (r == 0)
		r = doubt_lost(e);
	if (r == 0 && !w.s.walked)
		r = walk(e, &w);
	if (r == 0 && too_much(e, &w.s))
		r = refuse(e, &w.s);
	if (r == 0)
		r = clear(e, &w.s);
	e->seeding = &w; /* its end is a part of the commit */
	if (r == 0)
		r = batch_commit(e, w.s.seq, true);
	e->seeding = NULL;
	e->changed_ns = UINT64_MAX;
	done(&w);
	return r;
}
