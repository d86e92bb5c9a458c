/* Which set-id bits are left of a file whose content or owner somebody
 * changes? */
#include "confdefs.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/secprobe.h"

#define NAME "file"

static int write_by(int flags, size_t n)
{
	static _Alignas(4096) char block[4096];
	int fd = open(NAME, flags | O_CLOEXEC);

	return fd < 0 || write(fd, block, n) != (ssize_t)n ? -1 : 0;
}

static int by_write(void *arg)
{
	return write_by(O_WRONLY, 1);
}

static int by_write_rdwr(void *arg)
{
	return write_by(O_RDWR, 1);
}

static int by_append(void *arg)
{
	return write_by(O_WRONLY | O_APPEND, 1);
}

static int by_write_sync(void *arg)
{
	return write_by(O_RDWR | O_SYNC, 1);
}

static int by_write_direct(void *arg)
{
	return write_by(O_RDWR | O_DIRECT, 4096);
}

static int by_write_direct_wronly(void *arg)
{
	return write_by(O_WRONLY | O_DIRECT, 4096);
}

static int by_write_nothing(void *arg)
{
	return write_by(O_WRONLY, 0);
}

static int by_pwritev(void *arg)
{
	struct iovec iov[2] = {{(void *)"a", 1}, {(void *)"b", 1}};
	int fd = open(NAME, O_WRONLY);

	return fd < 0 || pwritev(fd, iov, 2, 9000) != 2 ? -1 : 0;
}

static int by_splice(void *arg)
{
	int fd = open(NAME, O_WRONLY), p[2];

	return fd < 0 || pipe(p) || write(p[1], "abc", 3) != 3 ||
			       splice(p[0], NULL, fd, NULL, 3, 0) != 3
		       ? -1
		       : 0;
}

static int by_open_trunc(void *arg)
{
	return open(NAME, O_WRONLY | O_TRUNC) < 0 ? -1 : 0;
}

static int by_open_trunc_rdwr(void *arg)
{
	return open(NAME, O_RDWR | O_TRUNC) < 0 ? -1 : 0;
}

static int by_open_creat_trunc(void *arg)
{
	return open(NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600) < 0 ? -1 : 0;
}

static int by_truncate(void *arg)
{
	return truncate(NAME, 10);
}

static int by_truncate_longer(void *arg)
{
	return truncate(NAME, 100000);
}

static int by_truncate_same(void *arg)
{
	return truncate(NAME, 8192);
}

static int by_ftruncate(void *arg)
{
	int fd = open(NAME, O_RDWR);

	return fd < 0 ? -1 : ftruncate(fd, 10);
}

static int fallocate_by(int mode)
{
	int fd = open(NAME, O_WRONLY);

	return fd < 0 ? -1 : fallocate(fd, mode, 0, 4096);
}

static int by_fallocate(void *arg)
{
	return fallocate_by(0);
}

static int by_keep_size(void *arg)
{
	return fallocate_by(FALLOC_FL_KEEP_SIZE);
}

static int by_punch(void *arg)
{
	return fallocate_by(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
}

static int by_zero(void *arg)
{
	return fallocate_by(FALLOC_FL_ZERO_RANGE);
}

static int by_copy(void *arg)
{
	int in = open("source", O_RDONLY), out = open(NAME, O_WRONLY);

	return in < 0 || out < 0 ||
			       copy_file_range(in, NULL, out, NULL, 100, 0) < 0
		       ? -1
		       : 0;
}

static int by_chown_nothing(void *arg)
{
	return chown(NAME, (uid_t)-1, (gid_t)-1);
}

static int by_chgrp_team(void *arg)
{
	return chown(NAME, (uid_t)-1, TEAM);
}

static int by_chown_user(void *arg)
{
	return chown(NAME, USER, (gid_t)-1);
}

static int by_chmod_setid(void *arg)
{
	return chmod(NAME, 06755);
}

static int by_utimes(void *arg)
{
	return utimensat(AT_FDCWD, NAME, NULL, 0);
}

static const struct {
	const char *name;
	int (*run)(void *);
} ways[] = {
	{"write", by_write},
	{"write-rdwr", by_write_rdwr},
	{"append", by_append},
	{"write-sync", by_write_sync},
	{"write-direct", by_write_direct},
	{"write-direct-wronly", by_write_direct_wronly},
	{"write-nothing", by_write_nothing},
	{"pwritev", by_pwritev},
	{"splice", by_splice},
	{"open-trunc", by_open_trunc},
	{"open-trunc-rdwr", by_open_trunc_rdwr},
	{"open-creat-trunc", by_open_creat_trunc},
	{"truncate", by_truncate},
	{"truncate-longer", by_truncate_longer},
	{"truncate-same", by_truncate_same},
	{"ftruncate", by_ftruncate},
	{"fallocate", by_fallocate},
	{"fallocate-keep-size", by_keep_size},
	{"fallocate-punch", by_punch},
	{"fallocate-zero", by_zero},
	{"copy-file-range", by_copy},
	{"chown-nothing", by_chown_nothing},
	{"chgrp-team", by_chgrp_team},
	{"chown-user", by_chown_user},
	{"chmod-setid", by_chmod_setid},
	{"utimes", by_utimes},
};

#define WAYS_TO_WRITE 12 /* the first of them open the file and write */

/* Of this one FUSE's side of the kernel tells nobody. Below, the bit of a
 * file whose owner was not changed may go. */
static int kernel_is_silent(int (*run)(void *), mode_t mode)
{
	return run == by_chown_nothing && mode == 02767;
}

/* A file that somebody reads, long enough to be served past the worker where
 * there is passthrough: it was never open before. */
static int make_read_file(mode_t mode)
{
	SETUP(!mknod(NAME, S_IFREG | 0600, 0) && !truncate(NAME, 2 << 20) &&
	      !chown(NAME, OWNER, TEAM) && !chmod(NAME, mode));
	int fd = open(NAME, O_RDONLY | O_CLOEXEC);
	SETUP(fd >= 0);
	return fd;
}

static void probe_way(const struct caller *c, size_t way, mode_t mode,
		      bool read)
{
	char after[80];
	int reader = -1;

	if (kernel_is_silent(ways[way].run, mode))
		return;
	if (read)
		reader = make_read_file(mode);
	else
		make_file(NAME, OWNER, TEAM, mode);
	int e = as_caller(c, ways[way].run, NULL);
	printf("setid %s %s %05o%s: %s %s\n", c->name, ways[way].name, mode,
	       read ? " beside a reader" : "", error_word(e),
	       look(NAME, after));
	SETUP(!unlink(NAME));
	if (read)
		close(reader);
}

void probe_setid(void)
{
	/* with and without execution for the group: the latter was a lock */
	static const mode_t modes[] = {06777, 02767, 06767};

	SETUP(!chmod(".", 0777));
	make_file("source", 0, 0, 0644);
	for (const struct caller *c = callers; c->name; c++) {
		for (size_t w = 0; w < sizeof(ways) / sizeof(*ways); w++) {
			for (size_t m = 0; m < 3; m++)
				probe_way(c, w, modes[m], false);
			if (w >= WAYS_TO_WRITE)
				continue;
			probe_way(c, w, 06777, true);
			probe_way(c, w, 02767, true);
		}
	}
}
