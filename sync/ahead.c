/*
 * The check of a new replica connects, logs in, begins a visit and tries what
 * the server can do. The sync process would begin with all of that again, which
 * on a long line takes longer than the first copy of a small tree. So the check
 * leaves its connection open, and the first sync process is a fork of the one
 * that made it, with the session in its memory, instead of a program that is
 * run. Whoever else has a copy of the session closes its descriptor without a
 * word to the server, at once: as long as somebody held it, the server would
 * not see that the sync process has ended.
 *
 * Only where nothing of ours was on the replica before: then there is no state
 * file, and no earlier visit whose late requests must be shut out. Killed in
 * between, there is a visit left without a connection, which the next one takes
 * away, as ever.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "remote-fork.h"
#include "remote-wait.h"
#include "sync/ahead.h"
#include "sync/stage.h"

struct sync_ahead {
	struct sync_ahead *next;
	char *url, *identity, *known_hosts;
	struct remote *remote;
	char stage[VISIT_STAGE_MAX];
	struct abilities can;
};

static void ahead_free(struct sync_ahead *a)
{
	free(a->url);
	free(a->identity);
	free(a->known_hosts);
	free(a);
}

/* add - to the list, which takes `r`. */
static void add(struct sync_ahead **list, const struct remote_config *cfg,
		struct remote *r, const char stage[VISIT_STAGE_MAX],
		const struct abilities *can)
{
	struct sync_ahead *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->url = text_copy(cfg->url);
	a->identity = text_copy(cfg->identity);
	a->known_hosts = text_copy(cfg->known_hosts);
	a->remote = r;
	memcpy(a->stage, stage, sizeof(a->stage));
	a->can = *can;
	a->next = *list;
	*list = a;
}

static bool has_room(const struct sync_ahead *list)
{
	unsigned n = 0;

	for (; list; list = list->next)
		n++;
	return n < SYNC_AHEAD_MAX;
}

int sync_probe(const struct remote_config *cfg, const char *uuid, bool adopt,
	       struct sync_ahead **keep, struct remote_error *err)
{
	char stage[VISIT_STAGE_MAX] = "";
	struct stage_state state;
	unsigned pending = 1;
	struct answer had = {.pending = &pending};
	struct remote *r;
	struct abilities can;
	int s;

	if (remote_open(cfg, &r, err) < 0)
		return -1;
	remote_send_lstat(r, RESERVED_NAME, answer_got, &had);
	s = stage_check(r, cfg->url, uuid, adopt, false, &state, err);
	answers_wait(r, &pending);
	bool stay = keep && had.status == -ENOENT && !remote_is_local(r) &&
		    has_room(*keep);
	if (s == 0)
		s = stage_prepare(r, cfg->url, !stay, NULL, NULL, stage, &can,
				  err);
	if (s == 0 && stay) {
		add(keep, cfg, r, stage, &can);
		return 0;
	}
	visit_end(r, stage, had.status < 0);
	remote_close(r);
	return s;
}

unsigned sync_ahead_fds(const struct sync_ahead *list, int fds[SYNC_AHEAD_MAX])
{
	unsigned n = 0;

	for (; list; list = list->next)
		fds[n++] = remote_fd(list->remote);
	return n;
}

static void leave(struct sync_ahead *a)
{
	visit_end(a->remote, a->stage, true);
	remote_close(a->remote);
}

static void forget(struct sync_ahead *a)
{
	remote_forget(a->remote);
}

static void each_ends(struct sync_ahead *list, void (*how)(struct sync_ahead *))
{
	for (struct sync_ahead *a = list, *next; a; a = next) {
		next = a->next;
		how(a);
		ahead_free(a);
	}
}

void sync_ahead_end(struct sync_ahead *list)
{
	each_ends(list, leave);
}

void sync_ahead_forget(struct sync_ahead *list)
{
	each_ends(list, forget);
}

struct sync_ahead *ahead_take(struct sync_ahead **list,
			      const struct replica_row *row)
{
	for (struct sync_ahead **at = list; *at; at = &(*at)->next) {
		struct sync_ahead *a = *at;
		if (!text_same(a->url, row->url) ||
		    !text_same(a->identity, row->identity) ||
		    !text_same(a->known_hosts, row->known_hosts))
			continue;
		*at = a->next;
		a->next = NULL;
		return a;
	}
	return NULL;
}

struct remote *ahead_open(struct sync_ahead *a, int stop_fd,
			  char stage[VISIT_STAGE_MAX], struct abilities *ret)
{
	struct remote *r = a->remote;

	remote_set_stop(r, stop_fd);
	memcpy(stage, a->stage, sizeof(a->stage));
	*ret = a->can;
	ahead_free(a);
	return r;
}
