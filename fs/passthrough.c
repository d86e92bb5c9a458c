/*
 * See passthrough.h for the rules, and docs/ARCHITECTURE.md for why.
 *
 * Counts go from before the reply to an open to the release: the kernel's own
 * account begins later and ends earlier, so it never finds them mixed.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fuse.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs/caller.h"
#include "fs/content.h"
#include "fs/lower.h"
#include "fs/ops.h"
#include "fs/order.h"
#include "fs/passthrough.h"
#include "log.h"
#include "privileges.h"
#include "shared.h"

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17) &&                                \
	defined(FUSE_DEV_IOC_BACKING_OPEN)
#define HAVE_PASSTHROUGH 1
#else
#define HAVE_PASSTHROUGH 0
#endif

/* A backing file costs 20 us an open, what is kept in the page cache nothing:
 * measured, it pays from half a megabyte on (docs/PERFORMANCE.md). */
#define MIN_BYTES (1 << 20)

#define LOCKS 64
/* Nobody's id: who writes unseen has no share of the reserved blocks. */
#define NOBODY 65534

struct pass {
	int32_t backing_id; /* 0: none; while n_pass > 0 */
	uint32_t n_pass, n_page;
};

/* What is told to others, in shared memory: 0 is what it starts with. */
enum state {
	OFF_STARTING,
	ON,
	OFF_BUILD,
	OFF_OPTION,
	OFF_KERNEL,
	OFF_REFUSED,
	OFF_REQUIRED,
	OFF_OVERLAYFS,
	OFF_UNMARKED,
	OFF_LEASES
};

static const char *const texts[] = {
	[OFF_STARTING] = "off: starting",
	[ON] = "on",
	[OFF_BUILD] = "off: built with a libfuse older than 3.17",
	[OFF_OPTION] = "off: switched off (without)",
	[OFF_KERNEL] = "off: the kernel has none (it came with Linux 6.9)",
	[OFF_REFUSED] = "off: refused by the kernel, see mirrorfs.log",
	[OFF_REQUIRED] = "off: journal = required, as it could not be refused",
	[OFF_OVERLAYFS] = "off: overlayfs does not tell who has a file mapped",
	[OFF_UNMARKED] = "off: there is no activity log, which it needs",
	[OFF_LEASES] = "off: no leases below, which tell who has a file open",
};

static struct shared *told;	    /* constant while the worker runs */
static bool wanted;		    /* constant while the worker runs */
static struct fuse_session *device; /* constant after passthrough_init */
static bool unmarked;		    /* constant while users are served */
static _Atomic bool on;
static pthread_mutex_t locks[LOCKS] = {
	[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER,
}; /* LOCK_pass: by inode; below the order locks, above the leaves */

static void tell(enum state state)
{
	if (state == ON && unmarked)
		state = OFF_UNMARKED;
	on = state == ON;
	if (told)
		shared_set_passthrough(told, state);
}

void passthrough_start(bool is_wanted, struct shared *shared)
{
	bool required = shared && shared_required(shared);
	told = shared;
	unmarked = false;
	wanted = is_wanted;
	tell(!HAVE_PASSTHROUGH ? OFF_BUILD
	     : wanted	       ? OFF_STARTING
	     : required	       ? OFF_REQUIRED
			       : OFF_OPTION);
}

void passthrough_unmarked(void)
{
	unmarked = true;
	if (on)
		tell(ON);
}

const char *passthrough_text(const struct shared *shared)
{
	unsigned state = shared_passthrough(shared);
	return texts[state < sizeof(texts) / sizeof(*texts) ? state : 0];
}

/* ---- the kernel's side ---- */

#if HAVE_PASSTHROUGH

void passthrough_init(struct fuse_session *se, struct fuse_conn_info *conn)
{
	device = se;
	if (!wanted)
		return;
	/* there a mapping holds the file of the upper layer, and neither
	 * count nor lease of what we have tells of it (ovl_mmap, Linux 6.18):
	 * what is stored after the last close would not be seen */
	if (lower_is(OVERLAYFS_SUPER_MAGIC)) {
		tell(OFF_OVERLAYFS);
		return;
	}
	/* those of NFS are to be had by chance (nfs4_setlease) */
	if (lower_is(NFS_SUPER_MAGIC)) {
		tell(OFF_LEASES);
		return;
	}
	conn->max_backing_stack_depth = 0; /* from libfuse: below those files */
	tell(fuse_set_feature_flag(conn, FUSE_CAP_PASSTHROUGH) ? ON
							       : OFF_KERNEL);
}

/* Returns an id > 0, or a negative errno. `fd`: only its path is used. The kernel
 * keeps the file itself, too: one that can be written to would make it look as if
 * somebody did, as long as anybody reads (fuse_backing_open, Linux 6.18). */
static int32_t backing_open(int fd)
{
	struct fuse_backing_map map = {.fd = fd};
	/* what we are now, the backing file is for all who use it */
	int r = caller_become(NOBODY, NOBODY, CALLER_CLEARS_SETID);
	if (r == 0)
		r = privileges_raise(CAP_SYS_ADMIN);
	if (r < 0)
		return r;
	int32_t id =
		ioctl(fuse_session_fd(device), FUSE_DEV_IOC_BACKING_OPEN, &map);
	r = id > 0 ? id : id < 0 ? -errno : -EIO;
	privileges_lower(CAP_SYS_ADMIN);
	return r;
}

static void backing_close(int32_t id)
{
	uint32_t arg = (uint32_t)id;
	if (privileges_raise(CAP_SYS_ADMIN) < 0)
		return;
	ioctl(fuse_session_fd(device), FUSE_DEV_IOC_BACKING_CLOSE, &arg);
	privileges_lower(CAP_SYS_ADMIN);
}

static void set_backing(struct fuse_file_info *fi, int32_t id)
{
	fi->backing_id = id;
}

#else

void passthrough_init(struct fuse_session *se, struct fuse_conn_info *conn)
{
	device = se;
}

static int32_t backing_open(int fd)
{
	return -ENOSYS;
}

static void backing_close(int32_t id)
{
}

static void set_backing(struct fuse_file_info *fi, int32_t id)
{
}

#endif

/* ---- who else has the lower file ---- */

/* A read lease is given while nobody has the file open for writing, a write
 * lease while nobody but `fd` has it open at all. A mapping counts as long as
 * it lives: it holds the file that it was made by. Returns 0, -EAGAIN when
 * somebody has, or why there are none. */
static int lease(int fd, int type)
{
	if (fcntl(fd, F_SETLEASE, type) < 0)
		return -errno;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return 0;
}

static bool lease_given(int fd, int type)
{
	return lease(fd, type) == 0;
}

bool passthrough_stores(struct inode *i)
{
	struct fhandle fh;
	inode_handle(i, &fh);
	int fd = lower_open(&fh, O_RDONLY);
	if (fd < 0)
		return fd != -ESTALE && fd != -ENOENT;
	bool stores = !lease_given(fd, F_RDLCK);
	close(fd);
	return stores;
}

void passthrough_seen(struct inode *i)
{
	inode_set_unseen(i, false);
	if (device)
		fuse_lowlevel_notify_inval_inode(device, inode_id(i), -1, 0);
}

void passthrough_resume(struct inode *i)
{
	inode_set_unseen(i, true);
	inode_set_mapped(i, true);
}

/* ---- an inode ---- */

static void lock(const struct inode *i)
{
	pthread_mutex_lock(&locks[inode_hash(i) % LOCKS]);
	order_bar();
}

static void unlock(const struct inode *i)
{
	order_unbar();
	pthread_mutex_unlock(&locks[inode_hash(i) % LOCKS]);
}

/* only_appends - it can read and write, but for O_APPEND the lower file could not
 * be opened so (chattr +a). The kernel does not know that of our inode, and would
 * let who has it stored into by a mapping overwrite it: direct, it has none. */
static bool only_appends(int fd, int flags)
{
	return (flags & O_ACCMODE) == O_RDWR && flags & O_APPEND &&
	       fcntl(fd, F_GETFL) & O_APPEND;
}

bool passthrough_refuses(struct inode *i, int fd, int flags)
{
	if (!*inode_pass(i) || !only_appends(fd, flags))
		return false;
	lock(i);
	const struct pass *p = *inode_pass(i);
	bool refuses = p && p->n_pass > 0;
	unlock(i);
	return refuses;
}

/*
 * The pages stay, whoever comes: if an open made the kernel drop them, they
 * could be read again while a write(2) to them is on its way, and would keep
 * the old bytes (seen on Linux 6.18). Who only writes passes them by, unless
 * others may store into them: what is stored during such a write takes the
 * whole page with it, and the bytes of the write are lost.
 */
static void serve_page(int fd, struct fuse_file_info *fi, bool past)
{
	fi->direct_io = past || only_appends(fd, fi->flags);
	fi->keep_cache = 1;
}

/* writes_past - it only writes, and nobody may store into its pages. An order lock is
 * taken for it. With O_DIRECT the kernel drops the pages behind the write by itself,
 * which for a file that is direct it does in front only (Linux 6.16). */
static bool writes_past(struct inode *i, const struct fuse_file_info *fi,
			bool created)
{
	return (fi->flags & (O_ACCMODE | O_DIRECT)) == O_WRONLY &&
	       op_direct_writes() && (created || !content_is_open(i));
}

/* No handle is open, no mapping is left: the kernel's pages are of a time
 * before, and go. Nobody uses one, so this waits for nobody. */
static void leave(struct inode *i)
{
	inode_set_mapped(i, false);
	fuse_lowlevel_notify_inval_inode(device, inode_id(i), 0, 0);
}

/* Who writes unseen may keep set-id bits, or may not: the kernel cannot tell.
 * Of a file that gets them later they go with each such write. */
static bool pays(const struct inode *i, int fd, int flags)
{
	struct statx st;
	return on && (flags & O_ACCMODE) == O_RDONLY && !(flags & O_DIRECT) &&
	       !inode_prefers_pages(i) &&
	       statx(fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_MODE, &st) == 0 &&
	       st.stx_size >= MIN_BYTES &&
	       !(st.stx_mode & (S_ISUID | S_ISGID)) &&
	       !(st.stx_attributes & STATX_ATTR_APPEND);
}

/* backing_make - where it can be told who uses the file; -EAGAIN: it cannot. */
static int32_t backing_make(int fd)
{
	CLEANUP_CLOSE int reads = lower_reopen(fd, O_RDONLY);
	if (reads < 0)
		return reads;
	int r = lease(reads, F_RDLCK);
	if (r == 0 || r == -EAGAIN)
		return backing_open(reads);
	if (on)
		log_info("passthrough is off: no lease: %s", strerror(-r));
	tell(OFF_LEASES);
	return -EAGAIN;
}

/* The choice of passthrough.h; p->backing_id is made if need be. */
static bool choose_pass_locked(struct pass *p, struct inode *i, int fd,
			       const struct fuse_file_info *fi)
{
	if (p->n_page > 0)
		return false;
	if (p->n_pass > 0)
		return true;
	bool prefer = pays(i, fd, fi->flags);
	if (inode_is_mapped(i) && !prefer && lease_given(fd, F_WRLCK))
		leave(i);
	if (only_appends(fd, fi->flags) || (!inode_is_mapped(i) && !prefer))
		return false;
	int32_t id = backing_make(fd);
	if (id > 0) {
		p->backing_id = id;
		return true;
	}
	/* -ENFILE and such: there is another way, and another time */
	if (on && (id == -EPERM || id == -ELOOP || id == -EOPNOTSUPP ||
		   id == -ENOTTY || id == -EINVAL)) {
		log_info("passthrough is off: the kernel says %s",
			 strerror(-id));
		tell(OFF_REFUSED);
	}
	log_debug("no passthrough this time: %s", strerror(-id));
	return false;
}

static struct pass *pass_of(struct inode *i)
{
	struct pass **at = inode_pass(i);
	if (!*at && !(*at = calloc(1, sizeof(**at))))
		abort();
	return *at;
}

enum served passthrough_open(struct inode *i, int fd, struct fuse_file_info *fi,
			     bool created, bool *ret_unseen)
{
	struct pass **at = inode_pass(i);
	int access = fi->flags & O_ACCMODE;
	bool past = writes_past(i, fi, created);
	*ret_unseen = false;
	if (!on && !*at && !inode_is_mapped(i)) {
		serve_page(fd, fi, past);
		return SERVED_PLAIN;
	}
	lock(i);
	struct pass *p = pass_of(i);
	if (access == O_RDWR && !created)
		inode_prefer_pages(i);
	bool pass = choose_pass_locked(p, i, fd, fi);
	if (pass) {
		p->n_pass++;
		inode_set_mapped(i, true);
		set_backing(fi, p->backing_id);
		fi->direct_io = access == O_WRONLY;
		fi->keep_cache = 0;
		*ret_unseen = access == O_RDWR;
	} else {
		p->n_page++;
		/* others write past us, and it could not be passed: what
		 * they write is in no page of ours */
		bool around = inode_is_mapped(i) && inode_is_unseen(i);
		serve_page(fd, fi, past || around);
	}
	if (*ret_unseen)
		inode_set_unseen(i, true);
	unlock(i);
	/* attributes only: this waits for nobody */
	if (*ret_unseen)
		fuse_lowlevel_notify_inval_inode(device, inode_id(i), -1, 0);
	return pass ? SERVED_PASS : SERVED_PAGE;
}

void passthrough_close(struct inode *i, enum served served)
{
	struct pass **at = inode_pass(i);
	if (served == SERVED_PLAIN)
		return;
	lock(i);
	struct pass *p = *at;
	if (served == SERVED_PAGE) {
		p->n_page--;
	} else if (--p->n_pass == 0) {
		if (p->backing_id > 0)
			backing_close(p->backing_id);
		p->backing_id = 0;
	}
	if (!p->n_page && !p->n_pass && !inode_is_mapped(i)) {
		free(p);
		*at = NULL;
	}
	unlock(i);
}

int32_t passthrough_backing(struct inode *i)
{
	struct pass *p = *inode_pass(i);
	return p ? p->backing_id : 0;
}

void passthrough_restore(struct inode *i, enum served served, int32_t id)
{
	if (served == SERVED_PAGE) {
		pass_of(i)->n_page++;
	} else if (served == SERVED_PASS) {
		pass_of(i)->n_pass++;
		if (id > 0) /* noted before the worker died */
			pass_of(i)->backing_id = id;
	}
}
