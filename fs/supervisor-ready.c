/*
 * The beginning of a mount, as seen by whoever started it: one look says that it
 * is served; then that is told, and what else there is to say.
 */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "clock.h"
#include "fs/supervisor-private.h"
#include "log.h"

#define READY_NS (2 * NS_PER_S)

/* A child that looks at the mounted root once: it ends with 0 when the worker
 * has answered. It must not hold /dev/fuse, or a dead worker would keep it
 * waiting for ever. */
void supervisor_probe(struct supervisor *s)
{
	pid_t pid = fork();
	if (pid < 0) {
		log_error("cannot look at the mount: %s", strerror(errno));
		s->stopping = s->failed = true;
	}
	if (pid != 0) {
		s->prober = pid > 0 ? pid : 0;
		return;
	}
	close(s->fuse_fd);
	close(s->lower_fd);
	deposits_hang_up(&s->deposits);
	struct stat st;
	_exit(stat(s->cfg->root, &st) == 0 ? 0 : 1);
}

/* What there is to say about a new mount may take a while to find out: a
 * child does, and ends. */
static void start_report(struct supervisor *s)
{
	const pid_t ours[] = {getpid(), s->worker, s->sync};
	if (!s->cfg->report)
		return;
	pid_t pid = fork();
	if (pid != 0) {
		s->reporter = pid > 0 ? pid : 0;
		return;
	}
	close(s->fuse_fd);
	deposits_hang_up(&s->deposits);
	s->cfg->report(s->cfg, ours, 3);
	_exit(0);
}

void supervisor_ready_end(struct supervisor *s)
{
	if (s->ready_fd >= 0)
		close(s->ready_fd);
	s->ready_fd = -1;
	s->ready_end_ns = 0;
}

int supervisor_ready_ms(struct supervisor *s)
{
	if (!s->ready_end_ns)
		return -1;
	int64_t left = s->ready_end_ns - clock_mono_ns();
	if (left > 0)
		return (int)(left / NS_PER_MS) + 1;
	supervisor_ready_end(s);
	return -1;
}

void supervisor_ready(struct supervisor *s, const char *error)
{
	if (!error) {
		s->ready = true;
		log_notice("mounted root=%s state=%s", s->cfg->root,
			   s->cfg->state_dir);
		sd_notify(0, "READY=1");
	}
	if (s->cfg->ready_fd >= 0)
		dprintf(s->cfg->ready_fd, "%s\n", error ? error : "ok");
	if (!error && s->late && s->cfg->ready_fd >= 0)
		dprintf(s->cfg->ready_fd,
			"the journal in %s cannot be written: %s: users are "
			"served and replicas wait until it can; then "
			"everything is compared\n",
			s->cfg->state_dir, strerror(-s->late));
	if (!error) {
		start_report(s);
		supervisor_look_back(s);
	}
	s->ready_end_ns = clock_mono_ns() + READY_NS;
	if (!s->looker)
		supervisor_ready_end(s);
}
