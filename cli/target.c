/*
 * Which mount does the administrator mean? The living ones are listed under
 * /run/mirrorfs; one that is not mounted is known by its journal.
 */
#include "confdefs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "paths.h"
#include "runtime.h"

#define STATE_TOP "/var/lib/mirrorfs"

struct known {
	struct target *all;
	unsigned n, n_alive;
};

void target_done(struct target *t)
{
	free(t->name);
	free(t->root);
	free(t->state_dir);
	*t = (struct target){0};
}

char *default_state_dir(const char *name)
{
	char *s;
	if (asprintf(&s, "%s/%s", STATE_TOP, name) < 0)
		abort();
	return s;
}

static void known_done(struct known *k)
{
	for (unsigned i = 0; i < k->n; i++)
		target_done(&k->all[i]);
	free(k->all);
}

static void known_add(struct known *k, const struct target *t)
{
	k->all = realloc(k->all, (k->n + 1) * sizeof(*k->all));
	if (!k->all)
		abort();
	k->all[k->n++] = *t;
	k->n_alive += t->alive;
}

static bool known_has_state(const struct known *k, const char *state_dir)
{
	for (unsigned i = 0; i < k->n; i++) {
		if (strcmp(k->all[i].state_dir, state_dir) == 0)
			return true;
	}
	return false;
}

/* known_add_state - a journal tells which mount it belongs to. */
static bool known_add_state(struct known *k, const char *state_dir)
{
	struct journal *j;
	if (journal_open(state_dir, JOURNAL_READ, &j) < 0)
		return false;
	struct target t = {.state_dir = strdup(state_dir)};
	journal_meta_get(j, "root", &t.root);
	journal_meta_get(j, "name", &t.name);
	journal_close(j);
	if (!t.root || !t.name) {
		target_done(&t);
		return false;
	}
	known_add(k, &t);
	return true;
}

static void known_load(struct known *k)
{
	struct runtime_info *infos;
	unsigned n;
	if (runtime_list(&infos, &n) == 0) {
		for (unsigned i = 0; i < n; i++) {
			struct target t = {.name = infos[i].name,
					   .root = infos[i].root,
					   .state_dir = infos[i].state_dir,
					   .alive = infos[i].alive,
					   .pid = infos[i].pid};
			known_add(k, &t);
		}
		free(infos);
	}
	CLEANUP_CLOSEDIR DIR *d = opendir(STATE_TOP);
	struct dirent *de;
	while (d && (de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		CLEANUP_FREE char *dir = default_state_dir(de->d_name);
		if (!known_has_state(k, dir))
			known_add_state(k, dir);
	}
}

/* known_take - move entry `t` out of the list. */
static int known_take(struct target *t, struct target *ret)
{
	*ret = *t;
	*t = (struct target){0};
	return 0;
}

/* known_by_path - the mount whose root is `path`, or the innermost one that
 * `path` lies in; a living one wins over a dead one with the same root. */
static struct target *known_by_path(struct known *k, const char *path)
{
	struct target *best = NULL;
	for (unsigned i = 0; i < k->n; i++) {
		struct target *t = &k->all[i];
		if (strcmp(t->root, "/") != 0 && !path_is_below(path, t->root))
			continue;
		if (!best || strlen(t->root) > strlen(best->root) ||
		    (strcmp(t->root, best->root) == 0 && t->alive))
			best = t;
	}
	return best;
}

/* no_journal - there is none that can be read, or what is to be done. */
static int no_journal(const char *state_dir)
{
	struct journal_identity id;
	if (journal_identity(state_dir, &id) < 0)
		return fail("there is no journal in %s", state_dir);
	fail("the journal in %s is lost or damaged: \"mirrorfs mount %s\" "
	     "makes "
	     "a new one that has its replicas, and compares everything",
	     state_dir, id.root ? id.root : "ROOT");
	free(id.root);
	return EXIT_NO;
}

static int choose_by_option(const struct target_choice *c, struct known *k,
			    struct target *ret)
{
	CLEANUP_FREE char *cwd = getcwd(NULL, 0);
	CLEANUP_FREE char *dir =
		c->state_dir ? path_normalise(c->state_dir, cwd ? cwd : "/")
			     : NULL;
	for (unsigned i = 0; i < k->n; i++) {
		struct target *t = &k->all[i];
		if ((!c->name || strcmp(t->name, c->name) == 0) &&
		    (!dir || strcmp(t->state_dir, dir) == 0))
			return known_take(t, ret);
	}
	if (dir && !c->name && known_add_state(k, dir))
		return known_take(&k->all[k->n - 1], ret);
	if (dir)
		return no_journal(dir);
	return fail("no mount is named \"%s\"", c->name);
}

static int choose_only(struct known *k, struct target *ret)
{
	struct target *only = NULL;
	unsigned n = 0;
	for (unsigned i = 0; i < k->n; i++) {
		if (k->n_alive && !k->all[i].alive)
			continue;
		only = &k->all[i];
		n++;
	}
	if (n == 1)
		return known_take(only, ret);
	if (n == 0)
		return fail("nothing is mounted: name the ROOT or give "
			    "--state-dir");
	return fail("%u mounts are known (%s, ...): name the ROOT", n,
		    only->root);
}

static int choose(const struct target_choice *choice, int n, char **operands,
		  struct known *k, struct target *ret, int *ret_used)
{
	if (choice->name || choice->state_dir) {
		int r = choose_by_option(choice, k, ret);
		CLEANUP_FREE char *real =
			n ? realpath(operands[0], NULL) : NULL;
		if (r == 0 && n &&
		    (strcmp(operands[0], ret->root) == 0 ||
		     (real && strcmp(real, ret->root) == 0)))
			*ret_used = 1;
		return r;
	}
	if (n == 0)
		return choose_only(k, ret);
	CLEANUP_FREE char *cwd = getcwd(NULL, 0);
	CLEANUP_FREE char *path = path_normalise(operands[0], cwd ? cwd : "/");
	struct target *t = known_by_path(k, path);
	if (!t) {
		char *real = realpath(operands[0], NULL);
		if (real) {
			free(path);
			path = real;
			t = known_by_path(k, path);
		}
	}
	if (t) {
		*ret_used = strcmp(t->root, path) == 0;
		return known_take(t, ret);
	}
	if (*operands[0] == '/')
		return fail("%s: no mirrorfs mount is there, and none is known "
			    "that it lies in",
			    operands[0]);
	return choose_only(k, ret);
}

int target_find(const struct target_choice *choice, int n, char **operands,
		struct target *ret, int *ret_used)
{
	struct known k = {0};
	known_load(&k);
	*ret_used = 0;
	int r = choose(choice, n, operands, &k, ret, ret_used);
	known_done(&k);
	return r;
}

void target_again(struct target *t)
{
	struct runtime_info *infos;
	unsigned n;
	if (runtime_list(&infos, &n) < 0)
		return;
	t->alive = false;
	for (unsigned i = 0; i < n; i++) {
		if (infos[i].alive && strcmp(infos[i].root, t->root) == 0) {
			target_done(t);
			*t = (struct target){.name = strdup(infos[i].name),
					     .root = strdup(infos[i].root),
					     .state_dir =
						     strdup(infos[i].state_dir),
					     .alive = true,
					     .pid = infos[i].pid};
		}
		runtime_info_done(&infos[i]);
	}
	free(infos);
}

struct journal *target_journal(const struct target *t, enum journal_mode mode)
{
	struct journal *j;
	int r = journal_open(t->state_dir, mode, &j);
	if (r == 0)
		return j;
	if (r == -EUCLEAN)
		fail("the journal in %s is damaged: %s", t->state_dir,
		     t->alive ? "it is about to be replaced, see mirrorfs "
				"status"
			      : "mount again, which sets it aside and "
				"compares everything");
	else if (r == -ENOENT && t->alive)
		fail("there is no journal in %s any more: with the next change "
		     "a new one is made, and everything is compared",
		     t->state_dir);
	else if (r == -ENOENT)
		fail("there is no journal in %s", t->state_dir);
	else if (r == -EOPNOTSUPP)
		fail("the journal in %s cannot be used: %s", t->state_dir,
		     journal_error(NULL));
	else
		fail("the journal in %s cannot be opened: %s", t->state_dir,
		     strerror(-r));
	return NULL;
}
