/*
 * One function for each request of the protocol: what goes onto the wire, and
 * what kind of reply is hoped for.
 */
#include "confdefs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "sync/remote/conn.h"

#define REQUEST(k) (&(struct request){.fn = fn, .arg = arg, .kind = (k)})

static void put_handle(struct remote *r, const struct remote_handle *h)
{
	buf_put_bytes(&r->out, h->bytes, h->len);
}

static void send_path(struct remote *r, enum packet_type type,
		      enum reply_kind kind, const char *path,
		      remote_done_fn *fn, void *arg)
{
	size_t at = remote_begin(r, type, REQUEST(kind));
	remote_put_path(r, path);
	remote_end(r, at);
}

static void send_handle(struct remote *r, enum packet_type type,
			enum reply_kind kind, const struct remote_handle *h,
			remote_done_fn *fn, void *arg)
{
	size_t at = remote_begin(r, type, REQUEST(kind));
	put_handle(r, h);
	remote_end(r, at);
}

static size_t begin_extended(struct remote *r, const char *name,
			     enum reply_kind kind, remote_done_fn *fn,
			     void *arg)
{
	size_t at = remote_begin(r, FXP_EXTENDED, REQUEST(kind));
	buf_put_text(&r->out, name);
	return at;
}

static bool lacks(struct remote *r, enum remote_ext ext, remote_done_fn *fn,
		  void *arg)
{
	if (r->caps.ext & ext)
		return false;
	remote_answer(r, -EOPNOTSUPP, fn, arg);
	return true;
}

void remote_send_open(struct remote *r, const char *path, uint32_t flags,
		      uint32_t mode, remote_done_fn *fn, void *arg)
{
	struct remote_attr a = {.mode = mode};
	if (flags & RO_CREATE)
		a.flags = ATTR_MODE;
	size_t at = remote_begin(r, FXP_OPEN, REQUEST(REPLY_HANDLE));
	remote_put_path(r, path);
	buf_put_u32(&r->out, flags);
	codec_put_attr(&r->out, &a);
	remote_end(r, at);
}

void remote_send_close(struct remote *r, const struct remote_handle *h,
		       remote_done_fn *fn, void *arg)
{
	send_handle(r, FXP_CLOSE, REPLY_STATUS, h, fn, arg);
}

void remote_send_read(struct remote *r, const struct remote_handle *h,
		      uint64_t off, uint32_t len, remote_done_fn *fn, void *arg)
{
	assert(len <= r->caps.read_bytes);
	struct request *what = REQUEST(REPLY_DATA);
	what->max_data = what->weight = len;
	size_t at = remote_begin(r, FXP_READ, what);
	put_handle(r, h);
	buf_put_u64(&r->out, off);
	buf_put_u32(&r->out, len);
	remote_end(r, at);
}

void remote_send_write(struct remote *r, const struct remote_handle *h,
		       uint64_t off, const void *data, uint32_t len,
		       remote_done_fn *fn, void *arg)
{
	assert(len <= r->caps.write_bytes);
	struct request *what = REQUEST(REPLY_STATUS);
	what->weight = len;
	bucket_take(&r->pace, len);
	r->written += len;
	size_t at = remote_begin(r, FXP_WRITE, what);
	put_handle(r, h);
	buf_put_u64(&r->out, off);
	buf_put_bytes(&r->out, data, len);
	remote_end(r, at);
}

void remote_send_lstat(struct remote *r, const char *path, remote_done_fn *fn,
		       void *arg)
{
	send_path(r, FXP_LSTAT, REPLY_ATTR, path, fn, arg);
}

void remote_send_fsetstat(struct remote *r, const struct remote_handle *h,
			  const struct remote_attr *a, remote_done_fn *fn,
			  void *arg)
{
	size_t at = remote_begin(r, FXP_FSETSTAT, REQUEST(REPLY_STATUS));
	put_handle(r, h);
	codec_put_attr(&r->out, a);
	remote_end(r, at);
}

void remote_send_setstat(struct remote *r, const char *path,
			 const struct remote_attr *a, remote_done_fn *fn,
			 void *arg)
{
	size_t at = remote_begin(r, FXP_SETSTAT, REQUEST(REPLY_STATUS));
	remote_put_path(r, path);
	codec_put_attr(&r->out, a);
	remote_end(r, at);
}

void remote_send_lsetstat(struct remote *r, const char *path,
			  const struct remote_attr *a, remote_done_fn *fn,
			  void *arg)
{
	if (lacks(r, EXT_LSETSTAT, fn, arg))
		return;
	size_t at = begin_extended(r, "lsetstat@openssh.com", REPLY_STATUS, fn,
				   arg);
	remote_put_path(r, path);
	codec_put_attr(&r->out, a);
	remote_end(r, at);
}

void remote_send_mkdir(struct remote *r, const char *path, uint32_t mode,
		       remote_done_fn *fn, void *arg)
{
	size_t at = remote_begin(r, FXP_MKDIR, REQUEST(REPLY_STATUS));
	remote_put_path(r, path);
	codec_put_attr(&r->out,
		       &(struct remote_attr){.flags = ATTR_MODE, .mode = mode});
	remote_end(r, at);
}

void remote_send_rmdir(struct remote *r, const char *path, remote_done_fn *fn,
		       void *arg)
{
	send_path(r, FXP_RMDIR, REPLY_STATUS, path, fn, arg);
}

void remote_send_remove(struct remote *r, const char *path, remote_done_fn *fn,
			void *arg)
{
	send_path(r, FXP_REMOVE, REPLY_STATUS, path, fn, arg);
}

static void send_plain_rename(struct remote *r, const char *from,
			      const char *to, remote_done_fn *fn, void *arg)
{
	size_t at = remote_begin(r, FXP_RENAME, REQUEST(REPLY_STATUS));
	remote_put_path(r, from);
	remote_put_path(r, to);
	remote_end(r, at);
}

/*
 * A plain RENAME does not replace. Only when it failed, and so `from` exists
 * and `to` is probably in the way, `to` is removed: a rename that cannot work
 * must not cost the target.
 */
struct replace {
	struct remote *r;
	remote_done_fn *fn;
	void *arg;
	struct remote_reply first; /* of the RENAME: status only */
	char *from, *to;
};

static void replace_end(struct replace *p, const struct remote_reply *reply)
{
	if (p->fn)
		p->fn(p->arg, reply);
	free(p->from);
	free(p->to);
	free(p);
}

static void replace_renamed(void *arg, const struct remote_reply *reply)
{
	replace_end(arg, reply);
}

static void replace_removed(void *arg, const struct remote_reply *reply)
{
	struct replace *p = arg;
	if (reply->status == 0)
		send_plain_rename(p->r, p->from, p->to, replace_renamed, p);
	else if (reply->status == -ENOTCONN)
		replace_end(p, reply);
	else
		replace_end(p, &p->first);
}

static void replace_tried(void *arg, const struct remote_reply *reply)
{
	struct replace *p = arg;
	if (reply->status != -EREMOTEIO) {
		replace_end(p, reply);
		return;
	}
	p->first.status = reply->status;
	remote_send_remove(p->r, p->to, replace_removed, p);
}

static void send_replace(struct remote *r, const char *from, const char *to,
			 remote_done_fn *fn, void *arg)
{
	struct replace *p = malloc(sizeof(*p));
	if (!p)
		abort();
	*p = (struct replace){.r = r, .fn = fn, .arg = arg,
			      .from = text_copy(from), .to = text_copy(to)};
	send_plain_rename(r, from, to, replace_tried, p);
}

void remote_send_rename(struct remote *r, const char *from, const char *to,
			remote_done_fn *fn, void *arg)
{
	if (!(r->caps.ext & EXT_POSIX_RENAME)) {
		if (strcmp(from, to) == 0) /* nothing must be removed */
			remote_send_lstat(r, from, fn, arg);
		else
			send_replace(r, from, to, fn, arg);
		return;
	}
	size_t at = begin_extended(r, "posix-rename@openssh.com", REPLY_STATUS,
				   fn, arg);
	remote_put_path(r, from);
	remote_put_path(r, to);
	remote_end(r, at);
}

void remote_send_link(struct remote *r, const char *old, const char *path,
		      remote_done_fn *fn, void *arg)
{
	if (lacks(r, EXT_HARDLINK, fn, arg))
		return;
	size_t at = begin_extended(r, "hardlink@openssh.com", REPLY_STATUS, fn,
				   arg);
	remote_put_path(r, old);
	remote_put_path(r, path);
	remote_end(r, at);
}

/* The draft says link, target; OpenSSH, and so nearly everybody, has it the
 * other way round. */
void remote_send_symlink(struct remote *r, const char *target,
			 const char *path, remote_done_fn *fn, void *arg)
{
	size_t at = remote_begin(r, FXP_SYMLINK, REQUEST(REPLY_STATUS));
	if (r->swap_symlink)
		remote_put_path(r, path);
	buf_put_text(&r->out, target);
	if (!r->swap_symlink)
		remote_put_path(r, path);
	remote_end(r, at);
}

void remote_send_readlink(struct remote *r, const char *path,
			  remote_done_fn *fn, void *arg)
{
	send_path(r, FXP_READLINK, REPLY_TEXT, path, fn, arg);
}

void remote_send_opendir(struct remote *r, const char *path,
			 remote_done_fn *fn, void *arg)
{
	send_path(r, FXP_OPENDIR, REPLY_HANDLE, path, fn, arg);
}

void remote_send_readdir(struct remote *r, const struct remote_handle *h,
			 remote_done_fn *fn, void *arg)
{
	send_handle(r, FXP_READDIR, REPLY_LIST, h, fn, arg);
}

void remote_send_fsync(struct remote *r, const struct remote_handle *h,
		       remote_done_fn *fn, void *arg)
{
	if (lacks(r, EXT_FSYNC, fn, arg))
		return;
	struct request *what = REQUEST(REPLY_STATUS);
	what->slow = true;
	size_t at = remote_begin(r, FXP_EXTENDED, what);
	buf_put_text(&r->out, "fsync@openssh.com");
	put_handle(r, h);
	remote_end(r, at);
}

/* It keeps the server from anything else: the window closes after a few. */
#define COPY_WEIGHT (256u * 1024)

void remote_send_copy_data(struct remote *r, const struct remote_handle *from,
			   uint64_t off, uint64_t len,
			   const struct remote_handle *to,
			   remote_done_fn *fn, void *arg)
{
	assert(len > 0); /* 0 would be all of it */
	if (lacks(r, EXT_COPY_DATA, fn, arg))
		return;
	struct request *what = REQUEST(REPLY_STATUS);
	what->weight = COPY_WEIGHT;
	what->slow = true;
	size_t at = remote_begin(r, FXP_EXTENDED, what);
	buf_put_text(&r->out, "copy-data");
	put_handle(r, from);
	buf_put_u64(&r->out, off);
	buf_put_u64(&r->out, len);
	put_handle(r, to);
	buf_put_u64(&r->out, off);
	remote_end(r, at);
}

static void put_ids(struct remote *r, const uint32_t *ids, uint32_t n)
{
	buf_put_u32(&r->out, 4 * n);
	for (uint32_t i = 0; i < n; i++)
		buf_put_u32(&r->out, ids[i]);
}

void remote_send_names(struct remote *r, const uint32_t *users,
		       uint32_t n_users, const uint32_t *groups,
		       uint32_t n_groups, remote_done_fn *fn, void *arg)
{
	if (lacks(r, EXT_USERS_GROUPS, fn, arg))
		return;
	size_t at = begin_extended(r, "users-groups-by-id@openssh.com",
				   REPLY_NAMES, fn, arg);
	put_ids(r, users, n_users);
	put_ids(r, groups, n_groups);
	remote_end(r, at);
}

void remote_send_statvfs(struct remote *r, const char *path,
			 remote_done_fn *fn, void *arg)
{
	if (lacks(r, EXT_STATVFS, fn, arg))
		return;
	size_t at = begin_extended(r, "statvfs@openssh.com", REPLY_STATVFS, fn,
				   arg);
	remote_put_path(r, path);
	remote_end(r, at);
}
