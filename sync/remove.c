/*
 * Removing from a replica what the master does not have: file by file, as SFTP
 * has nothing that takes a folder with what is in it. What is ours at the top
 * of the replica stays, whoever asks.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/engine.h"

bool remove_keeps(const char *dir, const char *name)
{
	return !*dir && (strcmp(name, RESERVED_NAME) == 0 ||
			 strcmp(name, "lost+found") == 0);
}

static int remove_all(struct engine *e, const char *path, mode_t mode);

/* A folder with a longer path than that may have been moved there with things
 * in it that cannot be named any more. */
#define FAR_DOWN (PATH_LONG / 2)

/* remove_moved - it is out of sight first, and its path is a short one. */
static int remove_moved(struct engine *e, const char *path, mode_t mode)
{
	CLEANUP_FREE char *aside = exec_stage_name(e->exec);
	int r = engine_push(e, STEP_RENAME, path, aside, NULL, NULL);

	if (r == 0)
		r = exec_drain(e->exec);
	return r == 0 ? remove_all(e, aside, mode) : r;
}

/* remove_below - all that is in a folder; 1 when some of it is to stay. */
static int remove_below(struct engine *e, const char *path)
{
	struct remote_entry *list = NULL;
	unsigned n = 0, kept = 0;
	int r = remote_list(e->remote, path, &list, &n);

	for (unsigned i = 0; r == 0 && i < n; i++) {
		mode_t mode = list[i].attr.mode;
		CLEANUP_FREE char *child = path_join(path, list[i].name);
		if (remove_keeps(path, list[i].name) ||
		    filter_excludes(e->filter, child, S_ISDIR(mode)))
			r = 1;
		else
			r = remove_all(e, child, mode);
		kept += r > 0;
		r = r > 0 ? 0 : r;
	}
	remote_entries_free(list, n);
	if (r == -ENOTCONN || r == -ECANCELED)
		return r;
	return kept > 0;
}

/* remove_all - 1 when it is a folder with something that the replica does not
 * get, and which is nobody's affair here: so it stays. */
static int remove_all(struct engine *e, const char *path, mode_t mode)
{
	engine_touch_parent(e, path);
	if (!S_ISDIR(mode)) {
		links_del(e->links, path);
		return engine_push(e, STEP_REMOVE, path, NULL, NULL, NULL);
	}
	/* names that never came to be are not in the listing */
	links_del_tree(e->links, path);
	/* the filter goes by paths */
	if (strlen(path) > FAR_DOWN && !e->filter)
		return remove_moved(e, path, mode);
	int r = remove_below(e, path);
	return r != 0 ? r : engine_push(e, STEP_RMDIR, path, NULL, NULL, NULL);
}

int remove_tree(struct engine *e, const char *path, mode_t mode)
{
	int r = remove_all(e, path, mode);

	return r < 0 ? r : 0;
}

int remove_foreign(struct engine *e, const char *path,
		   const struct remote_attr *a)
{
	int r = seed_spares(e, path, a);

	return r != 0 ? (r < 0 ? r : 0) : remove_tree(e, path, a->mode);
}

/* protects - 1 when a folder is excluded, or holds something that is; 0, or a
 * negative errno. */
static int protects(struct engine *e, const char *path)
{
	struct remote_entry *list = NULL;
	unsigned n = 0;

	if (filter_excludes(e->filter, path, true))
		return 1;
	int r = remote_list(e->remote, path, &list, &n);
	for (unsigned i = 0; r == 0 && i < n; i++) {
		bool is_dir = S_ISDIR(list[i].attr.mode);
		CLEANUP_FREE char *child = path_join(path, list[i].name);
		if (is_dir)
			r = protects(e, child);
		else
			r = filter_excludes(e->filter, child, false);
	}
	remote_entries_free(list, n);
	return r;
}

int remove_aside(struct engine *e, const char *path, mode_t mode)
{
	int r;

	if (!S_ISDIR(mode))
		return 0; /* files and links are replaced by rename */
	r = e->filter ? protects(e, path) : 0;
	if (r == -ENOTCONN)
		return r;
	if (r != 0) {
		engine_fail(e, path, 0, r > 0 ? -ENOTEMPTY : r);
		return 1;
	}
	links_del_tree(e->links, path);
	r = remove_moved(e, path, mode);
	return r < 0 ? r : 0;
}
