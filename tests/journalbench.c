/*
 * journalbench - what the journal costs an operation of the overlay
 *
 *	journalbench DIR COUNT PACE
 *
 * The overlay's own calls around the one lower call, in process, without
 * FUSE: who did it, order locks, intent, record. A writer thread takes the
 * records into a database below DIR meanwhile, as in the worker; the lower
 * call itself is left out. Prints "OPERATION MEDIAN MEAN UNIT" a line, of
 * COUNT operations each, less what reading the clock takes.
 *
 * PACE ns lie between two operations. With 0 the writer is awake most of the
 * time; with 40000, a round trip, it falls asleep and must be woken.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fs/change.h"
#include "fs/content.h"
#include "fs/lower.h"
#include "fs/order.h"
#include "fs/who.h"
#include "journal.h"
#include "shared.h"

static struct inode *dir, *file;
static struct fhandle file_fh;
static struct stat file_st;
static int file_fd;
static int64_t pace_ns;

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "journalbench: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* ---- operations ---- */

static void me(struct who *ret)
{
	static pid_t pid;
	if (!pid)
		pid = getpid();
	who_get(0, 0, pid, ret);
}

static void nothing(void)
{
}

static void who_only(void)
{
	struct who who;
	me(&who);
}

static void write_some(void)
{
	struct who who;
	me(&who);
	content_begin(file, &who, file_fd, 0);
	content_end(file, file_fd, 0, 4096);
}

static void lock_names(struct order *o)
{
	*o = (struct order)ORDER_INIT;
	order_add(o, inode_hash(dir));
	order_add(o, inode_hash(file));
	order_lock(o, ORDER_SHARED);
}

static void one_name(enum record_op op, uint32_t flags, bool renamed)
{
	struct change c;
	struct order o;
	struct who who;
	me(&who);
	lock_names(&o);
	change_init(&c, op, &who, inode_path_of(dir, "a name"),
		    renamed ? inode_path_of(dir, "another name") : NULL);
	c.r.flags = flags;
	c.r.obj = file_fh;
	change_begin(&c);
	if (op == OP_CREATE) {
		change_busy(&file_fh);
		content_created_locked(file, &who);
	}
	change_end(&c, &file_st);
	order_unlock(&o);
}

static void create(void)
{
	one_name(OP_CREATE, RF_OPEN, false);
}

static void settle(void)
{
	content_close(file, file_fd);
}

static void rename_one(void)
{
	one_name(OP_RENAME, 0, true);
}

static void unlink_one(void)
{
	one_name(OP_UNLINK, RF_LAST, false);
}

static void open_writer(void)
{
	struct who who;
	me(&who);
	content_open(file, &who, false);
}

/* ---- timing ---- */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void pause_ns(int64_t ns)
{
	int64_t end = clock_mono_ns() + ns;
	while (clock_mono_ns() < end)
		;
}

struct cost {
	double median, mean; /* ns */
};

/* `after`, or NULL, is not measured: it makes `op` possible again. */
static struct cost measure(long n, void (*op)(void), void (*after)(void))
{
	int64_t *took = calloc((size_t)n, sizeof(*took));
	struct cost c = {0};
	if (!took)
		abort();
	for (long k = 0; k < n; k++) {
		pause_ns(pace_ns);
		int64_t start = clock_mono_ns();
		op();
		took[k] = clock_mono_ns() - start;
		if (after)
			after();
	}
	for (long k = 0; k < n; k++)
		c.mean += (double)took[k] / (double)n;
	qsort(took, (size_t)n, sizeof(*took), compare);
	c.median = (double)took[n / 2];
	free(took);
	return c;
}

static struct cost clock_cost;

static void row(const char *name, long n, void (*op)(void),
		void (*after)(void))
{
	struct cost c = measure(n, op, after);
	printf("%s %.3f %.3f us\n", name,
	       (c.median - clock_cost.median) / 1000,
	       (c.mean - clock_cost.mean) / 1000);
	fflush(stdout);
}

static void all(long n)
{
	clock_cost = measure(n, nothing, NULL);
	row("who", n, who_only, NULL);
	open_writer();
	row("write", n, write_some, NULL);
	settle();
	row("create", n, create, settle);
	create();
	settle();
	row("rename", n, rename_one, NULL);
	row("unlink", n, unlink_one, NULL);
}

/* settle is the close of a file that was written: `create` makes one. */
static void settles(long n)
{
	int64_t *took = calloc((size_t)n, sizeof(*took));
	double sum = 0;
	if (!took)
		abort();
	for (long k = 0; k < n; k++) {
		create();
		pause_ns(pace_ns);
		int64_t start = clock_mono_ns();
		settle();
		took[k] = clock_mono_ns() - start;
		sum += (double)took[k];
	}
	qsort(took, (size_t)n, sizeof(*took), compare);
	printf("close %.3f %.3f us\n",
	       ((double)took[n / 2] - clock_cost.median) / 1000,
	       (sum / (double)n - clock_cost.mean) / 1000);
	free(took);
}

/* ---- what they need ---- */

static int lower_begin(const char *top)
{
	struct fhandle root, fh;
	struct stat st;
	int root_fd = open(top, O_RDONLY | O_DIRECTORY);
	check(root_fd < 0 ? -errno : 0, top);
	check(lower_start(root_fd, &root, &st), "file handles");
	if (mkdirat(root_fd, "folder", 0755) < 0 && errno != EEXIST)
		check(-errno, "folder");
	file_fd = openat(root_fd, "folder/file", O_RDWR | O_CREAT, 0644);
	check(file_fd < 0 ? -errno : 0, "folder/file");
	inodes_start(&root);
	check(lower_identify(root_fd, "folder", &fh, &st), "folder");
	dir = inode_learn(&fh, &st, inode_get(INODE_ROOT), "folder");
	check(lower_identify(file_fd, "", &file_fh, &file_st), "file");
	file = inode_learn(&file_fh, &file_st, dir, "file");
	return root_fd;
}

int main(int argc, char **argv)
{
	struct journal_writer *writer;
	struct journal *journal;
	struct shared *shared;
	uint64_t first;
	int fd;
	long n = argc == 4 ? atol(argv[2]) : 0;
	if (n <= 0) {
		fputs("usage: journalbench DIR COUNT PACE\n", stderr);
		return 2;
	}
	pace_ns = atol(argv[3]);
	int root_fd = lower_begin(argv[1]);
	char *state = argv[1];
	check(journal_open(state, JOURNAL_CREATE, &journal), "journal");
	check(journal_epoch_begin(journal, &first), "epoch");
	journal_close(journal);
	check(shared_create(first, &fd), "shared memory");
	check(shared_map(fd, &shared), "shared memory");
	check(journal_writer_start(state, shared, -1, 0, &writer), "writer");
	changes_start(shared);
	change_thread_start(0);
	check(contents_start(0, 0), "contents");
	all(n);
	settles(n);
	contents_stop();
	journal_writer_stop(writer);
	inodes_stop();
	shared_unmap(shared);
	close(fd);
	close(file_fd);
	close(root_fd);
	return 0;
}
