/* The subcommands that only the supervisor runs: its two children. */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "cli/cli.h"
#include "clock.h"
#include "fs.h"
#include "log.h"
#include "sync.h"

#define NO_FD UINT64_MAX

struct child_options {
	char *state_dir, *log_file, *without;
	uint64_t fuse_fd, lower_fd, shared_fd, wake_fd;
	uint64_t kept_fd, deposit_fd, lock_fd;
	uint64_t delta_above, clock_offset;
	int64_t history_ns, settle_idle_ns, settle_age_ns, lift_ns;
	bool debug, check, killed;
};

/* inherited - the descriptor is there, and is not for the child's children. */
static bool inherited(uint64_t fd)
{
	return fd < 1u << 20 && fcntl((int)fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool child_parse(const char *command, const char *ident, int argc,
			char **argv, struct child_options *o)
{
	o->kept_fd = o->deposit_fd = o->lock_fd = NO_FD;
	const struct option options[] = {
		{"state-dir", "DIR", OPTION_TEXT, &o->state_dir, ""},
		{"log-file", "FILE", OPTION_TEXT, &o->log_file, ""},
		{"fuse-fd", "FD", OPTION_COUNT, &o->fuse_fd, ""},
		{"lower-fd", "FD", OPTION_COUNT, &o->lower_fd, ""},
		{"shared-fd", "FD", OPTION_COUNT, &o->shared_fd, ""},
		{"wake-fd", "FD", OPTION_COUNT, &o->wake_fd, ""},
		{"kept-fd", "FD", OPTION_COUNT, &o->kept_fd, ""},
		{"deposit-fd", "FD", OPTION_COUNT, &o->deposit_fd, ""},
		{"lock-fd", "FD", OPTION_COUNT, &o->lock_fd, ""},
		{"check", NULL, OPTION_FLAG, &o->check, ""},
		{"killed", NULL, OPTION_FLAG, &o->killed, ""},
		{"history", "SPAN", OPTION_SPAN, &o->history_ns, ""},
		{"settle-idle", "SPAN", OPTION_SPAN, &o->settle_idle_ns, ""},
		{"settle-age", "SPAN", OPTION_SPAN, &o->settle_age_ns, ""},
		{"lift", "SPAN", OPTION_SPAN, &o->lift_ns, ""},
		{"delta-above", "BYTES", OPTION_COUNT, &o->delta_above, ""},
		{"without", "LIST", OPTION_TEXT, &o->without, ""},
		{"clock-offset", "NS", OPTION_COUNT, &o->clock_offset, ""},
		{"debug", NULL, OPTION_FLAG, &o->debug, ""},
		{0},
	};
	int n = options_parse(command, options, argc, argv);
	if (n != 0 || !o->state_dir || !inherited(o->lower_fd) ||
	    !inherited(o->shared_fd) || !inherited(o->wake_fd) ||
	    !inherited(o->lock_fd)) {
		fail_usage("%s is started by mirrorfs mount", command);
		return false;
	}
	/* it was run by descriptor, which ps(1) would show as its name */
	prctl(PR_SET_NAME, "mirrorfs");
	int r = log_open(ident, o->log_file);
	if (r < 0)
		fail("%s: %s", o->log_file, strerror(-r));
	if (o->clock_offset)
		clock_trust_inherit((int64_t)o->clock_offset);
	if (o->debug)
		log_set_level(LL_DEBUG);
	return true;
}

int cmd_fs_worker(int argc, char **argv)
{
	struct child_options o = {0};
	if (!child_parse("fs-worker", "fs", argc, argv, &o) ||
	    !inherited(o.fuse_fd) || !inherited(o.kept_fd) ||
	    (!o.check && !inherited(o.deposit_fd)))
		return EXIT_USAGE;
	unsigned without;
	char why[32];
	if (features_parse(o.without, &without, why) < 0)
		return fail_usage("there is no feature \"%s\"", why);
	const struct worker_config cfg = {
		.state_dir = o.state_dir,
		.fuse_fd = (int)o.fuse_fd,
		.lower_fd = (int)o.lower_fd,
		.shared_fd = (int)o.shared_fd,
		.wake_fd = (int)o.wake_fd,
		.kept_fd = (int)o.kept_fd,
		.deposit_fd = o.check ? -1 : (int)o.deposit_fd,
		.history_ns = o.history_ns,
		.settle_idle_ns = o.settle_idle_ns,
		.settle_age_ns = o.settle_age_ns,
		.lift_ns = o.lift_ns,
		.without = without,
		.killed = o.killed,
	};
	return o.check ? worker_check(&cfg) : worker_main(&cfg);
}

int cmd_sync(int argc, char **argv)
{
	struct child_options o = {0};
	if (preflight_ahead()) /* a fork of the supervisor */
		title_set("sync", argc, argv);
	if (!child_parse("sync", "sync", argc, argv, &o))
		return EXIT_USAGE;
	const struct sync_config cfg = {
		.state_dir = o.state_dir,
		.lower_fd = (int)o.lower_fd,
		.shared_fd = (int)o.shared_fd,
		.wake_fd = (int)o.wake_fd,
		.delta_above = o.delta_above,
		.ahead = preflight_take(),
	};
	return sync_main(&cfg);
}
