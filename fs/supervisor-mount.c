/* The mount itself: made, and taken away when nothing can serve it. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "activity.h"
#include "cleanup.h"
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

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x200 /* Linux 6.5 */
#endif

/* lower_mount_flags - what the lower mount has is what the overlay has; as for
 * mount(2), and as fsmount(2) names it. */
static unsigned long lower_mount_flags(int lower_fd, unsigned *ret_attr)
{
	static const struct {
		unsigned long st, ms;
		unsigned attr;
	} map[] = {
		{ST_RDONLY, MS_RDONLY, MOUNT_ATTR_RDONLY},
		{ST_NOSUID, MS_NOSUID, MOUNT_ATTR_NOSUID},
		{ST_NODEV, MS_NODEV, MOUNT_ATTR_NODEV},
		{ST_NOEXEC, MS_NOEXEC, MOUNT_ATTR_NOEXEC},
		{ST_NOATIME, MS_NOATIME, MOUNT_ATTR_NOATIME},
		{ST_NODIRATIME, MS_NODIRATIME, MOUNT_ATTR_NODIRATIME},
		{ST_RELATIME, MS_RELATIME, MOUNT_ATTR_RELATIME},
		{ST_NOSYMFOLLOW, MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW},
	};
	struct statvfs st;
	unsigned long flags = 0;
	*ret_attr = 0;
	if (fstatvfs(lower_fd, &st) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		if (st.f_flag & map[i].st) {
			flags |= map[i].ms;
			*ret_attr |= map[i].attr;
		}
	}
	/* mount(2) takes none of them for relatime, fsmount(2) does so, too */
	if (!(flags & (MS_NOATIME | MS_RELATIME))) {
		flags |= MS_STRICTATIME;
		*ret_attr |= MOUNT_ATTR_STRICTATIME;
	}
	return flags;
}

/* Who may write in a folder above the root can put a symbolic link into its
 * path at any time. So what was opened must be what was asked for, and that
 * is what is mounted over, whatever the path means by then. */
int supervisor_take_root(struct supervisor *s)
{
	s->lower_fd = s->cfg->lower_fd;
	if (s->cfg->dead_fd >= 0) {
		/* all but the one that is replaced */
		s->covered = mount_count(s->cfg->root) - 1;
	} else {
		int r = mount_fd_is_at(s->lower_fd, s->cfg->root);
		if (r < 0)
			return r;
	}
	/* before we change it ourselves, by what is owed */
	struct stat st;
	if (fstat(s->lower_fd, &st) < 0)
		return -errno;
	s->at.root_ctime_ns = clock_ctime_ns(&st);
	return 0;
}

/* fuse_begin - a connection that is mounted nowhere yet. */
static int fuse_begin(struct supervisor *s)
{
	s->at.mounted_ns = clock_wall_ns();
	s->fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	return s->fuse_fd < 0 ? -errno : 0;
}

/* The options of a mount: those with a value, then those without. */
enum { FD, ROOTMODE, USER, GROUP, VALUES };
static const char *const value_keys[] = {
	[FD] = "fd",
	[ROOTMODE] = "rootmode",
	[USER] = "user_id",
	[GROUP] = "group_id",
};
static const char *const flag_keys[] = {"allow_other", "default_permissions"};
#define FLAGS (sizeof(flag_keys) / sizeof(flag_keys[0]))

static void mount_values(const struct supervisor *s, char out[VALUES][16])
{
	struct stat st = {.st_mode = S_IFDIR};
	fstat(s->lower_fd, &st);
	snprintf(out[FD], sizeof(out[0]), "%d", s->fuse_fd);
	snprintf(out[ROOTMODE], sizeof(out[0]), "%o", st.st_mode & S_IFMT);
	strcpy(out[USER], "0");
	strcpy(out[GROUP], "0");
}

static void mount_source(const struct supervisor *s, char out[512])
{
	snprintf(out, 512, "mirrorfs#%s", s->cfg->name);
}

static void mount_made(struct supervisor *s)
{
	s->mounted = true;
	s->mount_id = mount_number(s->cfg->root);
}

/* mount_over - what `fd` is on, and all that is mounted there already. */
static int mount_over(struct supervisor *s, int fd)
{
	char source[512], data[256] = "", values[VALUES][16],
			  link[LOWER_LINK_BYTES];
	size_t n = 0;
	unsigned attr;
	mount_source(s, source);
	mount_values(s, values);
	for (unsigned i = 0; i < VALUES; i++)
		n += (size_t)snprintf(data + n, sizeof(data) - n, "%s=%s,",
				      value_keys[i], values[i]);
	for (unsigned i = 0; i < FLAGS; i++)
		n += (size_t)snprintf(data + n, sizeof(data) - n, "%s%s",
				      i ? "," : "", flag_keys[i]);
	if (mount(source, lower_link_path(fd, link), "fuse.mirrorfs",
		  lower_mount_flags(s->lower_fd, &attr), data) < 0)
		return -errno;
	mount_made(s);
	return 0;
}

int supervisor_mount(struct supervisor *s)
{
	/* since it was looked at: replicas take their time to answer */
	if (mount_is_mirrorfs(s->cfg->root)) {
		log_error("%s was mounted by another name meanwhile: see "
			  "mirrorfs status", s->cfg->root);
		return -EBUSY;
	}
	int r = fuse_begin(s);
	return r < 0 ? r : mount_over(s, s->lower_fd);
}

/* mount_detached - a mount that is nowhere yet. Returns its descriptor. */
static int mount_detached(const struct supervisor *s)
{
	char source[512], values[VALUES][16];
	unsigned attr;
	unsigned long flags = lower_mount_flags(s->lower_fd, &attr);
	CLEANUP_CLOSE int fs = fsopen("fuse", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	mount_source(s, source);
	mount_values(s, values);
	int r = fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0);
	if (r == 0)
		r = fsconfig(fs, FSCONFIG_SET_STRING, "subtype", "mirrorfs", 0);
	for (unsigned i = 0; r == 0 && i < VALUES; i++)
		r = fsconfig(fs, FSCONFIG_SET_STRING, value_keys[i], values[i],
			     0);
	for (unsigned i = 0; r == 0 && i < FLAGS; i++)
		r = fsconfig(fs, FSCONFIG_SET_FLAG, flag_keys[i], NULL, 0);
	if (r == 0 && flags & MS_RDONLY) /* also of the file system */
		r = fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0);
	if (r == 0)
		r = fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r == 0)
		r = fsmount(fs, FSMOUNT_CLOEXEC, attr);
	return r < 0 ? -errno : r;
}

/* mount_instead - of the dead one that `dead_fd` is on: beneath it, so that
 * nobody ever reaches the tree below, then the dead one goes. */
static int mount_instead(struct supervisor *s, int dead_fd)
{
	char link[LOWER_LINK_BYTES];
	CLEANUP_CLOSE int fd = mount_detached(s);
	if (fd < 0)
		return fd;
	if (move_mount(fd, "", dead_fd, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH |
			       MOVE_MOUNT_BENEATH) < 0)
		return -errno;
	/* a thread of a dead worker may keep its connection: not any longer */
	if (umount2(lower_link_path(dead_fd, link), MNT_FORCE | MNT_DETACH) <
	    0) {
		s->covered++; /* the one that is beneath is of no use */
		return -errno;
	}
	mount_made(s);
	return 0;
}

bool supervisor_is_there(const struct supervisor *s)
{
	return mount_is_at(s->mount_id, s->cfg->root) > 0;
}

int supervisor_unmount(struct supervisor *s, char **ret_why)
{
	*ret_why = NULL;
	if (!s->mounted)
		return 0;
	if (!s->bare_ns)
		s->bare_since_ns = clock_wall_ns();
	if (s->mount_id < 0) /* it could not be told when it was made */
		s->mount_id = mount_number(s->cfg->root);
	int r = mount_may_go(s->mount_id, s->cfg->root, ret_why);
	if (r == 0 && umount2(s->cfg->root, UMOUNT_NOFOLLOW) < 0)
		r = -errno;
	if (r < 0 && r != -ENOENT && r != -EINVAL)
		return r;
	s->mounted = false;
	supervisor_uncover(s);
	return 0;
}

void supervisor_abort(struct supervisor *s)
{
	if (s->fuse_fd >= 0)
		close(s->fuse_fd); /* nobody else has it: all calls fail */
	s->fuse_fd = -1;
}

int supervisor_cover(struct supervisor *s, int dead_fd)
{
	char link[LOWER_LINK_BYTES];
	if (!mount_is_ours(dead_fd, s->cfg->root, NULL))
		return -EBUSY;
	int r = fuse_begin(s);
	if (r == 0)
		r = mount_instead(s, dead_fd);
	if (r == 0)
		return 0;
	log_debug("the dead mount stays below: %s", strerror(-r));
	/* its connection goes with this, if a dead worker keeps it; the mount is
	 * in use, by dead_fd, and stays (EBUSY) */
	umount2(lower_link_path(dead_fd, link), MNT_FORCE);
	supervisor_abort(s); /* it belongs to what was tried */
	s->covered++;
	r = fuse_begin(s);
	return r < 0 ? r : mount_over(s, dead_fd);
}

/* What programs have open on a dead mount stays dead; it must not keep the
 * root. Never the mount below. */
void supervisor_uncover(struct supervisor *s)
{
	for (; s->covered > 0 && mount_is_mirrorfs(s->cfg->root); s->covered--)
		umount2(s->cfg->root, MNT_DETACH | UMOUNT_NOFOLLOW);
}

/* Or else, until the next mount, everybody would write to the bare tree. What is
 * there may be the mount of somebody else, who was sooner. */
bool supervisor_stays_closed(const struct supervisor *s)
{
	if (s->cfg->dead_fd < 0 || s->ready)
		return false;
	return (s->mounted && supervisor_is_there(s)) ||
	       mount_is_ours(s->cfg->dead_fd, s->cfg->root, NULL);
}

/* ---- umount -l ---- */

#define BARE_NS	      (2 * NS_PER_S)
#define BARE_END_MS   50
#define BARE_LOOK_MS  100
#define BARE_RETRY_MS 1000

/* Everything is compared at the next mount, or not, after all. */
static int rescan(const struct supervisor *s, int64_t since_ns)
{
	struct journal *j;
	int r = journal_open(s->cfg->state_dir, JOURNAL_WRITE, &j);
	if (r == 0) {
		journal_tell_lost(j, s->shared);
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

/* has_ended - the kernel has ended the connection, or does so within `ms`: the
 * worker need not have heard of that yet. fuse_dev_poll says EPOLLERR then. */
static bool has_ended(const struct supervisor *s, int ms)
{
	struct pollfd p = {.fd = s->fuse_fd};
	return s->fuse_fd < 0 || (poll(&p, 1, ms) > 0 && p.revents & POLLERR);
}

void supervisor_look(struct supervisor *s)
{
	if (!s->mounted || !s->ready || s->stopping || s->bare_ns ||
	    mount_is_at(s->mount_id, s->cfg->root) != 0)
		return;
	s->bare_ns = clock_mono_ns();
	s->bare_since_ns = clock_wall_ns();
	if (has_ended(s, BARE_END_MS)) /* its place goes before it does */
		s->gone_ns = s->bare_ns;
	note_bare(s);
	worker_listen(s); /* that may have taken a while */
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
	if (s->bare_ns && s->failed) /* out of service, so there is no worker */
		s->stopping = true;
	if (!s->bare_ns || s->bare_said || s->gone_ns)
		return again;
	int64_t now = clock_mono_ns();
	worker_listen(s);
	if (!s->gone_ns && has_ended(s, 0))
		s->gone_ns = now;
	if (s->gone_ns)
		return again;
	if (now < s->bare_ns + BARE_NS)
		return BARE_LOOK_MS;
	s->bare_said = true;
	log_error("%s was unmounted lazily (umount -l): what is open goes on, "
		  "but who opens it now writes past mirrorfs; end the programs "
		  "that use it and mount it again, then everything is compared",
		  s->cfg->root);
	return again;
}

void supervisor_ends(struct supervisor *s)
{
	int64_t end_ns = s->gone_ns ? s->gone_ns : clock_mono_ns();
	if (!s->bare_ns)
		return;
	if (end_ns - s->bare_ns >= BARE_NS) {
		log_info("the mount was used for too long after it was taken "
			 "away: everything is compared at the next one");
		return;
	}
	s->bare_owed = false;
	if (!s->late && rescan(s, -1) < 0)
		log_info("everything is compared at the next mount");
}

/* ---- while nothing is mounted ---- */

static void stamp(struct supervisor *s)
{
	int64_t gone_ns = s->bare_since_ns;
	struct journal *j;
	if (shared_pinned(s->shared))
		return;
	int r = journal_open(s->cfg->state_dir, JOURNAL_WRITE, &j);
	if (r == 0) {
		r = stamps_take(j, s->lower_fd,
				gone_ns ? gone_ns : clock_wall_ns());
		journal_close(j);
	}
	if (r < 0)
		log_info("what is changed before the next mount will not be "
			 "noticed: %s",
			 strerror(-r));
}

static void note_lost(struct supervisor *s)
{
	if (activity_lose(s->cfg->state_dir) < 0)
		owed_note(s->lower_fd, clock_wall_ns());
}

/* has_lost - a sync has failed, and the next mount knows: of the journal's the
 * worker may not have lived to note it. */
static bool has_lost(struct supervisor *s)
{
	if (!shared_lost(s->shared))
		return activity_has_lost(s->cfg->state_dir);
	note_lost(s);
	return true;
}

/* note_left - what its last call does to the tree is seen by nobody, and the next
 * worker has lifted its marks. */
static void note_left(struct supervisor *s)
{
	log_warning("a worker that was given up has not ended; everything is "
		    "compared at the next mount");
	if (s->late || rescan(s, s->left_since_ns) < 0)
		owed_note(s->lower_fd, s->left_since_ns);
}

void supervisor_put_stop(struct supervisor *s)
{
	bool left = worker_left(s);
	if (left)
		note_left(s);
	int r = supervisor_drain(s, true, NULL);
	bool lost = has_lost(s);
	if (r < 0 || !supervisor_bare_noted(s)) {
		if (!s->bare_owed && syncfs(s->lower_fd) == 0)
			owed_put_away(s->lower_fd);
		return;
	}
	if (left)
		return;
	if (syncfs(s->lower_fd) < 0) {
		log_error("the tree cannot be synced: %s; everything is "
			  "compared at the next mount",
			  strerror(errno));
		note_lost(s);
		return;
	}
	if (lost) {
		log_warning("a disk has lost what was to be synced; everything "
			    "is compared at the next mount");
		return;
	}
	owed_clear(s->lower_fd); /* it changes what is stamped */
	stamp(s);
	supervisor_event(s, OP_STOP);
	if (supervisor_drain(s, true, NULL) >= 0)
		(void)activity_set_synced(s->cfg->state_dir,
					  shared_last_seq(s->shared));
}

static int look_back(struct supervisor *s)
{
	struct journal *j;
	int r = journal_open(s->cfg->state_dir, JOURNAL_WRITE, &j);
	if (r == 0) {
		journal_tell_lost(j, s->shared);
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
	if (s->ready_fd >= 0)
		close(s->ready_fd);
	deposits_hang_up(&s->deposits);
	_exit(look_back(s) < 0);
}
