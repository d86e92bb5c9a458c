/*
 * Pieces of large files over a second connection to the same server.
 *
 * One connection has one sshd there, which is busy with one processor, and a
 * channel that OpenSSH gives 2 MiB: on a line of 20 ms no more than 100 MB come
 * through it in a second, however wide the line is. Two have twice that. And
 * while there are small changes the first connection is left to them: they wait
 * for no piece of a large file that was sent ahead of them.
 *
 * Both write into the same file of the stage, which the first one has made. The
 * second one opens it by its name, which nobody can guess: so where it succeeds
 * both have the same file system, whatever a name has resolved to. What is not a
 * piece of content travels over the first one, where all order is; and
 * attributes only when the second one has closed the file: a write that came
 * later would change the time again, on some file systems the CLOSE does, and
 * what goes wrong there may be told no earlier.
 */
#include "confdefs.h"

#include <stdlib.h>

#include "clock.h"
#include "remote-second.h"
#include "sync/exec.h"

#define WORTH_BYTES (4u * 1024 * 1024) /* of one file, for two more requests */
#define SMALL_NS    NS_PER_S	       /* how long small ones have precedence */

/* What a step has open there. */
struct second_file {
	bool asked;
	unsigned pending; /* writes, CLOSE */
	struct remote_handle handle;
};

/* left - of content that may travel there, bytes. */
static uint64_t left(const struct step *s)
{
	uint64_t size = (uint64_t)s->st.st_size;

	return upload_is_large(s) && !s->in_place && !s->ranges &&
			       s->result == STEP_DONE && s->off < size
		       ? size - s->off
		       : 0;
}

bool exec_uses_second(const struct exec *x)
{
	for (unsigned i = 0; i < x->n_active; i++) {
		if (x->active[i]->second)
			return true;
	}
	return false;
}

struct remote *second_line(struct exec *x)
{
	uint64_t sum = 0;

	if (!x->cfg.second)
		return NULL;
	for (unsigned i = 0; i < x->n_active; i++)
		sum += left(x->active[i]);
	/* once it is, it is worth it until all has been sent */
	x->worth = sum && (x->worth || sum >= x->cfg.parallel_above);
	/* what is limited does not need two, and is counted by one */
	if (exec_uses_second(x) || (x->worth && !x->limited))
		x->cfg.second(x->cfg.arg);
	return x->limited ? NULL : remote_second(x->cfg.remote);
}

void second_small(struct exec *x)
{
	x->small_ns = clock_mono_ns();
}

bool second_spares_first(const struct step *s)
{
	const struct exec *x = s->exec;

	return x->second && s->second && s->second->handle.len &&
	       clock_mono_ns() - x->small_ns < SMALL_NS;
}

static void opened(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	s->second->asked = false;
	if (reply->status == 0) /* else the first one does it alone */
		remote_keep_handle(reply, &s->second->handle);
	upload_answered(s);
}

const struct remote_handle *second_handle(struct step *s)
{
	const struct exec *x = s->exec;
	uint64_t worth = x->cfg.parallel_above, rest = left(s);

	if (s->second)
		return s->second->handle.len ? &s->second->handle : NULL;
	if (rest == 0 || rest < (worth < WORTH_BYTES ? worth : WORTH_BYTES))
		return NULL;
	s->second = calloc(1, sizeof(*s->second));
	if (!s->second)
		abort();
	s->second->asked = true;
	s->pending++;
	remote_send_open(x->second, s->stage, RO_WRITE, 0, opened, s);
	return NULL;
}

static void written(void *arg, const struct remote_reply *reply)
{
	struct step *s = arg;

	s->second->pending--;
	if (reply->status < 0)
		step_fail(s, reply->status);
	upload_answered(s);
}

remote_done_fn *second_sends(struct step *s)
{
	s->second->pending++;
	return written;
}

bool second_waits(const struct step *s)
{
	return s->second && s->second->pending;
}

bool second_over(struct step *s)
{
	struct second_file *b = s->second;

	if (!b)
		return true;
	if (b->asked || b->pending)
		return false;
	if (b->handle.len) {
		s->pending++;
		remote_send_close(remote_second(s->exec->cfg.remote),
				  &b->handle, second_sends(s), s);
		b->handle.len = 0;
		return false;
	}
	free(b);
	s->second = NULL;
	return true;
}
