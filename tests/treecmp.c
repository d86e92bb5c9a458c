/*
 * treecmp - are two trees the same?
 *
 * Compares names, types, content, permissions, owner, modification time to
 * the second, targets of symbolic links, and which names are hard links of
 * each other. The two roots themselves are compared as well. RESERVED_NAME
 * at the top of either is passed over. Times to the second, because that is
 * what SFTP can carry.
 *
 * Prints a line for each difference; exit status 0: equal, 1: different,
 * 2: could not compare.
 */
#include "confdefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <search.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "paths.h"

#define SHOWN 60 /* differences printed */

static bool ignore_special, ignore_owner, ignore_times;
static bool copies, bare_symlinks, no_symlinks;
static unsigned long differences, compared;

/* One file with several names: which file of the other tree it is. */
struct twin {
	dev_t dev;
	ino_t ino;
	ino_t other;
};
static void *twins[2];

static void differ(const char *path, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void differ(const char *path, const char *fmt, ...)
{
	CLEANUP_FREE char *shown = text_printable(path);
	va_list ap;

	if (++differences > SHOWN)
		return;
	printf("%s: ", *shown ? shown : ".");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void give_up(const char *what, const char *path)
{
	fprintf(stderr, "treecmp: %s %s: %s\n", what, path, strerror(errno));
	exit(2);
}

static int twin_order(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* Returns true when `s` was not seen, or was seen with the same `other`. */
static bool twin_matches(void **tree, const struct stat *s, ino_t other)
{
	struct twin *new = malloc(sizeof(*new)), **found;

	if (!new)
		abort();
	*new = (struct twin){s->st_dev, s->st_ino, other};
	found = tsearch(new, tree, twin_order);
	if (!found)
		abort();
	if (*found == new)
		return true;
	free(new);
	return (*found)->other == other;
}

static void compare_links(const char *path, const struct stat *a,
			  const struct stat *b)
{
	if (a->st_nlink == 1 && b->st_nlink == 1)
		return;
	if (a->st_nlink != b->st_nlink)
		differ(path, "%lu and %lu hard links",
		       (unsigned long)a->st_nlink, (unsigned long)b->st_nlink);
	if (!twin_matches(&twins[0], a, b->st_ino) ||
	    !twin_matches(&twins[1], b, a->st_ino))
		differ(path, "is linked to other names");
}

static size_t read_full(int fd, char *data, size_t n, const char *path)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, data + got, n - got);

		if (r < 0)
			give_up("read", path);
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return got;
}

static void compare_content(const char *path, int dir_a, int dir_b,
			    const char *name)
{
	static char x[1 << 17], y[1 << 17];
	CLEANUP_CLOSE int a = openat(dir_a, name, O_RDONLY | O_CLOEXEC);
	CLEANUP_CLOSE int b = openat(dir_b, name, O_RDONLY | O_CLOEXEC);
	uint64_t off = 0;

	if (a < 0 || b < 0)
		give_up("open", path);
	for (;;) {
		size_t n = read_full(a, x, sizeof(x), path);
		size_t m = read_full(b, y, sizeof(y), path);
		size_t i = 0;

		if (n == m && !memcmp(x, y, n)) {
			off += n;
			if (n < sizeof(x))
				return;
			continue;
		}
		while (i < n && i < m && x[i] == y[i])
			i++;
		if (i < n && i < m)
			differ(path, "content differs at byte %llu: %02x, %02x",
			       (unsigned long long)(off + i), x[i] & 255,
			       y[i] & 255);
		else
			differ(path, "content ends at byte %llu in one",
			       (unsigned long long)(off + i));
		return;
	}
}

static void compare_targets(const char *path, int dir_a, int dir_b,
			    const char *name)
{
	char x[4096], y[4096];
	ssize_t n = readlinkat(dir_a, name, x, sizeof(x));
	ssize_t m = readlinkat(dir_b, name, y, sizeof(y));

	if (n < 0 || m < 0)
		give_up("readlink", path);
	if (n != m || memcmp(x, y, (size_t)n))
		differ(path, "points to %.*s and %.*s", (int)n, x, (int)m, y);
}

/* Returns false when the types differ, so that there is nothing to go into. */
static bool compare_attributes(const char *path, const struct stat *a,
			       const struct stat *b)
{
	compared++;
	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT)) {
		differ(path, "types %06o and %06o",
		       (unsigned int)a->st_mode & S_IFMT,
		       (unsigned int)b->st_mode & S_IFMT);
		return false;
	}
	if ((a->st_mode & 07777) != (b->st_mode & 07777) &&
	    !S_ISLNK(a->st_mode))
		differ(path, "modes %04o and %04o",
		       (unsigned int)a->st_mode & 07777,
		       (unsigned int)b->st_mode & 07777);
	bool bare = bare_symlinks && S_ISLNK(a->st_mode);
	if (!ignore_owner && !bare &&
	    (a->st_uid != b->st_uid || a->st_gid != b->st_gid))
		differ(path, "owners %u:%u and %u:%u", a->st_uid, a->st_gid,
		       b->st_uid, b->st_gid);
	if (!ignore_times && !bare && a->st_mtime != b->st_mtime)
		differ(path, "times %lld and %lld", (long long)a->st_mtime,
		       (long long)b->st_mtime);
	if (!S_ISDIR(a->st_mode) && !copies)
		compare_links(path, a, b);
	if (S_ISREG(a->st_mode) && a->st_size != b->st_size)
		differ(path, "sizes %lld and %lld", (long long)a->st_size,
		       (long long)b->st_size);
	return true;
}

struct names {
	char **name;
	size_t n, cap;
};

static int name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_special(mode_t mode)
{
	return !S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode);
}

static void names_read(struct names *names, int dirfd_, const char *path)
{
	int copy = openat(dirfd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_CLOSEDIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	struct stat st;

	if (!dir)
		give_up("open", path);
	while ((errno = 0, e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    (!*path && !strcmp(e->d_name, RESERVED_NAME)))
			continue;
		if ((ignore_special || no_symlinks) &&
		    !fstatat(dirfd_, e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    ((ignore_special && is_special(st.st_mode)) ||
		     (no_symlinks && S_ISLNK(st.st_mode))))
			continue;
		if (names->n == names->cap) {
			names->cap = names->cap ? names->cap * 2 : 64;
			names->name = realloc(names->name,
					names->cap * sizeof(*names->name));
		}
		if (!names->name)
			abort();
		names->name[names->n++] = strdup(e->d_name);
	}
	if (errno)
		give_up("readdir", path);
	if (names->n)
		qsort(names->name, names->n, sizeof(*names->name), name_order);
}

static void names_done(struct names *names)
{
	while (names->n)
		free(names->name[--names->n]);
	free(names->name);
}

static void compare_dirs(const char *path, int a, int b);

static void compare_both(const char *dir, const char *name, int a, int b)
{
	CLEANUP_FREE char *path = path_join(dir, name);
	struct stat sa, sb;

	if (fstatat(a, name, &sa, AT_SYMLINK_NOFOLLOW) ||
	    fstatat(b, name, &sb, AT_SYMLINK_NOFOLLOW))
		give_up("stat", path);
	if (!compare_attributes(path, &sa, &sb))
		return;
	if (S_ISREG(sa.st_mode) && sa.st_size == sb.st_size) {
		compare_content(path, a, b, name);
	} else if (S_ISLNK(sa.st_mode)) {
		compare_targets(path, a, b, name);
	} else if (S_ISDIR(sa.st_mode)) {
		const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
		CLEANUP_CLOSE int x = openat(a, name, flags);
		CLEANUP_CLOSE int y = openat(b, name, flags);

		if (x < 0 || y < 0)
			give_up("open", path);
		compare_dirs(path, x, y);
	}
}

static void compare_dirs(const char *path, int a, int b)
{
	struct names x = {0}, y = {0};
	size_t i = 0, k = 0;

	names_read(&x, a, path);
	names_read(&y, b, path);
	while (i < x.n || k < y.n) {
		int order = i == x.n ? 1
			    : k == y.n
				    ? -1
				    : strcmp(x.name[i], y.name[k]);

		if (order == 0) {
			compare_both(path, x.name[i++], a, b);
			k++;
		} else {
			const char *name = order < 0 ? x.name[i++]
						     : y.name[k++];
			CLEANUP_FREE char *p = path_join(path, name);

			differ(p, "only in the %s tree",
			       order < 0 ? "first" : "second");
		}
	}
	names_done(&x);
	names_done(&y);
}

static void usage(void)
{
	fputs("usage: treecmp [--ignore-special] [--ignore-owner] "
	      "[--ignore-times] [--copies] [--bare-symlinks] "
	      "[--no-symlinks] A B\n", stderr);
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"ignore-special", no_argument, NULL, 's'},
		{"ignore-owner", no_argument, NULL, 'o'},
		{"ignore-times", no_argument, NULL, 't'},
		/* hard links may be copies; owner and times of symbolic links
		 * may differ; they are passed over */
		{"copies", no_argument, NULL, 'c'},
		{"bare-symlinks", no_argument, NULL, 'b'},
		{"no-symlinks", no_argument, NULL, 'n'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			ignore_special = true;
		else if (c == 'o')
			ignore_owner = true;
		else if (c == 't')
			ignore_times = true;
		else if (c == 'c')
			copies = true;
		else if (c == 'b')
			bare_symlinks = true;
		else if (c == 'n')
			no_symlinks = true;
		else
			usage();
	}
	if (argc - optind != 2)
		usage();
}

int main(int argc, char **argv)
{
	CLEANUP_CLOSE int a = -1, b = -1;
	struct stat sa, sb;

	parse(argc, argv);
	a = open(argv[optind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a < 0 || fstat(a, &sa))
		give_up("open", argv[optind]);
	b = open(argv[optind + 1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b < 0 || fstat(b, &sb))
		give_up("open", argv[optind + 1]);
	compare_attributes("", &sa, &sb);
	compare_dirs("", a, b);
	if (differences > SHOWN)
		printf("... and %lu more\n", differences - SHOWN);
	printf("treecmp: %lu compared, %lu differences\n", compared,
	       differences);
	return differences != 0;
}
