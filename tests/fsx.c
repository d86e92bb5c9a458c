/*
 * fsx - random calls on one file by several processes, against a model
 *
 *	fsx [-b] [-P] [-w PID] [-s SEED] [-n CALLS | -t SECONDS] [-p PROCESSES]
 *	    FILE
 *
 * The processes take turns, each with descriptors and mappings of its own; a
 * mapping may outlive its descriptor, and its process. Between the calls the
 * model in memory is exact. With -b each works on pages of its own, all at the
 * same time. With -P the file is one that passthrough serves: large, mostly
 * opened for reading or for writing and seldom for both, and made anew now and
 * then; -w counts what the worker reads, to tell whether it was. Ends at the first difference: what was expected, what was found,
 * and the last calls.
 *
 * What Linux promises on a local file system is demanded: every way of reading
 * sees every way of writing at once; nothing is said to be a hole that has
 * data. What a file system need not have (EOPNOTSUPP) is left out.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include "tests/fsx.h"

/* ---- reading ---- */

static void op_read(void)
{
	struct handle *h = some_handle(READS);
	size_t off = below(FSX_BYTES), len = below(MAX_LEN);

	if (!h)
		return;
	if (h->flags & O_DIRECT)
		off &= ~(ALIGN - 1), len = (len | (ALIGN - 1)) + 1;
	tell("pread(%d) %zu+%zu", h->fd, off, len);
	ssize_t n = pread(h->fd, buffer, len, (off_t)off);
	expect(n, expected_length(off, len));
	compare(buffer, off, (size_t)n);
}

static void op_sendfile(void)
{
	struct handle *h = some_handle(READS);
	size_t off = below(FSX_BYTES), len = below(MAX_LEN);

	if (!h || h->flags & O_DIRECT)
		return;
	tell("sendfile(%d) %zu+%zu", h->fd, off, len);
	compare(buffer, off, send_to_buffer(h->fd, off, len));
}

static void op_seek(void)
{
	struct handle *h = some_handle(READS | WRITES);
	size_t off = below(model->size + 1);

	if (!h)
		return;
	tell("seek(%d) %zu", h->fd, off);
	off_t data = lseek(h->fd, (off_t)off, SEEK_DATA);
	if (data < 0 && errno != ENXIO)
		fail("SEEK_DATA");
	size_t end = data < 0 ? model->size : (size_t)data;
	if (data >= 0 && (end < off || end >= model->size))
		fail("SEEK_DATA of %zu is %zu", off, end);
	for (size_t at = off; at < end; at++)
		if (model->bytes[at])
			fail("byte %zu is data, SEEK_DATA of %zu says %zu", at,
			     off, end);
	if (off == model->size)
		return;
	off_t hole = lseek(h->fd, (off_t)off, SEEK_HOLE);
	if (hole < (off_t)off || hole > (off_t)model->size)
		fail("SEEK_HOLE of %zu is %lld", off, (long long)hole);
	if (hole < (off_t)model->size && model->bytes[hole])
		fail("SEEK_HOLE says %lld, there is data", (long long)hole);
}

static void op_stat(void)
{
	struct stat st;

	tell("stat");
	OK(stat(path, &st));
	expect((ssize_t)st.st_size, model->size);
}

/* ---- changing ---- */

static void op_write(void)
{
	struct handle *h = some_handle(WRITES);
	size_t off = below(FSX_BYTES), len = 1 + below(MAX_LEN - 1);

	if (!h)
		return;
	if (h->flags & O_DIRECT)
		off &= ~(ALIGN - 1), len = ((len - 1) | (ALIGN - 1)) + 1;
	if (h->flags & O_APPEND)
		off = model->size;
	if (h->flags & O_APPEND && h->flags & O_DIRECT && off % ALIGN)
		return;
	if (off + len > FSX_BYTES)
		return;
	random_bytes(buffer, len);
	tell("pwrite(%d) %zu+%zu", h->fd, off, len);
	expect(pwrite(h->fd, buffer, len, (off_t)off), len);
	model_write(buffer, off, len);
}

static void op_truncate(void)
{
	struct handle *h = some_handle(WRITES);
	size_t size = one_in(4) ? 0 : below(FSX_BYTES);

	if (passed && !one_in(3)) /* long enough for who comes next */
		size = FSX_BYTES / 2 + size / 2;

	if (one_in(2) && h) {
		tell("ftruncate(%d) %zu", h->fd, size);
		OK(ftruncate(h->fd, (off_t)size));
	} else {
		tell("truncate %zu", size);
		OK(truncate(path, (off_t)size));
	}
	model_resize(size);
}

static void op_fallocate(void)
{
	static const int modes[] = {
		0,
		FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
	};
	struct handle *h = some_handle(WRITES);
	int mode = modes[below(sizeof(modes) / sizeof(*modes))];
	size_t off = below(FSX_BYTES), len = 1 + below(MAX_LEN - 1);
	bool moves = mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE);

	if (!h || h->flags & O_APPEND)
		return;
	if (moves)
		off &= ~(ALIGN - 1), len = ((len - 1) | (ALIGN - 1)) + 1;
	if (off + len > FSX_BYTES)
		return;
	if (moves && (off + len >= model->size ||
		      model->size + len > FSX_BYTES))
		return;
	tell("fallocate(%d) %#x %zu+%zu", h->fd, (unsigned)mode, off, len);
	if (fallocate(h->fd, mode, (off_t)off, (off_t)len) < 0) {
		if (errno != EOPNOTSUPP)
			fail("fallocate");
		return;
	}
	model_fallocate(mode, off, len);
}

static void op_copy(void)
{
	struct handle *in = some_handle(READS), *out = some_handle(WRITES);
	size_t from = below(model->size + 1), to = below(FSX_BYTES);
	size_t len = 1 + below(MAX_LEN - 1);
	off_t off_in = (off_t)from, off_out = (off_t)to;

	if (!in || !out || out->flags & (O_APPEND | O_DIRECT) ||
	    in->flags & O_DIRECT)
		return;
	len = expected_length(from, len);
	if (!len || to + len > FSX_BYTES ||
	    (from < to + len && to < from + len))
		return;
	tell("copy_file_range(%d, %d) %zu to %zu+%zu", in->fd, out->fd, from,
	     to, len);
	ssize_t n = copy_file_range(in->fd, &off_in, out->fd, &off_out, len, 0);
	if (n <= 0)
		fail("copy_file_range");
	model_write(model->bytes + from, to, (size_t)n);
}

static void op_sync(void)
{
	struct handle *h = some_handle(READS | WRITES);

	if (!h)
		return;
	tell("fsync(%d)", h->fd);
	OK(one_in(2) ? fsync(h->fd) : fdatasync(h->fd));
}

static void op_rename(void)
{
	tell("rename");
	names_swap();
}

/* ---- which, and how often ---- */

static const struct op {
	void (*run)(void); /* NULL: op_round */
	unsigned weight;
} ops[] = {
	{op_read, 20},	  {op_write, 20},      {op_truncate, 4},
	{op_fallocate, 6}, {op_copy, 5},       {op_seek, 6},
	{op_stat, 4},	  {op_sync, 1},	       {op_rename, 1},
	{op_sendfile, 8}, {op_handle_open, 10}, {op_handle_close, 8},
	{op_map, 5},	  {op_unmap, 4},       {op_store, 12},
	{op_mapped, 12},  {op_mapper_dies, 1},
	/* with -P only */
	{op_look, 2},	  {NULL, 2},
};

void op_random(unsigned processes)
{
	unsigned total = 0;
	const struct op *o = ops;
	size_t n = sizeof(ops) / sizeof(*ops) - (passed ? 0 : 2);

	for (size_t k = 0; k < n; k++)
		total += ops[k].weight;
	size_t at = below(total);
	while (at >= o->weight)
		at -= o++->weight;
	o->run ? o->run() : op_round(processes);
}
