/*
 * Replies, from servers that may be hostile: every count is bounded by the
 * bytes that are really there before anything is allocated for it.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/remote/codec.h"
#include "sync/remote/status.h"

#define ATTR_KNOWN    (ATTR_SIZE | ATTR_OWNER | ATTR_MODE | ATTR_TIMES)
#define ATTR_EXTENDED 0x80000000u
#define HANDLE_MAX    256
#define ENTRY_MIN     12 /* bytes of the shortest entry of a NAME packet */

int codec_next(const struct buf *in, struct packet *ret, size_t *ret_size)
{
	struct buf b = *in; /* a second reader of the same bytes */
	uint32_t size;
	if (buf_get_u32(&b, &size) < 0)
		return 0;
	if (size < 5 || size > CODEC_PACKET_MAX)
		return -EBADMSG;
	if (buf_left(&b) < size)
		return 0;
	b.len = b.off + size;
	if (buf_get_u8(&b, &ret->type) < 0 || buf_get_u32(&b, &ret->id) < 0)
		return -EBADMSG;
	ret->body = b;
	*ret_size = 4 + (size_t)size;
	return 1;
}

static int skip_bytes(struct buf *b)
{
	const uint8_t *p;
	size_t n;
	return buf_get_bytes(b, &p, &n);
}

static int get_attr(struct buf *b, struct remote_attr *a)
{
	uint32_t flags, count;
	int r = buf_get_u32(b, &flags);
	if (r == 0 && (flags & ~(ATTR_KNOWN | ATTR_EXTENDED)))
		return -EBADMSG;
	*a = (struct remote_attr){.flags = flags & ATTR_KNOWN};
	if (r == 0 && (flags & ATTR_SIZE))
		r = buf_get_u64(b, &a->size);
	if (r == 0 && (flags & ATTR_OWNER)) {
		r = buf_get_u32(b, &a->uid);
		r = r ? r : buf_get_u32(b, &a->gid);
	}
	if (r == 0 && (flags & ATTR_MODE))
		r = buf_get_u32(b, &a->mode);
	if (r == 0 && (flags & ATTR_TIMES)) {
		r = buf_get_u32(b, &a->atime);
		r = r ? r : buf_get_u32(b, &a->mtime);
	}
	if (r || !(flags & ATTR_EXTENDED))
		return r;
	r = buf_get_u32(b, &count);
	for (; r == 0 && count > 0; count--) {
		r = skip_bytes(b);
		r = r ? r : skip_bytes(b);
	}
	return r;
}

/* A name that could lead out of its folder never reaches a caller. */
static bool name_is_sane(const char *name)
{
	return *name && !strchr(name, '/');
}

static bool name_is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/*
 * The attributes of version 3 have no link count, but the line for people that
 * comes with each name has, as "ls -l" prints it (draft-ietf-secsh-filexfer-02,
 * 7, recommends that). *ret_links is 0 where it has not.
 */
static int get_line(struct buf *b, uint32_t *ret_links)
{
	char begin[24] = {0}; /* enough for the mode and the count */
	const uint8_t *line;
	size_t n;
	int links = 0, r = buf_get_bytes(b, &line, &n);
	if (r < 0)
		return r;
	memcpy(begin, line, n < sizeof(begin) ? n : sizeof(begin) - 1);
	if (sscanf(begin, "%*s %9d", &links) < 1 || links < 0)
		links = 0;
	*ret_links = (uint32_t)links;
	return 0;
}

static int get_entries(struct buf *b, struct remote_reply *reply)
{
	uint32_t count;
	if (buf_get_u32(b, &count) < 0 || count > buf_left(b) / ENTRY_MIN)
		return -EBADMSG;
	/* an empty list would make a caller ask for ever */
	if (count == 0) {
		reply->status = -ENODATA;
		return 0;
	}
	reply->entries = calloc(count, sizeof(*reply->entries));
	if (!reply->entries)
		abort();
	while (count-- > 0) {
		struct remote_entry *e = &reply->entries[reply->n_entries];
		if (buf_get_text(b, &e->name) < 0)
			return -EBADMSG;
		reply->n_entries++; /* owns the name */
		uint32_t links;
		if (!name_is_sane(e->name) || get_line(b, &links) < 0 ||
		    get_attr(b, &e->attr) < 0)
			return -EBADMSG;
		e->attr.links = links;
		if (name_is_dots(e->name)) {
			free(e->name);
			reply->n_entries--;
		}
	}
	return 0;
}

static int get_name(struct buf *b, struct decoded *d)
{
	uint32_t count;
	if (buf_get_u32(b, &count) < 0 || count != 1)
		return -EBADMSG;
	if (buf_get_text(b, &d->text) < 0)
		return -EBADMSG;
	d->reply.text = d->text;
	return 0;
}

static int get_handle(struct buf *b, struct remote_reply *reply)
{
	size_t n;
	/* an empty one stands for none */
	if (buf_get_bytes(b, &reply->handle, &n) < 0 || n > HANDLE_MAX ||
	    n == 0)
		return -EBADMSG;
	reply->handle_len = (uint32_t)n;
	return 0;
}

static int get_data(struct buf *b, uint32_t max, struct remote_reply *reply)
{
	size_t n;
	if (buf_get_bytes(b, &reply->data, &n) < 0 || n > max)
		return -EBADMSG;
	reply->data_len = (uint32_t)n;
	/* no progress: what some servers say instead of end of file */
	if (n == 0 && max > 0)
		reply->status = -ENODATA;
	return 0;
}

/* statvfs@openssh.com: eleven numbers in the order of struct statvfs. */
static int get_statvfs(struct buf *b, struct remote_space *space)
{
	enum { FRSIZE = 1, BFREE = 3, BAVAIL, FILES, FFREE, FAVAIL, FSID, FLAG, NAMEMAX,
	       COUNT };
	uint64_t v[COUNT];
	for (unsigned i = 0; i < COUNT; i++)
		if (buf_get_u64(b, &v[i]) < 0)
			return -EBADMSG;
	*space = (struct remote_space){.avail_inodes = v[FAVAIL],
				       .inodes = v[FILES],
				       .fsid = v[FSID],
				       .name_max = v[NAMEMAX],
				       .read_only = v[FLAG] & 1};
	if (__builtin_mul_overflow(v[BAVAIL], v[FRSIZE], &space->avail_bytes))
		space->avail_bytes = UINT64_MAX;
	if (__builtin_mul_overflow(v[BFREE], v[FRSIZE], &space->free_bytes))
		space->free_bytes = UINT64_MAX;
	return 0;
}

/* users-groups-by-id@openssh.com: two strings, full of strings. */
static int get_names(struct buf *b, struct remote_reply *reply)
{
	for (int k = 0; k < 2; k++) {
		const uint8_t *p;
		size_t n;
		if (buf_get_bytes(b, &p, &n) < 0)
			return -EBADMSG;
		struct buf list = {.data = (uint8_t *)p, .len = n};
		/* each has a length of four bytes at least */
		reply->names[k] = calloc(n / 4 + 1, sizeof(char *));
		if (!reply->names[k])
			abort();
		while (buf_left(&list) > 0) {
			if (buf_get_text(&list, &reply->names[k]
						[reply->n_names[k]]) < 0)
				return -EBADMSG;
			reply->n_names[k]++;
		}
	}
	return 0;
}

static int get_limits(struct buf *b, struct codec_limits *l)
{
	int r = buf_get_u64(b, &l->packet_bytes);
	r = r ? r : buf_get_u64(b, &l->read_bytes);
	r = r ? r : buf_get_u64(b, &l->write_bytes);
	return r ? r : buf_get_u64(b, &l->handles);
}

/* A success without the thing that was asked for is no reply. */
static int get_status(struct buf *b, enum reply_kind kind,
		      struct remote_reply *reply)
{
	uint32_t code;
	if (buf_get_u32(b, &code) < 0)
		return -EBADMSG;
	reply->status = status_to_errno(code);
	return reply->status == 0 && kind != REPLY_STATUS ? -EBADMSG : 0;
}

static uint32_t extension_of(const char *name, const char *version)
{
	static const struct {
		const char *name, *version;
		uint32_t ext;
	} known[] = {
		{"posix-rename@openssh.com", "1", EXT_POSIX_RENAME},
		{"hardlink@openssh.com", "1", EXT_HARDLINK},
		{"fsync@openssh.com", "1", EXT_FSYNC},
		{"lsetstat@openssh.com", "1", EXT_LSETSTAT},
		{"limits@openssh.com", "1", EXT_LIMITS},
		{"copy-data", "1", EXT_COPY_DATA},
		{"statvfs@openssh.com", "2", EXT_STATVFS},
		{"users-groups-by-id@openssh.com", "1", EXT_USERS_GROUPS},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(name, known[i].name) == 0 &&
		    strcmp(version, known[i].version) == 0)
			return known[i].ext;
	return 0;
}

static int get_version(struct packet *p, struct decoded *d)
{
	d->version = p->id;
	while (buf_left(&p->body) > 0) {
		char *name = NULL;
		const uint8_t *data;
		size_t n;
		char version[8] = "";
		if (buf_get_text(&p->body, &name) < 0)
			return -EBADMSG;
		int r = buf_get_bytes(&p->body, &data, &n);
		if (r == 0 && n > 0 && n < sizeof(version))
			memcpy(version, data, n);
		if (r == 0)
			d->ext |= extension_of(name, version);
		free(name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int decode_body(struct packet *p, enum reply_kind kind,
		       uint32_t max_data, struct decoded *d)
{
	static const uint8_t types[] = {
		[REPLY_STATUS] = FXP_STATUS,
		[REPLY_HANDLE] = FXP_HANDLE,
		[REPLY_DATA] = FXP_DATA,
		[REPLY_LIST] = FXP_NAME,
		[REPLY_TEXT] = FXP_NAME,
		[REPLY_ATTR] = FXP_ATTRS,
		[REPLY_STATVFS] = FXP_EXTENDED_REPLY,
		[REPLY_LIMITS] = FXP_EXTENDED_REPLY,
		[REPLY_NAMES] = FXP_EXTENDED_REPLY,
		[REPLY_VERSION] = FXP_VERSION,
	};
	if (p->type == FXP_STATUS && kind != REPLY_VERSION)
		return get_status(&p->body, kind, &d->reply);
	if (p->type != types[kind])
		return -EBADMSG;
	switch (kind) {
	case REPLY_HANDLE:
		return get_handle(&p->body, &d->reply);
	case REPLY_DATA:
		return get_data(&p->body, max_data, &d->reply);
	case REPLY_LIST:
		return get_entries(&p->body, &d->reply);
	case REPLY_TEXT:
		return get_name(&p->body, d);
	case REPLY_ATTR:
		d->reply.attr = &d->attr;
		return get_attr(&p->body, &d->attr);
	case REPLY_STATVFS:
		d->reply.space = &d->space;
		return get_statvfs(&p->body, &d->space);
	case REPLY_LIMITS:
		return get_limits(&p->body, &d->limits);
	case REPLY_NAMES:
		return get_names(&p->body, &d->reply);
	case REPLY_VERSION:
		return get_version(p, d);
	default:
		return -EBADMSG;
	}
}

int codec_decode(struct packet *p, enum reply_kind kind, uint32_t max_data,
		 struct decoded *d)
{
	codec_decoded_done(d);
	int r = decode_body(p, kind, max_data, d);
	if (r < 0)
		codec_decoded_done(d);
	return r;
}

void codec_decoded_done(struct decoded *d)
{
	for (uint32_t i = 0; i < d->reply.n_entries; i++)
		free(d->reply.entries[i].name);
	free(d->reply.entries);
	for (int k = 0; k < 2; k++) {
		for (uint32_t i = 0; i < d->reply.n_names[k]; i++)
			free(d->reply.names[k][i]);
		free(d->reply.names[k]);
	}
	free(d->text);
	*d = (struct decoded){0};
}
