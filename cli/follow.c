/*
 * Where a PATH in the tree leads. No record has a symbolic link on its way, so
 * those of the operand are followed, one after the other. Each is looked for by a
 * child: who asks a tree that hangs cannot give up.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "clock.h"
#include "paths.h"

#define PATIENCE_NS (5 * NS_PER_S)

/* follow - the absolute `path` with the first link on its way replaced by what it
 * says, owned by the caller; NULL: there is none. `last`: its last name counts,
 * too, as it does with a slash behind it. */
static char *follow(const char *path, bool last)
{
	CLEANUP_FREE char *way = text_copy("/");
	for (const char *p = path;;) {
		char to[PATH_MAX], *next;
		p += strspn(p, "/");
		size_t len = strcspn(p, "/");
		if (!len || (!last && !p[len]))
			return NULL;
		CLEANUP_FREE char *name = strndup(p, len);
		char *at = path_normalise(name, way);
		p += len;
		ssize_t n = readlink(at, to, sizeof(to));
		if (n > 0 && asprintf(&next, "%s/%.*s%s", *to == '/' ? "" : way,
				      (int)n, to, p) < 0)
			abort();
		free(n > 0 ? at : way);
		if (n > 0)
			return next;
		way = at;
	}
}

/* answer_read - all that the child says, owned by the caller; NULL: it says nothing
 * until `end_ns` (0: for ever). */
static char *answer_read(int fd, int64_t end_ns)
{
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	char *text = NULL;
	ssize_t n = 1;
	for (size_t len = 0; n > 0; len += (size_t)n) {
		int64_t ms = (end_ns - clock_mono_ns()) / NS_PER_MS;
		int limit = !end_ns ? -1 : ms < 0 ? 0 : (int)(ms & INT_MAX);
		if (poll(&answer, 1, limit) == 0) {
			free(text);
			return NULL;
		}
		text = realloc(text, len + PATH_MAX + 1);
		if (!text)
			abort();
		n = read(fd, text + len, PATH_MAX);
		text[len + (n > 0 ? (size_t)n : 0)] = 0;
	}
	return text;
}

/* follow_apart - 1 with the next path in *path, 0: there is no link any more;
 * -ETIMEDOUT: the tree does not answer. */
static int follow_apart(char **path, bool last, int64_t end_ns)
{
	int fds[2];
	if (pipe(fds) < 0)
		abort();
	pid_t pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		char *next = follow(*path, last);
		if (next && write(fds[1], next, strlen(next)) < 0)
			_exit(1);
		_exit(0);
	}
	close(fds[1]);
	char *next = answer_read(fds[0], end_ns);
	close(fds[0]);
	if (!next)
		kill(pid, SIGKILL); /* and is left to the disk it may wait for */
	else
		waitpid(pid, NULL, 0);
	if (!next || !*next) {
		free(next);
		return next ? 0 : -ETIMEDOUT;
	}
	free(*path);
	*path = next;
	return 1;
}

/* follow_all - the operand, and what it becomes with each link: the tree paths
 * among them. Returns 0, or -ETIMEDOUT: there may be more. */
static int follow_all(const struct target *t, const char *operand, bool last,
		      int64_t end_ns, struct ways *ret)
{
	CLEANUP_FREE char *cwd = getcwd(NULL, 0);
	bool inside = cwd && path_is_below(cwd, t->root);
	char *path;
	int r = 1;
	*ret = (struct ways){0};
	if (asprintf(&path, "%s/%s",
		     *operand == '/' ? ""
		     : inside	     ? cwd
				     : t->root,
		     operand) < 0)
		abort();
	for (int links = 0; r > 0 && links <= MAX_LINKS; links++) {
		CLEANUP_FREE char *plain = path_normalise(path, "/");
		ret->leaves = !path_is_below(plain, t->root);
		if (!ret->leaves)
			ret->paths[ret->n++] = path_rebase(plain, t->root, "");
		r = follow_apart(&path, last, end_ns);
	}
	free(path);
	if (!ret->n)
		fail("%s is not below %s", operand, t->root);
	return r < 0 ? r : 0;
}

void ways_done(struct ways *w)
{
	while (w->n)
		free(w->paths[--w->n]);
}

/* is_link - what is meant is the link, wherever it leads; with none on the way to
 * it. */
static bool is_link(const struct target *t, const char *path,
		    const char *operand)
{
	const struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
				     .resolve = RESOLVE_NO_SYMLINKS};
	struct stat st;
	CLEANUP_FREE char *at = path_join(t->root, path);
	CLEANUP_CLOSE int fd = (int)syscall(SYS_openat2, AT_FDCWD, at, &how,
					    sizeof(how));
	return operand[strlen(operand) - 1] != '/' && fd >= 0 &&
	       fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
}

int target_ways(const struct target *t, const char *operand, int64_t end_ns,
		struct ways *ret)
{
	int64_t least = clock_mono_ns() + PATIENCE_NS;
	int r = follow_all(t, operand, true,
			   end_ns && end_ns < least ? least : end_ns, ret);
	if (ret->n && r < 0)
		fail("timed out: %s does not answer", t->root);
	else if (ret->n && ret->leaves &&
		 !is_link(t, ret->paths[ret->n - 1], operand))
		fail("%s leads out of %s, where nothing is mirrored", operand,
		     t->root);
	else if (ret->n)
		return EXIT_YES;
	ways_done(ret);
	return EXIT_NO;
}

char *target_path(const struct target *t, const char *operand)
{
	struct ways w;
	char *path = NULL;
	if (follow_all(t, operand, false, clock_mono_ns() + PATIENCE_NS, &w) <
		    0 &&
	    w.n)
		fail("%s does not answer: no symbolic link is seen in it",
		     t->root);
	if (w.n)
		path = text_copy(w.paths[w.n - 1]);
	ways_done(&w);
	return path;
}
