/*
 * The supervisor owns the mount: the lower root opened before it, /dev/fuse,
 * and the memory that the fs worker and the sync process share. It starts
 * both, watches them, and unmounts at the end. It never touches a path inside
 * the mount: a request that waits for a dead worker would never end (a
 * short-lived child makes the one look that says "ready").
 *
 *   worker ends with 0   somebody unmounted: put away everything, exit 0
 *   worker dies          another one goes on: supervisor-worker.c
 *   sync dies            it is started again after a second; what it had in
 *                        flight is applied by state (mirrorfs-journal(5))
 *   SIGTERM, SIGINT      unmount; while it is busy try again, never lazily
 *   we die               the worker sees it at once (deposit.h): it settles
 *                        what is open, the journal takes what is in the ring,
 *                        and both end. The mount is dead (ENOTCONN) until the
 *                        next "mirrorfs mount".
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "activity.h"
#include "cleanup.h"
#include "clock.h"
#include "fs.h"
#include "fs/closer.h"
#include "fs/control.h"
#include "fs/kept.h"
#include "fs/lower.h"
#include "fs/passthrough.h"
#include "fs/spawn.h"
#include "fs/supervisor-private.h"
#include "journal.h"
#include "log.h"
#include "privileges.h"
#include "reserve.h"
#include "runtime.h"
#include "shared.h"

#define SYNC_RESTART_NS NS_PER_S
#define STOP_RETRY_NS	(200 * NS_PER_MS)
#define WORKER_GRACE_MS 10000
#define SYNC_GRACE_MS	10000

/* ---- setting up ---- */

void supervisor_common(struct supervisor *s, struct spawn *sp,
		       const char *command)
{
	sp->program_fd = s->program_fd;
	spawn_arg(sp, "%s", s->cfg->program);
	spawn_arg(sp, "%s", command);
	spawn_arg(sp, "--state-dir=%s", s->cfg->state_dir);
	spawn_fd(sp, "--lower-fd", s->lower_fd);
	spawn_fd(sp, "--shared-fd", s->shared_fd);
	spawn_fd(sp, "--wake-fd", s->wake_fd);
	spawn_fd(sp, "--lock-fd", s->cfg->lock_fd);
	if (s->cfg->log_file)
		spawn_arg(sp, "--log-file=%s", s->cfg->log_file);
	int64_t mono_ns = clock_mono_ns();
	int64_t offset_ns =
		clock_trust_ns(&s->trust, clock_wall_ns(), mono_ns) - mono_ns;
	if (offset_ns > 0)
		spawn_arg(sp, "--clock-offset=%lld", (long long)offset_ns);
	if (s->cfg->debug)
		spawn_arg(sp, "--debug");
}

static int open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Objects are named by handles, or else by what is theirs until the tree is
 * unmounted (pins.h). */
static int choose_names(struct supervisor *s)
{
	unsigned without;
	char why[32];
	if (features_parse(s->cfg->without, &without, why) < 0)
		return -EINVAL;
	bool pinned =
		without & FEATURE_HANDLES || !lower_has_handles(s->lower_fd);
	shared_set_pinned(s->shared, pinned);
	if (pinned)
		log_notice("no file handles below: each file that is known is "
			   "pinned by a descriptor, and everything is compared "
			   "after a mount");
	return s->journal ? supervisor_note_names(s) : 0;
}

int supervisor_note_names(struct supervisor *s)
{
	static const char key[] = "without_handles";
	CLEANUP_FREE char *before = NULL;
	bool pinned = shared_pinned(s->shared);
	int r = journal_meta_get(s->journal, key, &before);
	bool compare = pinned || (before && *before == '1');
	if (r == 0 && compare)
		r = journal_meta_set(s->journal, key, pinned ? "1" : "0");
	/* its marks are handles */
	if (r == 0 && pinned)
		r = activity_disable(s->cfg->state_dir);
	if (r == 0 && compare)
		supervisor_event(s, OP_GAP);
	return r;
}

void supervisor_event(struct supervisor *s, enum record_op op)
{
	struct record r = {.op = op, .who = {.pid = getpid()}};
	snprintf(r.who.program, sizeof(r.who.program), "mirrorfs");
	shared_append(s->shared, &r);
}

void supervisor_gap(struct supervisor *s, int64_t since_ns)
{
	struct record r = {.op = OP_GAP,
			   .flags = RF_CONTENT,
			   .size = since_ns > 0 ? (uint64_t)since_ns : 0};
	shared_append(s->shared, &r);
}

/* supervisor_setup - all that can fail before users see anything.
 * Returns NULL, or what failed (static or in `text`). */
static const char *supervisor_setup(struct supervisor *s, char *text,
				    size_t size)
{
	const char *what;
	uint64_t first_seq;
	int r;
#define STEP(name, call)                                                       \
	what = name;                                                           \
	r = (call);                                                            \
	if (r < 0)                                                             \
		goto failed;
	STEP("opening the root", supervisor_take_root(s));
	STEP("starting an epoch of the journal",
	     supervisor_begin(s, &first_seq));
	STEP("making shared memory", shared_create(first_seq, &s->shared_fd));
	STEP("mapping shared memory", shared_map(s->shared_fd, &s->shared));
	shared_set_required(s->shared, s->cfg->journal_required);
	STEP("choosing how to name files", choose_names(s));
	supervisor_begun(s);
	STEP("making an eventfd",
	     s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	STEP("making a signalfd", s->signal_fd = open_signals());
	STEP("making the control socket",
	     s->listen_fd = runtime_listen(s->cfg->name));
	STEP("publishing the mount",
	     runtime_publish(s->cfg->name, s->cfg->root, s->cfg->state_dir));
	STEP("making shared memory", kept_create(&s->kept_fd));
	STEP("opening this program",
	     s->program_fd = open(s->cfg->program, O_PATH | O_CLOEXEC));
	STEP("mounting", s->cfg->dead_fd < 0
				 ? supervisor_mount(s)
				 : supervisor_cover(s, s->cfg->dead_fd));
#undef STEP
	return NULL;
failed:
	if (r == -1)
		r = -errno;
	snprintf(text, size, "%s: %s", what, strerror(-r));
	return text;
}

/* ---- ending ---- */

/* In between the journal is closed, so that a damaged one can be replaced. */
int supervisor_drain(struct supervisor *s, bool last, int64_t *ret_since)
{
	int r = s->late ? s->late
			: journal_open(s->cfg->state_dir, JOURNAL_WRITE,
				       &s->journal);
	if (r == 0)
		r = journal_drain(s->journal, s->shared);
	if (ret_since)
		*ret_since = 0;
	if (r >= 0 && ret_since)
		r = journal_dirty_since(s->journal, ret_since);
	if (r < 0 && last)
		log_error("records of the last moments were lost: %s",
			  strerror(-r));
	else if (r < 0)
		log_warning("the journal cannot be written: %s; records of the "
			    "last moments wait in memory",
			    strerror(-r));
	journal_close(s->journal);
	s->journal = NULL;
	return r;
}

static void supervisor_wake(struct supervisor *s)
{
	uint64_t one = 1;
	(void)!write(s->wake_fd, &one, sizeof(one));
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->worker) {
			worker_ended(s, status);
		} else if (pid == s->sync) {
			s->sync = 0;
			s->sync_after_ns =
				s->renew_sync
					? 0
					: clock_mono_ns() + SYNC_RESTART_NS;
			if (!s->stopping && !s->renew_sync)
				log_warning("the sync process ended (%#x), "
					    "starting it again",
					    (unsigned)status);
			s->renew_sync = false;
		} else if (pid == s->prober) {
			s->prober = 0;
			if (status == 0 && !s->failed)
				supervisor_ready(s, NULL);
			else /* or the worker has ended since */
				s->stopping = s->failed = true;
		} else if (pid == s->reporter) {
			s->reporter = 0;
		} else if (pid == s->looker) {
			s->looker = 0;
			supervisor_ready_end(s);
		} else if (pid == s->beginner) {
			supervisor_late_ended(s, status);
		} else if (pid == s->checker) {
			worker_checked(s, status);
		} else {
			worker_left_ended(s, pid);
		}
	}
}

/* wait_child - until `*pid` is reaped, SIGKILL after `grace_ms`. */
static void wait_child(pid_t *pid, int grace_ms)
{
	int64_t end = clock_mono_ns() + grace_ms * NS_PER_MS;
	while (*pid && waitpid(*pid, NULL, WNOHANG) == 0) {
		if (clock_mono_ns() > end) {
			kill(*pid, SIGKILL);
			waitpid(*pid, NULL, 0);
			break;
		}
		usleep(2000);
	}
	*pid = 0;
}

static void end_child(pid_t *pid)
{
	if (*pid)
		kill(*pid, SIGKILL);
	wait_child(pid, 0);
}

/* supervisor_teardown - in the order in which nothing is lost: no more
 * callers, the worker's last records, sync, the last row. */
static void supervisor_teardown(struct supervisor *s)
{
	close(s->listen_fd); /* who asks from now on does not wait for us */
	s->listen_fd = -1;
	worker_check_end(s);
	deposits_hang_up(&s->deposits);
	if (s->worker) {
		/* alive in another mount namespace: it must end all the same */
		int64_t end = clock_mono_ns() + 2 * NS_PER_S;
		while (s->worker && clock_mono_ns() < end &&
		       waitpid(s->worker, NULL, WNOHANG) == 0)
			usleep(2000);
		kill(s->worker, SIGTERM);
		wait_child(&s->worker, WORKER_GRACE_MS);
	}
	bool closed = supervisor_stays_closed(s);
	if (!closed)
		supervisor_uncover(s);
	if (s->sync) {
		kill(s->sync, SIGTERM);
		wait_child(&s->sync, SYNC_GRACE_MS);
	}
	end_child(&s->looker);
	end_child(&s->beginner);
	if (s->shared)
		supervisor_put_stop(s);
	journal_reserve_keep(s->cfg->state_dir, 0);
	end_child(&s->reporter);
	shared_unmap(s->shared);
	worker_done(s);
	closer_wait();
	/* "mirrorfs umount" waits until the mount is withdrawn: from then on
	 * the tree below can be unmounted, too */
	close(s->lower_fd);
	if (closed)
		log_error("%s was not served: nobody gets at it until the next "
			  "\"mirrorfs mount\"",
			  s->cfg->root);
	else
		log_notice("unmounted root=%s", s->cfg->root);
}

/* A worker that was given up has the lock still: until it has ended, the next
 * mount waits, as what its last call does to the tree is seen by nobody. */
static void withdraw(struct supervisor *s)
{
	if (!supervisor_stays_closed(s) && s->n_left == 0)
		runtime_withdraw(s->cfg->name);
}

/* ---- serving ---- */

static void serve_stop(struct supervisor *s, int fd)
{
	CLEANUP_FREE char *why = NULL;
	int r = supervisor_unmount(s, &why);
	if (r < 0) {
		control_answer(fd, "error: %s", why ? why : strerror(-r));
		return;
	}
	s->stopping = true;
	control_answer(fd, "ok");
}

static void serve_control(struct supervisor *s)
{
	int64_t since;
	int error = shared_journal(s->shared, &since);
	int fd = s->client;
	char program[CONTROL_TEXT];
	s->client = -1;
	switch (control_read(fd, program)) {
	case CONTROL_NONE:
		break;
	case CONTROL_STATUS:
		control_answer(fd,
			       "{\"supervisor_pid\": %d, \"worker_pid\": %d, "
			       "\"sync_pid\": %d, \"worker_silent_s\": %d, "
			       "\"sync_silent_s\": %d, \"last_seq\": %llu, "
			       "\"journal_error\": %d, "
			       "\"journal_since_ns\": %lld, "
			       "\"journal_required\": %s, "
			       "\"worker_restarts\": %u, "
			       "\"failed\": %s, \"looking\": %s, "
			       "\"pinned\": %u, \"passthrough\": \"%s\"}",
			       (int)getpid(), (int)s->worker, (int)s->sync,
			       silence_s(s, &s->worker_silence),
			       silence_s(s, &s->sync_silence),
			       (unsigned long long)shared_last_seq(s->shared),
			       -error, (long long)since,
			       s->cfg->journal_required ? "true" : "false",
			       s->restarts, s->failed ? "true" : "false",
			       s->looker ? "true" : "false",
			       shared_pinned(s->shared),
			       passthrough_text(s->shared));
		break;
	case CONTROL_UPGRADE:
		worker_upgrade(s, program, fd);
		break;
	case CONTROL_WAKE:
		supervisor_wake(s);
		control_answer(fd, "ok");
		break;
	case CONTROL_STOP:
		serve_stop(s, fd);
		break;
	}
}

/* serve_client - somebody asks, or what it asks for is there. */
static void serve_client(struct supervisor *s)
{
	if (s->client >= 0) {
		serve_control(s);
		return;
	}
	s->client = control_accept(s->listen_fd);
	s->client_end_ns = clock_mono_ns() + CONTROL_WAIT_NS;
}

/* client_ms - how long there is for the one that asks; -1: nobody does. */
static int client_ms(struct supervisor *s)
{
	if (s->client < 0)
		return -1;
	int64_t left = s->client_end_ns - clock_mono_ns();
	if (left > 0)
		return (int)(left / NS_PER_MS) + 1;
	close(s->client);
	s->client = -1;
	return 0;
}

static void serve_signal(struct supervisor *s)
{
	struct signalfd_siginfo si;
	if (read(s->signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD)
		reap(s);
	else if (si.ssi_signo != SIGHUP && !s->stop_after_ns)
		s->stop_after_ns = clock_mono_ns();
}

/* try_stop - after a SIGTERM. */
static void try_stop(struct supervisor *s)
{
	CLEANUP_FREE char *why = NULL;
	bool serves = s->worker && s->serving;
	if ((!serves && supervisor_stays_closed(s)) ||
	    supervisor_unmount(s, &why) == 0) {
		s->stopping = true;
		return;
	}
	sd_notifyf(0, "STATUS=cannot unmount yet: %s", why ? why : "in use");
	if (why && !s->stop_told)
		log_notice("cannot unmount yet: %s", why);
	s->stop_told |= why != NULL;
	s->stop_after_ns = clock_mono_ns() + STOP_RETRY_NS;
}

/* serve_timers - what is due; returns how long to sleep, ms. */
static int serve_timers(struct supervisor *s)
{
	int64_t now = clock_mono_ns();
	if (s->stop_after_ns && now >= s->stop_after_ns)
		try_stop(s);
	if (s->stopping)
		return 0;
	if (!s->sync && !s->failed && !s->late && now >= s->sync_after_ns)
		supervisor_start_sync(s);
	int ms = supervisor_sooner(
		supervisor_sooner(worker_timers(s), supervisor_bare(s)),
		supervisor_sooner(client_ms(s), supervisor_late(s)));
	ms = supervisor_sooner(ms, supervisor_ready_ms(s));
	ms = supervisor_sooner(ms, silence_timers(s));
	return supervisor_sooner(ms, s->stop_after_ns || !s->sync ? 200 : -1);
}

static void supervisor_serve(struct supervisor *s)
{
	/* poll(2) says when the mount table changes, as in proc(5) */
	CLEANUP_CLOSE int mounts_fd =
		open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	s->cfg->mounts_changed(s->cfg);
	while (!s->stopping) {
		int timeout = serve_timers(s);
		if (s->stopping)
			break;
		struct pollfd fds[] = {
			{.fd = s->signal_fd, .events = POLLIN},
			{.fd = s->client >= 0 ? s->client : s->listen_fd,
			 .events = POLLIN},
			{.fd = mounts_fd, .events = POLLPRI},
			{.fd = s->deposits.sock, .events = POLLIN},
			{.fd = s->deposits.life},
		};
		if (poll(fds, 5, timeout) <= 0)
			continue;
		if (fds[4].revents)
			deposits_life_ends(&s->deposits);
		if (fds[3].revents & POLLIN)
			worker_listen(s);
		if (fds[0].revents)
			serve_signal(s);
		if (fds[1].revents)
			serve_client(s);
		if (fds[2].revents) {
			s->cfg->mounts_changed(s->cfg);
			supervisor_look(s);
		}
	}
}

int supervisor_run(const struct supervisor_config *cfg)
{
	struct supervisor s = {.cfg = cfg,
			       .ready_fd = cfg->ready_fd,
			       .lower_fd = -1,
			       .shared_fd = -1,
			       .fuse_fd = -1,
			       .wake_fd = -1,
			       .listen_fd = -1,
			       .client = -1,
			       .signal_fd = -1,
			       .kept_fd = -1,
			       .mount_id = -1,
			       .program_fd = -1};
	worker_init(&s);
	char text[512];
	const char *error = supervisor_setup(&s, text, sizeof(text));
	if (error) {
		if (cfg->ready_fd < 0)
			log_error("%s: %s", cfg->root, error);
		supervisor_ready(&s, error);
		journal_close(s.journal);
		withdraw(&s);
		return 1;
	}
	journal_close(s.journal);
	s.journal = NULL;
	journal_reserve_keep(cfg->state_dir, JOURNAL_RESERVE);
	int r = privileges_drop(SUPERVISOR);
	if (r < 0)
		log_warning("cannot drop privileges: %s", strerror(-r));
	supervisor_event(&s, OP_START);
	worker_start(&s);
	if (!s.late)
		supervisor_start_sync(&s);
	log_start(); /* sync may be a fork of us */
	supervisor_probe(&s);
	supervisor_serve(&s);
	supervisor_ends(&s);
	sd_notify(0, "STOPPING=1");
	CLEANUP_FREE char *why = NULL;
	if (!s.ready && !supervisor_stays_closed(&s) &&
	    supervisor_unmount(&s, &why) < 0 && why)
		log_error("cannot unmount %s: %s", cfg->root, why);
	supervisor_teardown(&s);
	withdraw(&s);
	if (!s.ready)
		supervisor_ready(&s,
				 "the fs worker did not start: see the log");
	return s.failed ? 1 : 0;
}
