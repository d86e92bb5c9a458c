/*
 * mirrorfs umount: asks the supervisor. A mount whose supervisor or worker is
 * gone is a dead FUSE mount; it is taken away here.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "cli/holders.h"
#include "mounts.h"
#include "clock.h"
#include "runtime.h"

#define END_WAIT_NS  (60 * NS_PER_S)
#define BUSY_WAIT_NS (5 * NS_PER_S)

static bool still_alive(const char *name)
{
	struct runtime_info *infos;
	unsigned n;
	bool alive = false;
	if (runtime_list(&infos, &n) < 0)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(infos[i].name, name) == 0)
			alive = infos[i].alive;
		runtime_info_done(&infos[i]);
	}
	free(infos);
	return alive;
}

/* users - who has the mount in use, as text; NULL: nobody that is seen. */
static char *users(const struct target *t)
{
	struct target_pids pids;
	target_pids(t, &pids);
	const pid_t ours[] = {getpid(), (pid_t)pids.supervisor,
			      (pid_t)pids.worker, (pid_t)pids.sync};
	struct holder *holders;
	unsigned n = holders_list(t->root, HOLDERS_MOUNT, ours, 4, &holders);
	char *who = holders_text(holders, n);
	free(holders);
	return who;
}

/* told - by the supervisor, that it did not. */
static int told(const struct target *t, const char *answer)
{
	static const char error[] = "error: ";
	size_t n = strlen(error);
	if (strstr(answer, strerror(EBUSY)))
		return -EBUSY;
	return fail("cannot unmount %s: %s (nothing was changed)", t->root,
		    strncmp(answer, error, n) == 0 ? answer + n : answer);
}

/* withdraw - what an earlier mount has left of itself, unless one of its processes
 * is there still, or somebody has mounted it anew. */
static void withdraw(const char *name)
{
	CLEANUP_CLOSE int lock = runtime_claim(name);
	if (lock >= 0)
		runtime_withdraw(name);
}

static int not_mounted(const struct target *t)
{
	CLEANUP_FREE char *over = mount_covered_by(t->root);
	return over ? fail("cannot unmount %s: %s is mounted over it: unmount "
			   "that first (nothing was changed)",
			   t->root, over)
		    : fail("%s is not mounted", t->root);
}

/* try_stop - asks the supervisor, or unmounts what nobody serves any more; then
 * who waited for it was cut off, and *ret_cut is true. Returns an exit status, or
 * -EBUSY (nothing is said). */
static int try_stop(const struct target *t, bool *ret_cut)
{
	CLEANUP_FREE char *answer = NULL;
	struct target_pids pids;
	int asked =
		target_pids(t, &pids)
			? runtime_ask(t->name, "stop", RUNTIME_LATE_MS, &answer)
		: pids.silent ? -ETIMEDOUT
			      : -ENOTCONN;
	if (asked == -ETIMEDOUT)
		return target_silent(t, "nothing was changed: ");
	if (asked == 0)
		return strcmp(answer, "ok") == 0 ? EXIT_YES : told(t, answer);
	if (!mount_is_mirrorfs(t->root)) {
		withdraw(t->name);
		return not_mounted(t);
	}
	dead_mount_cut(t->root);
	*ret_cut = true;
	int r = umount2(t->root, UMOUNT_NOFOLLOW) < 0 ? -errno : 0;
	if (r == -EBUSY)
		return r;
	/* what it was laid over when it was mounted anew */
	while (mount_is_mirrorfs(t->root) &&
	       umount2(t->root, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	if (mount_is_mirrorfs(t->root))
		return fail("cannot unmount %s: %s", t->root, strerror(-r));
	return EXIT_YES;
}

/* stop - a mount that nobody is seen to use may be busy for a moment: for a
 * program that has just ended, or one that looks through /proc. Of one that was
 * cut off those who use it may be about to end. */
static int stop(const struct target *t)
{
	int64_t end = clock_mono_ns() + BUSY_WAIT_NS;
	bool cut = false;
	int r;
	while ((r = try_stop(t, &cut)) == -EBUSY) {
		CLEANUP_FREE char *who = users(t);
		if ((who && !cut) || clock_mono_ns() > end)
			return fail("%s is in use%s%s: end that first (nothing "
				    "was changed)",
				    t->root, who ? " by " : "", who ? who : "");
		usleep(20000);
	}
	return r;
}

/* await_end - of its processes: the journal is complete then, and nothing more
 * comes to the tree of a call that hung in its disk. */
static int await_end(const struct target *t)
{
	int64_t end = clock_mono_ns() + END_WAIT_NS;
	while (still_alive(t->name)) {
		if (clock_mono_ns() > end)
			return fail("%s is unmounted, but its processes have "
				    "not ended yet",
				    t->root);
		usleep(10000);
	}
	return EXIT_YES;
}

int cmd_umount(int argc, char **argv)
{
	struct target_choice choice = {0};
	const struct option options[] = {
		TARGET_OPTIONS(choice),
		{0},
	};
	int n = options_parse("umount", options, argc, argv);
	if (n < 0)
		return options_exit(n);
	if (n != 1 && !choice.name && !choice.state_dir)
		return fail_usage("umount: name the ROOT");
	struct target t = {0};
	int used;
	int r = target_find(&choice, n, argv, &t, &used);
	if (r == 0 && n > used)
		r = fail("%s is not the root of a mount", argv[used]);
	if (r != 0) {
		target_done(&t);
		return r;
	}
	r = stop(&t);
	if (r == EXIT_YES)
		r = await_end(&t);
	if (r == EXIT_YES)
		withdraw(t.name);
	target_done(&t);
	return r;
}
