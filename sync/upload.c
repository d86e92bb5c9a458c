/*
 * One file, into the stage: OPEN, WRITEs (holes are left out), owner, mode
 * and times, CLOSE; when all of that is acknowledged, it is ready. Before it
 * is published its content must not have been touched since it was read: if
 * it is being written, its next SETTLE will bring it; else it is read again.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "log.h"
#include "paths.h"
#include "written.h"
#include "sync/attr.h"
#include "sync/exec.h"
#include "sync/lower.h"

#define RETRIES_MAX 20
#define LARGE_BYTES (256 * 1024) /* more than one WRITE */
#define LARGE_MAX   16		 /* at once: small ones must find a place */
#define SETTLE_MS   20
#define CATCH_UP_NS (2 * NS_PER_S)

/* give_place - it is not among those under way any more. */
static void give_place(struct step *s)
{
	struct exec *x = s->exec;

	for (unsigned i = 0; i < x->n_active; i++) {
		if (x->active[i] == s)
			x->active[i] = x->active[--x->n_active];
	}
}

static void upload_end(struct step *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->all_sent && s->result == STEP_DONE)
		s->sure.bytes = (uint64_t)s->st.st_size;
	delta_end(s);
	give_place(s);
	s->phase = PHASE_READY;
}

void upload_answered(struct step *s)
{
	bool over = s->result != STEP_DONE && s->handle.len == 0;

	if (--s->pending == 0 && (s->all_sent || over))
		upload_end(s);
}

static void opened(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status < 0)
		step_fail(s, reply->status);
	else
		remote_keep_handle(reply, &s->handle);
	upload_answered(s);
}

static void prepared(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status < 0)
		step_fail(s, reply->status);
	upload_answered(s);
}

void upload_drop_stage(struct step *s)
{
	if (s->stage)
		remote_send_remove(s->exec->cfg.remote, s->stage, NULL, NULL);
	free(s->stage);
	s->stage = NULL;
}

static void stage_begin(struct step *s)
{
	struct exec *x = s->exec;

	if (!spare_take(s)) {
		s->stage = exec_stage_name(x);
		s->pending++;
		remote_send_open(x->cfg.remote, s->stage,
				 RO_WRITE | RO_CREATE | RO_TRUNC, 0600, opened,
				 s);
	}
	delta_begin(s);
	space_begin(s);
}

void upload_again(struct step *s)
{
	if (s->result == STEP_DONE)
		stage_begin(s);
	else if (s->pending == 0)
		upload_end(s);
}

/* settled_mark - as shared_busy_mark. What has settled is still busy for a
 * moment: `ms` are waited for that. */
static uint64_t settled_mark(const struct step *s, int ms, bool *ret_busy)
{
	uint64_t mark;

	while ((mark = shared_busy_mark(s->exec->cfg.shared, &s->obj,
					ret_busy)) == s->mark &&
	       *ret_busy && ms-- > 0)
		usleep(1000);
	return mark;
}

void upload_begin(struct step *s)
{
	struct exec *x = s->exec;
	struct fhandle obj;
	bool busy;
	int r;

	s->frozen = false;
	s->as_of = shared_last_seq(x->cfg.shared);
	s->mark = shared_busy_mark(x->cfg.shared, &s->obj, &busy);
	s->fd = lower_open_object(x->cfg.lower_fd, &s->obj, s->path, O_RDONLY);
	r = s->fd < 0 ? s->fd : lower_look_fd(s->fd, &s->st, &obj);
	if (r == 0 && step_is_other(s, &obj)) {
		r = -ESTALE;
	} else if (r == 0 && !fhandle_equal(&s->obj, &obj)) {
		/* without handles: what is there now */
		s->obj = obj;
		s->mark = shared_busy_mark(x->cfg.shared, &s->obj, &busy);
		r = fstat(s->fd, &s->st) < 0 ? -errno : 0;
	}
	if (r < 0) {
		step_unseen(s, r);
		upload_end(s);
		return;
	}
	if (busy && upload_is_large(s)) { /* it would be sent once more */
		s->mark = settled_mark(s, SETTLE_MS, &busy);
		/* as it is behind that: it may be shorter or longer by now */
		struct stat now;
		if (fstat(s->fd, &now) == 0)
			s->st = now;
	}
	moment_begin(s, busy);
	/* of an update mostly little travels; and it is one no more when it has
	 * to wait (aside_add) */
	unsigned most = s->since ? 2 * LARGE_MAX : LARGE_MAX;
	if (upload_is_large(s) && aside_large(x) >= most) {
		close(s->fd);
		s->fd = -1;
		s->phase = PHASE_WAITING;
		x->n_waiting++;
		return;
	}
	freeze_take(s);
	s->phase = PHASE_PREPARING;
	s->begun_ns = clock_mono_ns();
	if (!upload_is_large(s))
		second_small(x);
	x->active[x->n_active++] = s;
	s->off = s->hole_end = 0;
	partial_start(s);
	s->all_sent = s->refreshed = false;
	s->handle.len = 0;
	if (!inplace_begin(s))
		stage_begin(s);
}

/* send_end - of a file that ends with a hole: by its size, or, where no attribute
 * is taken, by its last byte. */
static void send_end(struct step *s, struct remote_attr *a)
{
	const struct abilities *can = s->exec->cfg.can;

	if (can->can[CAN_FSETSTAT] || can->can[CAN_SETSTAT]) {
		a->flags |= ATTR_SIZE;
		a->size = (uint64_t)s->st.st_size;
		return;
	}
	s->pending++;
	remote_send_write(s->exec->cfg.remote, &s->handle,
			  (uint64_t)s->st.st_size - 1, "", 1, prepared, s);
}

/* All data is sent: attributes and close. */
static void upload_attributes(struct step *s)
{
	struct remote *r = s->exec->cfg.remote;
	struct remote_attr owner = attr_owner(s);
	struct remote_attr rest = attr_mode_times(s);

	struct stat now;
	if (!s->frozen &&
	    (fstat(s->fd, &now) < 0 || !lower_same_content(&now, &s->st)))
		s->mark = UINT64_MAX; /* cut meanwhile: start over */
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->all_sent = true;
	if (s->hole_end && s->result == STEP_DONE && s->st.st_size > 0)
		send_end(s, &rest);
	/* the server's chown comes last, and clears set-id bits */
	if (owner.flags && !(rest.mode & (S_ISUID | S_ISGID))) {
		rest.flags |= ATTR_OWNER;
		rest.uid = owner.uid;
		rest.gid = owner.gid;
	} else if (owner.flags) {
		attr_send_open(s, &owner, prepared);
	}
	attr_send_open(s, &rest, prepared);
	if (s->exec->cfg.durable && s->exec->n_synced == EXEC_SYNCED &&
	    !upload_is_large(s)) {
		s->exec->hasty = true;
	} else if (s->exec->cfg.durable) {
		s->exec->n_synced += !upload_is_large(s);
		s->pending++;
		remote_send_fsync(r, &s->handle, prepared, s);
	}
	s->pending++;
	remote_send_close(r, &s->handle, prepared, s);
	s->handle.len = 0;
	/* the server closes both before it opens what is asked for next */
	delta_end(s);
	if (!upload_is_large(s) && exec_is_far(s->exec))
		give_place(s);
}

void upload_refresh(struct step *s)
{
	struct remote *r = s->exec->cfg.remote;
	CLEANUP_CLOSE int fd = lower_open_object(s->exec->cfg.lower_fd, &s->obj,
						 s->path, O_PATH);
	struct fhandle obj;
	struct stat now;

	if (s->result != STEP_DONE || fd < 0 ||
	    lower_look_fd(fd, &now, &obj) < 0 ||
	    !fhandle_equal(&obj, &s->obj) ||
	    (now.st_ctim.tv_sec == s->st.st_ctim.tv_sec &&
	     now.st_ctim.tv_nsec == s->st.st_ctim.tv_nsec))
		return;
	/* of a number it may be another one's that lay ready: start over */
	if (fhandle_is_number(&obj, NULL) && !lower_same_content(&now, &s->st))
		s->mark = UINT64_MAX;
	now.st_size = s->st.st_size;
	s->st = now;
	s->refreshed = true;
	struct remote_attr owner = attr_owner(s);
	struct remote_attr rest = attr_mode_times(s);
	s->phase = PHASE_PREPARING;
	if (owner.flags) {
		s->pending++;
		remote_send_setstat(r, s->stage, &owner, prepared, s);
	}
	s->pending++;
	remote_send_setstat(r, s->stage, &rest, prepared, s);
}

bool upload_is_large(const struct step *s)
{
	return s->st.st_size > LARGE_BYTES;
}

/* skip_hole - false: there is nothing but a hole. What is written into must be
 * zeros where a hole is now. */
static bool skip_hole(struct step *s)
{
	if (s->in_place && s->off < s->source_size)
		return true;
	off_t start = lseek(s->fd, (off_t)s->off, SEEK_DATA);
	bool none = start < 0 ? errno == ENXIO : start >= s->st.st_size;
	if (none) {
		s->off = (uint64_t)s->st.st_size;
		s->hole_end = 1;
		return false;
	}
	if (start > (off_t)s->off)
		s->off = (uint64_t)start;
	return true;
}

/* send_piece - of content. */
static void send_piece(struct step *s, struct remote *line, const void *data,
		       uint32_t n)
{
	const struct remote_handle *h = &s->handle;
	remote_done_fn *done = prepared;

	if (line != s->exec->cfg.remote) {
		h = second_handle(s);
		done = second_sends(s);
	}
	s->pending++;
	remote_send_write(line, h, s->off, data, n, done, s);
	space_sent(s->exec, n);
	s->off += n;
}

bool upload_feed(struct step *s, struct remote *line)
{
	static __thread uint8_t data[256 * 1024];
	size_t n = upload_is_large(s) ? remote_bulk_chunk(line)
				      : remote_caps(line)->write_bytes;
	bool first = line == s->exec->cfg.remote, same;

	if (s->handle.len == 0 || s->all_sent || s->source_asked ||
	    s->space_asked || inplace_waits(s))
		return false;
	if (s->result != STEP_DONE || s->off >= (uint64_t)s->st.st_size) {
		if (!second_over(s))
			return false;
		upload_attributes(s);
		return true;
	}
	if (!partial_feed(s, first) ||
	    (first ? second_spares_first(s) : !second_handle(s)))
		return false;
	if (!skip_hole(s))
		return true;
	n = n < sizeof(data) ? n : sizeof(data);
	uint64_t rest = s->off < (uint64_t)s->st.st_size
				? (uint64_t)s->st.st_size - s->off
				: 0;
	uint64_t alike = delta_limit(s, rest, &same);
	if (same && alike > 0 && s->in_place) {
		s->off += alike;
		return true;
	}
	if (same && alike > 0) {
		delta_copy(s, alike, prepared);
		return true;
	}
	n = n < alike ? n : (size_t)alike;
	ssize_t got = n ? pread(s->fd, data, n, (off_t)s->off) : 0;
	if (got < 0) {
		step_fail(s, -errno);
		return true;
	}
	if (got == 0) { /* it has become shorter: seen before it is published */
		s->off = (uint64_t)s->st.st_size;
		s->hole_end = 1;
		return true;
	}
	send_piece(s, line, data, (uint32_t)got);
	return true;
}

uint64_t exec_catch_up(struct step *s)
{
	struct exec *x = s->exec;
	uint64_t want = shared_last_seq(x->cfg.shared), have = 0;
	int64_t end = clock_mono_ns() + CATCH_UP_NS;
	int r;

	while ((r = journal_last_seq(x->cfg.journal, &have)) == 0 &&
	       have < want && clock_mono_ns() < end)
		usleep(2000);
	if (r < 0)
		x->trouble = r;
	log_debug(
		"catch up: want=%llx have=%llx ms=%lld path=%s",
		(unsigned long long)want, (unsigned long long)have,
		(long long)((clock_mono_ns() - end + CATCH_UP_NS) / NS_PER_MS),
		s->path);
	return have >= want ? have : 0;
}

/* wait_told - the journal may have to be told first what is being written. */
static uint32_t wait_told(const struct step *s)
{
	int64_t end = clock_mono_ns() + CATCH_UP_NS;
	uint32_t told;

	while (!(told = shared_told(s->exec->cfg.shared)) &&
	       clock_mono_ns() < end)
		usleep(2000);
	return told;
}

/* is_dirty - by the journal, once that knows all that has happened. */
static bool is_dirty(struct step *s)
{
	uint64_t dirty;

	return journal_is_dirty(s->exec->cfg.journal, &s->obj, &dirty) == 1;
}

/* What is there now has the attributes of what was read. */
static bool unchanged(struct step *s)
{
	struct fhandle obj;
	struct stat now;

	if (s->refreshed)
		return false;
	int fd = lower_open_object(s->exec->cfg.lower_fd, &s->obj, s->path,
				   O_PATH);
	int r = fd < 0 ? fd : lower_look_fd(fd, &now, &obj);

	if (fd >= 0)
		close(fd);
	return r == 0 && fhandle_equal(&obj, &s->obj) &&
	       lower_same_content(&now, &s->st) &&
	       now.st_ctim.tv_sec == s->st.st_ctim.tv_sec &&
	       now.st_ctim.tv_nsec == s->st.st_ctim.tv_nsec;
}

/* Copied up meanwhile, it is read from the new file on, whose name may be busy
 * under another number. */
static bool is_same(struct step *s)
{
	struct fhandle obj;
	struct stat now;

	if (!fhandle_is_number(&s->obj, NULL))
		return true;
	CLEANUP_CLOSE int fd = lower_open_object(s->exec->cfg.lower_fd, &s->obj,
						 s->path, O_PATH);
	return fd == -ESTALE ||
	       (fd >= 0 && lower_look_fd(fd, &now, &obj) == 0 &&
		fhandle_equal(&obj, &s->obj));
}

/* is_overtaken - no record to come tells of what is there by now: what was refused,
 * or lay aside, may be taken for one that was. */
static bool is_overtaken(const struct step *s)
{
	const struct exec_config *cfg = &s->exec->cfg;

	return journal_is_overtaken(cfg->journal, &s->obj, s->as_of,
				    cfg->planned(cfg->arg)) != 0;
}

/* comes_later - one that is appended to, open for moments only: what it had when it
 * settled is as good as of one that stays open, and a record that tells of the
 * rest is there already. */
static bool comes_later(struct step *s)
{
	const struct exec_config *cfg = &s->exec->cfg;
	uint64_t seq, size;

	return upload_is_large(s) && moment_is_kept(s) &&
	       journal_settled(cfg->journal, &s->obj, s->as_of, &seq, &size) > 0;
}

static void anew(struct step *s)
{
	s->retries++;
	upload_drop_stage(s);
	s->phase = PHASE_NEW;
}

bool upload_settled(struct step *s)
{
	bool busy;
	uint64_t mark;

	if (s->result != STEP_DONE)
		return true; /* nothing to publish, but it is its turn */
	mark = settled_mark(s, s->since ? SETTLE_MS : 0, &busy);
	if (!busy && mark == s->mark && is_same(s))
		return true;
	if (lower_is_gone(s->exec->cfg.lower_fd, &s->obj, s->path)) {
		/* a later record tells: no need to wait for it */
		step_unseen(s, -ESTALE);
		return true;
	}
	bool overtaken = is_overtaken(s);
	if (s->frozen && !overtaken) {
		freeze_want(s);
		return true;
	}
	s->frozen = false;
	/* late: nobody can tell whether it, or a twin of its hash, is busy */
	uint32_t told = busy ? wait_told(s) : 0;
	if ((!exec_catch_up(s) || !told) && busy)
		return false;
	if (is_dirty(s)) {
		if (!overtaken && moment_is_kept(s))
			return true;
		freeze_want(s);
		s->result = STEP_SUPERSEDED;
		return true;
	}
	if (busy && shared_told(s->exec->cfg.shared) != told)
		return false;
	if (!overtaken && comes_later(s))
		return true;
	if (s->retries >= RETRIES_MAX)
		return unchanged(s) ? true : (step_fail(s, -EAGAIN), true);
	/* A twin of its hash is busy; unless a change was under way when the
	 * ranges were asked for: then all of it must travel. */
	if (unchanged(s) && s->retries > 0 && !s->since && !s->sure.mixed)
		return true;
	if (s->retries >= DELTA_TRIES)
		s->since = 0;
	if (s->in_place && !s->base_size)
		s->base_size = s->source_size;
	s->in_place = false;
	anew(s);
	return false;
}

void upload_early(struct step *s)
{
	bool busy;

	if (s->kind == STEP_PUT && s->phase == PHASE_READY &&
	    s->result == STEP_DONE && !s->retries && !s->since &&
	    !s->in_place && !s->frozen && !upload_is_large(s) &&
	    shared_busy_mark(s->exec->cfg.shared, &s->obj, &busy) != s->mark &&
	    !busy) {
		anew(s);
		upload_begin(s);
	}
}

void upload_publish(struct step *s)
{
	s->pending++; /* ours, until all is sent */
	partial_over(s);
	if (s->result != STEP_DONE) {
		upload_drop_stage(s);
		step_answered(s);
		return;
	}
	if (!s->in_place)
		step_publish(s);
	if (s->st.st_mtim.tv_nsec)
		s->exec->cfg.uncarried(s->exec->cfg.arg, "nanoseconds",
				       s->path);
	step_answered(s);
}
