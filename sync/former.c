/*
 * A record may tell of a file by a name that it has no more: of one that is
 * open, when nobody has looked at its other names since the mount. The table of
 * names (links.h) knows those; but not when everything was compared in between,
 * as it is only for what has several. Then the tree is looked through here, by
 * the numbers that folders list, which takes no look at a file. What is found
 * is kept in the table, so once is enough; and so it is when there is nothing:
 * its other names are outside the tree, or are not for this replica.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "paths.h"
#include "sync/engine.h"
#include "sync/lower.h"

struct search {
	struct engine *e;
	const struct fhandle *obj;
	ino_t number;
	char **names;
	unsigned n;
};

static void found(struct search *s, const char *path)
{
	struct fhandle there;
	struct stat st;

	if (lower_look(s->e->cfg->lower_fd, path, &st, &there) < 0 ||
	    !fhandle_equal(&there, s->obj))
		return;
	s->names = reallocarray(s->names, s->n + 1, sizeof(*s->names));
	if (!s->names || !(s->names[s->n++] = strdup(path)))
		abort();
}

static int look_through(struct search *s, int fd, const char *path);

static int look_at(struct search *s, int fd, const char *path,
		   const struct dirent *de)
{
	CLEANUP_FREE char *child = path_join(path, de->d_name);
	bool folder = de->d_type == DT_DIR || de->d_type == DT_UNKNOWN;

	if (path_is_long(child) || path_is_reserved(child) ||
	    filter_excludes(s->e->filter, child, de->d_type == DT_DIR))
		return 0;
	if (de->d_ino == s->number)
		found(s, child);
	int sub = folder ? lower_open_folder(fd, de->d_name) : -1;
	return sub < 0 ? 0 : look_through(s, sub, child);
}

/* look_through - the folder `fd`, which is closed. */
static int look_through(struct search *s, int fd, const char *path)
{
	struct pollfd stop = {.fd = s->e->stop_fd, .events = POLLIN};
	CLEANUP_CLOSEDIR DIR *d = fdopendir(fd);
	struct dirent *de;
	struct stat st;
	int r = 0;

	if (!d) {
		close(fd);
		return 0;
	}
	if (poll(&stop, 1, 0) > 0)
		return -ECANCELED;
	if (fstat(fd, &st) < 0 ||
	    lower_is_apart(s->e->cfg->lower_fd, fd, &st))
		return 0;
	while (r == 0 && (de = readdir(d))) {
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			r = look_at(s, fd, path, de);
	}
	return r;
}

static int search(struct search *s)
{
	struct stat st;
	CLEANUP_CLOSE int fd = lower_open_object(s->e->cfg->lower_fd, s->obj,
						 NULL, O_PATH);

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0 ||
	    stale_sought(s->e->stale, s->obj))
		return 0;
	s->number = st.st_ino;
	int root = lower_open_folder(s->e->cfg->lower_fd, ".");
	int r = root < 0 ? 0 : look_through(s, root, "");
	log_debug("%s: searched: names=%u", s->e->row.name, s->n);
	return r;
}

/* former_names - of what `rec` tells by a name that it has no more. */
static int former_names(struct engine *e, const struct record *rec, char ***ret)
{
	struct search s = {.e = e, .obj = &rec->obj};
	int r = search(&s);

	for (unsigned i = 0; r == 0 && i < s.n; i++) {
		unsure_name(e, s.names[i], s.obj);
		links_add(e->links, s.obj, s.names[i], exec_next(e->exec));
	}
	if (r < 0) {
		links_copies_free(s.names, s.n);
		return r;
	}
	*ret = s.names;
	return (int)s.n;
}

int object_names(struct engine *e, const struct action *a, char ***ret)
{
	unsigned n = links_copies(e->links, &a->rec->obj, a->path, ret);

	return n == 0 && a->rec->flags & RF_LAST ? former_names(e, a->rec, ret)
						 : (int)n;
}
