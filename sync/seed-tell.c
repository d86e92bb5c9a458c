/* What reconcile tells of a comparison that is under way. */
#include "confdefs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/engine.h"
#include "sync/seed-private.h"

#define DIFFERS_TOLD 20 /* the others are counted */

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

bool seed_is_new(const struct engine *e)
{
	return e->seeding && !e->seeding->part;
}

/* is_entered - an earlier connection has gone through this folder, but not through
 * all that is below it. is_counted - so it is with the one that `path` is in. */
static bool is_entered(const struct seeding *w, const char *folder)
{
	return w->passed && *w->passed && path_is_below(w->passed, folder);
}

static bool is_counted(const struct seeding *w, const char *path)
{
	if (!w->passed || !*w->passed)
		return false;
	CLEANUP_FREE char *parent = path_parent(path);
	return is_entered(w, parent);
}

void seed_saw(struct engine *e, const char *path, const struct stat *st)
{
	if (!e->seeding || is_counted(e->seeding, path))
		return;
	e->seeding->s.entries++;
	if (S_ISREG(st->st_mode))
		e->seeding->s.bytes += (uint64_t)st->st_size;
}

void seed_relinks(struct engine *e)
{
	if (e->seeding)
		e->seeding->relinks = true;
}

/*
 * SFTP does not tell which names are links of one file, but that there are some:
 * they have its size and time. The first of them keeps it. What has as many names
 * as here is left alone: programs give thousands of files the same time. What we
 * have copied ourselves is known (links.h); else it may share with snapshots.
 * Another sync process goes on without what was met before.
 */
bool seed_met(struct engine *e, const struct stat *st,
	      const struct remote_attr *a)
{
	struct seeding *w = e->seeding;
	char key[40];

	if (!w || w->part || e->cursor > 0 || a->links < 2)
		return false;
	snprintf(key, sizeof(key), "%" PRIx64 "-%" PRIx32, a->size, a->mtime);
	bool met = pathset_at(&e->met, key);
	pathset_put(&e->met, key, 1);
	return met && a->links > st->st_nlink;
}

void seed_sends(struct engine *e, const struct stat *st)
{
	if (e->seeding)
		e->seeding->queued += (uint64_t)st->st_size;
}

void seed_differs(struct engine *e, const char *path)
{
	struct seeding *w = e->seeding;

	if (!w)
		return;
	if (w->relinks) {
		w->relinks = false;
		return;
	}
	if (w->asked && w->c.differed < DIFFERS_TOLD) {
		CLEANUP_FREE char *name = text_printable(path);
		log_notice("%s: differs: /%s", e->row.name, name);
	}
	w->c.differed++;
}

void seed_found(struct engine *e, const char *path, unsigned n)
{
	if (e->seeding && !is_entered(e->seeding, path))
		e->seeding->s.there += n;
}

int seed_count(struct engine *e, const char *path, mode_t mode, uint64_t *n)
{
	struct remote_entry *list = NULL;
	unsigned len = 0;
	bool stays = false;
	int r = S_ISDIR(mode) ? remote_list(e->remote, path, &list, &len) : 0;

	for (unsigned i = 0; r != -ENOTCONN && i < len; i++) {
		mode_t is = list[i].attr.mode;
		CLEANUP_FREE char *child = path_join(path, list[i].name);
		r = filter_excludes(e->filter, child, S_ISDIR(is))
			    ? 1
			    : seed_count(e, child, is, n);
		stays |= r > 0;
	}
	remote_entries_free(list, len);
	*n += !stays;
	return r == -ENOTCONN ? r : stays;
}

/* is_listed - what is done over is met twice. */
static bool is_listed(const struct seeding *w, const char *path)
{
	for (unsigned i = 0; i < w->n_extra; i++) {
		if (strcmp(w->extra[i], path) == 0)
			return true;
	}
	for (unsigned i = 0; i < w->n_known; i++) {
		if (strcmp(w->known[i], path) == 0)
			return true;
	}
	/* there are more than are listed: then all is looked through again */
	return !w->s.listed && is_counted(w, path);
}

int seed_spares(struct engine *e, const char *path, const struct remote_attr *a)
{
	/* what the walk does over has not been counted yet */
	struct seeding *w = e->seeding ? e->seeding : e->progress;
	uint64_t n = 0;

	if (!w)
		return told_asks(e, path, a);
	if (is_listed(w, path))
		return 1;
	/* a first copy may have brought it itself, unless strangers' things were
	 * there before */
	bool asks = w->ours || !e->row.adopt;
	uint64_t since = w->ours ? e->cursor : w->s.seq;
	int r = asks ? told_removed(e, path, a->mode, since) : 0;
	if (r != 0)
		return r < 0 ? r : 0;
	r = seed_count(e, path, a->mode, &n);
	if (n == 0) /* nothing would go; where it is in the way, that is told */
		return r < 0 ? r : 0;
	w->s.there += n - (r == 0); /* the folder that it is in has counted it */
	w->s.extra += n;
	if (w->n_listed == EXTRA_LISTED) {
		w->s.listed = false;
	} else {
		w->n_listed++;
		w->extra[w->n_extra++] = strdup(path);
	}
	return r < 0 ? r : 1;
}
