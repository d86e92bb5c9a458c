/*
 * Records as bytes.
 *
 * Layout, big-endian (buf.h): u64 seq, u64 time, u8 op, u32 flags,
 * u32 uid, u32 gid, u32 pid, text program, text title,
 * u32 handle type, bytes handle, u8 which paths, text path, text path2,
 * u32 mode, u32 uid, u32 gid, u64 size, u32 ranges, (u64 off, u64 len)…
 *
 * seq and time come first and have a fixed width: the ring writes them into
 * the finished bytes, under its lock.
 */
#include "confdefs.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "record.h"

enum { HAS_PATH = 1, HAS_PATH2 = 2 };

static const struct {
	enum record_op op;
	const char *word;
} ops[] = {
#define OP(sym, num, word, text) {OP_##sym, word},
#include "tbl/ops.h"
#undef OP
};
#define N_OPS (sizeof(ops) / sizeof(ops[0]))

const char *record_op_word(enum record_op op)
{
	for (size_t i = 0; i < N_OPS; i++)
		if (ops[i].op == op)
			return ops[i].word;
	return "?";
}

int record_op_parse(const char *word)
{
	for (size_t i = 0; i < N_OPS; i++)
		if (strcmp(ops[i].word, word) == 0)
			return (int)ops[i].op;
	return -EINVAL;
}

void fhandle_by_number(uint64_t dev, uint64_t ino, uint32_t type,
		       struct fhandle *ret)
{
	*ret = (struct fhandle){.type = FHANDLE_BY_NUMBER, .len = 20};
	memcpy(ret->bytes, &dev, 8);
	memcpy(ret->bytes + 8, &ino, 8);
	memcpy(ret->bytes + 16, &type, 4);
}

bool fhandle_is_number(const struct fhandle *h, uint32_t *ret_type)
{
	if (h->type != FHANDLE_BY_NUMBER || h->len != 20)
		return false;
	if (ret_type)
		memcpy(ret_type, h->bytes + 16, 4);
	return true;
}

size_t fhandle_size(const struct fhandle *h)
{
	return offsetof(struct fhandle, bytes) + h->len;
}

bool fhandle_equal(const struct fhandle *a, const struct fhandle *b)
{
	return a->len == b->len && a->type == b->type &&
	       memcmp(a->bytes, b->bytes, a->len) == 0;
}

bool record_makes_object(const struct record *r)
{
	return r->op == OP_CREATE || r->op == OP_MKDIR || r->op == OP_SYMLINK ||
	       r->op == OP_MKNOD;
}

void record_unsure(struct record *r)
{
	if (r->op != OP_RENAME && r->op != OP_LINK && r->op != OP_UNSURE) {
		free(r->path2); /* a text, not a path */
		r->path2 = NULL;
	}
	if (!r->path)
		r->path = text_copy("");
	r->op = OP_UNSURE;
	r->time_ns = 0;
	r->flags = 0;
}

void record_done(struct record *r)
{
	if (!r)
		return;
	free(r->path);
	free(r->path2);
	free(r->ranges);
	r->path = r->path2 = NULL;
	r->ranges = NULL;
	r->n_ranges = 0;
}

static void put_chars(struct buf *b, const char *s, size_t size)
{
	buf_put_bytes(b, s, strnlen(s, size - 1));
}

void record_encode(struct buf *b, const struct record *r)
{
	buf_put_u64(b, r->seq);
	buf_put_u64(b, (uint64_t)r->time_ns);
	buf_put_u8(b, (uint8_t)r->op);
	buf_put_u32(b, r->flags);

	buf_put_u32(b, r->who.uid);
	buf_put_u32(b, r->who.gid);
	buf_put_u32(b, (uint32_t)r->who.pid);
	put_chars(b, r->who.program, sizeof(r->who.program));
	put_chars(b, r->who.title, sizeof(r->who.title));

	buf_put_u32(b, (uint32_t)r->obj.type);
	buf_put_bytes(b, r->obj.bytes, r->obj.len);

	buf_put_u8(b, (uint8_t)((r->path ? HAS_PATH : 0) |
				(r->path2 ? HAS_PATH2 : 0)));
	if (r->path)
		buf_put_text(b, r->path);
	if (r->path2)
		buf_put_text(b, r->path2);

	buf_put_u32(b, r->mode);
	buf_put_u32(b, r->uid);
	buf_put_u32(b, r->gid);
	buf_put_u64(b, r->size);
	buf_put_u32(b, r->n_ranges);
	for (uint32_t i = 0; i < r->n_ranges; i++) {
		buf_put_u64(b, r->ranges[i].off);
		buf_put_u64(b, r->ranges[i].len);
	}
}

/* get_chars - a text that fits into `size` bytes with its NUL. */
static int get_chars(struct buf *b, char *out, size_t size)
{
	const uint8_t *p;
	size_t n;
	if (buf_get_bytes(b, &p, &n) < 0 || n >= size || memchr(p, 0, n))
		return -EBADMSG;
	memcpy(out, p, n);
	return 0;
}

static int get_who(struct buf *b, struct who *w)
{
	uint32_t pid;
	if (buf_get_u32(b, &w->uid) < 0 || buf_get_u32(b, &w->gid) < 0 ||
	    buf_get_u32(b, &pid) < 0 ||
	    get_chars(b, w->program, sizeof(w->program)) < 0)
		return -EBADMSG;
	w->pid = (int32_t)pid;
	return get_chars(b, w->title, sizeof(w->title));
}

static int get_handle(struct buf *b, struct fhandle *h)
{
	const uint8_t *p;
	uint32_t type;
	size_t n;
	if (buf_get_u32(b, &type) < 0 || buf_get_bytes(b, &p, &n) < 0 ||
	    n > FHANDLE_MAX)
		return -EBADMSG;
	h->type = (int32_t)type;
	h->len = (uint32_t)n;
	memcpy(h->bytes, p, n);
	return 0;
}

static int get_paths(struct buf *b, struct record *r)
{
	uint8_t has;
	if (buf_get_u8(b, &has) < 0 || (has & ~(HAS_PATH | HAS_PATH2)))
		return -EBADMSG;
	if ((has & HAS_PATH) && buf_get_text(b, &r->path) < 0)
		return -EBADMSG;
	if ((has & HAS_PATH2) && buf_get_text(b, &r->path2) < 0)
		return -EBADMSG;
	return 0;
}

static int get_ranges(struct buf *b, struct record *r)
{
	uint32_t n;
	if (buf_get_u32(b, &n) < 0 || n > RECORD_RANGES_MAX)
		return -EBADMSG;
	if (n == 0)
		return 0;
	r->ranges = calloc(n, sizeof(*r->ranges));
	if (!r->ranges)
		abort();
	uint64_t end = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct range *g = &r->ranges[i];
		if (buf_get_u64(b, &g->off) < 0 || buf_get_u64(b, &g->len) < 0)
			return -EBADMSG;
		if (g->off > UINT64_MAX - g->len || g->off < end)
			return -EBADMSG;
		end = g->off + g->len;
	}
	r->n_ranges = n;
	return 0;
}

static int get_record(struct buf *b, struct record *r)
{
	uint64_t time_ns;
	uint8_t op;
	if (buf_get_u64(b, &r->seq) < 0 || buf_get_u64(b, &time_ns) < 0 ||
	    buf_get_u8(b, &op) < 0 || buf_get_u32(b, &r->flags) < 0)
		return -EBADMSG;
	r->time_ns = (int64_t)time_ns;
	r->op = op;
	if (strcmp(record_op_word(r->op), "?") == 0)
		return -EBADMSG;
	if (get_who(b, &r->who) < 0 || get_handle(b, &r->obj) < 0 ||
	    get_paths(b, r) < 0)
		return -EBADMSG;
	if (buf_get_u32(b, &r->mode) < 0 || buf_get_u32(b, &r->uid) < 0 ||
	    buf_get_u32(b, &r->gid) < 0 || buf_get_u64(b, &r->size) < 0)
		return -EBADMSG;
	return get_ranges(b, r);
}

int record_decode(struct buf *b, struct record *r)
{
	size_t start = b->off;
	memset(r, 0, sizeof(*r));
	if (get_record(b, r) == 0)
		return 0;
	record_done(r);
	b->off = start;
	return -EBADMSG;
}
