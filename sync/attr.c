/*
 * Attributes, as far as they are carried. Where the server does not set them
 * by handle, they are set by name, and what it does not set at all is counted.
 */
#include "confdefs.h"

#include "sync/attr.h"
#include "sync/exec.h"

static bool can(const struct step *s, enum ability a)
{
	return s->exec->cfg.can->can[a];
}

static void count(const struct step *s, const char *kind)
{
	s->exec->cfg.uncarried(s->exec->cfg.arg, kind, s->path);
}

uint32_t attr_mode(const struct owners *owners, const struct abilities *can,
		   mode_t mode)
{
	uint32_t m = owners_mode(owners, mode);

	return S_ISREG(mode) && !can->can[CAN_SET_ID] ? m & 01777 : m;
}

struct remote_attr attr_owner(const struct step *s)
{
	struct remote_attr a = {0};

	if (owners_map(s->exec->cfg.owners, s->st.st_uid, s->st.st_gid, &a.uid,
		       &a.gid))
		a.flags = ATTR_OWNER;
	return a;
}

struct remote_attr attr_mode_times(const struct step *s)
{
	const struct exec_config *cfg = &s->exec->cfg;
	struct remote_attr a = {
		.flags = (can(s, CAN_MODE) ? ATTR_MODE : 0) |
			 (can(s, CAN_TIMES) ? ATTR_TIMES : 0),
		.mode = attr_mode(cfg->owners, cfg->can, s->st.st_mode),
		.atime = (uint32_t)s->st.st_atim.tv_sec,
		.mtime = (uint32_t)s->st.st_mtim.tv_sec};

	if (a.mode != (s->st.st_mode & 07777))
		count(s, "set-id");
	if (!can(s, CAN_MODE))
		count(s, "mode");
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
