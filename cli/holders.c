/*
 * Who keeps a mount busy: text of /proc links only, so that nothing here can
 * wait for the mount itself.
 */
#include "confdefs.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/holders.h"
#include "paths.h"

static bool link_is_below(const char *link, const char *root)
{
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	return path_is_below(target, root);
}

static bool process_holds(const char *pid, const char *root)
{
	char path[PATH_MAX];
	static const char *const links[] = {"cwd", "root", "exe"};
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", pid, links[i]);
		if (link_is_below(path, root))
			return true;
	}
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	CLEANUP_CLOSEDIR DIR *d = opendir(path);
	struct dirent *de;
	while (d && (de = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, de->d_name);
		if (link_is_below(path, root))
			return true;
	}
	return false;
}

static void process_name(const char *pid, char *name, size_t size)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	name[0] = 0;
	if (f && fgets(name, (int)size, f))
		name[strcspn(name, "\n")] = 0;
}

static bool is_one_of(const char *pid, const pid_t *pids, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (atoi(pid) == pids[i])
			return true;
	}
	return false;
}

char *holders_of(const char *root, const pid_t *except, unsigned n_except)
{
	char text[512] = "";
	size_t len = 0;
	unsigned n = 0;
	CLEANUP_CLOSEDIR DIR *d = opendir("/proc");
	struct dirent *de;
	while (d && (de = readdir(d))) {
		if (!isdigit((unsigned char)de->d_name[0]) ||
		    is_one_of(de->d_name, except, n_except) ||
		    !process_holds(de->d_name, root) || n++ >= 5)
			continue;
		char name[32];
		process_name(de->d_name, name, sizeof(name));
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s%s (%s)", len ? ", " : "", name,
					de->d_name);
	}
	if (n > 5)
		snprintf(text + len, sizeof(text) - len, " and %u more", n - 5);
	return n ? strdup(text) : NULL;
}
