/*
 * What mirrorfs keeps on a replica, in .mirrorfs at its top: `state` (uuid of
 * the journal, last record of the newest batch, a turn, which rises when
 * something arrived behind that, and which of the journal's replicas it is) and
 * `stage` (uploads).
 *
 * The journal has a turn only when the state file has it: when the connection
 * ends in between, the replica's is newer, never older.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "log.h"
#include "paths.h"
#include "remote-wait.h"
#include "sync/cause.h"
#include "sync/engine.h"
#include "sync/probe.h"
#include "sync/remote/status.h"

#define STATE_FILE RESERVED_NAME "/state"
#define STAGE_DIR  RESERVED_NAME "/stage"

static int lost(struct remote *r, struct remote_error *err)
{
	return status_fail(err, REMOTE_LOST, "%s", remote_why(r));
}

static bool only_ours(const struct remote_entry *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!remove_keeps("", list[i].name))
			return false;
	}
	return true;
}

/* find_left - without posix-rename the state file is removed before the new
 * one takes its place: a connection that was cut in between has left that in
 * its stage, complete. */
static int find_left(struct remote *r, char **ret_text)
{
	struct remote_entry *list = NULL;
	unsigned n = 0;
	size_t len;
	int s = remote_list(r, STAGE_DIR, &list, &n);
	int found = -ENOENT;

	for (unsigned i = 0; s == 0 && found == -ENOENT && i < n; i++) {
		CLEANUP_FREE char *dir = path_join(STAGE_DIR, list[i].name);
		CLEANUP_FREE char *file = path_join(dir, "state");
		if (S_ISDIR(list[i].attr.mode))
			found = remote_read_file(r, file, ret_text, &len);
	}
	remote_entries_free(list, n);
	return s == -ENOTCONN ? s : found;
}

/* look - at the folder and what is in its state file, in one round trip. */
static int look(struct remote *r, struct answer *base, char **ret_text)
{
	unsigned pending = 1;
	size_t len;

	*base = (struct answer){.pending = &pending};
	remote_send_lstat(r, "", answer_got, base);
	int s = remote_read_file(r, STATE_FILE, ret_text, &len);
	answers_wait(r, &pending);
	return s;
}

/* look_new - the same where mirrorfs may not have been yet; and what else is in
 * the folder. *ret_others: 1 when there is something, 0, or a negative errno. */
static int look_new(struct remote *r, struct answer *base, int *ret_others,
		    char **ret_text)
{
	struct remote_entry *list = NULL;
	unsigned n = 0, pending = 2;
	struct answer state = {.pending = &pending};
	size_t len;

	*base = (struct answer){.pending = &pending};
	remote_send_lstat(r, "", answer_got, base);
	remote_send_lstat(r, STATE_FILE, answer_got, &state);
	int s = remote_list(r, "", &list, &n);
	answers_wait(r, &pending);
	*ret_others = s < 0 ? s : !only_ours(list, n);
	remote_entries_free(list, n);
	return state.status < 0
		       ? state.status
		       : remote_read_file(r, STATE_FILE, ret_text, &len);
}

/* check_base - the folder is there. */
static int check_base(const struct answer *base, const char *url,
		      struct remote_error *err)
{
	int s = base->status;

	if (s == -EACCES)
		return status_fail(
			err, REMOTE_NOT_WRITABLE,
			"%s: the login may not look into this folder, or the "
			"server refuses lstat",
			url);
	if (s < 0)
		return status_fail(
			err, REMOTE_PATH_MISSING,
			"%s: the folder does not exist on the replica: "
			"make it first",
			url);
	if (!S_ISDIR(base->attr.mode) && !S_ISLNK(base->attr.mode))
		return status_fail(err, REMOTE_PATH_MISSING,
				   "%s: is not a folder on the replica", url);
	return 0;
}

int stage_check(struct remote *r, const char *url, const char *uuid, bool adopt,
		bool known, struct stage_state *ret, struct remote_error *err)
{
	CLEANUP_FREE char *text = NULL;
	struct answer base;
	int others = 0;

	*ret = (struct stage_state){0};
	int s = known || adopt ? look(r, &base, &text)
			       : look_new(r, &base, &others, &text);
	if (s != -ENOTCONN && check_base(&base, url, err) < 0)
		return -1;
	if (s == -ENOENT && known)
		s = find_left(r, &text);
	if (s == -ENOTCONN)
		return lost(r, err);
	if (s == 0 && stage_state_parse(text, ret) == 0) {
		if (uuid && strcmp(uuid, ret->uuid) == 0)
			return 0;
		return status_fail(
			err, REMOTE_FOREIGN,
			"%s belongs to another journal (%s): if that "
			"master is gone, remove %s there, then \"mirrorfs "
			"retry\"; mount and replica add want --adopt",
			url, ret->uuid, RESERVED_NAME);
	}
	if (known || adopt)
		return 0;
	if (others == -ENOTCONN)
		return lost(r, err);
	if (others < 0)
		return status_fail(err, REMOTE_NOT_WRITABLE,
				   "%s: the login may not list this folder, or "
				   "the server refuses opendir or readdir",
				   url);
	if (others > 0)
		return status_fail(
			err, REMOTE_NOT_EMPTY,
			"%s is not empty and was not made by mirrorfs: "
			"use --adopt to take it over (what the master "
			"does not have is then deleted there)",
			url);
	return 0;
}

/* why_not - the words for a visit that could not begin. */
static const char *why_not(struct remote *r, int status)
{
	struct evidence e = {.error = status};

	if (cause_look(r, "", NULL, &e) == 0 && e.measured) {
		if (e.space.read_only)
			return "the file system there is read-only";
		if (e.space.free_bytes == 0 ||
		    (e.space.inodes && !e.space.avail_inodes))
			return "no space is left there";
	}
	return status == -EACCES
		       ? "permission denied: give the login write permission; "
			 "a read-only server (sftp-server -R) will not do"
		       : "failure: see that the login may write, and that "
			 "space is left";
}

int stage_prepare(struct remote *r, const char *url, bool only_look,
		  struct partials *keep, const struct abilities *had,
		  char stage[VISIT_STAGE_MAX], struct abilities *ret,
		  struct remote_error *err)
{
	int s = visit_begin(r, only_look, keep, stage, VISIT_STAGE_MAX);

	if (s == -ENOTDIR)
		return status_fail(
			err, REMOTE_NOT_WRITABLE,
			"%s: %s there is no folder: who has put it there? "
			"Remove it",
			url, RESERVED_NAME);
	if (s == -ENOTCONN)
		return lost(r, err);
	if (s < 0)
		return status_fail(err, REMOTE_NOT_WRITABLE,
				   "%s: cannot write there: %s", url,
				   why_not(r, s));
	s = probe(r, url, stage, had, ret, err);
	if (s < 0 && err->kind == REMOTE_NOT_WRITABLE && keep && keep->n) {
		/* a quota may not let us in beside that */
		partials_drop_all(keep, r);
		s = probe(r, url, stage, had, ret, err);
	}
	return s;
}

/* ---- the state file, written beside other things ---- */

static void state_fail(struct engine *e, int status)
{
	if (e->state.status == 0)
		e->state.status = status;
}

static void state_end(struct engine *e, int status)
{
	state_fail(e, status);
	e->state.busy = e->exec->held = false;
}

static void state_answered(struct engine *e)
{
	if (--e->state.pending == 0)
		e->state.busy = false;
}

static void base_synced(void *arg, const struct remote_reply *reply)
{
	struct engine *e = arg;

	if (reply->status < 0)
		log_debug("%s: fsync of " RESERVED_NAME ": %s", e->row.name,
			  strerror(-reply->status));
	state_answered(e);
}

static void base_fsync(struct engine *e)
{
	struct remote_handle *h = &e->state.base;

	if (h->len == 0)
		return;
	e->state.pending += 2;
	remote_send_fsync(e->remote, h, base_synced, e);
	remote_send_close(e->remote, h, base_synced, e);
	h->len = 0;
}

static void base_opened(void *arg, const struct remote_reply *reply)
{
	struct engine *e = arg;

	e->state.base_asked = false;
	if (reply->status == 0)
		remote_keep_handle(reply, &e->state.base);
	if (!e->state.base_wanted)
		return;
	e->state.base_wanted = false;
	base_fsync(e);
	state_answered(e);
}

/* base_open - beside the writing. */
static void base_open(struct engine *e)
{
	if (!e->durable || !e->can.can[CAN_FSYNC_FOLDER] ||
	    e->state.base_asked || e->state.base.len > 0)
		return;
	e->state.base_asked = true;
	/* if that is no folder any more, it fails */
	remote_send_open(e->remote, RESERVED_NAME "/.", RO_READ, 0, base_opened,
			 e);
}

/* base_sync - the state file's name is on the disk, once it was sent. */
static void base_sync(struct engine *e)
{
	if (!e->durable || e->exec->hasty)
		return;
	if (!e->state.base_asked) {
		base_fsync(e);
		return;
	}
	e->state.base_wanted = true;
	e->state.pending++;
}

static void state_seen(void *arg, const struct remote_reply *reply)
{
	struct engine *e = arg;

	e->state.mtime = reply->status < 0 ? 0 : reply->attr->mtime;
	e->state.size = reply->status < 0 ? 0 : reply->attr->size;
}

/* state_looked - before there is a new one: is it still ours? Else the replica
 * was restored while we were connected, and everything is to be compared. */
static void state_looked(void *arg, const struct remote_reply *reply)
{
	struct engine *e = arg;

	if (reply->status == -ENOTCONN || !e->state.mtime ||
	    (reply->status == 0 && reply->attr->mtime == e->state.mtime &&
	     reply->attr->size == e->state.size))
		return;
	e->state.suspect = true;
	state_fail(e, -ENOTCONN);
	remote_give_up(e->remote, "the replica was changed: the state that it "
				  "keeps is not the one that it had");
}

static void state_renamed(void *arg, const struct remote_reply *reply)
{
	struct engine *e = arg;

	e->exec->held = false;
	if (reply->status == 0)
		remote_send_lstat(e->remote, STATE_FILE, state_seen, e);
	if (reply->status < 0)
		state_fail(e, reply->status);
	else if (!e->can.can[CAN_POSIX_RENAME])
		base_sync(e);
	state_answered(e);
}

static void state_rename(struct engine *e)
{
	CLEANUP_FREE char *file = path_join(e->stage, "state");

	e->state.pending = 1;
	e->state.mtime = 0; /* until it is looked at */
	remote_send_rename(e->remote, file, STATE_FILE, state_renamed, e);
	if (!e->can.can[CAN_POSIX_RENAME])
		return; /* the file is not out of the way before the answer */
	base_sync(e);
	/* the next batch may begin right behind this one */
	stage_write_ahead(e);
}

static void state_closed(void *arg, const struct remote_reply *reply)
{
	struct engine *e = arg;

	e->state.written = true;
	if (reply->status < 0 || e->state.status < 0)
		state_end(e, reply->status);
	else if (e->state.go)
		state_rename(e);
}

static void state_written(void *arg, const struct remote_reply *reply)
{
	if (reply->status < 0)
		state_fail(arg, reply->status);
}

/* state_fill - what is open in the stage. */
static void state_fill(struct engine *e)
{
	struct remote_handle *h = &e->state.next;
	char text[STATE_TEXT_MAX];
	const struct stage_state is = {.seq = e->state.seq,
				       .turn = e->turn,
				       .replica = e->row.id};

	e->state.filled = true;
	if (e->state.mtime && !e->state.vague)
		remote_send_lstat(e->remote, STATE_FILE, state_looked, e);
	size_t n = stage_state_text(&is, journal_uuid(e->journal), text);

	remote_send_write(e->remote, h, 0, text, (uint32_t)n, state_written, e);
	if (e->durable && remote_caps(e->remote)->ext & EXT_FSYNC)
		remote_send_fsync(e->remote, h, state_written, e);
	remote_send_close(e->remote, h, state_closed, e);
	h->len = 0;
}

static void state_opened(void *arg, const struct remote_reply *reply)
{
	struct engine *e = arg;

	e->state.asked = false;
	if (reply->status == 0)
		remote_keep_handle(reply, &e->state.next);
	if (!e->state.busy || e->state.filled)
		return;
	if (reply->status < 0)
		state_end(e, reply->status);
	else
		state_fill(e);
}

static void state_open(struct engine *e)
{
	CLEANUP_FREE char *file = path_join(e->stage, "state");

	e->state.asked = true;
	remote_send_open(e->remote, file, RO_WRITE | RO_CREATE | RO_TRUNC, 0600,
			 state_opened, e);
}

void stage_write_begin(struct engine *e, uint64_t seq)
{
	e->state = (struct state_write){.seq = seq,
					.busy = true,
					.asked = e->state.asked,
					.next = e->state.next,
					.base_asked = e->state.base_asked,
					.base = e->state.base,
					.mtime = e->state.mtime,
					.size = e->state.size,
					.suspect = e->state.suspect,
					.vague = e->state.vague};
	if (e->state.next.len > 0)
		state_fill(e);
	else if (!e->state.asked)
		state_open(e);
	base_open(e);
}

void stage_write_first(struct engine *e, uint64_t seq)
{
	e->exec->held = true;
	stage_write_begin(e, seq);
	stage_write_publish(e);
}

void stage_write_ahead(struct engine *e)
{
	if (exec_is_far(e->exec) && (!e->state.busy || e->state.filled) &&
	    !e->state.asked && e->state.next.len == 0)
		state_open(e);
}

void stage_write_publish(struct engine *e)
{
	if (!e->state.busy || e->state.go)
		return;
	e->state.go = true;
	if (e->state.written)
		state_rename(e);
}

int stage_write_end(struct engine *e)
{
	stage_write_publish(e);
	while (e->state.busy) {
		if (exec_pump(e->exec) < 0)
			return -ENOTCONN;
	}
	if (e->state.status < 0 || !e->state.early)
		return e->state.status;
	/* a copy from before that has the number already, but not the turn */
	int r = stage_turn_begin(e, e->state.seq);
	return r < 0 ? r : stage_turn_end(e);
}

/* begin_anew - behind one that is under way. */
static int begin_anew(struct engine *e, uint64_t seq)
{
	/* a number that was not reached never gets the name */
	while (e->state.busy && (e->state.go || !e->state.written)) {
		if (exec_pump(e->exec) < 0)
			return -ENOTCONN;
	}
	stage_write_begin(e, seq);
	return 0;
}

int stage_write(struct engine *e, uint64_t seq)
{
	int r = begin_anew(e, seq);

	return r < 0 ? r : stage_write_end(e);
}

/* ---- turns ---- */

static void turn_key(const struct engine *e, char key[32])
{
	snprintf(key, 32, "turn-%lld", (long long)e->row.id);
}

int stage_turn_begin(struct engine *e, uint64_t seq)
{
	e->turn++;
	return begin_anew(e, seq);
}

int stage_turn_end(struct engine *e)
{
	int r = stage_write_end(e);

	if (r == 0)
		e->turn_written = e->turn;
	return r == -ENOTCONN || r == -ECANCELED ? r : 0;
}

int stage_turn_keep(struct engine *e)
{
	char key[32], text[32];

	if (e->turn_kept == e->turn_written)
		return 0;
	e->turn_kept = e->turn_written;
	turn_key(e, key);
	snprintf(text, sizeof(text), "%llu",
		 (unsigned long long)e->turn_written);
	return journal_meta_set(e->journal, key, text);
}

int stage_turn_load(struct engine *e, const struct stage_state *state,
		    bool *ret_older)
{
	CLEANUP_FREE char *text = NULL;
	char key[32];

	turn_key(e, key);
	int r = journal_meta_get(e->journal, key, &text);
	if (r < 0 && r != -ENOENT)
		return r;
	e->turn_written = text ? strtoull(text, NULL, 10) : 0;
	e->turn_kept = e->turn_written;
	/* one that an older release wrote is believed as it did */
	*ret_older = state->turn && state->turn < e->turn_written;
	e->turn = state->turn > e->turn_written ? state->turn : e->turn_written;
	/* 0 is not told */
	e->turn += !e->turn;
	return 0;
}
