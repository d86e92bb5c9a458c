/* /proc/self/mountinfo: "id parent dev root MOUNTPOINT … - FSTYPE source …" */
#include "confdefs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
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

/* mount_next - the next line's mount point, type and device; false at the
 * end. The line begins with the number of the mount. */
static bool mount_next(FILE *f, char **line, size_t *size, char **ret_point,
		       char **ret_type, dev_t *ret_dev)
{
	while (getline(line, size, f) > 0) {
		char *dash = strstr(*line, " - ");
		unsigned major = 0, minor = 0;
		sscanf(*line, "%*d %*d %u:%u", &major, &minor);
		*ret_dev = makedev(major, minor);
		char *save, *word = strtok_r(*line, " ", &save);
		for (int i = 0; i < 4 && word; i++)
			word = strtok_r(NULL, " ", &save);
		if (!word || !dash)
			continue;
		char *type = dash + 3;
		type[strcspn(type, " ")] = 0;
		mount_unescape(word);
		*ret_point = word;
		*ret_type = type;
		return true;
	}
	return false;
}

bool mount_device(const char *path, dev_t *ret)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/mountinfo", "re");
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	char *point, *type;
	bool ours = false;
	dev_t dev;
	while (f && mount_next(f, &line, &size, &point, &type, &dev)) {
		if (strcmp(point, path) != 0)
			continue;
		ours = strcmp(type, "fuse.mirrorfs") == 0;
		*ret = dev;
	}
	return ours;
}

unsigned mount_count(const char *path)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/mountinfo", "re");
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	char *point, *type;
	unsigned n = 0;
	dev_t dev;
	while (f && mount_next(f, &line, &size, &point, &type, &dev))
		n += strcmp(point, path) == 0 &&
		     strcmp(type, "fuse.mirrorfs") == 0;
	return n;
}

bool mount_is_mirrorfs(const char *path)
{
	dev_t dev;
	return mount_device(path, &dev);
}

/* mount_id - the number of the mount that `fd` is on, or -1. */
static int mount_id(int fd)
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
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	char *point, *type;
	int id = fd < 0 ? -1 : mount_id(fd);
	enum mount_listed found = f ? MOUNT_NOT_LISTED : MOUNT_OTHER;
	dev_t one;
	while (f && mount_next(f, &line, &size, &point, &type, &one)) {
		if (one != dev && (id < 0 || atoi(line) != id))
			continue;
		if (strcmp(point, path) == 0 &&
		    strcmp(type, "fuse.mirrorfs") == 0)
			return MOUNT_OURS;
		found = MOUNT_OTHER;
	}
	return found;
}

bool mount_is_ours(int fd, const char *path, dev_t *ret)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/mountinfo", "re");
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	char *point, *type;
	int id = mount_id(fd);
	bool ours = false;
	dev_t dev;
	while (f && id >= 0 &&
	       mount_next(f, &line, &size, &point, &type, &dev)) {
		if (strcmp(point, path) != 0)
			continue;
		ours = atoi(line) == id && strcmp(type, "fuse.mirrorfs") == 0;
		if (ret)
			*ret = dev;
	}
	return ours;
}

int mount_fd_is_at(int fd, const char *path)
{
	char link[64], is[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, is, sizeof(is) - 1);
	if (n < 0)
		return -errno;
	is[n] = 0;
	return strcmp(is, path) == 0 ? 0 : -ELOOP;
}

char *mount_below(const char *path)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/mountinfo", "re");
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	char *point, *type;
	dev_t dev;
	while (f && mount_next(f, &line, &size, &point, &type, &dev)) {
		if (strcmp(point, path) != 0 && path_is_below(point, path))
			return strdup(point);
	}
	return NULL;
}

char *mount_all_below(const char *path)
{
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/mountinfo", "re");
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	char *point, *type, *all = NULL;
	dev_t dev;
	while (f && mount_next(f, &line, &size, &point, &type, &dev)) {
		if (strcmp(point, path) == 0 || !path_is_below(point, path))
			continue;
		char *more;
		if (asprintf(&more, "%s%s%s", all ? all : "", all ? ", " : "",
			     point) < 0)
			abort();
		free(all);
		all = more;
	}
	return all;
}
