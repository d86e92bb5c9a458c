/*
 * Where the options say so, what changed is written into the file that is
 * there, instead of into a copy of it that replaces it at once: `inplace`, or
 * `append` for what only grew. Nothing is copied on the replica; but readers
 * there see the file while it is being written.
 *
 * So nothing is sent before it is this step's turn, and nothing of what is
 * behind it before it is done. When the file changed meanwhile, what was
 * written is as of the record up to which it was asked what had changed; the
 * next one goes on from there (stale.h). A file that was written in part is made
 * whole by sending all of it into the stage when a request failed (the path is
 * reconciled), and when the connection was lost (the batch was in flight: it is
 * applied by state). That one gets a new inode, so what the old connection's
 * server may still write does no harm.
 *
 * The file is opened by a hard link in the stage, for the reason that delta.c
 * tells.
 */
#include "confdefs.h"

#include <sys/stat.h>

#include "sync/attr.h"
#include "sync/exec.h"

/* allowed - by the options, and by what is known without asking. */
static bool allowed(const struct step *s)
{
	const struct exec_config *cfg = &s->exec->cfg;

	return s->since && !s->not_in_place && s->st.st_size > 0 &&
	       (cfg->update == UPDATE_INPLACE ||
		cfg->update == UPDATE_APPEND) &&
	       (uint64_t)s->st.st_size >= cfg->inplace_above &&
	       remote_caps(cfg->remote)->ext & EXT_HARDLINK;
}

/* fits - may that file be written into? */
static bool fits(const struct step *s)
{
	uint64_t size = (uint64_t)s->st.st_size, had = s->source_size;

	if (had == 0 || had > size)
		return false;
	if (s->exec->cfg.update == UPDATE_INPLACE)
		return true;
	/* what was appended in place already may be written once more */
	if (s->base_size && s->base_size < had)
		had = s->base_size;
	for (uint32_t i = 0; i < s->n_ranges; i++) {
		if (s->ranges[i].off < had)
			return false;
	}
	return true;
}

static void linked(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status < 0)
		s->not_in_place = true;
	upload_answered(s);
}

/* is_wider - who shall not read or own what comes could, before the attributes
 * come behind it. */
static bool is_wider(const struct step *s, const struct remote_attr *there)
{
	const struct exec_config *cfg = &s->exec->cfg;
	uint32_t mode = attr_mode(cfg->owners, cfg->can, &s->st), uid, gid;

	return (cfg->can->can[CAN_MODE] && there->mode & 07777 & ~mode) ||
	       (owners_map(cfg->owners, s->st.st_uid, s->st.st_gid, &uid,
			   &gid) &&
		(uid != there->uid || gid != there->gid));
}

static void looked(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status < 0 || !S_ISREG(reply->attr->mode) ||
	    is_wider(s, reply->attr))
		s->not_in_place = true;
	else
		s->source_size = reply->attr->size;
	upload_answered(s);
}

static void opened(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;
	struct remote_handle h = {0};

	s->source_asked = false;
	if (reply->status == 0)
		remote_keep_handle(reply, &h);
	if (h.len && !s->not_in_place && fits(s)) {
		s->handle = h;
		upload_answered(s);
		return;
	}
	if (h.len)
		remote_send_close(s->exec->cfg.remote, &h, NULL, NULL);
	s->in_place = false;
	s->not_in_place = true;
	s->pending--;
	upload_again(s);
}

bool inplace_begin(struct step *s)
{
	bool appends = s->exec->cfg.update == UPDATE_APPEND;
	uint64_t size = (uint64_t)s->st.st_size;

	if (!allowed(s) ||
	    !delta_find_ranges(s, s->since, size,
			       appends ? UINT64_MAX : size / 2))
		return false;
	s->in_place = true;
	s->source_size = 0;
	delta_open(s, s->path, RO_WRITE, linked, looked, opened);
	return true;
}

bool inplace_waits(const struct step *s)
{
	return s->in_place && s->exec->head != s;
}
