/* The mount itself: made, and taken away when nothing can serve it. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "activity.h"
#include "clock.h"
#include "fs/lookback.h"
#include "fs/lower.h"
#include "fs/supervisor-private.h"
#include "journal.h"
#include "log.h"
#include "mounts.h"
#include "owed.h"
#include "shared.h"

/* <linux/statfs.h> of the kernel has it, glibc does not */
#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

/* The flags that the lower mount has are those of the overlay. */
static unsigned long lower_mount_flags(int lower_fd)
{
	static const struct {
		unsigned long st, ms;
	} map[] = {
		{ST_RDONLY, MS_RDONLY},	    {ST_NOSUID, MS_NOSUID},
		{ST_NODEV, MS_NODEV},	    {ST_NOEXEC, MS_NOEXEC},
		{ST_NOATIME, MS_NOATIME},   {ST_NODIRATIME, MS_NODIRATIME},
		{ST_RELATIME, MS_RELATIME}, {ST_NOSYMFOLLOW, MS_NOSYMFOLLOW},
	};
	struct statvfs st;
	unsigned long flags = 0;
	if (fstatvfs(lower_fd, &st) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		if (st.f_flag & map[i].st)
			flags |= map[i].ms;
	}
	/* mount(2) takes none of them for relatime */
	if (!(flags & (MS_NOATIME | MS_RELATIME)))
		flags |= MS_STRICTATIME;
	return flags;
}

/* Who may write in a folder above the root can put a symbolic link into its
 * path at any time. So what was opened must be what was asked for, and that
 * is what is mounted over, whatever the path means by then. */
int supervisor_open_root(struct supervisor *s)
{
	char link[LOWER_LINK_BYTES], path[PATH_MAX];
	s->lower_fd = open(s->cfg->root,
			   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->lower_fd < 0)
		return -errno;
	ssize_t n = readlink(lower_link_path(s->lower_fd, link), path,
			     sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	if (strcmp(path, s->cfg->root) != 0)
		return -ELOOP;
	/* before we change it ourselves, by what is owed */
	struct stat st;
	if (fstat(s->lower_fd, &st) < 0)
		return -errno;
	s->at.root_ctime_ns = clock_ctime_ns(&st);
	return 0;
}

int supervisor_mount(struct supervisor *s)
{
	struct stat st;
	if (fstat(s->lower_fd, &st) < 0)
		return -errno;
	s->at.mounted_ns = clock_wall_ns();
	s->fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (s->fuse_fd < 0)
		return -errno;
	char source[512], data[256], link[LOWER_LINK_BYTES];
	snprintf(source, sizeof(source), "mirrorfs#%s", s->cfg->name);
	snprintf(data, sizeof(data),
		 "fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other,"
		 "default_permissions",
		 s->fuse_fd, st.st_mode & S_IFMT);
	if (mount(source, lower_link_path(s->lower_fd, link), "fuse.mirrorfs",
		  lower_mount_flags(s->lower_fd), data) < 0)
		return -errno;
	s->mounted = true;
	mount_device(s->cfg->root, &s->device);
	return 0;
}

bool supervisor_is_there(struct supervisor *s)
{
	dev_t device;
	return mount_device(s->cfg->root, &device) && device == s->device;
}

void supervisor_abort(struct supervisor *s)
{
	close(s->fuse_fd); /* nobody else has it: the kernel fails all */
	s->fuse_fd = -1;
}

/* If it was taken away first, whoever writes in between would reach the bare
 * tree. Linux can put a mount beneath another one, but not everywhere. */
int supervisor_cover(struct supervisor *s)
{
	s->covered++;
	return supervisor_mount(s);
}

/* What programs have open on a dead mount stays dead; it must not keep the
 * root. Never the mount below. */
void supervisor_uncover(struct supervisor *s)
{
	for (; s->covered > 0 && mount_is_mirrorfs(s->cfg->root); s->covered--)
		umount2(s->cfg->root, MNT_DETACH | UMOUNT_NOFOLLOW);
}

/* ---- umount -l ---- */

#define BARE_NS	      (2 * NS_PER_S)
#define BARE_RETRY_MS 1000

/* Everything is compared at the next mount, or not, after all. */
static int rescan(const struct supervisor *s, int64_t since_ns)
{
	struct journal *j;
	int r = journal_open(s->cfg->state_dir, JOURNAL_WRITE, &j);
	if (r == 0) {
		r = journal_rescan_next(j, since_ns);
		journal_close(j);
	}
	return r;
}

/* note_bare - for now the tree keeps it if the journal cannot. The worker may
 * take that away again once its own affairs are settled. */
static void note_bare(struct supervisor *s)
{
	int r = s->late ? s->late : rescan(s, s->bare_since_ns);
	s->bare_owed = r < 0;
	if (r < 0)
		r = owed_note(s->lower_fd, s->bare_since_ns);
	if (r < 0)
		log_error("cannot note that the mount was taken away: %s",
			  strerror(-r));
}

void supervisor_look(struct supervisor *s)
{
	dev_t device;
	if (!s->mounted || !s->ready || s->stopping || s->bare_ns ||
	    mount_device(s->cfg->root, &device))
		return;
	s->bare_ns = clock_mono_ns();
	s->bare_since_ns = clock_wall_ns();
	note_bare(s);
}

bool supervisor_bare_noted(struct supervisor *s)
{
	if (s->bare_owed && !s->late)
		s->bare_owed = rescan(s, s->bare_since_ns) < 0;
	return !s->bare_owed;
}

int supervisor_bare(struct supervisor *s)
{
	int again = supervisor_bare_noted(s) ? -1 : BARE_RETRY_MS;
	if (!s->bare_ns || s->bare_said)
		return again;
	int64_t left = s->bare_ns + BARE_NS - clock_mono_ns();
	if (left > 0)
		return (int)(left / NS_PER_MS) + 1;
	s->bare_said = true;
	log_error("%s was unmounted lazily (umount -l): what is open goes on, "
		  "but who opens it now writes past mirrorfs; end the programs "
		  "that use it and mount it again, then everything is compared",
		  s->cfg->root);
	return again;
}

void supervisor_ends(struct supervisor *s)
{
	if (!s->bare_ns || clock_mono_ns() - s->bare_ns >= BARE_NS)
		return;
	s->bare_owed = false;
	if (!s->late && rescan(s, -1) < 0)
		log_info("everything is compared at the next mount");
}

/* ---- while nothing is mounted ---- */

void supervisor_stamp(struct supervisor *s)
{
	struct journal *j;
	if (shared_pinned(s->shared))
		return;
	int r = journal_open(s->cfg->state_dir, JOURNAL_WRITE, &j);
	if (r == 0) {
		r = stamps_take(j, s->lower_fd);
		journal_close(j);
	}
	if (r < 0)
		log_info("what is changed before the next mount will not be "
			 "noticed: %s",
			 strerror(-r));
}

static int look_back(struct supervisor *s)
{
	struct journal *j;
	int r = journal_open(s->cfg->state_dir, JOURNAL_WRITE, &j);
	if (r == 0) {
		r = stamps_look(j, s->shared, s->lower_fd, &s->at);
		journal_close(j);
	}
	if (r < 0)
		log_info("what was changed before the mount is looked for at "
			 "the next one: %s",
			 strerror(-r));
	return r;
}

void supervisor_look_back(struct supervisor *s)
{
	if (s->late || shared_pinned(s->shared))
		return;
	pid_t pid = fork();
	if (pid != 0) {
		s->looker = pid > 0 ? pid : 0;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(s->fuse_fd);
	deposits_hang_up(&s->deposits);
	_exit(look_back(s) < 0);
}
