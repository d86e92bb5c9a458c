/* Bytes that grow, and are read from the front. */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void buf_reset(struct buf *b)
{
	b->off = b->len = 0;
}

void buf_grow(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 512;
	while (cap - b->len < n)
		cap *= 2;
	uint8_t *data = realloc(b->data, cap);
	if (!data)
		abort();
	b->data = data;
	b->cap = cap;
}

void buf_consume(struct buf *b, size_t n)
{
	b->off += n;
	if (b->off == b->len) {
		buf_reset(b);
	} else if (b->off > b->len / 2) {
		memmove(b->data, b->data + b->off, b->len - b->off);
		b->len -= b->off;
		b->off = 0;
	}
}

size_t buf_left(const struct buf *b)
{
	return b->len - b->off;
}

void buf_put_bytes(struct buf *b, const void *p, size_t n)
{
	buf_put_u32(b, (uint32_t)n);
	buf_put(b, p, n);
}

void buf_put_text(struct buf *b, const char *s)
{
	buf_put_bytes(b, s, strlen(s));
}

void buf_set_u32(struct buf *b, size_t at, uint32_t v)
{
	uint32_t be = htobe32(v);
	memcpy(b->data + at, &be, 4);
}

int buf_get(struct buf *b, void *p, size_t n)
{
	if (buf_left(b) < n)
		return -EBADMSG;
	if (n)
		memcpy(p, b->data + b->off, n);
	b->off += n;
	return 0;
}

int buf_get_u8(struct buf *b, uint8_t *ret_v)
{
	return buf_get(b, ret_v, 1);
}

int buf_get_u32(struct buf *b, uint32_t *ret_v)
{
	uint32_t be;
	if (buf_get(b, &be, 4) < 0)
		return -EBADMSG;
	*ret_v = be32toh(be);
	return 0;
}

int buf_get_u64(struct buf *b, uint64_t *ret_v)
{
	uint64_t be;
	if (buf_get(b, &be, 8) < 0)
		return -EBADMSG;
	*ret_v = be64toh(be);
	return 0;
}

int buf_get_bytes(struct buf *b, const uint8_t **ret_p, size_t *ret_n)
{
	if (buf_left(b) < 4)
		return -EBADMSG;
	uint32_t be;
	memcpy(&be, b->data + b->off, 4);
	uint32_t n = be32toh(be);
	if (buf_left(b) - 4 < n)
		return -EBADMSG;
	*ret_p = b->data + b->off + 4;
	*ret_n = n;
	b->off += 4 + (size_t)n;
	return 0;
}

int buf_get_text(struct buf *b, char **ret_s)
{
	size_t start = b->off, n;
	const uint8_t *p;
	int r = buf_get_bytes(b, &p, &n);
	if (r < 0)
		return r;
	if (n && memchr(p, 0, n)) {
		b->off = start;
		return -EBADMSG;
	}
	char *s = malloc(n + 1);
	if (!s)
		abort();
	if (n)
		memcpy(s, p, n);
	s[n] = 0;
	*ret_s = s;
	return 0;
}
