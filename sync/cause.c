/* See cause.h. */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "paths.h"
#include "sync/cause.h"

#define SLACK (64u * 1024) /* what a file needs besides its bytes, at most */

#define MANY_LINKS   100 /* the limits of file systems are higher */
#define MANY_FOLDERS 30000
#define BLOCK	     4096 /* what a folder needs at least, mostly */

/* ---- judging ---- */

uint64_t cause_room(const struct evidence *e)
{
	return space_room(&e->space, e->may_fill);
}

static bool is_full(const struct evidence *e)
{
	uint64_t need = e->need + e->need / 64 + SLACK;

	return e->measured && cause_room(e) < need;
}

static bool no_inodes(const struct evidence *e)
{
	return e->measured && e->space.inodes > 0 && e->space.avail_inodes == 0;
}

bool cause_no_room(const struct evidence *e)
{
	return is_full(e) || no_inodes(e);
}

/* is_local - nothing that a server says (remote.h). */
static bool is_local(int error)
{
	return error != -ENOENT && error != -EACCES && error != -EINVAL &&
	       error != -EOPNOTSUPP && error != -EREMOTEIO;
}

static bool makes_something(enum step_kind kind)
{
	return kind == STEP_PUT || kind == STEP_MKDIR || kind == STEP_SYMLINK ||
	       kind == STEP_LINK || kind == STEP_RENAME;
}

/* makes_new - what a quota may be in the way of. */
static bool makes_new(enum step_kind kind)
{
	return kind == STEP_PUT || kind == STEP_MKDIR || kind == STEP_SYMLINK;
}

/* judge_new - there is room, as far as that can be measured. A quota is none
 * of root's, mostly, and has to do with the login, not with the place: it is in
 * the way of a folder in the stage, too, if not of less than a file needs. */
static enum cause judge_new(const struct evidence *e)
{
	if (!e->measured || !e->tried)
		return CAUSE_REFUSED;
	if (e->kind == STEP_MKDIR && e->works && e->names > MANY_FOLDERS)
		return CAUSE_TOO_MANY_LINKS;
	if (e->may_fill ||
	    (e->works && (e->kind != STEP_PUT || e->need <= BLOCK)))
		return CAUSE_REFUSED;
	return CAUSE_QUOTA;
}

/* judge_failure - of SSH_FX_FAILURE. */
static enum cause judge_failure(const struct evidence *e)
{
	if (e->kind == STEP_RMDIR)
		return e->have && !S_ISDIR(e->have) ? CAUSE_WRONG_TYPE
						    : CAUSE_NOT_EMPTY;
	if (e->have && S_ISDIR(e->have) != (e->want && S_ISDIR(e->want)))
		return CAUSE_WRONG_TYPE;
	if (makes_something(e->kind)) {
		if (no_inodes(e))
			return CAUSE_NO_INODES;
		if (is_full(e))
			return CAUSE_DISK_FULL;
		if (e->other_fs && e->kind != STEP_MKDIR)
			return CAUSE_OTHER_FS;
	}
	if (e->kind == STEP_LINK)
		return e->names > MANY_LINKS ? CAUSE_TOO_MANY_LINKS
					     : CAUSE_REFUSED;
	return makes_new(e->kind) ? judge_new(e) : CAUSE_UNKNOWN;
}

enum cause cause_judge(const struct evidence *e)
{
	if (e->error == -ENOSPC) /* foreseen */
		return no_inodes(e) ? CAUSE_NO_INODES : CAUSE_DISK_FULL;
	if (e->error == -EAGAIN)
		return CAUSE_CHANGING;
	if (e->error == -ENOTEMPTY) /* no server says that */
		return CAUSE_PROTECTED;
	if (is_local(e->error))
		return CAUSE_MASTER;
	if (e->error == -EOPNOTSUPP)
		return CAUSE_UNSUPPORTED;
	if (e->blocked)
		return CAUSE_WRONG_TYPE;
	if (e->missing)
		return CAUSE_MISSING;
	if (e->measured && e->space.read_only)
		return CAUSE_READ_ONLY;
	if (e->measured && e->space.name_max && e->name_len > e->space.name_max)
		return CAUSE_BAD_NAME;
	if (e->error == -EINVAL) /* an owner that it does not know, or a name */
		return e->have ? CAUSE_NOT_PERMITTED : CAUSE_BAD_NAME;
	if (e->error == -EACCES)
		return CAUSE_NOT_PERMITTED;
	if (e->error == -ENOENT)
		return CAUSE_MISSING;
	return judge_failure(e);
}

/* ---- looking ---- */

struct look {
	struct evidence *e;
	unsigned pending;
	bool lost;
	bool has_stage, has_path;
	struct remote_space stage, path;
};

static void answered(struct look *l, const struct remote_reply *reply)
{
	l->pending--;
	l->lost |= reply->status == -ENOTCONN;
}

static void saw_parent(void *arg, const struct remote_reply *reply)
{
	struct look *l = arg;

	answered(l, reply);
	l->e->missing |= reply->status == -ENOENT;
	l->e->blocked |= reply->status == 0 && !S_ISDIR(reply->attr->mode);
}

static void saw_path(void *arg, const struct remote_reply *reply)
{
	struct look *l = arg;

	answered(l, reply);
	if (reply->status == 0)
		l->e->have = reply->attr->mode;
}

static void measured_stage(void *arg, const struct remote_reply *reply)
{
	struct look *l = arg;

	answered(l, reply);
	l->has_stage = reply->status == 0;
	if (l->has_stage)
		l->stage = *reply->space;
}

static void measured_path(void *arg, const struct remote_reply *reply)
{
	struct look *l = arg;

	answered(l, reply);
	l->has_path = reply->status == 0;
	if (l->has_path)
		l->path = *reply->space;
}

static void tried(void *arg, const struct remote_reply *reply)
{
	struct look *l = arg;

	answered(l, reply);
	l->e->tried = true;
	l->e->works = reply->status == 0;
}

/* try_there - to make a folder where nothing is in the way. */
static void try_there(struct remote *r, struct look *l, const char *stage)
{
	CLEANUP_FREE char *name = path_join(stage, "try");

	l->pending++;
	remote_send_mkdir(r, name, 0700, tried, l);
	remote_send_rmdir(r, name, NULL, NULL);
}

static void look_above(struct remote *r, struct look *l, const char *path)
{
	CLEANUP_FREE char *part = strdup(path);
	const char *name = part;

	for (char *p = part; (p = strchr(p, '/')); *p++ = '/', name = p) {
		*p = 0;
		if (strlen(name) > l->e->name_len)
			l->e->name_len = (unsigned)strlen(name);
		l->pending++;
		remote_send_lstat(r, part, saw_parent, l);
	}
	if (strlen(name) > l->e->name_len)
		l->e->name_len = (unsigned)strlen(name);
}

int cause_look(struct remote *r, const char *path, const char *stage,
	       struct evidence *e)
{
	struct look l = {.e = e};
	CLEANUP_FREE char *parent = path_parent(path);

	look_above(r, &l, path);
	l.pending += 3;
	remote_send_lstat(r, path, saw_path, &l);
	remote_send_statvfs(r, parent, measured_path, &l);
	remote_send_statvfs(r, RESERVED_NAME, measured_stage, &l);
	if (stage && e->error == -EREMOTEIO && makes_new(e->kind))
		try_there(r, &l, stage);
	while (l.pending > 0)
		remote_pump(r, -1, -1);
	/* a PUT needs its room in the stage, and all come from there */
	e->measured = l.has_stage || l.has_path;
	e->space = l.has_stage ? l.stage : l.path;
	if (l.has_path && l.path.read_only)
		e->space.read_only = true;
	e->other_fs = l.has_stage && l.has_path && l.stage.fsid != l.path.fsid;
	return l.lost ? -ENOTCONN : 0;
}
