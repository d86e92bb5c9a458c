/*
 * What the supervisor of a mount is asked. One that was stopped, or hangs, does
 * not answer: then nobody waits for it, and what there is to do is said. The same
 * of a disk.
 */
#include "confdefs.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "runtime.h"

#define PATIENCE      4
#define PATIENCE_DISK 10 /* looks, a second apart */

/* process_state - the letter of proc(5), '?' when there is no such process. */
static char process_state(pid_t pid)
{
	char path[64], stat[512] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	const char *name_end =
		f && fgets(stat, sizeof(stat), f) ? strrchr(stat, ')') : NULL;
	return name_end && name_end[1] == ' ' ? name_end[2] : '?';
}

int ask_apart(int (*fn)(void *), void *arg)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		return fn(arg);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(output_end(fn(arg)));
	}
	CLEANUP_CLOSE int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end = {.fd = fd, .events = POLLIN};
	int status = 0;
	for (int n = 0; fd >= 0 && n < PATIENCE_DISK;) {
		if (poll(&end, 1, 1000) > 0)
			break;
		n = process_state(pid) == 'D' ? n + 1 : 0;
		if (n < PATIENCE_DISK)
			continue;
		kill(pid, SIGKILL);
		return fail("it waits for a disk, which has not answered for "
			    "%d s: that of the state folder, or of the tree, "
			    "may hang (see dmesg)",
			    PATIENCE_DISK);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
		       ? WEXITSTATUS(status)
		       : EXIT_NO;
}

char *silence_text(const char *root, const char *state_dir, pid_t pid)
{
	char *text;
	char state = process_state(pid);
	int n;
	if (state == 'T')
		n = asprintf(&text,
			     "the supervisor of %s (process %d) does not "
			     "answer, it was stopped: \"kill -CONT %d\" lets "
			     "it go on",
			     root, (int)pid, (int)pid);
	else
		n = asprintf(&text,
			     "the supervisor of %s (process %d) does not "
			     "answer%s: see %s/mirrorfs.log; if it stays so, "
			     "\"kill -KILL %d\", which closes the tree to its "
			     "users, and \"mirrorfs mount\", which opens it",
			     root, (int)pid,
			     state == 'D'   ? ", it waits for a disk"
			     : state == 't' ? ", a debugger holds it"
					    : "",
			     state_dir, (int)pid);
	if (n < 0)
		abort();
	return text;
}

int target_silent(const struct target *t, const char *but)
{
	CLEANUP_FREE char *text = silence_text(t->root, t->state_dir, t->pid);
	return fail("%s%s", but, text);
}

int ask_status(const char *name, pid_t pid, char **ret_answer)
{
	int r = -ENOTCONN;
	for (int tries = 0; tries < PATIENCE; tries++) {
		r = runtime_ask(name, "status", RUNTIME_SOON_MS, ret_answer);
		char state = process_state(pid);
		if (r != -ETIMEDOUT || state == 'T' || state == 't')
			break;
	}
	return r;
}

bool target_pids(const struct target *t, struct target_pids *ret)
{
	CLEANUP_FREE char *answer = NULL;
	*ret = (struct target_pids){0};
	int r = t->alive ? ask_status(t->name, t->pid, &answer) : -ENOTCONN;
	ret->silent = r == -ETIMEDOUT;
	if (ret->silent)
		ret->supervisor = t->pid;
	if (r < 0)
		return false;
	json_t *o = json_loads(answer, 0, NULL);
	json_int_t seq = 0, since = 0, pinned = 0;
	const char *passthrough = "";
	r = json_unpack(o,
			"{s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:b, s:I, s:s, "
			"s?b, s?i, s?i, s?b}",
			"worker_restarts", &ret->restarts, "supervisor_pid",
			&ret->supervisor, "worker_pid", &ret->worker,
			"sync_pid", &ret->sync, "last_seq", &seq,
			"journal_error", &ret->journal_error,
			"journal_since_ns", &since, "journal_required",
			&ret->journal_required, "pinned", &pinned,
			"passthrough", &passthrough, "failed", &ret->failed,
			"worker_silent_s", &ret->worker_silent_s,
			"sync_silent_s", &ret->sync_silent_s, "looking",
			&ret->looking);
	ret->pinned = pinned;
	ret->journal_since_ns = since;
	snprintf(ret->passthrough, sizeof(ret->passthrough), "%s", passthrough);
	ret->last_seq = (uint64_t)seq;
	json_decref(o);
	return r == 0;
}

int target_wake(const struct target *t)
{
	CLEANUP_FREE char *answer = NULL;
	if (t->alive && runtime_ask(t->name, "wake", RUNTIME_SOON_MS,
				    &answer) == -ETIMEDOUT)
		return target_silent(t, "noted, and done when it goes on: ");
	return EXIT_YES;
}
