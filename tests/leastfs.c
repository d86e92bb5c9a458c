/*
 * leastfs - the least that a file system in a process can do: the ceiling
 *
 *	leastfs SOURCE MOUNTPOINT
 *
 * What the kernel asks for is one call on SOURCE's files, and nothing else is
 * done: no journal, no owners, no locks. One thread, which looks for the next
 * request for a moment before it sleeps. What mirrorfs cannot be faster than
 * through the same kernel: a row of bench. Files are in SOURCE or one folder
 * below; it serves until it is unmounted.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NODES	  1024u /* numbered from FUSE_ROOT_ID */
#define TIMEOUT	  86400.0
#define MAX_WRITE (1u << 20)
#define SPIN_NS	  50000

static int root;
static char paths[NODES][256];
static unsigned n_nodes = FUSE_ROOT_ID + 1;
static char request[MAX_WRITE + 4096];

static void init(void *userdata, struct fuse_conn_info *conn)
{
	conn->want &=
		~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
			    FUSE_CAP_SPLICE_MOVE | FUSE_CAP_AUTO_INVAL_DATA);
	conn->max_write = MAX_WRITE;
}

static fuse_ino_t node_of(const char *path)
{
	for (unsigned i = FUSE_ROOT_ID + 1; i < n_nodes; i++) {
		if (strcmp(paths[i], path) == 0)
			return i;
	}
	if (n_nodes == NODES)
		exit(1);
	strcpy(paths[n_nodes], path);
	return n_nodes++;
}

/* The path of `name` in `dir`, until the next call. */
static const char *path_of(fuse_ino_t dir, const char *name)
{
	static char path[sizeof(paths[0])];
	int n = dir == FUSE_ROOT_ID ? snprintf(path, sizeof(path), "%s", name)
				    : snprintf(path, sizeof(path), "%s/%s",
					       paths[dir], name);
	if (n >= (int)sizeof(path))
		exit(1);
	return path;
}

static int entry(const char *path, struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){
		.attr_timeout = TIMEOUT,
		.entry_timeout = TIMEOUT,
	};
	if (fstatat(root, path, &e->attr, AT_SYMLINK_NOFOLLOW) < 0)
		return errno;
	e->ino = node_of(path);
	return 0;
}

static void lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct fuse_entry_param e;
	int error = entry(path_of(dir, name), &e);
	if (error && error != ENOENT)
		fuse_reply_err(req, error);
	else
		fuse_reply_entry(req, &e);
}

static void get_attr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;
	const char *path = ino == FUSE_ROOT_ID ? "." : paths[ino];
	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_attr(req, &st, TIMEOUT);
}

static void create(fuse_req_t req, fuse_ino_t dir, const char *name,
		   mode_t mode, struct fuse_file_info *fi)
{
	const char *path = path_of(dir, name);
	struct fuse_entry_param e;
	int fd = openat(root, path, fi->flags | O_CREAT, mode);
	if (fd < 0 || entry(path, &e)) {
		fuse_reply_err(req, errno);
		return;
	}
	fi->fh = (uint64_t)fd;
	fi->direct_io = 1;
	fuse_reply_create(req, &e, fi);
}

static void write_file(fuse_req_t req, fuse_ino_t ino, const char *data,
		       size_t size, off_t off, struct fuse_file_info *fi)
{
	ssize_t n = pwrite((int)fi->fh, data, size, off);
	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_write(req, (size_t)n);
}

static void release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	close((int)fi->fh);
	fuse_reply_err(req, 0);
}

static void remove_file(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	int r = unlinkat(root, path_of(dir, name), 0);
	fuse_reply_err(req, r < 0 ? errno : 0);
}

static const struct fuse_lowlevel_ops ops = {
	.init = init,
	.lookup = lookup,
	.getattr = get_attr,
	.create = create,
	.write = write_file,
	.release = release,
	.unlink = remove_file,
};

static long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Returns when it was unmounted. */
static void serve(struct fuse_session *se)
{
	struct pollfd p = {.fd = fuse_session_fd(se), .events = POLLIN};
	long long served = 0;
	for (;;) {
		ssize_t n = read(p.fd, request, sizeof(request));
		struct fuse_buf buf = {.mem = request, .size = (size_t)n};
		if (n > 0) {
			fuse_session_process_buf(se, &buf);
			served = now_ns();
		} else if (n == 0 || errno == ENODEV) {
			return;
		} else if (now_ns() - served < SPIN_NS) {
			sched_yield();
		} else {
			poll(&p, 1, -1);
		}
	}
}

int main(int argc, char **argv)
{
	char *arg[] = {argv[0], (char *)"-oallow_other,default_permissions"};
	struct fuse_args args = FUSE_ARGS_INIT(2, arg);
	if (argc != 3) {
		fprintf(stderr, "usage: leastfs SOURCE MOUNTPOINT\n");
		return 2;
	}
	root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fuse_session *se =
		fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (root < 0 || !se || fuse_session_mount(se, argv[2]) < 0) {
		perror("leastfs");
		return 1;
	}
	fcntl(fuse_session_fd(se), F_SETFL, O_RDWR | O_NONBLOCK);
	if (daemon(0, 1) < 0)
		return 1;
	serve(se);
	fuse_session_destroy(se);
	return 0;
}
