/* What may whom do in directories of all kinds, and whose is what they make? */
#include "confdefs.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/secprobe.h"

static const struct {
	const char *name;
	uid_t uid;
	gid_t gid;
	mode_t mode;
} dirs[] = {
	{"private", OWNER, OWNER, 0700},
	{"team", OWNER, TEAM, 0770},
	{"sticky", OWNER, OWNER, 01777},
	{"own-sticky", USER, USER, 01777},
	{"setgid", OWNER, TEAM, 02777},
	{"setgid-sticky", OWNER, TEAM, 03775},
};

/* In it: "theirs" of OWNER:TEAM, "mine" of USER:USER, "folder" and "set" of
 * OWNER. The working directory is the parent: all goes through the dir. */

static int new_mode(const char *name, mode_t mode)
{
	return open(name, O_WRONLY | O_CREAT | O_EXCL, mode) < 0 ? -1 : 0;
}

static int do_create(const char *d)
{
	return new_mode("d/new", 0666);
}

static int do_create_setgid(const char *d)
{
	return new_mode("d/new", 02775);
}

static int do_create_setuid(const char *d)
{
	return new_mode("d/new", 06744);
}

static int do_creat_existing(const char *d)
{
	return open("d/theirs", O_WRONLY | O_CREAT, 0600) < 0 ? -1 : 0;
}

static int do_mkdir(const char *d)
{
	return mkdir("d/new", 0777);
}

static int do_mkdir_setgid(const char *d)
{
	umask(0);
	return mkdir("d/new", 07777);
}

static int do_symlink(const char *d)
{
	return symlink("/etc/passwd", "d/new");
}

static int do_mkfifo(const char *d)
{
	return mkfifo("d/new", 02664);
}

static int do_mknod(const char *d)
{
	return mknod("d/new", S_IFCHR | 0600, makedev(1, 3));
}

static int do_mknod_file(const char *d)
{
	return mknod("d/new", S_IFREG | 02775, 0);
}

static int do_link(const char *d)
{
	return link("d/theirs", "d/new");
}

static int do_link_out(const char *d)
{
	return link("d/theirs", "shared/new");
}

static int do_unlink_theirs(const char *d)
{
	return unlink("d/theirs");
}

static int do_unlink_mine(const char *d)
{
	return unlink("d/mine");
}

static int do_rmdir(const char *d)
{
	return rmdir("d/folder");
}

static int do_rename(const char *d)
{
	return rename("d/theirs", "d/new");
}

static int do_rename_over(const char *d)
{
	return rename("d/mine", "d/theirs");
}

static int do_rename_in(const char *d)
{
	return rename("shared/mine", "d/new");
}

static int do_rename_exchange(const char *d)
{
	return renameat2(AT_FDCWD, "d/mine", AT_FDCWD, "d/theirs",
			 RENAME_EXCHANGE);
}

static int do_rename_folder_out(const char *d)
{
	return rename("d/folder", "shared/new");
}

static int do_read(const char *d)
{
	return open("d/theirs", O_RDONLY) < 0 ? -1 : 0;
}

static int do_write(const char *d)
{
	return open("d/theirs", O_WRONLY) < 0 ? -1 : 0;
}

static int do_noatime(const char *d)
{
	return open("d/theirs", O_RDONLY | O_NOATIME) < 0 ? -1 : 0;
}

static int do_readdir(const char *d)
{
	return open("d", O_RDONLY | O_DIRECTORY) < 0 ? -1 : 0;
}

static int do_stat(const char *d)
{
	struct stat st;
	return stat("d/theirs", &st);
}

static int do_chmod_theirs(const char *d)
{
	return chmod("d/theirs", 0777);
}

static int do_chmod_setgid(const char *d)
{
	return chmod("d/theirs", 02775);
}

static int do_chmod_mine(const char *d)
{
	return chmod("d/mine", 06755);
}

static int do_chmod_dir(const char *d)
{
	return chmod("d", 02777);
}

static int do_chown_theirs(const char *d)
{
	return chown("d/theirs", USER, USER);
}

static int do_give_away(const char *d)
{
	return chown("d/mine", OWNER, (gid_t)-1);
}

static int do_chgrp_mine(const char *d)
{
	return chown("d/mine", (uid_t)-1, TEAM);
}

static int do_chgrp_stranger(const char *d)
{
	return chown("d/mine", (uid_t)-1, STAGERS);
}

static int do_touch(const char *d)
{
	return utimensat(AT_FDCWD, "d/theirs", NULL, 0);
}

static int do_set_times(const char *d)
{
	struct timespec t[2] = {{1, 0}, {2, 0}};
	return utimensat(AT_FDCWD, "d/theirs", t, 0);
}

static int do_setxattr(const char *d)
{
	return setxattr("d/theirs", "user.x", "y", 1, 0);
}

static int do_trusted(const char *d)
{
	return setxattr("d/theirs", "trusted.x", "y", 1, 0);
}

static int do_get_trusted(const char *d)
{
	return getxattr("d/theirs", "trusted.old", NULL, 0) < 0 ? -1 : 0;
}

static int do_list_trusted(const char *d)
{
	char list[256];
	ssize_t n = listxattr("d/theirs", list, sizeof(list));

	if (n >= 0 && !memmem(list, (size_t)n, "trusted.old", 12)) {
		errno = ENODATA;
		return -1;
	}
	return n < 0 ? -1 : 0;
}

static int do_setcap(const char *d)
{
	/* cap_net_raw=ep, version 2 */
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20};
	return setxattr("d/theirs", "security.capability", cap, 20, 0);
}

static int do_security(const char *d)
{
	return setxattr("d/theirs", "security.mirrorfs", "y", 1, 0);
}

/* u::rwx g::rwx o::--- of a file with the set-gid bit; version 2 */
static int do_acl(const char *d)
{
	static const unsigned char acl[] = {
		2, 0, 0,    0,	  1,	0,    7,    0,	  0xff, 0xff,
		0xff, 0xff, 4,	  0,	7,    0,    0xff, 0xff, 0xff, 0xff,
		0x20, 0,    0,	  0,	0xff, 0xff, 0xff, 0xff};
	return setxattr("d/set", "system.posix_acl_access", acl, sizeof(acl),
			0);
}

static int do_immutable(const char *d)
{
	int fd = open("d/mine", O_RDONLY), flags, r;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return -1;
	flags |= FS_IMMUTABLE_FL;
	r = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	flags &= ~FS_IMMUTABLE_FL;
	if (r == 0)
		SETUP(!ioctl(fd, FS_IOC_SETFLAGS, &flags));
	return r;
}

static int do_nodump(const char *d)
{
	int fd = open("d/theirs", O_RDONLY), flags;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags))
		return -1;
	flags |= FS_NODUMP_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static const struct {
	const char *name;
	int (*run)(const char *);
} tries[] = {
	{"create", do_create},
	{"create-setgid", do_create_setgid},
	{"create-setuid", do_create_setuid},
	{"creat-existing", do_creat_existing},
	{"mkdir", do_mkdir},
	{"mkdir-setgid", do_mkdir_setgid},
	{"symlink", do_symlink},
	{"mkfifo", do_mkfifo},
	{"mknod", do_mknod},
	{"mknod-file", do_mknod_file},
	{"link", do_link},
	{"link-out", do_link_out},
	{"unlink-theirs", do_unlink_theirs},
	{"unlink-mine", do_unlink_mine},
	{"rmdir", do_rmdir},
	{"rename", do_rename},
	{"rename-over", do_rename_over},
	{"rename-in", do_rename_in},
	{"rename-exchange", do_rename_exchange},
	{"rename-folder-out", do_rename_folder_out},
	{"read", do_read},
	{"write", do_write},
	{"noatime", do_noatime},
	{"readdir", do_readdir},
	{"stat", do_stat},
	{"chmod-theirs", do_chmod_theirs},
	{"chmod-setgid", do_chmod_setgid},
	{"chmod-mine", do_chmod_mine},
	{"chmod-dir", do_chmod_dir},
	{"chown-theirs", do_chown_theirs},
	{"give-away", do_give_away},
	{"chgrp-mine", do_chgrp_mine},
	{"chgrp-stranger", do_chgrp_stranger},
	{"touch", do_touch},
	{"set-times", do_set_times},
	{"setxattr", do_setxattr},
	{"set-trusted", do_trusted},
	{"get-trusted", do_get_trusted},
	{"list-trusted", do_list_trusted},
	{"setcap", do_setcap},
	{"set-security", do_security},
	{"acl", do_acl},
	{"immutable", do_immutable},
	{"nodump", do_nodump},
};

static void set_up(size_t k)
{
	SETUP(!mkdir("d", 0700) && !mkdir("d/folder", 0700));
	make_file("d/theirs", OWNER, TEAM, 0640);
	make_file("d/mine", USER, USER, 0600);
	make_file("d/set", OWNER, TEAM, 02770);
	if (setxattr("d/theirs", "trusted.old", "x", 1, 0))
		SETUP(errno == EOPNOTSUPP);
	SETUP(!chown("d/folder", OWNER, OWNER));
	SETUP(!chown("d", dirs[k].uid, dirs[k].gid));
	SETUP(!chmod("d", dirs[k].mode));
	SETUP(!mkdir("shared", 0777) && !chmod("shared", 0777));
	make_file("shared/mine", USER, USER, 0600);
}

static void take_down(void)
{
	static const char *const names[] = {"d/new",	  "d/folder",
					    "d/theirs",	  "d/mine",
					    "d/set",	  "shared/new",
					    "shared/mine", "shared", "d"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		remove(names[i]);
	SETUP(access("d", F_OK) && access("shared", F_OK));
}

static int run_try(void *arg)
{
	return tries[*(size_t *)arg].run("d");
}

static void report(const char *caller, size_t k, size_t t, int error)
{
	static const char *const seen[] = {"d/new", "shared/new", "d/theirs",
					   "d/mine", "d/set", "d"};
	char text[80];

	printf("access %s %s %s: %s", caller, dirs[k].name, tries[t].name,
	       error_word(error));
	for (size_t i = 0; i < sizeof(seen) / sizeof(*seen); i++)
		printf(", %s", look(seen[i], text));
	printf("\n");
}

/* Who was refused has changed nothing: that is printed, too. */
static void probe_dir(const struct caller *c, size_t k)
{
	set_up(k);
	for (size_t t = 0; t < sizeof(tries) / sizeof(*tries); t++) {
		int error = as_caller(c, run_try, &t);

		report(c->name, k, t, error);
		if (error == 0) {
			take_down();
			set_up(k);
		}
	}
	take_down();
}

void probe_access(void)
{
	SETUP(!chmod(".", 0777));
	for (const struct caller *c = callers; c->name; c++) {
		if (c->setid_only)
			continue;
		for (size_t k = 0; k < sizeof(dirs) / sizeof(*dirs); k++)
			probe_dir(c, k);
	}
}
