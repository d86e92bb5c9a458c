/*
 * Uploads before their turn: what is to come in the next batch goes into the
 * stage while the answers of this one are on their way. The step that wants it
 * takes it over, as if it had begun so early. So all that it would find out when
 * it begins must be found out again: the attributes must be those of then; that
 * the content is, upload_settled sees. What no step has taken is removed.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "paths.h"
#include "sync/exec.h"
#include "sync/lower.h"

static struct step *find(struct exec *x, const struct fhandle *obj)
{
	struct step *s = x->earlies;

	while (s && (s->dropped || !fhandle_equal(&s->obj, obj)))
		s = s->next;
	return s;
}

static void unlink_step(struct exec *x, struct step *s)
{
	struct step **at = &x->earlies;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->next = NULL;
	x->n_early--;
}

/* look - at the object as it is now; false: it is gone. */
static bool look(struct exec *x, const char *path, const struct fhandle *obj,
		 struct stat *ret)
{
	struct fhandle is;
	CLEANUP_CLOSE int fd =
		lower_open_object(x->cfg.lower_fd, obj, path, O_PATH);

	return fd >= 0 && lower_look_fd(fd, ret, &is) == 0 &&
	       fhandle_equal(&is, obj);
}

/* fits - is it small, with one name, and are its owners known? */
static bool fits(struct exec *x, const struct stat *st)
{
	const struct step is = {.st = *st};
	uint32_t uid, gid;

	return S_ISREG(st->st_mode) && st->st_nlink == 1 &&
	       !upload_is_large(&is) &&
	       (uint64_t)st->st_size < x->cfg.delta_above &&
	       (!owners_carried(x->cfg.owners) ||
		owners_map(x->cfg.owners, st->st_uid, st->st_gid, &uid, &gid));
}

void exec_early(struct exec *x, const char *path, const struct fhandle *obj)
{
	struct stat st;

	if (x->n_early >= EXEC_EARLY || x->n_active >= uploads_max(x) ||
	    fhandle_is_number(obj, NULL) || find(x, obj) ||
	    !look(x, path, obj, &st) || !fits(x, &st))
		return;
	struct step *s = step_new(x, STEP_PUT, path, NULL, obj);
	s->early = true;
	s->next = x->earlies;
	x->earlies = s;
	x->n_early++;
	upload_begin(s);
	if (s->phase != PHASE_WAITING)
		return;
	x->n_waiting--; /* it has grown */
	unlink_step(x, s);
	step_free(s);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* A ctime is as coarse as the kernel's clock ticks: it alone does not tell. */
static bool same_attributes(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid &&
	       a->st_gid == b->st_gid && a->st_nlink == b->st_nlink &&
	       a->st_size == b->st_size &&
	       same_time(&a->st_mtim, &b->st_mtim) &&
	       same_time(&a->st_ctim, &b->st_ctim);
}

static void drop(struct step *s)
{
	s->dropped = true;
	if (s->result == STEP_DONE)
		s->result = STEP_SUPERSEDED;
}

struct step *early_take(struct exec *x, const char *path,
			const struct fhandle *obj)
{
	struct step *s = find(x, obj);
	struct stat now;

	if (!s)
		return NULL;
	if (s->result != STEP_DONE || !look(x, path, obj, &now) ||
	    !same_attributes(&now, &s->st)) {
		drop(s);
		return NULL;
	}
	unlink_step(x, s);
	s->early = false;
	free(s->path);
	s->path = text_copy(path);
	return s;
}

void early_drop(struct exec *x)
{
	for (struct step *s = x->earlies; s; s = s->next)
		drop(s);
}

void early_reap(struct exec *x)
{
	for (struct step *s = x->earlies, *next; s; s = next) {
		next = s->next;
		if (!s->dropped || s->phase != PHASE_READY)
			continue;
		upload_drop_stage(s);
		unlink_step(x, s);
		step_free(s);
	}
}

void early_free(struct exec *x)
{
	struct step *s;

	while ((s = x->earlies)) {
		unlink_step(x, s);
		step_free(s);
	}
}
