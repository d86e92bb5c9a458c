/*
 * Text of /proc links, and attributes that the kernel has (no FUSE request), so
 * that nothing here can wait for the mount itself. The tree below and the mount
 * have the same paths; the device tells them apart.
 */
#include "confdefs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/holders.h"
#include "mounts.h"
#include "paths.h"

struct scan {
	const char *root;
	enum holders_where where;
	bool mounted;
	dev_t mount_dev; /* of the overlay */
};

/* What one process holds; `task` is "PID" below, or "PID/task/TID". */
#define TASK_BYTES 48
struct held {
	char link[PATH_MAX]; /* the first directory that it stands in */
	const char *stands;  /* how */
	unsigned writes, dirs, maps, others;
};

/* A thread of the kernel has none; who is ending lets it go before the files
 * (do_exit in Linux 6.18). */
static bool has_program(const char *task)
{
	char path[TASK_BYTES + 48], target[PATH_MAX];
	snprintf(path, sizeof(path), "/proc/%s/exe", task);
	return readlink(path, target, sizeof(target)) >= 0 || errno != ENOENT;
}

/* task_of - the process; or, where its first thread has ended, another one: of
 * the first /proc shows nothing any more, though all goes on. False: nobody. */
static bool task_of(const char *pid, char task[TASK_BYTES])
{
	char path[64];
	snprintf(task, TASK_BYTES, "%.20s", pid);
	if (has_program(task))
		return true;
	snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
	CLEANUP_CLOSEDIR DIR *d = opendir(path);
	struct dirent *de;
	while (d && (de = readdir(d))) {
		snprintf(task, TASK_BYTES, "%.20s/task/%.20s", pid, de->d_name);
		if (isdigit((unsigned char)de->d_name[0]) && has_program(task))
			return true;
	}
	return false;
}

/* is_below - and not on a mirrorfs, dead or not: where one was mounted anew, the
 * dead one lies below it, or was taken away since and is in no table, or in one of a
 * namespace only; nobody writes there. FUSE has no major number. Of a mapping there
 * is no descriptor, and what cannot be told is told. */
static bool is_below(const struct scan *s, const char *task, int fd, dev_t dev)
{
	if (major(dev))
		return true;
	enum mount_listed ours = mount_listed("self", fd, dev, s->root);
	enum mount_listed theirs = mount_listed(task, fd, dev, s->root);
	if (ours == MOUNT_OURS || theirs == MOUNT_OURS)
		return false;
	return ours == MOUNT_OTHER || theirs == MOUNT_OTHER || fd < 0;
}

static bool is_wanted(const struct scan *s, const char *task, int fd, dev_t dev)
{
	return s->where == HOLDERS_MOUNT ? s->mounted && dev == s->mount_dev
					 : is_below(s, task, fd, dev);
}

static bool leads_below(const struct scan *s, const char *link,
			char target[PATH_MAX])
{
	ssize_t n = readlink(link, target, PATH_MAX - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	/* what was removed is shown with " (deleted)" behind it */
	return path_is_below(target, s->root);
}

/* look - `link` leads to something of the wanted tree. What it leads to may be
 * another thing at each moment, so one is held and asked about. */
static bool look(const struct scan *s, const char *task, const char *link,
		 char target[PATH_MAX], mode_t *ret_mode)
{
	char own[64];
	struct statx stx;
	if (!leads_below(s, link, target))
		return false;
	CLEANUP_CLOSE int fd = open(link, O_PATH | O_CLOEXEC);
	snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	if (fd < 0 || !leads_below(s, own, target) ||
	    statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE,
		  &stx) < 0)
		return false;
	*ret_mode = stx.stx_mode;
	return is_wanted(s, task, fd,
			 makedev(stx.stx_dev_major, stx.stx_dev_minor));
}

/* Of a descriptor: may one write through it? */
static bool is_writable(const char *task, const char *fd)
{
	char path[TASK_BYTES + 48], line[128];
	unsigned flags = 0;
	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%.20s", task, fd);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	}
	return (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
}

static void scan_links(const struct scan *s, const char *task, struct held *h)
{
	static const struct {
		const char *link, *stands;
	} links[] = {{"cwd", "working directory"}, {"root", "root directory"}};
	char path[TASK_BYTES + 48], target[PATH_MAX];
	mode_t mode;
	for (size_t i = 0; i < 2 && !h->stands; i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", task,
			 links[i].link);
		if (look(s, task, path, target, &mode)) {
			strcpy(h->link, target);
			h->stands = links[i].stands;
		}
	}
}

static void scan_exe(const struct scan *s, const char *task, struct held *h)
{
	char path[TASK_BYTES + 48], target[PATH_MAX];
	mode_t mode;
	snprintf(path, sizeof(path), "/proc/%s/exe", task);
	if (s->where == HOLDERS_MOUNT && look(s, task, path, target, &mode))
		h->others++;
}

static unsigned more(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

/* A table that was copied has the same files: the most of one is told. */
static void scan_fds(const struct scan *s, const char *task, struct held *h)
{
	char path[TASK_BYTES + 48], target[PATH_MAX];
	unsigned writes = 0, dirs = 0, others = 0;
	mode_t mode;
	snprintf(path, sizeof(path), "/proc/%s/fd", task);
	CLEANUP_CLOSEDIR DIR *d = opendir(path);
	struct dirent *de;
	while (d && (de = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%.20s", task,
			 de->d_name);
		if (!look(s, task, path, target, &mode))
			continue;
		if (S_ISDIR(mode))
			dirs++;
		else if (is_writable(task, de->d_name))
			writes++;
		else
			others++;
	}
	h->dirs = more(h->dirs, dirs);
	h->writes = more(h->writes, writes);
	h->others = more(h->others, others);
}

/* are_shared - both threads have the same one; false where the kernel does
 * not say. */
static bool are_shared(int type, pid_t a, pid_t b)
{
	return syscall(SYS_kcmp, a, b, type, 0, 0) == 0;
}

/* Threads may have a working directory or descriptors of their own (CLONE_FS
 * and CLONE_FILES of unshare(2), as smbd does); most share those of the first,
 * or of the one before. */
static void scan_threads(const struct scan *s, const char *pid, struct held *h)
{
	char path[64], task[TASK_BYTES];
	pid_t first = atoi(pid), fs = first, files = first;
	snprintf(path, sizeof(path), "/proc/%.20s/task", pid);
	CLEANUP_CLOSEDIR DIR *d = opendir(path);
	struct dirent *de;
	while (d && (de = readdir(d))) {
		pid_t tid = atoi(de->d_name);
		if (tid <= 0 || tid == first)
			continue;
		snprintf(task, sizeof(task), "%d/task/%d", first, tid);
		if (!are_shared(KCMP_FS, first, tid) &&
		    !are_shared(KCMP_FS, fs, tid)) {
			scan_links(s, task, h);
			fs = tid;
		}
		if (!are_shared(KCMP_FILES, first, tid) &&
		    !are_shared(KCMP_FILES, files, tid)) {
			scan_fds(s, task, h);
			files = tid;
		}
	}
}

static void *read_maps(void *arg)
{
	CLEANUP_FREE char *path = arg;
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char part[4096], *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	ssize_t n;
	if (!out)
		abort();
	while (fd >= 0 && (n = read(fd, part, sizeof(part))) > 0)
		fwrite(part, 1, (size_t)n, out);
	fclose(out);
	return text;
}

static char overdue[TASK_BYTES]; /* the one that was not read in time */

/* maps_of - owned by the caller. What is in /proc takes a lock of the process,
 * which that may hold for as long as it likes: then NULL after a second, and
 * from then on for all. */
static char *maps_of(const char *task)
{
	struct timespec end;
	pthread_t reader;
	char *path;
	void *text;
	if (*overdue)
		return NULL;
	if (asprintf(&path, "/proc/%s/maps", task) < 0 ||
	    pthread_create(&reader, NULL, read_maps, path) != 0)
		abort();
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec++;
	if (pthread_clockjoin_np(reader, &text, CLOCK_MONOTONIC, &end) == 0)
		return text;
	snprintf(overdue, sizeof(overdue), "%s", task);
	pthread_detach(reader);
	return NULL;
}

/* "start-end rw-s offset major:minor inode      path" */
static void scan_maps(const struct scan *s, const char *task, struct held *h)
{
	CLEANUP_FREE char *text = maps_of(task);
	char *line, *save;
	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char perms[5];
		unsigned major, minor;
		int at = 0;
		if (sscanf(line, "%*s %4s %*s %x:%x %*s %n", perms, &major,
			   &minor, &at) < 3 ||
		    !at || perms[1] != 'w' || perms[3] != 's')
			continue;
		if (path_is_below(line + at, s->root) &&
		    is_wanted(s, task, -1, makedev(major, minor)))
			h->maps++;
	}
}

static void add_count(char *text, size_t size, unsigned n, const char *one,
		      const char *many)
{
	size_t len = strlen(text);
	if (n)
		snprintf(text + len, size - len, "%s%u %s", len ? ", " : "", n,
			 n == 1 ? one : many);
}

/* process_holds - describe it in ret->what; `task` is one of it. */
static bool process_holds(const struct scan *s, const char *pid,
			  const char *task, struct holder *ret)
{
	struct held h = {.stands = NULL};
	scan_links(s, task, &h);
	scan_fds(s, task, &h);
	scan_threads(s, pid, &h);
	scan_exe(s, task, &h);
	if (s->where == HOLDERS_BELOW) {
		scan_maps(s, task, &h);
		h.others = 0;
	}
	char *what = ret->what;
	size_t size = sizeof(ret->what);
	*what = 0;
	if (strcmp(task, overdue) == 0) {
		snprintf(what, size, "mappings that cannot be looked at");
		return true;
	}
	if (!h.stands && !h.dirs && !h.writes && !h.maps && !h.others)
		return false;
	if (h.stands) {
		CLEANUP_FREE char *link = text_printable(h.link);
		snprintf(what, size, "%s %.90s", h.stands, link);
	}
	add_count(what, size, h.dirs, "directory", "directories");
	add_count(what, size, h.writes, "file for writing",
		  "files for writing");
	add_count(what, size, h.maps, "writable mapping", "writable mappings");
	add_count(what, size, h.others, "file", "files");
	return true;
}

static void process_name(const char *pid, char *name, size_t size)
{
	char path[64], line[32] = "";
	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f))
		line[strcspn(line, "\n")] = 0;
	CLEANUP_FREE char *text = text_printable(line);
	snprintf(name, size, "%s", text);
}

static bool is_one_of(const char *pid, const pid_t *pids, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (atoi(pid) == pids[i])
			return true;
	}
	return false;
}

/* One of us, a child between its fork and its exec included: nobody who
 * writes around the mount. */
static bool is_ours(const char *task)
{
	char path[TASK_BYTES + 48], exe[PATH_MAX], own[PATH_MAX];
	snprintf(path, sizeof(path), "/proc/%s/exe", task);
	ssize_t n = readlink(path, exe, sizeof(exe));
	return n >= 0 && readlink("/proc/self/exe", own, sizeof(own)) == n &&
	       memcmp(exe, own, (size_t)n) == 0;
}

unsigned holders_list(const char *root, enum holders_where where,
		      const pid_t *except, unsigned n_except,
		      struct holder **ret)
{
	struct scan s = {.root = root, .where = where};
	unsigned n = 0;
	s.mounted = mount_device(root, &s.mount_dev);
	*ret = NULL;
	CLEANUP_CLOSEDIR DIR *d = opendir("/proc");
	struct dirent *de;
	while (d && (de = readdir(d))) {
		struct holder h;
		char task[TASK_BYTES];
		if (!isdigit((unsigned char)de->d_name[0]) ||
		    is_one_of(de->d_name, except, n_except))
			continue;
		bool lives = task_of(de->d_name, task);
		if ((where == HOLDERS_BELOW && (!lives || is_ours(task))) ||
		    !process_holds(&s, de->d_name, task, &h))
			continue;
		h.pid = atoi(de->d_name);
		process_name(de->d_name, h.program, sizeof(h.program));
		*ret = reallocarray(*ret, n + 1, sizeof(h));
		if (!*ret)
			abort();
		(*ret)[n++] = h;
	}
	return n;
}

char *holders_text(const struct holder *holders, unsigned n)
{
	char text[HOLDER_SHOWN * 64] = "";
	size_t len = 0;
	for (unsigned i = 0; i < n && i < HOLDER_SHOWN; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s%s (%d)", len ? ", " : "",
					holders[i].program,
					(int)holders[i].pid);
	if (n > HOLDER_SHOWN)
		snprintf(text + len, sizeof(text) - len, " and %u more",
			 n - HOLDER_SHOWN);
	return n ? strdup(text) : NULL;
}
