/*
 * Phases of a step: NEW, PREPARING (uploads only), READY, then sent in order
 * and off the queue; finished when its last answer has come.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "paths.h"
#include "sync/attr.h"
#include "sync/exec.h"
#include "sync/lower.h"

#define QUEUE_MAX    2048 /* steps that wait, in memory */
#define REQUESTS_MAX 4096 /* without an answer, of steps that are sent */
#define PUMP_MS	     1000

struct exec *exec_new(const struct exec_config *cfg)
{
	struct exec *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->cfg = *cfg;
	x->tail = &x->head;
	return x;
}

void step_free(struct step *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	free(s->path2);
	free(s->stage);
	free(s->target);
	free(s->ranges);
	free(s->second);
	free(s);
}

void exec_free(struct exec *x)
{
	struct step *s;

	if (!x)
		return;
	while ((s = x->head)) {
		x->head = s->next;
		step_free(s);
	}
	while ((s = x->asides)) {
		x->asides = s->next;
		step_free(s);
	}
	while ((s = x->kept)) {
		x->kept = s->next;
		step_free(s);
	}
	spares_free(x);
	freeze_forget(x);
	free(x);
}

char *exec_stage_name(struct exec *x)
{
	char *s;

	if (asprintf(&s, "%s/%llu", x->cfg.stage,
		     (unsigned long long)++x->n_stage) < 0)
		abort();
	return s;
}

void step_fail(struct step *s, int error)
{
	if (s->result == STEP_DONE) {
		s->result = STEP_FAILED;
		s->error = error;
	}
}

static bool is_other(enum step_kind kind)
{
	return kind != STEP_PUT && kind != STEP_DIRTIMES;
}

static void step_finish(struct step *s)
{
	struct exec *x = s->exec;

	x->n_live--;
	x->n_other -= is_other(s->kind);
	x->n_sent--;
	x->cfg.finished(x->cfg.arg, s);
	if (s->kept)
		kept_add(s);
	else
		step_free(s);
}

void step_answered(struct step *s)
{
	if (--s->pending == 0 && s->phase == PHASE_SENT)
		step_finish(s);
}

void step_done(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status < 0)
		step_fail(s, reply->status);
	step_answered(s);
}

void step_done_or_absent(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status < 0 && reply->status != -ENOENT)
		step_fail(s, reply->status);
	step_answered(s);
}

/* ---- what is sent for each kind ---- */

/* is_of_path - without handles: what is at the path may be another object now,
 * as the record, or what is aside, has its name of then. */
static bool is_of_path(const struct step *s)
{
	return (s->tag || s->aside || s->early) &&
	       fhandle_is_number(&s->obj, NULL);
}

void step_unseen(struct step *s, int error)
{
	bool gone = error == -ESTALE || error == -ENOENT;

	if (!gone || is_of_path(s))
		step_fail(s, gone ? -ESTALE : error);
	else if (s->result == STEP_DONE)
		s->result = STEP_GONE;
}

bool step_is_other(const struct step *s, const struct fhandle *obj)
{
	return is_of_path(s) && !fhandle_equal(&s->obj, obj);
}

/* step_look - attributes of the object; false when it is gone. */
static bool step_look(struct step *s)
{
	struct fhandle obj;
	CLEANUP_CLOSE int fd = lower_open_object(s->exec->cfg.lower_fd, &s->obj,
						 s->path, O_PATH);
	int r = fd < 0 ? fd : lower_look_fd(fd, &s->st, &obj);

	if (r == 0 && step_is_other(s, &obj))
		r = -ESTALE;
	if (r < 0)
		step_unseen(s, r);
	return r == 0;
}

/* step_target - of a symbolic link, as step_look. */
static bool step_target(struct step *s)
{
	int r = lower_readlink(s->exec->cfg.lower_fd, &s->obj, s->path,
			       &s->target);
	if (r < 0)
		step_unseen(s, r);
	return r == 0;
}

static void send_mkdir(struct step *s)
{
	s->pending++;
	if (!step_look(s)) {
		step_answered(s);
		return;
	}
	const struct exec_config *cfg = &s->exec->cfg;
	uint32_t mode = attr_mode(cfg->owners, cfg->can, &s->st);
	remote_send_mkdir(cfg->remote, s->path, mode & 0777, step_done, s);
	attr_send(s, s->path, false);
}

static void published(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status < 0) {
		step_fail(s, reply->status);
		if (reply->status != -ENOTCONN && !kept_want(s))
			upload_drop_stage(s);
	} else if (!s->exec->cfg.can->can[CAN_POSIX_RENAME]) {
		step_link_names(s);
	}
	step_answered(s);
}

void step_publish(struct step *s)
{
	bool at_once = s->exec->cfg.can->can[CAN_POSIX_RENAME];

	s->pending++;
	remote_send_rename(s->exec->cfg.remote, s->stage, s->path, published,
			   s);
	if (at_once)
		step_link_names(s);
}

/* left_out - where nothing is, that is all; else it is compared: what is there goes,
 * if it is not just that link. */
static void left_out(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status == -ENOENT)
		s->exec->cfg.uncarried(s->exec->cfg.arg, "symlink", s->path);
	else
		step_fail(s, reply->status < 0 ? reply->status : -EOPNOTSUPP);
	step_answered(s);
}

static void send_symlink(struct step *s)
{
	struct remote *r = s->exec->cfg.remote;

	s->pending++;
	if (s->result != STEP_DONE) {
		step_answered(s);
		return;
	}
	if (!s->exec->cfg.can->can[CAN_SYMLINK]) {
		remote_send_lstat(r, s->path, left_out, s);
		return;
	}
	s->stage = exec_stage_name(s->exec);
	remote_send_symlink(r, s->target, s->stage, step_done, s);
	attr_send(s, s->stage, true);
	step_publish(s);
}

/*
 * A name that was the object's only one is not in the table; yet reconcile,
 * ahead of the records, may have made the object's later names already, as a
 * copy. The first link joins them.
 */
static void send_link(struct step *s)
{
	struct exec *x = s->exec;

	s->pending++;
	if (!(remote_caps(x->cfg.remote)->ext & EXT_HARDLINK)) {
		step_fail(s, -EOPNOTSUPP);
		step_answered(s);
		return;
	}
	step_link(s, s->path, s->path2);
	if (!links_is(x->cfg.links, s->path, &s->obj))
		step_link_names(s);
	links_add(x->cfg.links, &s->obj, s->path, s->number);
	links_add(x->cfg.links, &s->obj, s->path2, s->number);
	step_answered(s);
}

/*
 * rename(2) of one name of an object over another does nothing. On the master
 * something else was there, which has yet to come, or was gone before it could; so
 * the links do not tell whether the replica has one object by both names, but that
 * of this one there may be others. Then it is removed afterwards, which is for
 * nothing where it was renamed; and where that failed both names are looked at.
 * Plain RENAME removes the target first.
 */
static void send_rename(struct step *s)
{
	struct exec *x = s->exec;

	s->pending++;
	remote_send_rename(x->cfg.remote, s->path, s->path2, step_done, s);
	if (x->cfg.can->can[CAN_POSIX_RENAME] &&
	    links_was(x->cfg.links, s->path)) {
		s->pending++;
		remote_send_remove(x->cfg.remote, s->path, step_tried, s);
	}
	links_move(x->cfg.links, s->path, s->path2);
}

static void send_exchange(struct step *s)
{
	struct remote *r = s->exec->cfg.remote;

	s->stage = exec_stage_name(s->exec);
	s->pending += 3;
	remote_send_rename(r, s->path, s->stage, step_done, s);
	remote_send_rename(r, s->path2, s->path, step_done, s);
	remote_send_rename(r, s->stage, s->path2, step_done, s);
}

static void send_setattr(struct step *s)
{
	s->pending++;
	s->as_of = shared_last_seq(s->exec->cfg.shared);
	if (step_look(s)) {
		if (S_ISREG(s->st.st_mode))
			attr_send_file(s);
		else
			attr_send(s, s->path, !S_ISDIR(s->st.st_mode));
		/* copies have attributes of their own */
		if (!s->exec->cfg.can->can[CAN_HARDLINK])
			step_link_names(s);
	}
	step_answered(s);
}

static void step_send(struct step *s)
{
	struct remote *r = s->exec->cfg.remote;

	s->phase = PHASE_SENT;
	s->exec->n_sent++;
	if (is_other(s->kind))
		second_small(s->exec);
	if (s->kind == STEP_SYMLINK && step_look(s))
		step_target(s);
	s->exec->cfg.sending(s->exec->cfg.arg, s);
	switch (s->kind) {
	case STEP_PUT:
		upload_publish(s);
		break;
	case STEP_MKDIR:
		send_mkdir(s);
		break;
	case STEP_SYMLINK:
		send_symlink(s);
		break;
	case STEP_NAME:
		s->pending++;
		step_answered(s);
		break;
	case STEP_LINK:
		send_link(s);
		break;
	case STEP_RENAME:
		send_rename(s);
		break;
	case STEP_EXCHANGE:
		send_exchange(s);
		break;
	case STEP_REMOVE:
		s->pending++;
		remote_send_remove(r, s->path, step_done_or_absent, s);
		break;
	case STEP_RMDIR:
		s->pending++;
		remote_send_rmdir(r, s->path, step_done_or_absent, s);
		break;
	case STEP_SETATTR:
		send_setattr(s);
		break;
	case STEP_DIRTIMES:
		attr_send_dirtimes(s);
		break;
	}
}

/* ---- the engine ---- */

static void take_head(struct exec *x)
{
	struct step *s = x->head;

	if (x->fresh == s)
		x->fresh = s->next;
	x->head = s->next;
	if (!x->head)
		x->tail = &x->head;
	s->next = NULL;
}

/* The head ends as a step, and its upload goes on. */
static void leave(struct exec *x)
{
	struct step *s = x->head;

	take_head(x);
	s->result = STEP_ASIDE;
	x->cfg.sending(x->cfg.arg, s);
	x->n_live--;
	x->cfg.finished(x->cfg.arg, s);
	aside_add(s);
}

/* Plain RENAME does not replace: when it has failed, the target is removed and
 * it is sent again. Nothing that comes later may overtake that. */
static bool may_send(const struct exec *x)
{
	return x->cfg.can->can[CAN_POSIX_RENAME] || x->n_sent == 0;
}

/* Send what is at the head, as long as it is ready. */
static bool run_head(struct exec *x)
{
	bool moved = false;
	struct step *s;

	while ((s = x->head) && !x->held && may_send(x) &&
	       remote_pending(x->cfg.remote) < REQUESTS_MAX) {
		bool again = s->kind == STEP_PUT && s->phase == PHASE_NEW &&
			     s->retries;
		/* one before it has left the line, and has its place still */
		if (again && x->n_active > EXEC_UPLOADS)
			break;
		if (again) /* from the start */
			upload_begin(s);
		if (s->kind == STEP_PUT && aside_leave(s)) {
			leave(x);
			moved = true;
			continue;
		}
		if (s->kind == STEP_PUT && s->phase != PHASE_READY)
			break;
		if (s->kind == STEP_PUT && !upload_settled(s)) {
			if (s->phase == PHASE_NEW)
				uploads_anew(x);
			break;
		}
		take_head(x);
		step_send(s);
		moved = true;
	}
	return moved;
}

/* run - returns replies handled, or a negative errno. */
static int run(struct exec *x, int ms, int wake_fd)
{
	struct pollfd stop = {.fd = x->cfg.stop_fd, .events = POLLIN};

	if (x->cfg.rate) {
		uint64_t rate = x->cfg.rate(x->cfg.arg);
		remote_set_rate(x->cfg.remote, rate);
		x->limited = rate != 0;
	}
	do
		exec_uploads(x);
	while (run_head(x));
	if (x->trouble)
		return x->trouble;
	if (poll(&stop, 1, 0) > 0)
		return -ECANCELED;
	int pace = remote_pace_ms(x->cfg.remote);
	bool soon = pace && pace < ms;
	if (soon)
		ms = pace;
	if (!remote_pending(x->cfg.remote) && !pace)
		return 0; /* steps may end without a request */
	int r = remote_pump(x->cfg.remote, ms, wake_fd);
	return r < 0 ? -ENOTCONN : r == 0 && soon ? 1 : r;
}

int exec_serve(struct exec *x, int ms, int wake_fd)
{
	struct pollfd wake = {.fd = wake_fd, .events = POLLIN};
	int r = 1;

	while (r > 0 && exec_has_asides(x) && !exec_aside_ready(x) &&
	       poll(&wake, 1, 0) == 0) {
		r = run(x, ms, wake_fd);
		if (r == 0)
			return poll(&wake, 1, 0) == 0;
	}
	return r < 0 ? r : 0;
}

struct step *step_new(struct exec *x, enum step_kind kind, const char *path,
		      const char *path2, const struct fhandle *obj)
{
	struct step *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	*s = (struct step){.kind = kind,
			   .path = strdup(path),
			   .path2 = path2 ? strdup(path2) : NULL,
			   .exec = x,
			   .fd = -1};
	if (obj)
		s->obj = *obj;
	return s;
}

/* step_again - what went aside, ready or going on: its own place in the line. */
static struct step *step_again(struct exec *x, const char *path,
			       const struct fhandle *obj)
{
	struct step *s = aside_take(x, obj);

	if (!s)
		return NULL;
	free(s->path);
	s->path = strdup(path);
	if (s->phase == PHASE_READY)
		upload_refresh(s);
	return s;
}

static int push(struct exec *x, enum step_kind kind, const char *path,
		const char *path2, const struct fhandle *obj,
		struct stale_content has, void *tag)
{
	struct step *s = kind == STEP_PUT ? step_again(x, path, obj) : NULL;
	int r = 0;

	if (!s) {
		s = step_new(x, kind, path, path2, obj);
		if (!x->fresh)
			x->fresh = s;
	}
	s->since = has.since; /* should it have to start over, too */
	s->base_size = has.size;
	s->number = ++x->n_pushed;
	s->tag = tag;
	*x->tail = s;
	x->tail = &s->next;
	x->n_live++;
	x->n_other += is_other(kind);
	if (x->n_live % 16 == 0)
		r = run(x, 0, -1);
	while (r >= 0 && x->n_live > QUEUE_MAX)
		r = run(x, PUMP_MS, -1);
	return r < 0 ? r : 0;
}

int exec_push(struct exec *x, enum step_kind kind, const char *path,
	      const char *path2, const struct fhandle *obj, void *tag)
{
	return push(x, kind, path, path2, obj, (struct stale_content){0}, tag);
}

int exec_push_update(struct exec *x, const char *path,
		     const struct fhandle *obj, struct stale_content has,
		     void *tag)
{
	return push(x, STEP_PUT, path, NULL, obj, has, tag);
}

void exec_push_early(struct exec *x, const struct step *put)
{
	struct step *s = step_new(x, STEP_SETATTR, put->path, NULL, &put->obj);

	s->early = true;
	s->number = put->number;
	s->next = x->head;
	x->head = s;
	if (!s->next)
		x->tail = &s->next;
	x->n_live++;
	x->n_other++;
}

uint64_t exec_next(const struct exec *x)
{
	return x->n_pushed + 1;
}

int exec_send(struct exec *x)
{
	int r = 0;

	while (r >= 0 && x->head)
		r = run(x, PUMP_MS, -1);
	return r < 0 ? r : 0;
}

int exec_drain(struct exec *x)
{
	int r = 0;

	while (r >= 0 && x->n_live)
		r = run(x, PUMP_MS, -1);
	if (r >= 0)
		spare_fill(x);
	return r < 0 ? r : 0;
}
