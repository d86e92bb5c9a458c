/* /proc/self/mountinfo: "id parent dev ROOT MOUNTPOINT options optional… - TYPE
 * source options", as in proc(5). */
#include "confdefs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "lib/base/mounts-private.h"
#include "mounts.h"
#include "paths.h"

/* mount_unescape - the kernel writes blanks, tabs and backslashes as \ooo. */
static void mount_unescape(char *s)
{
	char *o = s;
	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] &&
		    s[3]) {
			*o++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				      (s[3] - '0'));
			s += 3;
		} else {
			*o++ = *s;
		}
	}
	*o = 0;
}

/* cut - the next word of `*s`; "" when there is none any more. */
static char *cut(char **s)
{
	char *word = strsep(s, " ");
	return word ? word : "";
}

static bool is_read_only(const char *options)
{
	return strncmp(options, "ro", 2) == 0 &&
	       (options[2] == ',' || !options[2]);
}

static bool mount_parse(struct mount *m)
{
	char *s = m->line;
	unsigned major = 0, minor = 0;
	s[strcspn(s, "\n")] = 0;
	m->id = atoi(cut(&s));
	m->parent = atoi(cut(&s));
	sscanf(cut(&s), "%u:%u", &major, &minor);
	m->dev = makedev(major, minor);
	m->root = cut(&s);
	m->point = cut(&s);
	m->read_only = is_read_only(cut(&s));
	m->shared = m->master = 0;
	for (char *word = cut(&s); *word && strcmp(word, "-") != 0;
	     word = cut(&s)) {
		sscanf(word, "shared:%u", &m->shared);
		sscanf(word, "master:%u", &m->master);
	}
	m->type = cut(&s);
	cut(&s);
	m->read_only |= is_read_only(cut(&s));
	if (!*m->type)
		return false;
	mount_unescape(m->root);
	mount_unescape(m->point);
	return true;
}

bool mount_next(FILE *f, struct mount *m)
{
	while (getline(&m->line, &m->size, f) > 0) {
		if (mount_parse(m))
			return true;
	}
	return false;
}

bool mount_type_ours(const struct mount *m)
{
	return strcmp(m->type, "fuse.mirrorfs") == 0;
}

void mount_list(char **list, const char *item)
{
	char *more;
	if (asprintf(&more, "%s%s%s", *list ? *list : "", *list ? ", " : "",
		     item) < 0)
		abort();
	free(*list);
	*list = more;
}

int mount_table_read(struct mount_table *t)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/mountinfo", "re");
	struct mount m = {0};
	*t = (struct mount_table){0};
	if (!f) /* without /proc nothing is known: ENOENT would say "unmounted" */
		return errno == ENOENT ? -EIO : -errno;
	while (mount_next(f, &m)) {
		t->all = reallocarray(t->all, t->n + 1, sizeof(m));
		if (!t->all)
			abort();
		t->all[t->n++] = m;
		m = (struct mount){0};
	}
	free(m.line);
	return ferror(f) ? -EIO : 0;
}

void mount_table_done(struct mount_table *t)
{
	for (unsigned i = 0; i < t->n; i++)
		free(t->all[i].line);
	free(t->all);
}

/* is_covered - by another one at the same place. */
static bool is_covered(const struct mount_table *t, const struct mount *m)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (t->all[i].parent == m->id && t->all[i].id != m->id &&
		    strcmp(t->all[i].point, m->point) == 0)
			return true;
	}
	return false;
}

const struct mount *mount_top(const struct mount_table *t, const char *path)
{
	const struct mount *top = NULL;
	for (unsigned i = 0; i < t->n; i++) {
		if (strcmp(t->all[i].point, path) == 0 &&
		    !is_covered(t, &t->all[i]))
			top = &t->all[i];
	}
	return top;
}

const struct mount *mount_by_id(const struct mount_table *t, int id)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (t->all[i].id == id)
			return &t->all[i];
	}
	return NULL;
}

bool mount_device(const char *path, dev_t *ret)
{
	CLEANUP_MOUNTS struct mount_table t;
	mount_table_read(&t);
	const struct mount *top = mount_top(&t, path);
	if (!top || !mount_type_ours(top))
		return false;
	*ret = top->dev;
	return true;
}

int mount_number(const char *path)
{
	CLEANUP_MOUNTS struct mount_table t;
	mount_table_read(&t);
	const struct mount *top = mount_top(&t, path);
	return top && mount_type_ours(top) ? top->id : -1;
}

int mount_is_at(int id, const char *path)
{
	CLEANUP_MOUNTS struct mount_table t;
	int r = mount_table_read(&t);
	if (r < 0)
		return r;
	const struct mount *m = mount_by_id(&t, id);
	return m && mount_type_ours(m) && strcmp(m->point, path) == 0;
}

unsigned mount_count(const char *path)
{
	CLEANUP_MOUNTS struct mount_table t;
	unsigned n = 0;
	mount_table_read(&t);
	for (unsigned i = 0; i < t.n; i++)
		n += strcmp(t.all[i].point, path) == 0 &&
		     mount_type_ours(&t.all[i]);
	return n;
}

char *mount_covered_by(const char *path)
{
	CLEANUP_MOUNTS struct mount_table t;
	mount_table_read(&t);
	const struct mount *top = mount_top(&t, path);
	if (!top || mount_type_ours(top) || mount_count(path) == 0)
		return NULL;
	return text_printable(top->type);
}

bool mount_is_mirrorfs(const char *path)
{
	dev_t dev;
	return mount_device(path, &dev);
}

int mount_id(int fd)
{
	char name[64];
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	CLEANUP_FCLOSE FILE *f = fopen(name, "re");
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	int id = -1;
	while (f && id < 0 && getline(&line, &size, f) > 0) {
		if (sscanf(line, "mnt_id: %d", &id) != 1)
			id = -1;
	}
	return id;
}

enum mount_listed mount_listed(const char *task, int fd, dev_t dev,
			       const char *path)
{
	char name[96];
	snprintf(name, sizeof(name), "/proc/%s/mountinfo", task);
	CLEANUP_FCLOSE FILE *f = fopen(name, "re");
	struct mount m = {0};
	int id = fd < 0 ? -1 : mount_id(fd);
	enum mount_listed found = f ? MOUNT_NOT_LISTED : MOUNT_OTHER;
	while (f && found != MOUNT_OURS && mount_next(f, &m)) {
		if (m.dev != dev && (id < 0 || m.id != id))
			continue;
		found = strcmp(m.point, path) == 0 && mount_type_ours(&m)
				? MOUNT_OURS
				: MOUNT_OTHER;
	}
	free(m.line);
	return found;
}

bool mount_is_ours(int fd, const char *path, dev_t *ret)
{
	CLEANUP_MOUNTS struct mount_table t;
	int id = mount_id(fd);
	mount_table_read(&t);
	const struct mount *top = mount_top(&t, path);
	if (!top || id < 0 || top->id != id || !mount_type_ours(top))
		return false;
	if (ret)
		*ret = top->dev;
	return true;
}

static int fd_path(int fd, char out[PATH_MAX])
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, out, PATH_MAX - 1);
	if (n < 0)
		return -errno;
	out[n] = 0;
	return 0;
}

int mount_fd_is_at(int fd, const char *path)
{
	char is[PATH_MAX];
	int r = fd_path(fd, is);
	if (r < 0)
		return r;
	return strcmp(is, path) == 0 ? 0 : -ELOOP;
}

char *mount_tree_path(int fd, int root_fd)
{
	char path[PATH_MAX], root[PATH_MAX];
	if (fd_path(fd, path) < 0 || fd_path(root_fd, root) < 0)
		return NULL;
	size_t n = strlen(root);
	while (n > 0 && root[n - 1] == '/')
		n--;
	if (strncmp(path, root, n) != 0 || (path[n] && path[n] != '/'))
		return NULL;
	return strdup(path[n] ? path + n + 1 : path + n);
}

char *mount_below(const char *path)
{
	CLEANUP_MOUNTS struct mount_table t;
	mount_table_read(&t);
	for (unsigned i = 0; i < t.n; i++) {
		if (strcmp(t.all[i].point, path) != 0 &&
		    path_is_below(t.all[i].point, path))
			return strdup(t.all[i].point);
	}
	return NULL;
}

char *mount_all_below(const char *path)
{
	CLEANUP_MOUNTS struct mount_table t;
	char *all = NULL;
	mount_table_read(&t);
	for (unsigned i = 0; i < t.n; i++) {
		if (strcmp(t.all[i].point, path) != 0 &&
		    path_is_below(t.all[i].point, path))
			mount_list(&all, t.all[i].point);
	}
	return all;
}
