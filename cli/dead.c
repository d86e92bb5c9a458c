/*
 * What a supervisor that was killed has left: its children, which see that it
 * is gone, put away what they have and end (they hold the lock of the mount as
 * long); and a mount that answers ENOTCONN. "mirrorfs mount" waits for the
 * first and puts a new mount in place of the second, which is never taken away
 * before: a program that tries again and again would write to the bare tree,
 * and nobody would know. So the tree is opened below it, in a mount namespace
 * of a child, where it is taken away.
 *
 * A worker that is killed in the same moment may stay for ever, with a thread
 * that waits in the kernel for a page of a file; whoever reads that has it
 * locked, and waits for the worker's answer (Linux 6.18, t-supervisor-stuck). So
 * the connection is cut when it does not end soon.
 *
 * Of two that find the same dead mount, one may have mounted again when the
 * other is about to: it is put in place of the one that was opened before it
 * was seen that nobody serves it, if that is the topmost still. A new one is
 * published (runtime.h) before it is mounted.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "clock.h"
#include "mounts.h"
#include "runtime.h"

#define END_WAIT_NS (30 * NS_PER_S)
#define CUT_NS	    (5 * NS_PER_S)
#define ANSWER_NS   (3 * NS_PER_S)

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

/* uncover - in a mount namespace of our own, where `device` is the topmost. Who
 * waits for an answer of what is taken away there is told that there is none.
 * Returns the root of the tree below, or a negative errno. */
static int uncover(const char *root, dev_t device)
{
	dev_t top;
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	if (!mount_device(root, &top) || top != device)
		return -EBUSY;
	/* beneath it may be one that somebody else has just put there */
	int flags = MNT_DETACH | UMOUNT_NOFOLLOW | MNT_FORCE;
	for (; mount_is_mirrorfs(root); flags &= ~MNT_FORCE) {
		if (umount2(root, flags) < 0)
			return -errno;
	}
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = mount_fd_is_at(fd, root);
	return r < 0 ? r : fd;
}

/* uncover_serve - until nobody listens any more. */
static void uncover_serve(const char *root, dev_t device, int sock)
{
	int fd = uncover(root, device);
	(void)!write(sock, &fd, sizeof(fd));
	(void)!read(sock, &fd, sizeof(fd));
}

/* open_below - as uncover, and what is mounted here stays. */
static int open_below(const char *root, dev_t device)
{
	char link[64];
	int sock[2], fd = -EIO;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0) {
		close(sock[0]);
		uncover_serve(root, device, sock[1]);
		_exit(0);
	}
	close(sock[1]);
	if (pid < 0)
		fd = -errno;
	else if (read(sock[0], &fd, sizeof(fd)) != (ssize_t)sizeof(fd))
		fd = -EIO;
	if (fd >= 0) {
		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
		fd = open(link, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	close(sock[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return fd;
}

/* answers - somebody serves it after all, whatever /run says: never cut that.
 * Who waits for an answer in vain cannot be ended, so a child asks. */
static bool answers(const char *root)
{
	struct statfs fs;
	pid_t pid = fork();
	if (pid == 0)
		_exit(statfs(root, &fs) < 0);
	int64_t end = clock_mono_ns() + ANSWER_NS;
	int status = 1;
	while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_mono_ns() > end) {
			kill(pid, SIGKILL);
			return false;
		}
		usleep(2000);
	}
	return pid > 0 && status == 0;
}

static void cut(int fd, const char *root)
{
	dev_t device;
	bool dead = mount_is_ours(fd, root, &device) && !answers(root);
	int below = dead ? open_below(root, device) : -1;
	if (below >= 0)
		close(below);
}

void dead_mount_cut(const char *root)
{
	CLEANUP_CLOSE int fd = open(root, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP_FREE char *text = NULL;
	enum life life = look(root, &text);
	if (life == GONE || life == ENDING)
		cut(fd, root);
}

/* await_end - as look, when nobody is about to end any more. */
static enum life await_end(int fd, const char *root, char **ret_text)
{
	int64_t begin = clock_mono_ns(), now = begin;
	bool is_cut = false;
	enum life life;
	while ((life = look(root, ret_text)) == ENDING &&
	       now - begin < END_WAIT_NS) {
		if (!is_cut && now - begin > CUT_NS) {
			is_cut = true;
			cut(fd, root);
		}
		usleep(20000);
		now = clock_mono_ns();
	}
	return life;
}

/* refuse_over - of one that somebody has mounted something over, dead or not: what
 * was to be the tree then is not the one that the journal tells of. */
static int refuse_over(const char *root, const char *over)
{
	return fail("%s is mounted over %s, where a mirrorfs is mounted: "
		    "unmount that first; nothing was changed",
		    over, root);
}

/* refuse - why it is not mounted. */
static int refuse(enum life life, const char *root, const char *text)
{
	CLEANUP_FREE char *over = mount_covered_by(root);
	if (life == SILENT)
		return fail("nothing was changed: %s", text);
	if (life == ENDING)
		return fail("the processes of an earlier mount of %s have not "
			    "ended yet: see mirrorfs.log in its state folder",
			    root);
	if (over)
		return refuse_over(root, over);
	if (mount_is_mirrorfs(root))
		return fail("%s is already mounted: see mirrorfs status", root);
	return fail("a mirrorfs of %s is alive, though it is not mounted "
		    "there: it is just starting, or was unmounted lazily "
		    "(umount -l) and is in use still; nothing was changed",
		    root);
}

int dead_mount_look(const char *root, int *ret_fd, int *ret_below_fd)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP_CLOSE int fd = open(root, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	enum life life = await_end(fd, root, &text);
	dev_t device;
	*ret_fd = *ret_below_fd = -1;
	if (life != GONE)
		return refuse(life, root, text);
	CLEANUP_FREE char *over = mount_covered_by(root);
	if (over)
		return refuse_over(root, over);
	if (!mount_is_ours(fd, root, &device))
		return 0;
	if (answers(root))
		return fail("%s is mounted and served, but /run/mirrorfs does "
			    "not know of it any more: unmount it first (umount "
			    "%s)",
			    root, root);
	int below = open_below(root, device);
	if (below < 0)
		return fail("%s has a dead mount on it, and what is below "
			    "cannot be opened: %s",
			    root, strerror(-below));
	*ret_fd = fd;
	*ret_below_fd = below;
	fd = -1;
	return 0;
}
