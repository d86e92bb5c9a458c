/*
 * What was passed through when a mount ended.
 *
 * What a program has open for reading and writing then, or mapped, leads to the
 * lower file itself, in the kernel, and no end of the mount takes it away: not that
 * of the supervisor, nor of the connection, nor an umount, if the program is in a
 * mount namespace that has the mount still. It cannot be opened anew.
 *
 * So the mark of such a file stays in the activity log from one mount to the next
 * (struct mark), and the first worker of each takes it over as if the program had
 * come by way of it: unseen, with nobody who has it open here. Then all is as ever:
 * it is dirty until a lease tells that nobody can write any more, who opens it here
 * is passed to the lower file, too, and its mark stays. If nobody could any more,
 * it settles at once.
 */
#include "confdefs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "activity.h"
#include "cleanup.h"
#include "fs/content.h"
#include "fs/lower.h"
#include "fs/passed.h"
#include "fs/passthrough.h"
#include "fs/touch.h"
#include "log.h"
#include "mounts.h"
#include "paths.h"

static bool is_at(const char *path, const struct fhandle *obj)
{
	struct fhandle there;
	struct stat st;
	return lower_identify(lower_root_fd(), path, &there, &st) == 0 &&
	       fhandle_equal(&there, obj);
}

/* search - it where the mark says that it is; the path is the caller's. */
static char *search(const struct mark *m, ino_t number)
{
	struct dirent *e;
	int fd = m->dir.len ? lower_open(&m->dir, O_RDONLY | O_DIRECTORY) : -1;
	CLEANUP_CLOSEDIR DIR *d = fd < 0 ? NULL : fdopendir(fd);
	CLEANUP_FREE char *dir =
		d ? mount_tree_path(fd, lower_root_fd()) : NULL;
	while (dir && (e = readdir(d))) {
		char *path = e->d_ino == number ? path_join(dir, e->d_name)
						: NULL;
		if (path && is_at(path, &m->obj))
			return path;
		free(path);
	}
	return NULL;
}

/* find - the path is the caller's; NULL: it has none any more, which is well, or
 * there is none in the tree. The kernel knows it, if it knows how the file was found
 * when the program opened it. */
static char *find(const struct mark *m)
{
	struct stat st;
	CLEANUP_CLOSE int fd = lower_open(&m->obj, O_PATH);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0)
		return NULL;
	char *path = mount_tree_path(fd, lower_root_fd());
	if (path && is_at(path, &m->obj))
		return path;
	free(path);
	path = search(m, st.st_ino);
	if (!path)
		log_warning("a file that may be written to past this mount has "
			    "no name that is known: inode=%llu",
			    (unsigned long long)st.st_ino);
	return path;
}

/* learn - what `path` names, with a reference; the kernel has not asked for it yet.
 * NULL: it is not there, or there is no memory. */
static struct inode *learn(char *path)
{
	struct inode *i = inode_get(INODE_ROOT);
	struct fhandle fh;
	struct stat st;
	char *slash, *name = path;
	inode_ref(i);
	do {
		struct inode *dir = i;
		slash = strchr(name, '/');
		if (slash)
			*slash = 0;
		i = lower_identify(lower_root_fd(), path, &fh, &st) < 0
			    ? NULL
			    : inode_learn(&fh, &st, dir, name);
		if (i) {
			inode_ref(i);
			inode_forget(inode_id(i), 1);
		}
		inode_unref(dir);
		if (slash) {
			*slash = '/';
			name = slash + 1;
		}
	} while (i && slash);
	return i;
}

/* resume - true: it is one that can be written to, and no worker before us knew. */
static bool resume(const struct mark *m)
{
	static const struct who nobody;
	CLEANUP_FREE char *path = find(m);
	struct inode *i = path ? learn(path) : NULL;
	if (!i)
		return false;
	bool known = inode_is_unseen(i);
	if (!known) {
		passthrough_resume(i);
		content_open(i, &nobody, true);
		content_close(i, -1);
	}
	bool found = !known && inode_is_unseen(i);
	inode_unref(i);
	return found;
}

void passed_resume(void)
{
	struct mark m;
	unsigned n = 0;
	while (touch_stayed(&m)) {
		n += resume(&m);
		touch_stayed_not(&m);
	}
	touch_end();
	if (n > 0)
		log_notice("files=%u may be written to past this mount, by "
			   "programs that have them open since before",
			   n);
}
