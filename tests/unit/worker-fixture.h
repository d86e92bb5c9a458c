/*
 * A worker that serves a folder of its own, mounted over itself, for tests of
 * the overlay; no supervisor, no sync. Needs root and /dev/fuse.
 */
#ifndef TEST_WORKER_FIXTURE_H
#define TEST_WORKER_FIXTURE_H

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs.h"
#include "journal.h"

static int64_t wf_lift_ns = 1000000000; /* how often marks are lifted */
static int wf_kept_fd = -1;		/* what a worker leaves to the next */

struct mounted {
	char dir[64], root[80], state[80];
	pid_t worker;
	int root_fd; /* the lower tree, past the mount */
	int fuse_fd, shared_fd; /* for the next worker */
	bool up;
};

static inline int wf_remove(const char *path, const struct stat *st, int type,
			    struct FTW *ftw)
{
	return remove(path);
}

/* The worker's process; only what it needs is open. */
static inline void wf_serve(const struct mounted *m)
{
	struct worker_config cfg = {
		.state_dir = m->state,
		.fuse_fd = m->fuse_fd,
		.lower_fd = m->root_fd,
		.shared_fd = m->shared_fd,
		.kept_fd = wf_kept_fd,
		.deposit_fd = -1,
		.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.lift_ns = wf_lift_ns,
	};
	/* if the test is killed, nothing shall stay */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	int status = worker_main(&cfg);
	umount2(m->root, MNT_DETACH);
	exit(status);
}

/* wf_up_limited - mount it in a new folder, which is the working directory
 * then. The worker may have `files` descriptors (0: what we may have). */
static inline void wf_up_limited(struct mounted *m, rlim_t files)
{
	struct journal *j;
	uint64_t first;
	char options[128];
	*m = (struct mounted){.dir = "/tmp/mirrorfs-worker.XXXXXX"};
	assert_non_null(mkdtemp(m->dir));
	snprintf(m->root, sizeof(m->root), "%s/tree", m->dir);
	snprintf(m->state, sizeof(m->state), "%s/state", m->dir);
	assert_int_equal(chmod(m->dir, 0755) | mkdir(m->root, 0755) |
				 mkdir(m->state, 0700),
			 0);
	m->root_fd = open(m->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(journal_open(m->state, JOURNAL_CREATE, &j), 0);
	assert_int_equal(journal_epoch_begin(j, &first), 0);
	journal_close(j);
	assert_int_equal(shared_create(first, &m->shared_fd), 0);
	m->fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	assert_true(m->fuse_fd >= 0);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,"
		 "default_permissions",
		 m->fuse_fd);
	assert_int_equal(mount("test", m->root, "fuse.mirrorfs", 0, options),
			 0);
	m->up = true;
	m->worker = fork();
	if (m->worker == 0 && files)
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){files, files});
	if (m->worker == 0)
		wf_serve(m);
	if (wf_kept_fd < 0) {
		close(m->fuse_fd);
		close(m->shared_fd);
		m->fuse_fd = m->shared_fd = -1;
	}
	assert_int_equal(chdir(m->root), 0);
}

static inline void wf_up(struct mounted *m)
{
	wf_up_limited(m, 0);
}

/* wf_again - another one, after the last has died; wf_kept_fd was set. */
static inline void wf_again(struct mounted *m)
{
	m->worker = fork();
	if (m->worker == 0 && chdir("/") == 0)
		wf_serve(m);
}

/* wf_down - unmount, and the worker must have ended well. The journal stays
 * until wf_done. */
static inline void wf_down(struct mounted *m)
{
	int status = -1;
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(umount2(m->root, UMOUNT_NOFOLLOW), 0);
	m->up = false;
	assert_int_equal(waitpid(m->worker, &status, 0), m->worker);
	assert_int_equal(status, 0);
}

static inline void wf_done(struct mounted *m)
{
	if (m->up) { /* a test has failed */
		(void)!chdir("/");
		umount2(m->root, MNT_DETACH);
		kill(m->worker, SIGTERM);
		waitpid(m->worker, NULL, 0);
	}
	close(m->root_fd);
	if (m->fuse_fd >= 0) {
		close(m->fuse_fd);
		close(m->shared_fd);
	}
	nftw(m->dir, wf_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static inline bool wf_possible(void)
{
	return geteuid() == 0 && access("/dev/fuse", R_OK | W_OK) == 0;
}

/* wf_as - run `fn` in a child as that user; its exit status. */
static inline int wf_as(uid_t uid, gid_t gid, int (*fn)(void))
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (uid && (setgid(gid) < 0 || setuid(uid) < 0))
			_exit(99);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

#endif
