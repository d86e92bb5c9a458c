/*
 * Attributes, as far as they are carried. Where the server does not set them
 * by handle, they are set by name, and what it does not set at all is counted.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "paths.h"
#include "sync/attr.h"
#include "sync/durable.h"
#include "sync/exec.h"
#include "sync/lower.h"

static bool can(const struct step *s, enum ability a)
{
	return s->exec->cfg.can->can[a];
}

static void count(const struct step *s, const char *kind)
{
	s->exec->cfg.uncarried(s->exec->cfg.arg, kind, s->path);
}

uint32_t attr_mode(const struct owners *owners, const struct abilities *can,
		   const struct stat *st)
{
	uint32_t m = owners_mode(owners, st);
	mode_t mode = st->st_mode;

	/* what is in a folder comes after it, and must find it open; who may
	 * give files away may write into any */
	if (S_ISDIR(mode) && !can->can[CAN_OWNER])
		return m | S_IRWXU;
	return S_ISREG(mode) && !can->can[CAN_SET_ID] ? m & 01777 : m;
}

struct remote_attr attr_owner(struct step *s)
{
	const struct owners *owners = s->exec->cfg.owners;
	struct remote_attr a = {0};

	if (owners_map(owners, s->st.st_uid, s->st.st_gid, &a.uid, &a.gid))
		a.flags = ATTR_OWNER;
	s->unowned = !a.flags && owners_carried(owners);
	return a;
}

uint32_t attr_time(time_t t)
{
	return t < 0 ? 0 : t > UINT32_MAX ? UINT32_MAX : (uint32_t)t;
}

struct remote_attr attr_mode_times(const struct step *s)
{
	const struct exec_config *cfg = &s->exec->cfg;
	struct remote_attr a = {
		.flags = (can(s, CAN_MODE) ? ATTR_MODE : 0) |
			 (can(s, CAN_TIMES) ? ATTR_TIMES : 0),
		.mode = attr_mode(cfg->owners, cfg->can, &s->st),
		.atime = attr_time(s->st.st_atim.tv_sec),
		.mtime = attr_time(s->st.st_mtim.tv_sec)};

	/* not of somebody else, nor another content: with that it comes */
	if ((s->unowned || s->early) && S_ISREG(s->st.st_mode))
		a.mode &= 01777;
	else if (a.mode != (s->st.st_mode & 07777))
		count(s, S_ISDIR(s->st.st_mode) ? "folder-mode" : "set-id");
	if (!can(s, CAN_MODE))
		count(s, "mode");
	if (a.mtime != s->st.st_mtim.tv_sec)
		count(s, "time");
	if (!can(s, CAN_TIMES))
		count(s, "times");
	return a;
}

void attr_send_open(struct step *s, const struct remote_attr *a,
		    remote_done_fn *done)
{
	struct remote *r = s->exec->cfg.remote;

	if (!a->flags)
		return;
	if (!can(s, CAN_FSETSTAT) && !can(s, CAN_SETSTAT)) {
		count(s, "attributes");
		return;
	}
	s->pending++;
	if (can(s, CAN_FSETSTAT))
		remote_send_fsetstat(r, &s->handle, a, done, s);
	else
		remote_send_setstat(r, s->stage, a, done, s);
}

void attr_send_named(struct step *s, const char *at,
		     const struct remote_attr *a, remote_done_fn *done)
{
	bool mode = a->flags & ATTR_MODE;
	bool bare = *at && can(s, mode ? CAN_LCHMOD : CAN_LSETSTAT);

	if (!a->flags)
		return;
	s->pending++;
	(bare ? remote_send_lsetstat : remote_send_setstat)(s->exec->cfg.remote,
							    at, a, done, s);
}

void attr_send(struct step *s, const char *at, bool times)
{
	struct remote_attr owner = attr_owner(s);
	struct remote_attr rest = attr_mode_times(s);
	bool link = S_ISLNK(s->st.st_mode);

	if (link) /* Linux has no mode of a link */
		rest.flags &= ATTR_TIMES;
	if (!times)
		rest.flags &= ~(uint32_t)ATTR_TIMES;
	if (!can(s, link ? CAN_LSETSTAT : CAN_SETSTAT)) {
		count(s, link ? "link-attributes" : "attributes");
		return;
	}
	/* chown clears set-id bits: the owner goes first, by itself */
	attr_send_named(s, at, &owner, step_done);
	attr_send_named(s, at, &rest, step_done);
}

/* ---- of a file, whatever lies at its path ---- */

/* The stage is ours: what the name there means does not change any more. */
static void linked_looked(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	/* of an older content it only takes away */
	if (s->early && reply->status == 0)
		s->st.st_mode &= S_IFMT | reply->attr->mode;
	if (reply->status == 0 && S_ISREG(reply->attr->mode))
		attr_send(s, s->stage, !s->early);
	else
		step_fail(s, reply->status < 0 ? reply->status : -ELOOP);
	remote_send_remove(s->exec->cfg.remote, s->stage, NULL, NULL);
	step_answered(s);
}

void attr_send_file(struct step *s)
{
	struct remote *r = s->exec->cfg.remote;
	bool bare = can(s, CAN_LSETSTAT) &&
		    (can(s, CAN_LCHMOD) || !can(s, CAN_MODE));
	bool link = can(s, CAN_SETSTAT) && can(s, CAN_HARDLINK);

	if (s->early && !link)
		return; /* not without a look at what it has */
	if (!link || (bare && !s->early)) {
		attr_send(s, s->path, true);
		return;
	}
	s->stage = exec_stage_name(s->exec);
	s->pending += 2;
	remote_send_link(r, s->path, s->stage, step_done, s);
	remote_send_lstat(r, s->stage, linked_looked, s);
}

/* ---- times of folders, which are fsynced behind them ---- */

static void dirtimes_closed(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	s->synced &= reply->status != -ENOTCONN;
	step_answered(s);
}

static void dirtimes_synced(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	durable_answered(s->exec, reply->status, s->path);
	dirtimes_closed(s, reply);
}

/* dirtimes_set - all is known, and it is its turn. */
static void dirtimes_set(struct step *s)
{
	struct remote *r = s->exec->cfg.remote;

	if (s->result == STEP_GONE) {
		if (s->handle.len > 0)
			remote_send_close(r, &s->handle, NULL, NULL);
		return;
	}
	struct remote_attr a = attr_mode_times(s);
	a.flags &= ATTR_TIMES;
	if (!s->astray && can(s, CAN_SETSTAT))
		attr_send_named(s, s->path, &a, step_done_or_absent);
	if (s->handle.len > 0) {
		s->pending += 2;
		remote_send_fsync(r, &s->handle, dirtimes_synced, s);
		remote_send_close(r, &s->handle, dirtimes_closed, s);
	}
}

/* dirtimes_known - one answer less is missing; was it the last? */
static void dirtimes_known(struct step *s)
{
	if (--s->looks == 0 && s->phase == PHASE_SENT)
		dirtimes_set(s);
}

static void dirtimes_opened(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status == 0)
		remote_keep_handle(reply, &s->handle);
	else
		s->synced &= reply->status != -ENOTCONN;
	dirtimes_known(s);
	step_answered(s);
}

static void dirtimes_looked(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	s->astray |= reply->status < 0 || !S_ISDIR(reply->attr->mode);
	if (reply->status == 0 && S_ISLNK(reply->attr->mode))
		step_fail(s, -ELOOP);
	else if (reply->status == -EREMOTEIO) /* for no reason: once more */
		step_fail(s, reply->status);
	dirtimes_known(s);
	step_answered(s);
}

/* dirtimes_open - in the same round trip; what is no folder is not opened:
 * with a fifo that would stop the server. */
static void dirtimes_open(struct step *s)
{
	CLEANUP_FREE char *self = path_join(s->path, ".");

	if (!s->exec->cfg.durable || s->exec->hasty ||
	    !can(s, CAN_FSYNC_FOLDER))
		return;
	s->synced = true;
	s->looks++;
	s->pending++;
	remote_send_open(s->exec->cfg.remote, self, RO_READ, 0, dirtimes_opened,
			 s);
}

static void dirtimes_lstat(struct step *s, const char *path)
{
	s->looks++;
	s->pending++;
	/* the root itself may be reached through a link */
	remote_send_lstat(s->exec->cfg.remote, *path ? path : ".",
			  dirtimes_looked, s);
}

void attr_look_dirtimes(struct step *s)
{
	CLEANUP_FREE char *part = strdup(s->path);

	s->looked = true;
	for (char *p = part; *p && (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		dirtimes_lstat(s, part);
	}
	dirtimes_open(s);
	dirtimes_lstat(s, s->path);
}

void attr_send_dirtimes(struct step *s)
{
	struct fhandle obj;

	s->pending++; /* ours, until all is sent */
	if (lower_look(s->exec->cfg.lower_fd, s->path, &s->st, &obj) < 0 ||
	    !S_ISDIR(s->st.st_mode))
		s->result = STEP_GONE;
	else if (!s->looked)
		attr_look_dirtimes(s);
	if (s->looked && s->looks == 0)
		dirtimes_set(s);
	step_answered(s);
}
