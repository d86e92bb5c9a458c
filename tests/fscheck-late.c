/*
 * Cases of fscheck: somebody lists a folder, is held up while that is put into
 * its memory, and goes on after another one has changed what was listed. What
 * it brings is not what holds from then on.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/fscheck.h"

#define USER   4321
#define ROOM   65536
#define ACCESS "system.posix_acl_access"

/* u::rw- g::--- o::other, as the kernel takes it */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} e[3];
};

static struct late {
	int faults; /* userfaultfd(2) */
	char *memory;
	pthread_t reader;
} late;

/* Memory that stops whoever touches it. */
static void memory_make(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	late.faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (late.faults < 0 || ioctl(late.faults, UFFDIO_API, &api))
		_exit(SKIPPED);
	late.memory = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register all = {
		.range = {(uintptr_t)late.memory, ROOM},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	CHECK(late.memory != MAP_FAILED);
	CHECK(!ioctl(late.faults, UFFDIO_REGISTER, &all));
}

static void *read_folder(void *at)
{
	int fd = open(at, O_RDONLY | O_DIRECTORY);

	CHECK(fd >= 0 && syscall(SYS_getdents64, fd, late.memory, ROOM) > 0);
	CHECK(!close(fd));
	return NULL;
}

/* A thread has been told what is in "." and is held up with it. */
static void late_begin(void)
{
	struct uffd_msg m;
	struct pollfd p = {.events = POLLIN};

	memory_make();
	p.fd = late.faults;
	CHECK(!pthread_create(&late.reader, NULL, read_folder, "."));
	CHECK(poll(&p, 1, 60000) == 1);
	CHECK(read(late.faults, &m, sizeof(m)) == sizeof(m));
}

static void late_end(void)
{
	struct uffdio_zeropage all = {
		.range = {(uintptr_t)late.memory, ROOM},
	};

	CHECK(!ioctl(late.faults, UFFDIO_ZEROPAGE, &all));
	CHECK(!pthread_join(late.reader, NULL));
	CHECK(!munmap(late.memory, ROOM) && !close(late.faults));
}

static void open_fails(void)
{
	FAILS(open("f", O_RDONLY), EACCES);
}

static void late_acl(void)
{
	struct acl a = {2, {{1, 6, -1u}, {4, 0, -1u}, {0x20, 0, -1u}}};
	struct stat st;

	close(file_make("f", 1));
	late_begin();
	if (setxattr("f", ACCESS, &a, sizeof(a), 0))
		_exit(SKIPPED);
	late_end();
	CHECK(as_child(USER, 0, open_fails) == 0);
	CHECK(!stat("f", &st) && (st.st_mode & 07777) == 0600);
}

static int make_file(void)
{
	return mknod("sub/new", S_IFREG | 0644, 0);
}

static int create_file(void)
{
	return close(open("sub/created", O_CREAT | O_WRONLY, 0644));
}

static int make_folder(void)
{
	return mkdir("sub/folder", 0755);
}

static int make_symlink(void)
{
	return symlink("x", "sub/symlink");
}

static int link_file(void)
{
	return link("f", "sub/link");
}

static int rename_file(void)
{
	return rename("sub/link", "sub/other");
}

static int rename_from(void)
{
	return rename("sub/other", "too/other");
}

static int unlink_file(void)
{
	return unlink("too/other");
}

static int remove_folder(void)
{
	return rmdir("sub/folder");
}

static int set_attribute(void)
{
	return setxattr("f", "trusted.a", "1", 1, 0);
}

static int remove_attribute(void)
{
	return removexattr("f", "trusted.a");
}

/* `call` gives `path` another ctime and, if it is a folder, another mtime. */
static void changes(int (*call)(void), const char *path)
{
	struct stat a, b;

	CHECK(!stat(path, &a) && !usleep(20000));
	late_begin();
	CHECK(!call());
	late_end();
	CHECK(!stat(path, &b));
	CHECK(memcmp(&a.st_ctim, &b.st_ctim, sizeof(a.st_ctim)));
	CHECK(!S_ISDIR(a.st_mode) ||
	      memcmp(&a.st_mtim, &b.st_mtim, sizeof(a.st_mtim)));
}

static void late_names(void)
{
	close(file_make("f", 1));
	CHECK(!mkdir("sub", 0755) && !mkdir("too", 0755));
	changes(make_file, "sub");
	changes(create_file, "sub");
	changes(make_folder, "sub");
	changes(make_symlink, "sub");
	changes(link_file, "sub");
	changes(rename_file, "f");
	changes(rename_from, "sub");
	changes(unlink_file, "too");
	changes(remove_folder, "sub");
}

static void late_attributes(void)
{
	close(file_make("f", 1));
	changes(set_attribute, "f");
	changes(remove_attribute, "f");
}

const struct fscase cases_late[] = {
	{"late-acl", late_acl, 1},
	{"late-names", late_names, 1},
	{"late-attributes", late_attributes, 1},
	{NULL, NULL, 0},
};
