/*
 * Only what changed travels: the rest of the stage is copied by the server out
 * of the file that it has (copy-data, OpenSSH 9.0).
 *
 * What changed is the union of all ranges that the journal has for the object
 * after the replica's cursor, up to now: the stage becomes the content as it
 * is now, a state that the master has seen, however far the records of this
 * batch are behind it.
 *
 * The old content is taken by a hard link in the stage, which nobody but us
 * can change, and only if that is a regular file: who may write on the replica
 * can have put a symbolic link to a secret at the path.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "written.h"
#include "sync/exec.h"

#define LEAST_SHARE 8 /* of the file must be as before, to be worth a copy */
#define COPY_MAX (64u * 1024 * 1024) /* the server does nothing else then */
/* Looked through for one file. The numbers of another epoch are further away:
 * not everything that happened between two of them has a record. */
#define RECORDS_MAX 100000

bool delta_find_ranges(struct step *s, uint64_t since, uint64_t known,
		       uint64_t most)
{
	struct exec *x = s->exec;
	struct range ranges[RECORD_RANGES_MAX];
	uint64_t size = (uint64_t)s->st.st_size, now = exec_catch_up(s);
	uint32_t n;

	if (!now || now > since + RECORDS_MAX ||
	    journal_ranges(x->cfg.journal, &s->obj, since, ranges, &n) < 0)
		return false;
	if (known < size)
		range_add(ranges, &n, known, size - known);
	while (n > 0 && ranges[n - 1].off >= size)
		n--;
	if (n > 0 && ranges[n - 1].len > size - ranges[n - 1].off)
		ranges[n - 1].len = size - ranges[n - 1].off;
	if (range_total(ranges, n) > most)
		return false;
	s->n_ranges = n;
	s->ranges_to = now;
	free(s->ranges);
	s->ranges = calloc(n + 1, sizeof(*s->ranges));
	if (!s->ranges)
		abort();
	memcpy(s->ranges, ranges, n * sizeof(*ranges));
	return true;
}

static void travel_whole(struct step *s)
{
	free(s->ranges);
	s->ranges = NULL;
}

static void linked(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status < 0)
		travel_whole(s);
	upload_answered(s);
}

static void looked(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	if (reply->status < 0 || !S_ISREG(reply->attr->mode) ||
	    reply->attr->size < s->sure.part)
		travel_whole(s);
	else
		s->source_size = reply->attr->size;
	upload_answered(s);
}

static void opened(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	s->source_asked = false;
	if (reply->status < 0)
		travel_whole(s);
	else
		remote_keep_handle(reply, &s->source);
	upload_answered(s);
}

void delta_open(struct step *s, const char *path, uint32_t how,
		remote_done_fn *linked_fn, remote_done_fn *looked_fn,
		remote_done_fn *opened_fn)
{
	struct remote *r = s->exec->cfg.remote;
	char *name = exec_stage_name(s->exec);

	s->source_asked = true;
	s->pending += 3;
	remote_send_link(r, path, name, linked_fn, s);
	remote_send_lstat(r, name, looked_fn, s);
	remote_send_open(r, name, how, 0, opened_fn, s);
	remote_send_remove(r, name, NULL, NULL);
	free(name);
}

bool delta_can(const struct exec *x)
{
	const uint32_t need = EXT_COPY_DATA | EXT_HARDLINK;

	return (remote_caps(x->cfg.remote)->ext & need) == need;
}

void delta_from(struct step *s, const char *path, uint64_t since, uint64_t size,
		uint64_t most)
{
	if (delta_can(s->exec) && delta_find_ranges(s, since, size, most))
		delta_open(s, path, RO_READ, linked, looked, opened);
}

void delta_begin(struct step *s)
{
	const struct exec_config *cfg = &s->exec->cfg;
	uint64_t size = (uint64_t)s->st.st_size;

	if (s->since && size > 0 && size >= cfg->delta_above &&
	    cfg->update != UPDATE_WHOLE)
		delta_from(s, s->path, s->since, size,
			   size - size / LEAST_SHARE);
}

void delta_end(struct step *s)
{
	if (s->source.len)
		remote_send_close(s->exec->cfg.remote, &s->source, NULL, NULL);
	s->source.len = 0;
	travel_whole(s);
}

uint64_t delta_limit(const struct step *s, uint64_t len, bool *ret_same)
{
	uint32_t i = 0;

	*ret_same = false;
	/* a copy from behind its end succeeds, and copies nothing */
	if (!s->ranges || s->off >= s->source_size)
		return len;
	while (i < s->n_ranges && s->ranges[i].off + s->ranges[i].len <= s->off)
		i++;
	*ret_same = i == s->n_ranges || s->off < s->ranges[i].off;
	uint64_t end = i == s->n_ranges ? s->source_size
		       : *ret_same	? s->ranges[i].off
					: s->ranges[i].off + s->ranges[i].len;
	if (end > s->source_size)
		end = s->source_size;
	return len < end - s->off ? len : end - s->off;
}

void delta_copy(struct step *s, uint64_t len, remote_done_fn *done)
{
	off_t hole = lseek(s->fd, (off_t)s->off, SEEK_HOLE);

	if (hole > (off_t)s->off && len > (uint64_t)hole - s->off)
		len = (uint64_t)hole - s->off;
	if (len > COPY_MAX)
		len = COPY_MAX;
	s->pending++;
	remote_send_copy_data(s->exec->cfg.remote, &s->source, s->off, len,
			      &s->handle, done, s);
	space_sent(s->exec, len);
	s->off += len;
}
