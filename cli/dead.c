/*
 * What a supervisor that was killed has left: its children, which see that it
 * is gone, put away what they have and end (they hold the lock of the mount as
 * long); and a mount that answers ENOTCONN. "mirrorfs mount" waits for the
 * first and takes the second away. What programs have open on a dead mount
 * stays dead, so it may go although it is in use.
 *
 * Of two that find the same dead mount, one may have mounted again when the
 * other comes to take it away. So what is taken away is the mount that was
 * opened before it was seen that nobody serves it, not what is there by then: a
 * new one is published (runtime.h) before it is mounted.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "clock.h"
#include "mounts.h"
#include "runtime.h"

#define END_WAIT_NS (30 * NS_PER_S)

enum life { GONE, ENDING, SILENT, ALIVE };

static enum life life_of(const struct runtime_info *info)
{
	CLEANUP_FREE char *answer = NULL;
	if (!info->alive)
		return GONE;
	int r = ask_status(info->name, info->pid, &answer);
	return r == -ETIMEDOUT ? SILENT : r < 0 ? ENDING : ALIVE;
}

/* The mount over `root`, as its processes are; SILENT: *ret_text says more. */
static enum life look(const char *root, char **ret_text)
{
	struct runtime_info *infos;
	unsigned n;
	enum life life = GONE;
	if (runtime_list(&infos, &n) < 0)
		return GONE;
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(infos[i].root, root) == 0 && life == GONE)
			life = life_of(&infos[i]);
		if (life == SILENT && !*ret_text)
			*ret_text = silence_text(root, infos[i].state_dir,
						 infos[i].pid);
		runtime_info_done(&infos[i]);
	}
	free(infos);
	return life;
}

/* await_end - as look, when nobody is about to end any more. */
static enum life await_end(const char *root, char **ret_text)
{
	int64_t end = clock_mono_ns() + END_WAIT_NS;
	enum life life;
	while ((life = look(root, ret_text)) == ENDING && clock_mono_ns() < end)
		usleep(20000);
	return life;
}

/* take_away - the mount that `fd` is on. */
static int take_away(int fd, const char *root)
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (umount2(link, MNT_DETACH) == 0)
		return 0;
	int error = errno;
	if (!mount_is_ours(fd, root)) /* somebody else has done it */
		return 0;
	return fail("%s has a dead mount on it, which cannot be taken away: %s",
		    root, strerror(error));
}

/* refuse - why nothing is taken away; 0: a mount is about to be there. */
static int refuse(enum life life, const char *root, const char *text)
{
	if (life == SILENT)
		return fail("nothing was changed: %s", text);
	if (life == ENDING)
		return fail("the processes of an earlier mount of %s have not "
			    "ended yet: see mirrorfs.log in its state folder",
			    root);
	return mount_is_mirrorfs(root)
		       ? fail("%s is already mounted: see mirrorfs status",
			      root)
		       : 0;
}

int dead_mount_clear(const char *root)
{
	for (;;) {
		CLEANUP_FREE char *text = NULL;
		CLEANUP_CLOSE int fd =
			open(root, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		enum life life = await_end(root, &text);
		if (life != GONE)
			return refuse(life, root, text);
		if (!mount_is_ours(fd, root))
			return 0;
		int r = take_away(fd, root);
		if (r != 0)
			return r;
	}
}
