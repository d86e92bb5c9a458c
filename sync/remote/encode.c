/*
 * Requests. A packet is a length, a type, an id and a body; the length is
 * filled in last.
 */
#include "confdefs.h"

#include "sync/remote/codec.h"

size_t codec_begin(struct buf *out, enum packet_type type, uint32_t id)
{
	size_t start = out->len;
	buf_put_u32(out, 0);
	buf_put_u8(out, (uint8_t)type);
	buf_put_u32(out, id);
	return start;
}

void codec_end(struct buf *out, size_t start)
{
	buf_set_u32(out, start, (uint32_t)(out->len - start - 4));
}

void codec_put_attr(struct buf *out, const struct remote_attr *a)
{
	buf_put_u32(out, a->flags);
	if (a->flags & ATTR_SIZE)
		buf_put_u64(out, a->size);
	if (a->flags & ATTR_OWNER) {
		buf_put_u32(out, a->uid);
		buf_put_u32(out, a->gid);
	}
	if (a->flags & ATTR_MODE)
		buf_put_u32(out, a->mode & 07777);
	if (a->flags & ATTR_TIMES) {
		buf_put_u32(out, a->atime);
		buf_put_u32(out, a->mtime);
	}
}
