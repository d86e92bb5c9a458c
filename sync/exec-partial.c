/*
 * How much of a large upload is sure to be in the stage, should the connection
 * be lost: now and then its size is asked for, behind all pieces that were sent,
 * so whoever hears the answer knows that they were written; where contents are
 * to survive a power cut, they are fsynced first. The server does nothing else
 * meanwhile, so that takes a hundredth of the time at most.
 */
#include "confdefs.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "sync/exec.h"

#define LEAST_BYTES (4u * 1024 * 1024) /* less is sent again */
#define FIRST_NS    NS_PER_S
#define SYNC_NS	    (10 * NS_PER_S)
#define SHARE	    100
#define MAX_NS	    (60 * NS_PER_S) /* what is not synced grows by then */

static bool syncs(const struct step *s)
{
	const struct exec_config *cfg = &s->exec->cfg;

	return cfg->durable && remote_caps(cfg->remote)->ext & EXT_FSYNC;
}

void partial_start(struct step *s)
{
	s->sure = (struct sure){.next_ns = s->begun_ns +
					   (syncs(s) ? SYNC_NS : FIRST_NS)};
}

/* ---- what is sure ---- */

static bool is_due(const struct step *s)
{
	return s->exec->cfg.partials && !s->in_place && !s->sure.asked &&
	       s->off >= s->sure.bytes + LEAST_BYTES &&
	       clock_mono_ns() >= s->sure.next_ns;
}

static void synced(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	/* the next one would not tell of it (facts of Linux: once each) */
	if (reply->status < 0)
		step_fail(s, reply->status);
	upload_answered(s);
}

static void measured(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;
	struct sure *is = &s->sure;
	int64_t now = clock_mono_ns(), took = now - is->asked_ns;
	int64_t pause = took * SHARE;

	if (reply->status == 0 && s->result == STEP_DONE)
		is->bytes = is->asked < reply->attr->size ? is->asked
							  : reply->attr->size;
	is->asked = 0;
	if (pause < FIRST_NS || !syncs(s))
		pause = FIRST_NS;
	is->next_ns = now + (pause < MAX_NS ? pause : MAX_NS);
	upload_answered(s);
}

static void ask(struct step *s)
{
	struct remote *r = s->exec->cfg.remote;

	s->sure.asked = s->off;
	s->sure.asked_ns = clock_mono_ns();
	s->pending++;
	if (syncs(s)) {
		s->pending++;
		remote_send_fsync(r, &s->handle, synced, s);
	}
	remote_send_lstat(r, s->stage, measured, s);
}

/* ---- what there is of it ---- */

static void begin(struct step *s)
{
	const struct partials *all = s->exec->cfg.partials;
	const struct partial *p = all ? partials_find(all, &s->obj) : NULL;
	uint64_t size = (uint64_t)s->st.st_size;

	s->sure.looked = true;
	if (!p || s->in_place || s->ranges || size < LEAST_BYTES ||
	    s->retries >= DELTA_TRIES)
		return;
	s->sure.part = p->size < size ? p->size : size;
	delta_from(s, p->path, p->as_of, s->sure.part, size - LEAST_BYTES);
	s->sure.mixed = s->ranges;
	if (s->ranges)
		log_info("goes on with what an earlier connection has sent: "
			 "path=%s bytes=%llu",
			 s->path, (unsigned long long)s->sure.part);
}

bool partial_feed(struct step *s, bool first)
{
	if (!upload_is_large(s))
		return true;
	if (!s->sure.looked)
		begin(s);
	if (s->source_asked)
		return false;
	if (s->sure.part && s->off >= s->sure.part) {
		s->sure.part = 0;
		delta_end(s);
	}
	if (!is_due(s))
		return true;
	if (first && !second_waits(s))
		ask(s);
	return first;
}

void partial_over(struct step *s)
{
	struct exec *x = s->exec;

	/* its next record brings it, and finds that */
	if (x->cfg.partials && s->result != STEP_SUPERSEDED)
		partials_drop(x->cfg.partials, x->cfg.remote, &s->obj);
}

/* ---- the connection is lost ---- */

static void leave(struct partials *all, const struct step *s)
{
	const struct partial *had = partials_find(all, &s->obj);
	bool lost = s->result == STEP_FAILED && s->error == -ENOTCONN;

	if (!s->stage || s->sure.bytes < LEAST_BYTES || s->in_place ||
	    (s->result != STEP_DONE && !lost) ||
	    !delta_can(s->exec) ||
	    fhandle_is_number(&s->obj, NULL))
		return;
	if (had && had->size >= s->sure.bytes)
		return;
	if (had)
		all->list[had - all->list] = all->list[--all->n];
	if (all->n == PARTIALS_MAX || strlen(s->stage) >= PARTIAL_PATH_MAX)
		return;
	struct partial *p = &all->list[all->n++];
	*p = (struct partial){
		.obj = s->obj, .size = s->sure.bytes, .as_of = s->as_of};
	strcpy(p->path, s->stage);
}

static void leave_all(struct partials *all, const struct step *s)
{
	for (; s; s = s->next)
		leave(all, s);
}

void partials_leave(struct exec *x)
{
	if (!x || !x->cfg.partials)
		return;
	leave_all(x->cfg.partials, x->head);
	leave_all(x->cfg.partials, x->asides);
	leave_all(x->cfg.partials, x->kept);
}
