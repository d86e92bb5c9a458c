/* Ways around a check: descriptors opened again, handles, limits, what was
 * looked up before a permission went away. */
#include "confdefs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/secprobe.h"

static int prepared_fd; /* opened by root before the trick, or -1 */

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags);
}

static int reopen_path_write(void *arg)
{
	return reopen(open("public", O_PATH), O_WRONLY) < 0 ? -1 : 0;
}

static int reopen_path_read_secret(void *arg)
{
	return reopen(open("secret", O_PATH), O_RDONLY) < 0 ? -1 : 0;
}

static int reopen_read_write(void *arg)
{
	return reopen(open("public", O_RDONLY), O_RDWR) < 0 ? -1 : 0;
}

static int reopen_trunc(void *arg)
{
	return reopen(open("public", O_RDONLY), O_RDONLY | O_TRUNC) < 0 ? -1
									: 0;
}

/* a descriptor that a privileged process handed down */
static int reopen_inherited(void *arg)
{
	return reopen(prepared_fd, O_RDWR) < 0 ? -1 : 0;
}

static int truncate_inherited(void *arg)
{
	return ftruncate(prepared_fd, 0);
}

static int chmod_inherited(void *arg)
{
	return fchmod(prepared_fd, 0777);
}

static int link_inherited(void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", prepared_fd);
	return linkat(AT_FDCWD, path, AT_FDCWD, "shared/new",
		      AT_SYMLINK_FOLLOW);
}

static int link_empty_path(void *arg)
{
	return linkat(prepared_fd, "", AT_FDCWD, "shared/new", AT_EMPTY_PATH);
}

/* a directory's descriptor is a way in; what is below is checked */
static int below_inherited_dir(void *arg)
{
	return openat(prepared_fd, "inside", O_RDONLY) < 0 ? -1 : 0;
}

static int parent_of_inherited_dir(void *arg)
{
	return openat(prepared_fd, "../inside", O_RDONLY) < 0 ? -1 : 0;
}

static int read_private(void *arg)
{
	return open("private/inside", O_RDONLY) < 0 ? -1 : 0;
}

static int list_private(void *arg)
{
	return opendir("private") ? 0 : -1;
}

static int dot_dot(void *arg)
{
	return open("open/../private/inside", O_RDONLY) < 0 ? -1 : 0;
}

static int through_symlink(void *arg)
{
	return open("shared/link", O_RDONLY) < 0 ? -1 : 0;
}

static int through_hard_link(void *arg)
{
	return open("shared/hard", O_RDONLY) < 0 ? -1 : 0;
}

static union {
	struct file_handle h;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
} handle;

/* a name gives a handle only to who can reach it */
static int handle_of_private(void *arg)
{
	int id;

	handle.h.handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(AT_FDCWD, "private/inside", &handle.h, &id, 0);
}

static int open_handle(void *arg)
{
	int root = open(".", O_RDONLY | O_DIRECTORY), e;

	if (open_by_handle_at(root, &handle.h, O_RDONLY) >= 0)
		return 0;
	/* who may: the handle is good here and stale there, both are fine */
	e = errno;
	errno = e == ESTALE ? 0 : e;
	return e == ESTALE ? 0 : -1;
}

static int open_by_handle(void *arg)
{
	return open_handle(arg);
}

static int search_lost(void *arg)
{
	/* looked up while it was allowed, cached by all who cache */
	return access("later/inside", F_OK) ||
			       open("later/inside", O_RDONLY) < 0
		       ? -1
		       : 0;
}

static int limited(int flags, int how)
{
	struct rlimit limit = {4096, 4096};
	char block[8192] = "";
	int fd = open("mine", flags);

	signal(SIGXFSZ, SIG_IGN);
	if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit))
		return -1;
	switch (how) {
	case 0:
		return pwrite(fd, block, 8192, 0) == 4096 ? 0 : -1;
	case 1:
		return pwrite(fd, block, 1, 4096) == 1 ? 0 : -1;
	case 2:
		return ftruncate(fd, 8193);
	case 3:
		return fallocate(fd, 0, 4096, 4096 * 3);
	default:
		return copy_file_range(open("public", O_RDONLY), NULL, fd,
				       &(off_t){8192}, 100, 0) < 0
			       ? -1
			       : 0;
	}
}

static int limit_part(void *arg)
{
	return limited(O_WRONLY, 0);
}

static int limit_write(void *arg)
{
	return limited(O_WRONLY, 1);
}

static int limit_write_cached(void *arg)
{
	return limited(O_RDWR, 1);
}

static int limit_truncate(void *arg)
{
	return limited(O_RDWR, 2);
}

static int limit_fallocate(void *arg)
{
	return limited(O_RDWR, 3);
}

static int limit_copy(void *arg)
{
	return limited(O_WRONLY, 4);
}

static int limit_signal(void *arg)
{
	struct rlimit limit = {4096, 4096};
	int fd = open("mine", O_WRONLY);

	if (fd < 0 || setrlimit(RLIMIT_FSIZE, &limit))
		return -1;
	return pwrite(fd, "x", 1, 8192) < 0 ? -1 : 0; /* SIGXFSZ */
}

/* groups that change between two calls, in one process */
static int groups_change(void *arg)
{
	gid_t team = TEAM;

	if (open("team", O_RDONLY) < 0)
		return -1;
	if (syscall(SYS_setgroups, 0, &team))
		return -1;
	return open("team", O_RDONLY) < 0 ? -1 : 0;
}

static int capability_cleared(void *arg)
{
	int fd = open("capable", O_WRONLY);

	if (fd < 0 || write(fd, "x", 1) != 1)
		return -1;
	return getxattr("capable", "security.capability", NULL, 0) < 0 ? -1 : 0;
}

static int device_file(void *arg)
{
	return open("device", O_RDONLY) < 0 ? -1 : 0;
}

static const struct {
	const char *name;
	int (*run)(void *);
	const char *prepared; /* opened by root, with */
	int flags;
} tricks[] = {
	{"reopen-path-write", reopen_path_write, NULL, 0},
	{"reopen-path-read-secret", reopen_path_read_secret, NULL, 0},
	{"reopen-read-write", reopen_read_write, NULL, 0},
	{"reopen-trunc", reopen_trunc, NULL, 0},
	{"reopen-inherited", reopen_inherited, "secret", O_RDONLY},
	{"reopen-inherited-path", reopen_inherited, "secret", O_PATH},
	{"reopen-inherited-private", reopen_inherited, "private/inside",
	 O_RDONLY},
	{"truncate-inherited", truncate_inherited, "secret", O_RDONLY},
	{"chmod-inherited", chmod_inherited, "secret", O_RDWR},
	{"link-inherited", link_inherited, "secret", O_RDONLY},
	{"link-inherited-path", link_inherited, "private/inside", O_PATH},
	{"link-empty-path", link_empty_path, "secret", O_RDONLY},
	{"below-inherited-dir", below_inherited_dir, "private", O_RDONLY},
	{"below-inherited-dir-path", below_inherited_dir, "private", O_PATH},
	{"parent-of-inherited-dir", parent_of_inherited_dir, "private/folder",
	 O_RDONLY},
	{"read-private", read_private, NULL, 0},
	{"list-private", list_private, NULL, 0},
	{"dot-dot", dot_dot, NULL, 0},
	{"through-symlink", through_symlink, NULL, 0},
	{"through-hard-link", through_hard_link, NULL, 0},
	{"handle-of-private", handle_of_private, NULL, 0},
	{"open-by-handle", open_by_handle, NULL, 0},
	{"search-lost", search_lost, NULL, 0},
	{"limit-part", limit_part, NULL, 0},
	{"limit-write", limit_write, NULL, 0},
	{"limit-write-cached", limit_write_cached, NULL, 0},
	{"limit-truncate", limit_truncate, NULL, 0},
	{"limit-fallocate", limit_fallocate, NULL, 0},
	{"limit-copy", limit_copy, NULL, 0},
	{"limit-signal", limit_signal, NULL, 0},
	{"groups-change", groups_change, NULL, 0},
	{"capability-cleared", capability_cleared, NULL, 0},
	{"device-file", device_file, NULL, 0},
};

static void set_up(void)
{
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20};

	make_file("public", 0, 0, 0644);
	make_file("secret", 0, 0, 0600);
	make_file("mine", USER, USER, 0666);
	make_file("capable", OWNER, OWNER, 0777);
	SETUP(!setxattr("capable", "security.capability", cap, 20, 0));
	SETUP(!mknod("device", S_IFCHR | 0666, 1 << 8 | 3));
	SETUP(!mkdir("private", 0700) && !mkdir("private/folder", 0700));
	make_file("private/inside", 0, 0, 0666);
	SETUP(!mkdir("open", 0777) && !mkdir("shared", 0700));
	SETUP(!chmod("shared", 0777));
	SETUP(!symlink("../private/inside", "shared/link"));
	SETUP(!link("private/inside", "shared/hard"));
	SETUP(!mkdir("team", 0700) && !chown("team", 0, TEAM));
	SETUP(!chmod("team", 0770) && !mkdir("later", 0755));
	make_file("later/inside", 0, 0, 0644);
	SETUP(!chown("private", OWNER, OWNER));
}

static void take_down(void)
{
	static const char *const names[] = {
		"public",	"secret",      "mine",	       "capable",
		"device",	"shared/link", "shared/hard",  "shared/new",
		"shared",	"open",	       "private/folder", "private/inside",
		"private",	"team",	       "later/inside", "later"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		remove(names[i]);
	SETUP(access("private", F_OK) && access("later", F_OK));
}

/* Returns its errno. */
static int run_trick(const struct caller *c, size_t t)
{
	char a[80], b[80], d[80];
	int error;

	prepared_fd = -1;
	if (tricks[t].prepared)
		prepared_fd = open(tricks[t].prepared, tricks[t].flags);
	error = as_caller(c, tricks[t].run, NULL);
	if (tricks[t].prepared)
		close(prepared_fd);
	printf("tricks %s %s: %s, %s, %s, %s\n", c->name, tricks[t].name,
	       error_word(error), look("secret", a), look("mine", b),
	       look("shared/new", d));
	return error;
}

void probe_tricks(void)
{
	SETUP(!chmod(".", 0777));
	set_up();
	for (const struct caller *c = callers; c->name; c++) {
		if (c->setid_only)
			continue;
		for (size_t t = 0; t < sizeof(tricks) / sizeof(*tricks); t++) {
			/* everybody has looked it up, root has the handle */
			SETUP(!chmod("later", 0755));
			SETUP(!as_caller(c, search_lost, NULL));
			SETUP(!chmod("later", 0700));
			if (handle_of_private(NULL) < 0) {
				SETUP(errno == EOPNOTSUPP);
				if (strstr(tricks[t].name, "handle"))
					continue; /* nobody gets one */
			}
			if (run_trick(c, t) == 0) {
				take_down();
				set_up();
			}
		}
	}
	take_down();
}
