/*
 * The sync process is this program, run with another subcommand. But the first
 * one may go on with connections that were made before there was a mount: they
 * are in our memory, and an exec would lose them. So that one is a fork of the
 * supervisor, which closes all descriptors but those that it would be given,
 * and those of the connections. /dev/fuse above all: a mount that nobody serves
 * any more must not be kept by it.
 */
#include "confdefs.h"

#include "fs/supervisor-private.h"

void supervisor_start_sync(struct supervisor *s)
{
	const struct supervisor_config *cfg = s->cfg;
	struct spawn sp = {.run = s->sync_forked ? NULL : cfg->sync_run};

	supervisor_common(s, &sp, "sync");
	spawn_arg(&sp, "--delta-above=%llu",
		  (unsigned long long)cfg->delta_above);
	for (unsigned i = 0; sp.run && i < cfg->n_sync_fds; i++)
		spawn_keep(&sp, cfg->sync_fds[i]);
	s->sync = spawn_run(&sp);
	if (sp.run)
		cfg->sync_forked();
	s->sync_forked = true;
}
