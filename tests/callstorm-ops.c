/* The model of callstorm, and the calls. */
#include "confdefs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/callstorm.h"

#define NAMES	  20
#define KEPT	  6
#define BYTES	  (64u << 10)
#define ATTR	  "trusted.storm"
#define BIG_PAGE  4096
#define BIG_PAGES 400 /* more than 1 MiB: see fs/passthrough.h */

/* A file, by whatever names and descriptors. */
struct object {
	unsigned users; /* names and kept descriptors */
	size_t size;
	mode_t mode;
	bool attr;
	struct object *spare; /* the next one that nobody uses */
	char data[BYTES];
};

/* each thread's */
static __thread struct object *files[NAMES], *spares;
static __thread bool dirs[NAMES], symlinks[NAMES];
static __thread struct {
	int fd;
	struct object *o;
} kept[KEPT];
static __thread DIR *stream;
static __thread unsigned stream_seen, stream_sum;
static __thread char page[BYTES + 1];
static __thread unsigned big[BIG_PAGES]; /* how often each was written */
static __thread int big_reader = -1;

static const char *name(char kind, unsigned n)
{
	static __thread char text[4][16];
	static __thread unsigned turn;
	char *t = text[turn++ % 4];
	snprintf(t, 16, "%c%u", kind, n);
	return t;
}

static void unuse(struct object *o)
{
	if (!o || --o->users > 0)
		return;
	o->spare = spares;
	spares = o;
}

static struct object *object_new(void)
{
	struct object *o = spares;
	if (o)
		spares = o->spare;
	else if (!(o = malloc(sizeof(*o))))
		abort();
	memset(o, 0, sizeof(*o));
	o->mode = 0644;
	return o;
}

static void set_name(unsigned n, struct object *o)
{
	struct object *old = files[n];
	files[n] = o;
	if (o)
		o->users++;
	unuse(old);
}

/* Some bytes of it, in `page`. */
static size_t some_bytes(struct object *o, off_t off)
{
	size_t n = 1 + rnd(rnd(4) ? 300 : 20000);
	if ((size_t)off + n > BYTES)
		n = BYTES - (size_t)off;
	char first = (char)rnd(256);
	for (size_t i = 0; i < n; i++)
		page[i] = (char)(first + i * 7);
	if (o->size < (size_t)off + n)
		o->size = (size_t)off + n;
	memcpy(o->data + off, page, n);
	return n;
}

static void write_some(int fd, struct object *o, const char *what)
{
	off_t off = rnd((uint32_t)o->size + 100);
	if (off >= BYTES)
		off = 0;
	size_t n = some_bytes(o, off);
	if (CALL("pwrite", pwrite(fd, page, n, off)) != (ssize_t)n)
		wrong("pwrite", what);
}

static void same_content(int fd, struct object *o, const char *what)
{
	struct stat st;
	ssize_t n = CALL("pread", pread(fd, page, sizeof(page), 0));
	if (n != (ssize_t)o->size || memcmp(page, o->data, o->size) != 0)
		wrong("content", what);
	must("fstat", what, CALL("fstat", fstat(fd, &st)), 0);
	if (st.st_size != (off_t)o->size || (st.st_mode & 07777) != o->mode)
		wrong("attributes", what);
}

/* ---- files by name ---- */

static void step_create(unsigned n)
{
	int fd = CALL("create",
		      open(name('f', n), O_RDWR | O_CREAT | O_EXCL, 0644));
	must("create", name('f', n), fd, files[n] ? EEXIST : 0);
	if (fd < 0)
		return;
	set_name(n, object_new());
	write_some(fd, files[n], "new");
	CALL("close", close(fd));
}

static void step_open(unsigned n)
{
	static const int ways[] = {O_RDWR, O_RDWR, O_RDONLY, O_RDWR | O_TRUNC,
				   O_RDWR | O_APPEND};
	int way = ways[rnd(5)];
	int fd = CALL("open", open(name('f', n), way));
	must("open", name('f', n), fd, files[n] ? 0 : ENOENT);
	if (fd < 0)
		return;
	if (way & O_TRUNC) {
		files[n]->size = 0;
		memset(files[n]->data, 0, BYTES);
	}
	if (way & O_APPEND && files[n]->size < BYTES / 2) {
		size_t len = some_bytes(files[n], (off_t)files[n]->size);
		if (CALL("append", write(fd, page, len)) != (ssize_t)len)
			wrong("append", name('f', n));
	} else if (way != O_RDONLY && !(way & O_APPEND)) {
		write_some(fd, files[n], "old");
	}
	same_content(fd, files[n], name('f', n));
	if (rnd(4) == 0)
		must("fsync", "", CALL("fsync", fsync(fd)), 0);
	CALL("close", close(fd));
}

static void step_truncate(unsigned n)
{
	off_t size = rnd(BYTES);
	must("truncate", name('f', n),
	     CALL("truncate", truncate(name('f', n), size)),
	     files[n] ? 0 : ENOENT);
	if (!files[n])
		return;
	if ((size_t)size < files[n]->size)
		memset(files[n]->data + size, 0, BYTES - (size_t)size);
	files[n]->size = (size_t)size;
}

static void step_unlink(unsigned n)
{
	must("unlink", name('f', n), CALL("unlink", unlink(name('f', n))),
	     files[n] ? 0 : ENOENT);
	set_name(n, NULL);
}

static void step_link(unsigned n, unsigned to)
{
	must("link", name('f', to),
	     CALL("link", link(name('f', n), name('f', to))),
	     !files[n]	 ? ENOENT
	     : files[to] ? EEXIST
			 : 0);
	if (files[n] && !files[to])
		set_name(to, files[n]);
}

static void step_rename(unsigned n, unsigned to)
{
	static const unsigned ways[] = {0, 0, RENAME_NOREPLACE,
					RENAME_EXCHANGE};
	unsigned way = ways[rnd(4)];
	int error = !files[n] ? ENOENT : 0;
	if (!error && way == RENAME_NOREPLACE && files[to])
		error = EEXIST;
	if (!error && way == RENAME_EXCHANGE && !files[to])
		error = ENOENT;
	must(way ? "renameat2" : "rename", name('f', to),
	     CALL("rename", renameat2(AT_FDCWD, name('f', n), AT_FDCWD,
				      name('f', to), way)),
	     error);
	if (error || files[n] == files[to])
		return;
	struct object *a = files[n], *b = files[to];
	a->users++;
	if (way == RENAME_EXCHANGE) {
		b->users++;
		set_name(n, b);
		unuse(b);
	} else {
		set_name(n, NULL);
	}
	set_name(to, a);
	unuse(a);
}

static void step_mode(unsigned n)
{
	mode_t mode = 0600 | rnd(64);
	must("chmod", name('f', n), CALL("chmod", chmod(name('f', n), mode)),
	     files[n] ? 0 : ENOENT);
	if (files[n])
		files[n]->mode = mode;
}

static void step_attr(unsigned n)
{
	if (!files[n])
		return;
	if (rnd(2)) {
		must("setxattr", name('f', n),
		     CALL("setxattr",
			  setxattr(name('f', n), ATTR, "x", 1, XATTR_CREATE)),
		     files[n]->attr ? EEXIST : 0);
		files[n]->attr = true;
	} else {
		must("removexattr", name('f', n),
		     CALL("removexattr", removexattr(name('f', n), ATTR)),
		     files[n]->attr ? 0 : ENODATA);
		files[n]->attr = false;
	}
}

static void step_map(unsigned n)
{
	if (!files[n] || !files[n]->size)
		return;
	int fd = CALL("open", open(name('f', n), O_RDWR));
	must("open to map", name('f', n), fd, 0);
	char *p = mmap(NULL, files[n]->size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);
	if (p == MAP_FAILED) {
		wrong("mmap", name('f', n));
	} else {
		size_t at = rnd((uint32_t)files[n]->size);
		files[n]->data[at] = (char)rnd(256);
		p[at] = files[n]->data[at];
		must("msync", "",
		     CALL("msync", msync(p, files[n]->size, MS_SYNC)), 0);
		CALL("munmap", munmap(p, files[n]->size));
	}
	same_content(fd, files[n], "mapped");
	CALL("close", close(fd));
}

static void step_copy(unsigned n, unsigned to)
{
	if (!files[n] || !files[to] || files[n] == files[to] ||
	    files[n]->size < 10)
		return;
	int in = CALL("open", open(name('f', n), O_RDONLY));
	int out = CALL("open", open(name('f', to), O_RDWR));
	size_t len = files[n]->size / 2;
	off_t at = 0, from = 0;
	must("open to copy", "", in < 0 || out < 0 ? -1 : 0, 0);
	ssize_t r = CALL("copy_file_range",
			 copy_file_range(in, &from, out, &at, len, 0));
	if (r < 0)
		wrong("copy_file_range", name('f', to));
	else
		memcpy(files[to]->data, files[n]->data, (size_t)r);
	if (r > 0 && files[to]->size < (size_t)r)
		files[to]->size = (size_t)r;
	same_content(out, files[to], "copy");
	CALL("close", close(in));
	CALL("close", close(out));
}

/* ---- files without a name ---- */

static void step_tmpfile(unsigned n)
{
	char path[64];
	int fd = CALL("O_TMPFILE", open(".", O_TMPFILE | O_RDWR, 0644));
	must("O_TMPFILE", "", fd, 0);
	struct object *o = object_new();
	o->users++;
	write_some(fd, o, "tmpfile");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must("linkat", name('f', n),
	     CALL("linkat", linkat(AT_FDCWD, path, AT_FDCWD, name('f', n),
				   AT_SYMLINK_FOLLOW)),
	     files[n] ? EEXIST : 0);
	if (!files[n])
		set_name(n, o);
	same_content(fd, o, "tmpfile");
	CALL("close", close(fd));
	unuse(o);
}

static void step_keep(unsigned n, unsigned k)
{
	if (kept[k].o || !files[n])
		return;
	kept[k].fd = CALL("open", open(name('f', n), O_RDWR));
	must("open to keep", name('f', n), kept[k].fd, 0);
	kept[k].o = files[n];
	kept[k].o->users++;
	if (rnd(2))
		step_unlink(n);
}

static void step_kept(unsigned k)
{
	if (!kept[k].o)
		return;
	write_some(kept[k].fd, kept[k].o, "kept");
	same_content(kept[k].fd, kept[k].o, "kept");
	if (rnd(3))
		return;
	CALL("close", close(kept[k].fd));
	unuse(kept[k].o);
	kept[k].o = NULL;
}

/* A lock is the kernel's: it stays whoever serves. */
static void step_lock(unsigned n)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (!files[n])
		return;
	int a = CALL("open", open(name('f', n), O_RDWR));
	must("lock", "", CALL("lock", fcntl(a, F_OFD_SETLK, &l)), 0);
	int b = CALL("open", open(name('f', n), O_RDWR));
	must("second lock", "", CALL("lock", fcntl(b, F_OFD_SETLK, &l)),
	     EAGAIN);
	CALL("close", close(a));
	must("third lock", "", CALL("lock", fcntl(b, F_OFD_SETLK, &l)), 0);
	CALL("close", close(b));
}

/* ---- a large file, which the kernel may read without us ---- */

static void big_fill(unsigned n)
{
	memset(page, (int)(big[n] * 31 + n) & 255, BIG_PAGE);
}

static void big_write(int fd, unsigned n)
{
	big[n]++;
	big_fill(n);
	if (CALL("pwrite", pwrite(fd, page, BIG_PAGE, n * BIG_PAGE)) !=
	    BIG_PAGE)
		wrong("pwrite", "big");
}

static void big_check(int fd, unsigned n)
{
	static __thread char is[BIG_PAGE];
	big_fill(n);
	if (CALL("pread", pread(fd, is, BIG_PAGE, n * BIG_PAGE)) != BIG_PAGE ||
	    memcmp(is, page, BIG_PAGE) != 0)
		wrong("content", "big");
}

static void step_big(void)
{
	static const int ways[] = {O_RDONLY, O_RDONLY, O_WRONLY, O_RDWR};
	int way = ways[rnd(4)];
	if (big_reader < 0) {
		big_reader = CALL("open", open("big", O_RDONLY));
		must("open", "big", big_reader, 0);
	}
	int fd = CALL("open", open("big", way));
	must("open", "big", fd, 0);
	if (way != O_RDONLY)
		big_write(fd, rnd(BIG_PAGES));
	if (way != O_WRONLY)
		big_check(fd, rnd(BIG_PAGES));
	for (unsigned k = 0; k < 4; k++)
		big_check(big_reader, rnd(BIG_PAGES));
	CALL("close", close(fd));
	if (rnd(3))
		return;
	CALL("close", close(big_reader));
	big_reader = -1;
}

/* ---- folders ---- */

static void step_dir(unsigned n)
{
	if (rnd(2)) {
		must("mkdir", name('d', n),
		     CALL("mkdir", mkdir(name('d', n), 0755)),
		     dirs[n] ? EEXIST : 0);
		dirs[n] = true;
	} else {
		must("rmdir", name('d', n), CALL("rmdir", rmdir(name('d', n))),
		     dirs[n] ? 0 : ENOENT);
		dirs[n] = false;
	}
}

static void step_dir_rename(unsigned n, unsigned to)
{
	if (dirs[to] && n != to)
		return;
	must("rename of a folder", name('d', to),
	     CALL("rename", rename(name('d', n), name('d', to))),
	     dirs[n] ? 0 : ENOENT);
	if (dirs[n] && n != to) {
		dirs[n] = false;
		dirs[to] = true;
	}
}

static void step_symlink(unsigned n)
{
	char text[32];
	if (symlinks[n]) {
		ssize_t len = CALL("readlink",
				   readlink(name('s', n), text, sizeof(text)));
		if (len != 6 || memcmp(text, "target", 6) != 0)
			wrong("readlink", name('s', n));
		must("unlink of a symlink", name('s', n),
		     CALL("unlink", unlink(name('s', n))), 0);
	} else {
		must("symlink", name('s', n),
		     CALL("symlink", symlink("target", name('s', n))), 0);
	}
	symlinks[n] = !symlinks[n];
}

static void step_list(void)
{
	unsigned wanted = 1, found = 0; /* big */
	DIR *d = CALL("opendir", opendir("."));
	const struct dirent *e;
	if (!d) {
		wrong("opendir", ".");
		return;
	}
	for (unsigned n = 0; n < NAMES; n++)
		wanted += (files[n] != NULL) + dirs[n] + symlinks[n];
	while ((e = CALL("readdir", readdir(d))))
		found += e->d_name[0] != '.';
	CALL("closedir", closedir(d));
	if (found != wanted) {
		errno = 0;
		wrong("entries of", ".");
	}
}

/* A stream that is read a little at a time: each name comes once. */
static void step_stream(void)
{
	if (!stream) {
		stream = CALL("opendir", opendir("../stable"));
		stream_seen = stream_sum = 0;
		if (!stream)
			wrong("opendir", "stable");
		return;
	}
	for (unsigned k = rnd(200); k > 0; k--) {
		const struct dirent *e = CALL("readdir", readdir(stream));
		if (e && e->d_name[0] == '.')
			continue;
		if (e) {
			stream_seen++;
			stream_sum += (unsigned)atoi(e->d_name + 5);
			continue;
		}
		if (stream_seen != STABLE ||
		    stream_sum != STABLE * (STABLE - 1) / 2)
			wrong("entries of", "stable");
		CALL("closedir", closedir(stream));
		stream = NULL;
		return;
	}
}

/* ---- all of it ---- */

void storm_stable(void)
{
	char path[32];
	must("mkdir", "stable", mkdir("stable", 0755), 0);
	for (unsigned n = 0; n < STABLE; n++) {
		snprintf(path, sizeof(path), "stable/name-%u", n);
		must("symlink", path, CALL("symlink", symlink("x", path)), 0);
	}
}

void storm_begin(void)
{
	umask(0);
	int fd = CALL("create", open("big", O_CREAT | O_EXCL | O_RDWR, 0644));
	must("create", "big", fd, 0);
	for (unsigned n = 0; n < BIG_PAGES; n++)
		big_write(fd, n);
	CALL("close", close(fd));
}

void storm_step(void)
{
	unsigned n = rnd(NAMES), to = rnd(NAMES), k = rnd(KEPT);
	switch (rnd(21)) {
	case 0 ... 2:
		step_create(n);
		break;
	case 3 ... 4:
		step_open(n);
		break;
	case 5:
		step_truncate(n);
		break;
	case 6:
		step_unlink(n);
		break;
	case 7:
		step_link(n, to);
		break;
	case 8:
		step_rename(n, to);
		break;
	case 9:
		step_mode(n);
		break;
	case 10:
		step_attr(n);
		break;
	case 11:
		step_map(n);
		break;
	case 12:
		step_copy(n, to);
		break;
	case 13:
		step_tmpfile(n);
		break;
	case 14:
		step_keep(n, k);
		break;
	case 15:
		step_kept(k);
		break;
	case 16:
		step_lock(n);
		break;
	case 17:
		step_dir(n);
		break;
	case 18:
		rnd(2) ? step_dir_rename(n, to) : step_symlink(n);
		break;
	case 19:
		rnd(2) ? step_list() : step_stream();
		break;
	case 20:
		step_big();
		break;
	}
}

void storm_end(void)
{
	for (unsigned n = 0; n < NAMES; n++) {
		int fd = CALL("open", open(name('f', n), O_RDONLY));
		must("open", name('f', n), fd, files[n] ? 0 : ENOENT);
		if (fd < 0)
			continue;
		same_content(fd, files[n], name('f', n));
		CALL("close", close(fd));
	}
	for (unsigned k = 0; k < KEPT; k++) {
		if (kept[k].o)
			same_content(kept[k].fd, kept[k].o, "kept");
	}
	step_list();
}
