/* Cases of fscheck: ACLs, extended attributes, inode flags. */
#include "confdefs.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/fscheck.h"

#define USER	4321
#define GROUP	8765
#define ACCESS	"system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

/* <linux/fs.h> and <sys/mount.h> do not go together everywhere */
#define GETFLAGS   _IOR('f', 1, long)
#define SETFLAGS   _IOW('f', 2, long)
#define FSGETXATTR _IOR('X', 31, struct fsx)
#define FSSETXATTR _IOW('X', 32, struct fsx)
#define IMMUTABLE  0x10
#define APPEND	   0x20
#define NODUMP	   0x40
#define X_NODUMP   0x80
struct fsx {
	uint32_t xflags, extsize, nextents, projid, cowextsize;
	uint8_t pad[8];
};

/* An ACL as the kernel takes it: version 2, then tag, permissions, id. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} e[5];
};

#define NOBODY UINT32_MAX

/* u::rw- u:USER:perm g::group m::mask o::other */
static struct acl acl(uint16_t user, uint16_t group, uint16_t mask,
		      uint16_t other)
{
	return (struct acl){2,
			    {{1, 6, NOBODY},
			     {2, user, USER},
			     {4, group, NOBODY},
			     {0x10, mask, NOBODY},
			     {0x20, other, NOBODY}}};
}

static void acl_set(const char *path, const char *name, const struct acl *a)
{
	if (setxattr(path, name, a, sizeof(*a), 0) < 0) {
		CHECK(errno == EOPNOTSUPP);
		_exit(SKIPPED);
	}
}

static mode_t mode(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : st.st_mode & 07777;
}

static void read_by_acl(void)
{
	CHECK(open("f", O_RDONLY) >= 0);
	FAILS(open("f", O_WRONLY), EACCES);
	FAILS(setxattr("f", ACCESS, "", 0, 0), EPERM);
}

static void read_without(void)
{
	FAILS(open("f", O_RDONLY), EACCES);
}

static void acl_decides(void)
{
	struct acl a = acl(4, 0, 4, 0), got;

	close(file_make("f", 10));
	CHECK(!chmod("f", 0600));
	CHECK(as_child(USER, 0, read_without) == 0);
	acl_set("f", ACCESS, &a);
	CHECK(mode("f") == 0640); /* the mask */
	CHECK(getxattr("f", ACCESS, &got, sizeof(got)) == sizeof(got));
	CHECK(!memcmp(&a, &got, sizeof(a)));
	CHECK(as_child(USER, 0, read_by_acl) == 0);
	CHECK(as_child(USER + 1, 0, read_without) == 0);
	CHECK(!chmod("f", 0600)); /* the mask goes */
	CHECK(as_child(USER, 0, read_without) == 0);
	CHECK(!removexattr("f", ACCESS) && mode("f") == 0600);
	FAILS(getxattr("f", ACCESS, &got, sizeof(got)), ENODATA);
	a.e[3].tag = 0x20; /* not valid: no mask, two others */
	FAILS(setxattr("f", ACCESS, &a, sizeof(a), 0), EINVAL);
}

/* What is made in a folder with a default ACL: that decides, not the umask. */
static void default_beats_umask(void)
{
	struct acl a = acl(7, 6, 7, 4), got;

	CHECK(!mkdir("d", 0755));
	acl_set("d", DEFAULT, &a);
	umask(077);
	close(open("d/f", O_CREAT | O_WRONLY, 0666));
	CHECK(mode("d/f") == 0664);
	CHECK(!mkdir("d/e", 0777) && mode("d/e") == 0674);
	CHECK(getxattr("d/e", DEFAULT, &got, sizeof(got)) == sizeof(got));
	CHECK(!memcmp(&a, &got, sizeof(a)));
	CHECK(getxattr("d/f", ACCESS, &got, sizeof(got)) == sizeof(got));
	CHECK(got.e[3].tag == 0x10 && got.e[3].perm == 6);
	FAILS(getxattr("d/f", DEFAULT, &got, sizeof(got)), ENODATA);
	CHECK(!mkfifo("d/p", 0666) && mode("d/p") == 0664);
	CHECK(open("d", O_TMPFILE | O_RDWR, 0666) >= 0 || errno == EOPNOTSUPP);
	CHECK(!symlink("x", "d/s") && mode("d/s") == 0777);
	close(open("plain", O_CREAT | O_WRONLY, 0666));
	CHECK(mode("plain") == 0600);
	CHECK(!removexattr("d", DEFAULT));
	close(open("d/g", O_CREAT | O_WRONLY, 0666));
	CHECK(mode("d/g") == 0600);
}

static void default_of_files(void)
{
	struct acl a = acl(7, 6, 7, 4);

	close(file_make("f", 1));
	CHECK(!symlink("f", "s"));
	if (setxattr("f", ACCESS, &a, sizeof(a), 0) < 0)
		_exit(SKIPPED);
	FAILS(setxattr("f", DEFAULT, &a, sizeof(a), 0), EACCES);
	FAILS(lsetxattr("s", ACCESS, &a, sizeof(a), 0), EOPNOTSUPP);
}

static void set_own_acl(void)
{
	struct acl a = acl(4, 5, 5, 0);

	CHECK(!setxattr("f", ACCESS, &a, sizeof(a), 0));
}

/* An ACL changes the mode: as with chmod, who is not of the file's group
 * loses the set-gid bit. */
static void acl_and_setgid(void)
{
	struct acl a = acl(4, 5, 5, 0);

	close(file_make("f", 1));
	CHECK(!chown("f", USER, GROUP) && !chmod("f", 02770));
	acl_set("f", ACCESS, &a);
	CHECK(mode("f") == 02650); /* root */
	CHECK(!chmod("f", 02770));
	CHECK(as_child(USER, GROUP, set_own_acl) == 0);
	CHECK(mode("f") == 02650);
	CHECK(!chmod("f", 02770));
	CHECK(as_child(USER, 0, set_own_acl) == 0 && mode("f") == 0650);
}

static void acl_is_the_mode(void)
{
	struct acl a = acl(0, 5, 7, 1);
	char buf[100];

	close(file_make("f", 1));
	a.e[1] = a.e[2]; /* u g o only: no more than a mode */
	a.e[2] = a.e[4];
	if (setxattr("f", ACCESS, &a, 4 + 3 * 8, 0) < 0)
		_exit(SKIPPED);
	CHECK(mode("f") == 0651);
	FAILS(getxattr("f", ACCESS, buf, sizeof(buf)), ENODATA);
}

static void list_as_user(void)
{
	char list[1000];
	ssize_t n = listxattr("f", list, sizeof(list));

	/* btrfs lists "trusted.b", too */
	CHECK((n == 7 || n == 17) && memmem(list, (size_t)n, "user.a", 7));
	FAILS(setxattr("f", "trusted.x", "1", 1, 0), EPERM);
	FAILS(setxattr("f", "user.b", "1", 1, 0), EACCES);
	FAILS(removexattr("f", "user.a"), EACCES);
}

static void attribute_classes(void)
{
	char list[1000];

	close(file_make("f", 1));
	CHECK(!symlink("f", "s") && !mkfifo("p", 0644));
	if (setxattr("f", "user.a", "1", 1, 0) ||
	    setxattr("f", "trusted.b", "2", 1, 0))
		_exit(SKIPPED);
	CHECK(listxattr("f", list, sizeof(list)) == 17);
	CHECK(as_child(USER, 0, list_as_user) == 0);
	FAILS(lsetxattr("s", "user.a", "1", 1, 0), EPERM);
	FAILS(setxattr("p", "user.a", "1", 1, 0), EPERM);
	FAILS(setxattr("f", "nothing.a", "1", 1, 0), EOPNOTSUPP);
	FAILS(setxattr("f", "user.", "1", 1, 0), EINVAL);
	CHECK(!lsetxattr("s", "trusted.a", "1", 1, 0));
	CHECK(lgetxattr("s", "trusted.a", list, 10) == 1);
	CHECK(lgetxattr("s", "trusted.a", NULL, 0) == 1);
	CHECK(!lremovexattr("s", "trusted.a"));
	CHECK(llistxattr("s", list, sizeof(list)) == 0);
}

static void attribute_values(void)
{
	char name[300], value[3000], got[3000];
	int fd = file_make("f", 1);

	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[255] = 0;
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)i; /* with NULs */
	if (fsetxattr(fd, name, value, 2000, 0))
		_exit(SKIPPED);
	CHECK(getxattr("f", name, got, sizeof(got)) == 2000);
	CHECK(!memcmp(got, value, 2000));
	CHECK(!fsetxattr(fd, name, value, 0, XATTR_REPLACE));
	CHECK(fgetxattr(fd, name, got, sizeof(got)) == 0);
	CHECK(!fsetxattr(fd, "user.\xff\n", "x", 1, XATTR_CREATE));
	CHECK(flistxattr(fd, got, sizeof(got)) == 256 + 8);
	name[255] = 'n';
	name[256] = 0;
	FAILS(fsetxattr(fd, name, "x", 1, 0), ERANGE);
	CHECK(!fremovexattr(fd, "user.\xff\n"));
	FAILS(fremovexattr(fd, "user.\xff\n"), ENODATA);
}

static int flags_get(const char *path)
{
	int flags = -1, fd = open(path, O_RDONLY);

	if (ioctl(fd, GETFLAGS, &flags) < 0)
		_exit(SKIPPED);
	close(fd);
	return flags;
}

static int flags_set(const char *path, int flags)
{
	int fd = open(path, O_RDONLY), r = ioctl(fd, SETFLAGS, &flags);

	close(fd);
	return r;
}

static void inode_flags(void)
{
	struct fsx x;
	int fd = file_make("f", 10), flags = flags_get("f");

	CHECK(!mkdir("d", 0755));
	if (flags_set("f", flags | NODUMP) && errno == EOPNOTSUPP)
		_exit(SKIPPED);
	CHECK(flags_get("f") & NODUMP);
	CHECK(!ioctl(fd, FSGETXATTR, &x) && x.xflags & X_NODUMP);
	x.xflags &= (uint32_t)~X_NODUMP;
	CHECK(!ioctl(fd, FSSETXATTR, &x) && !(flags_get("f") & NODUMP));
	CHECK(!flags_set("d", flags_get("d") | NODUMP));
	CHECK(flags_get("d") & NODUMP);
	CHECK(!mkfifo("p", 0644));
	fd = open("p", O_RDONLY | O_NONBLOCK);
	/* xfs has flags of everything */
	CHECK(!ioctl(fd, GETFLAGS, &flags) || errno == ENOTTY);
	FAILS(ioctl(fd, _IOR('z', 1, int), &flags), ENOTTY);
	fd = open("f", O_RDONLY);
	FAILS(ioctl(fd, _IOR('z', 1, int), &flags), ENOTTY);
}

static void immutable(void)
{
	int flags = flags_get(".");

	close(file_make("f", 10));
	if (flags_set("f", flags | IMMUTABLE) &&
	    (errno == EOPNOTSUPP || errno == EPERM))
		_exit(SKIPPED);
	FAILS(open("f", O_WRONLY), EPERM);
	FAILS(truncate("f", 0), EPERM);
	FAILS(chmod("f", 0600), EPERM);
	FAILS(chown("f", 1, 1), EPERM);
	FAILS(unlink("f"), EPERM);
	FAILS(rename("f", "g"), EPERM);
	FAILS(link("f", "g"), EPERM);
	FAILS(setxattr("f", "user.a", "1", 1, 0), EPERM);
	CHECK(file_is("f", "abcdefghij") && !flags_set("f", flags));
	CHECK(!unlink("f"));
}

/* reads_and_appends - and nobody stores into it. */
static void reads_and_appends(const char *name)
{
	int fd = open(name, O_RDWR | O_APPEND);

	CHECK(fd >= 0 && mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			      fd, 0) == MAP_FAILED);
	CHECK(write(fd, "+", 1) == 1 && !close(fd));
}

static void append_only(void)
{
	int fd, flags = flags_get(".");

	close(file_make("f", 3));
	if (flags_set("f", flags | APPEND) &&
	    (errno == EOPNOTSUPP || errno == EPERM))
		_exit(SKIPPED);
	FAILS(open("f", O_WRONLY), EPERM);
	FAILS(open("f", O_WRONLY | O_APPEND | O_TRUNC), EPERM);
	FAILS(truncate("f", 0), EPERM);
	FAILS(unlink("f"), EPERM);
	fd = open("f", O_WRONLY | O_APPEND);
	CHECK(fd >= 0 && write(fd, "+", 1) == 1 && file_is("f", "abc+"));
	CHECK(!close(fd));
	/* whoever reads it; 1 MiB is passed */
	fd = open("f", O_WRONLY | O_APPEND);
	CHECK(fd >= 0 && !posix_fallocate(fd, 0, 2 << 20) && !close(fd));
	int reader = open("f", O_RDONLY);
	CHECK(reader >= 0 && pread(reader, &(char){0}, 1, 0) == 1);
	reads_and_appends("f");
	CHECK(!close(reader) && !flags_set("f", flags) && !unlink("f"));
	/* nor where a mapping is left of who read it before */
	fd = open("g", O_WRONLY | O_CREAT, 0600);
	CHECK(fd >= 0 && !posix_fallocate(fd, 0, 2 << 20) && !close(fd));
	reader = open("g", O_RDONLY);
	void *seen = mmap(NULL, 4096, PROT_READ, MAP_SHARED, reader, 0);
	CHECK(seen != MAP_FAILED && !close(reader));
	CHECK(!flags_set("g", flags | APPEND));
	reads_and_appends("g");
	CHECK(!munmap(seen, 4096) && !flags_set("g", flags) && !unlink("g"));
}

static void flags_ctime(void)
{
	struct stat a, b;

	close(file_make("f", 3));
	CHECK(!stat("f", &a) && !usleep(30000));
	if (flags_set("f", flags_get("f") | NODUMP) && errno == EOPNOTSUPP)
		_exit(SKIPPED);
	CHECK(!stat("f", &b) && (a.st_ctim.tv_sec != b.st_ctim.tv_sec ||
				 a.st_ctim.tv_nsec != b.st_ctim.tv_nsec));
}

static void flags_of_users(void)
{
	int fd = open("mine", O_RDWR | O_CREAT, 0644), flags;

	CHECK(fd >= 0 && !ioctl(fd, GETFLAGS, &flags));
	flags |= IMMUTABLE;
	FAILS(ioctl(fd, SETFLAGS, &flags), EPERM);
	flags = (flags & ~IMMUTABLE) | NODUMP;
	CHECK(!ioctl(fd, SETFLAGS, &flags));
	fd = open("f", O_RDONLY);
	CHECK(fd >= 0 && !ioctl(fd, GETFLAGS, &flags));
	flags |= NODUMP;
	FAILS(ioctl(fd, SETFLAGS, &flags), EPERM);
}

static void flags_need_rights(void)
{
	int flags = flags_get(".");

	close(file_make("f", 1));
	if (flags_set("f", flags | NODUMP) && errno == EOPNOTSUPP)
		_exit(SKIPPED);
	CHECK(!flags_set("f", flags) && !chmod(".", 0777));
	CHECK(as_child(USER, 0, flags_of_users) == 0);
}

const struct fscase cases_acl[] = {
	{"acl-decides", acl_decides, 1},
	{"default-beats-umask", default_beats_umask, 0},
	{"default-of-files", default_of_files, 0},
	{"acl-and-setgid", acl_and_setgid, 1},
	{"acl-is-the-mode", acl_is_the_mode, 0},
	{"attribute-classes", attribute_classes, 1},
	{"attribute-values", attribute_values, 0},
	{"inode-flags", inode_flags, 0},
	{"immutable", immutable, 1},
	{"append-only", append_only, 1},
	{"flags-need-rights", flags_need_rights, 1},
	{"flags-ctime", flags_ctime, 1},
	{NULL, NULL, 0},
};
