/*
 * A visit: what one connection makes for itself on the replica, and how it
 * shuts the door behind the ones before.
 *
 * When a connection is cut, the server may have read requests that it has not
 * carried out yet. It carries them out later, however long that takes, also
 * when the next connection has long been at work: a rename or a removal that
 * was right then would be wrong now. Nothing in SFTP calls them back. So each
 * visit has a folder of its own, with a link in it that leads back to the
 * replica's root,
 *
 *	.mirrorfs/stage/VISIT/root -> ../../..
 *
 * and every path that it names goes through that link. The next visit begins
 * by renaming the folder: in that instant all paths of the old one lead
 * nowhere, and what is left of its requests fails. Files that it has open are
 * its uploads, which nothing can publish any more.
 *
 * Where there is no room for a folder and a link (inodes, blocks), those of an
 * earlier visit are renamed once more, and are ours then. So who had a link once
 * has one as long as it is not removed by others.
 *
 * Where the server makes no symbolic links, or does not follow them, paths are
 * used as they are. Then uploads are still shut out, as they are in the
 * folder, but other late requests are not.
 *
 * VISIT cannot be guessed, and nobody else may look into .mirrorfs: who may
 * write on the replica cannot put another link there.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/visit.h"

#define STAGE_DIR   RESERVED_NAME "/stage"
#define OVER	    '~' /* the end of a name: a visit that was shut out */
#define LINK	    "root"
#define LINK_TARGET "../../.."

struct folders {
	struct remote_entry *list;
	unsigned n;
};

static void folders_done(struct folders *f)
{
	remote_entries_free(f->list, f->n);
}
#define CLEANUP_FOLDERS __attribute__((cleanup(folders_done)))

/* empty_dir - but for what is called `keep` there (NULL: nothing). */
static int empty_dir(struct remote *r, const char *path, const char *keep)
{
	CLEANUP_FOLDERS struct folders f = {0};
	int s = remote_list(r, path, &f.list, &f.n);

	for (unsigned i = 0; s == 0 && i < f.n; i++) {
		CLEANUP_FREE char *child = path_join(path, f.list[i].name);
		if (keep && strcmp(f.list[i].name, keep) == 0)
			continue;
		if (S_ISDIR(f.list[i].attr.mode)) {
			s = empty_dir(r, child, NULL);
			if (s == 0)
				s = remote_rmdir(r, child);
		} else {
			s = remote_remove(r, child);
		}
	}
	return s;
}

/* need_dir - `path` is a folder, and no link to one. 1: we have made it, which
 * is not what MKDIR says: there are servers to which all is well. */
static int need_dir(struct remote *r, const char *path)
{
	unsigned pending = 3;
	struct answer had = {.pending = &pending}, made = had, seen = had;

	remote_send_lstat(r, path, answer_got, &had);
	remote_send_mkdir(r, path, 0700, answer_got, &made);
	remote_send_lstat(r, path, answer_got, &seen);
	answers_wait(r, &pending);
	if (seen.status < 0)
		return seen.status == -ENOENT && made.status < 0 ? made.status
								 : seen.status;
	return S_ISDIR(seen.attr.mode) ? had.status == -ENOENT : -ENOTDIR;
}

/* shut_out - from here on all earlier visits fail. */
static int shut_out(struct remote *r, struct folders *f)
{
	int s = remote_list(r, STAGE_DIR, &f->list, &f->n);

	for (unsigned i = 0; s == 0 && i < f->n; i++) {
		const char *name = f->list[i].name;
		CLEANUP_FREE char *path = path_join(STAGE_DIR, name);
		CLEANUP_FREE char *over = NULL;
		if (!S_ISDIR(f->list[i].attr.mode) ||
		    name[strlen(name) - 1] == OVER)
			continue;
		if (asprintf(&over, "%s%c", path, OVER) < 0)
			abort();
		s = remote_rename(r, path, over);
		if (s == -ENOENT) /* whose it was has ended in good order */
			s = 0;
	}
	return s;
}

/* over_path - of one that was shut out. Owned by the caller. */
static char *over_path(const char *name)
{
	bool has = name[strlen(name) - 1] == OVER;
	char *path;

	if (asprintf(&path, STAGE_DIR "/%s%c", name, has ? 0 : OVER) < 0)
		abort();
	return path;
}

/* tidy - what they left, as far as the login can. */
static int tidy(struct remote *r, const struct folders *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		const char *name = f->list[i].name;
		CLEANUP_FREE char *path = path_join(STAGE_DIR, name);
		CLEANUP_FREE char *over = over_path(name);
		if (!S_ISDIR(f->list[i].attr.mode)) {
			if (remote_remove(r, path) == -ENOTCONN)
				return -ENOTCONN;
			continue;
		}
		if (empty_dir(r, over, NULL) == -ENOTCONN ||
		    remote_rmdir(r, over) == -ENOTCONN)
			return -ENOTCONN;
	}
	return 0;
}

static void choose_own(char *stage, size_t size)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		abort();
	snprintf(stage, size, STAGE_DIR "/%016llx", (unsigned long long)number);
}

/* make_own - with a link back to the root. Returns 0, 1 when there is none, or
 * it does not work there, or a negative errno. */
static int make_own(struct remote *r, char *stage, size_t size)
{
	choose_own(stage, size);
	CLEANUP_FREE char *link = path_join(stage, LINK);
	unsigned pending = 3;
	struct answer made = {.pending = &pending},
		      linked = {.pending = &pending};
	struct answer through = {.pending = &pending};

	remote_send_mkdir(r, stage, 0700, answer_got, &made);
	remote_send_symlink(r, LINK_TARGET, link, answer_got, &linked);
	remote_set_root(r, link);
	remote_send_lstat(r, stage, answer_got, &through);
	answers_wait(r, &pending);
	if (through.status == 0 && S_ISDIR(through.attr.mode))
		return made.status;
	remote_set_root(r, NULL);
	if (made.status < 0)
		return made.status;
	if (linked.status == 0 && remote_remove(r, link) == -ENOTCONN)
		return -ENOTCONN;
	return 1;
}

/* leads_back - an earlier visit has left its link. 1, 0 or -ENOTCONN. */
static int leads_back(struct remote *r, const char *visit)
{
	CLEANUP_FREE char *link = path_join(visit, LINK);
	CLEANUP_FREE char *target = NULL;
	int s = remote_readlink(r, link, &target);

	if (s == -ENOTCONN)
		return s;
	return s == 0 && strcmp(target, LINK_TARGET) == 0;
}

/* find_link - the folder of an earlier visit that has one: owned by the caller,
 * or NULL. Returns 0 or -ENOTCONN. */
static int find_link(struct remote *r, const struct folders *f, char **ret)
{
	int s = 0;

	*ret = NULL;
	for (unsigned i = 0; s == 0 && i < f->n; i++) {
		char *over = over_path(f->list[i].name);
		s = S_ISDIR(f->list[i].attr.mode) ? leads_back(r, over) : 0;
		if (s > 0)
			*ret = over;
		else
			free(over);
	}
	return s < 0 ? s : 0;
}

/* take_over - the folder of an earlier visit, with its link. What it was asked to
 * do later names neither the one nor the other. */
static int take_over(struct remote *r, const char *over, char *stage,
		     size_t size)
{
	struct remote_attr a;

	choose_own(stage, size);
	CLEANUP_FREE char *link = path_join(stage, LINK);
	int s = remote_rename(r, over, stage);

	if (s < 0)
		return s;
	remote_set_root(r, link);
	s = remote_lstat(r, stage, &a);
	if (s == 0) /* or names of ours would be files that it has open */
		s = empty_dir(r, stage, LINK);
	if (s < 0)
		remote_set_root(r, NULL);
	return s;
}

/* settle - in a folder with a link, if there was one before: also without room for
 * another. */
static int settle(struct remote *r, const struct folders *old, char *stage,
		  size_t size, bool *ret_tidied)
{
	CLEANUP_FREE char *over = NULL;
	int s = make_own(r, stage, size);

	*ret_tidied = false;
	if (s != 1 && s != -EREMOTEIO)
		return s;
	if (find_link(r, old, &over) < 0)
		return -ENOTCONN;
	if (over && s == 1 && remote_rmdir(r, stage) == -ENOTCONN)
		return -ENOTCONN;
	if (over) {
		s = take_over(r, over, stage, size);
		if (s == 0 || s == -ENOTCONN)
			return s;
		s = -EREMOTEIO; /* it is no use: without a link, then */
	}
	if (s == -EREMOTEIO && old->n > 0) {
		/* what they left may be all that is in the way */
		*ret_tidied = true;
		s = tidy(r, old);
		if (s == 0)
			s = make_own(r, stage, size);
	}
	return s > 0 ? 0 : s;
}

void visit_shut_path(const char *path, char *ret, size_t size)
{
	const char *name = path_name(path);

	snprintf(ret, size, "%.*s%c/%s", (int)(name - path) - 1, path, OVER,
		 name);
}

/* enter - a folder for this visit, with nobody of before. */
static int enter(struct remote *r, bool only_look, struct folders *old,
		 char *stage, size_t size, bool *ret_tidied)
{
	int s = need_dir(r, RESERVED_NAME);

	if (s == 1) { /* nor was anybody in it: that takes a round trip less */
		remote_send_mkdir(r, STAGE_DIR, 0700, NULL, NULL);
		if (settle(r, old, stage, size, ret_tidied) == 0)
			return 0;
	}
	if (s >= 0)
		s = need_dir(r, STAGE_DIR);
	if (s == 0 && !only_look) /* where it is new, nobody was before */
		s = shut_out(r, old);
	return s < 0 ? s : settle(r, old, stage, size, ret_tidied);
}

int visit_begin(struct remote *r, bool only_look, struct partials *keep,
		char *stage, size_t size)
{
	CLEANUP_FOLDERS struct folders old = {0};
	bool tidied;
	int s = enter(r, only_look, &old, stage, size, &tidied);

	if (s == 0 && keep)
		s = partials_move(keep, r, stage);
	return s == 0 && !tidied ? tidy(r, &old) : s;
}

void visit_end(struct remote *r, const char *stage, bool all)
{
	CLEANUP_FREE char *link = path_join(stage, LINK);
	unsigned pending = 0;
	struct answer last = {.pending = &pending};

	remote_set_root(r, NULL);
	if (*stage) {
		pending++;
		remote_send_remove(r, link, NULL, NULL);
		remote_send_rmdir(r, stage, answer_got, &last);
	}
	if (all) {
		pending++;
		remote_send_rmdir(r, STAGE_DIR, NULL, NULL);
		remote_send_rmdir(r, RESERVED_NAME, answer_got, &last);
	}
	answers_wait(r, &pending);
}

bool visit_is_over(struct remote *r)
{
	struct remote_attr a;

	if (remote_lstat(r, "", &a) != -ENOENT)
		return false;
	remote_give_up(r, "the replica's folder is gone, or another "
			  "connection has taken it over");
	return true;
}
