/* layer: base */
#ifndef MIRRORFS_BUF_H
#define MIRRORFS_BUF_H

/*
 * A growable array of bytes with a read position, for wire and journal
 * formats. Integers are big-endian. Writers abort when memory is exhausted;
 * readers never read beyond the end: they return -EBADMSG and leave the
 * position where it was.
 */

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	uint8_t *data; /* owned, NULL when cap is 0 */
	size_t off;    /* next byte to read */
	size_t len;    /* end of what was written */
	size_t cap;
};

#define BUF_INIT {NULL, 0, 0, 0}

void buf_done(struct buf *b);
void buf_reset(struct buf *b);
/* buf_grow - more memory, for at least `n` more bytes. */
void buf_grow(struct buf *b, size_t n);
/* buf_reserve - room for `n` more bytes; returns where they go. (This and the
 * integers are in line: each change of a file writes 40 of them.) */
static inline uint8_t *buf_reserve(struct buf *b, size_t n)
{
	if (b->cap - b->len < n)
		buf_grow(b, n);
	return b->data + b->len;
}
/* buf_consume - forget `n` read bytes; moves the rest down when it is cheap. */
void buf_consume(struct buf *b, size_t n);
size_t buf_left(const struct buf *b);

static inline void buf_put(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->len += n;
}

static inline void buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

static inline void buf_put_u32(struct buf *b, uint32_t v)
{
	uint32_t be = htobe32(v);
	buf_put(b, &be, 4);
}

static inline void buf_put_u64(struct buf *b, uint64_t v)
{
	uint64_t be = htobe64(v);
	buf_put(b, &be, 8);
}

/* buf_put_bytes - u32 length and the bytes (an SSH "string"). */
void buf_put_bytes(struct buf *b, const void *p, size_t n);
void buf_put_text(struct buf *b, const char *s);
/* buf_set_u32 - overwrite four bytes at `at`, which were written before. */
void buf_set_u32(struct buf *b, size_t at, uint32_t v);

int buf_get(struct buf *b, void *p, size_t n);
int buf_get_u8(struct buf *b, uint8_t *ret_v);
int buf_get_u32(struct buf *b, uint32_t *ret_v);
int buf_get_u64(struct buf *b, uint64_t *ret_v);
/* buf_get_bytes - a view into the buffer, valid until it is written to. */
int buf_get_bytes(struct buf *b, const uint8_t **ret_p, size_t *ret_n);
/* buf_get_text - a copy, owned by the caller; -EBADMSG for a NUL inside. */
int buf_get_text(struct buf *b, char **ret_s);

#endif
