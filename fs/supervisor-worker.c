/*
 * The life of the fs worker.
 *
 *	started ──says that it serves──► serves ──dies──► started …
 *
 * A dead one is replaced at once: /dev/fuse and all that it left are held here,
 * calls wait in the kernel meanwhile. When many die in haste there is a short
 * pause before each start, so that it does not cost a processor. When VAIN
 * workers in a row ended before they served, and not because somebody killed
 * them, or none came to serve for DOWN_NS, callers shall not hang for ever:
 * the connection is cut, and a new mount is put in its place. If that
 * does not help either, it stays dead (ENOTCONN) until "mirrorfs umount": never
 * the bare tree.
 *
 * Upgrade: the new program is asked first whether it understands what is
 * there, the journal's format included: that is told in memory, as a disk may
 * hang. Meanwhile all goes on: a worker that dies is replaced, whoever asks is
 * answered; what has to take /dev/fuse or the tree away ends the asking. Then
 * the worker is told to retire and the new one goes on; should it not come to
 * serve within UPGRADE_NS, the former program does. The supervisor itself stays
 * what it is; the programs are run by descriptor, so that a package that replaces
 * the file changes nothing.
 *
 * One that retires ends what it is doing first. Callers wait meanwhile, and a
 * disk may take minutes: after RETIRE_NS it is killed, as it may be at any time.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "fs/control.h"
#include "fs/kept.h"
#include "fs/supervisor-private.h"
#include "log.h"
#include "mounts.h"
#include "shared.h"

#define VAIN	    5
#define DOWN_NS	    (30 * NS_PER_S)
#define END_NS	    (10 * NS_PER_S)   /* a killed one has ended by then */
#define AWAY_NS	    NS_PER_S	      /* that long we have not looked */
#define UNREAPED_NS (2 * NS_PER_S)    /* dead so long, and still there */
#define ANEW_NS	    (60 * NS_PER_S)   /* not twice within that */
#define HASTE_NS    (100 * NS_PER_MS) /* a death is forgotten after that … */
#define HASTE_MANY  10		      /* … and with so many it is haste */
#define PAUSE_NS    (10 * NS_PER_MS)
#define VAIN_MAX    (500 * NS_PER_MS) /* with each one in vain it is longer */
#define PAUSE_MAX   (2 * NS_PER_S)    /* not even a process can be had */
#define CHECK_NS    (20 * NS_PER_S)   /* the new program answers within that */
#define UPGRADE_NS  (5 * NS_PER_S)
#define RETIRE_NS   NS_PER_S

#define REPLACED "error: the fs worker is being replaced already: try again"

void worker_init(struct supervisor *s)
{
	struct rlimit limit;
	unsigned max = 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		max = limit.rlim_max / 2 < DEPOSIT_MAX
			      ? (unsigned)limit.rlim_max / 2
			      : DEPOSIT_MAX;
	}
	deposits_init(&s->deposits, max);
	s->former_fd = s->upgrader = s->checked_fd = -1;
}

void worker_done(struct supervisor *s)
{
	deposits_done(&s->deposits);
	free(s->left);
}

static void arguments(struct supervisor *s, struct spawn *sp, int deposit_fd)
{
	const struct supervisor_config *cfg = s->cfg;
	supervisor_common(s, sp, "fs-worker");
	spawn_fd(sp, "--fuse-fd", s->fuse_fd);
	spawn_fd(sp, "--kept-fd", s->kept_fd);
	if (deposit_fd >= 0)
		spawn_fd(sp, "--deposit-fd", deposit_fd);
	spawn_arg(sp, "--history=%lldms",
		  (long long)(cfg->history_ns / NS_PER_MS));
	spawn_arg(sp, "--settle-idle=%lldms",
		  (long long)(cfg->settle_idle_ns / NS_PER_MS));
	spawn_arg(sp, "--settle-age=%lldms",
		  (long long)(cfg->settle_age_ns / NS_PER_MS));
	spawn_arg(sp, "--lift=%lldms", (long long)(cfg->lift_ns / NS_PER_MS));
	if (cfg->without)
		spawn_arg(sp, "--without=%s", cfg->without);
	if (s->killed)
		spawn_arg(sp, "--killed");
}

void worker_start(struct supervisor *s)
{
	struct spawn sp = {0};
	int sock = deposits_connect(&s->deposits);
	if (sock < 0) {
		log_error("a new fs worker cannot be started: %s",
			  strerror(-sock));
	} else {
		arguments(s, &sp, sock);
		s->worker = spawn_run(&sp);
		close(sock);
	}
	if (!s->worker)
		deposits_hang_up(&s->deposits);
	s->lost_ns = 0;
	s->retire_ns = 0;
	s->serving = false;
	s->worker_start_ns = clock_mono_ns();
	s->worker_after_ns = s->worker ? 0 : s->worker_start_ns + PAUSE_MAX;
	if (!s->down_ns)
		s->down_ns = s->worker_start_ns;
}

static void retire(struct supervisor *s)
{
	s->retire_ns = clock_mono_ns();
	kill(s->worker, SIGTERM);
}

/* retire_ms - what is left to it until it is killed; -1: it was not told to. */
static int retire_ms(struct supervisor *s)
{
	if (!s->worker || !s->retire_ns)
		return -1;
	int64_t left = s->retire_ns + RETIRE_NS - clock_mono_ns();
	if (left > 0)
		return (int)(left / NS_PER_MS) + 1;
	kill(s->worker, SIGKILL);
	return 50;
}

/* ---- upgrade ---- */

static void upgrade_answer(struct supervisor *s, const char *text)
{
	if (s->upgrader >= 0)
		control_answer(s->upgrader, "%s", text);
	s->upgrader = -1;
}

static void upgrade_done(struct supervisor *s)
{
	if (s->former_fd < 0)
		return;
	close(s->former_fd);
	s->former_fd = -1;
	log_notice("upgraded: the new program serves the mount");
	upgrade_answer(s, "ok");
	if (s->sync) {
		s->renew_sync = true;
		kill(s->sync, SIGTERM);
	}
}

static void upgrade_failed(struct supervisor *s)
{
	if (s->former_fd < 0)
		return;
	close(s->program_fd);
	s->program_fd = s->former_fd;
	s->former_fd = -1;
	s->down_ns = clock_mono_ns();
	log_error("the new program does not serve the mount: back to the one "
		  "before");
	upgrade_answer(s, "error: the new program did not come to serve; the "
			  "one before goes on (see mirrorfs.log)");
}

/* Does the program behind `fd` understand what is kept? worker_checked has the
 * answer. */
static bool upgrade_check(struct supervisor *s, int fd)
{
	struct spawn sp = {0};
	int before = s->program_fd;
	s->program_fd = fd;
	arguments(s, &sp, -1);
	spawn_arg(&sp, "--check");
	s->checker = spawn_run(&sp);
	s->program_fd = before;
	s->checker_end_ns = clock_mono_ns() + CHECK_NS;
	s->checked_fd = fd;
	return s->checker != 0;
}

static void upgrade_refuse(struct supervisor *s, const char *text)
{
	close(s->checked_fd);
	s->checked_fd = -1;
	upgrade_answer(s, text);
}

void worker_checked(struct supervisor *s, int status)
{
	s->checker = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_FORMAT) {
		upgrade_refuse(s, "error: the new program has another format "
				  "of the journal: unmount and mount again, "
				  "with it; nothing was stopped");
		return;
	}
	if (status != 0) {
		upgrade_refuse(s, "error: the new program cannot take over "
				  "what the running version has in memory; "
				  "nothing was stopped");
		return;
	}
	if (!s->worker || !s->serving) {
		upgrade_refuse(s, REPLACED);
		return;
	}
	s->former_fd = s->program_fd;
	s->program_fd = s->checked_fd;
	s->checked_fd = -1;
	log_notice("upgrade: another program takes over");
	retire(s);
}

void worker_check_end(struct supervisor *s)
{
	if (!s->checker)
		return;
	kill(s->checker, SIGKILL);
	waitpid(s->checker, NULL, 0);
	s->checker = 0;
	upgrade_refuse(s, "error: the mount ended before the new program had "
			  "answered");
}

/* check_ms - what is left to the new program to answer; -1: it is not asked. */
static int check_ms(struct supervisor *s)
{
	if (!s->checker)
		return -1;
	int64_t left = s->checker_end_ns - clock_mono_ns();
	if (left > 0)
		return (int)(left / NS_PER_MS) + 1;
	kill(s->checker, SIGKILL); /* it is reaped as one that said no */
	s->checker_end_ns += CHECK_NS;
	return -1;
}

void worker_upgrade(struct supervisor *s, const char *program, int client)
{
	int fd = open(program, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		control_answer(client, "error: %s: %s", program,
			       strerror(errno));
		return;
	}
	if (s->former_fd >= 0 || s->checker || !s->worker || !s->serving) {
		close(fd);
		control_answer(client, REPLACED);
		return;
	}
	if (shared_pinned(s->shared)) {
		close(fd);
		control_answer(client, "error: without file handles below no "
				       "other worker can take over: umount "
				       "and mount");
		return;
	}
	s->upgrader = client;
	log_notice("upgrade to %s: it is asked first", program);
	if (!upgrade_check(s, fd))
		upgrade_refuse(s, "error: no process can be started");
}

/* ---- what it says ---- */

static void worker_serves(struct supervisor *s)
{
	if (s->serving)
		return;
	s->serving = true;
	s->vain = 0;
	s->down_ns = 0;
	/* its start belongs to the one before */
	if (s->restarts)
		upgrade_done(s);
}

void worker_listen(struct supervisor *s)
{
	int64_t gone_ns = 0;
	unsigned words = deposits_read(&s->deposits, &gone_ns);
	/* each may hear of it late: the worker, and we of its word */
	if (gone_ns && (!s->gone_ns || gone_ns < s->gone_ns))
		s->gone_ns = gone_ns;
	if (words & 1u << DEPOSIT_SERVING)
		worker_serves(s);
	/* whoever has told it to */
	if (words & 1u << DEPOSIT_RETIRING && !s->retire_ns)
		s->retire_ns = clock_mono_ns();
}

/* ---- and how it ends ---- */

static void out_of_service(struct supervisor *s)
{
	log_error("the mount is out of service until %s\"mirrorfs mount\"",
		  s->ready ? "\"mirrorfs umount\" and " : "");
	worker_check_end(s);
	if (s->fuse_fd >= 0)
		close(s->fuse_fd);
	s->fuse_fd = -1;
	s->failed = true;
	s->stopping |= s->cfg->ready_fd < 0;
	upgrade_failed(s);
	supervisor_drain(s, false, NULL);
}

/* Nothing of the old connection is of use to the new one. */
static int forget_kept(struct supervisor *s)
{
	int fd, r = kept_create(&fd);
	if (r < 0)
		return r;
	close(s->kept_fd);
	s->kept_fd = fd;
	unsigned max = s->deposits.max;
	deposits_done(&s->deposits);
	deposits_init(&s->deposits, max);
	shared_untag(s->shared); /* its numbers begin again */
	return 0;
}

static void mount_anew(struct supervisor *s, const char *why)
{
	int64_t now = clock_mono_ns();
	bool again = s->down_ns && s->anew_ns && now - s->anew_ns < ANEW_NS;
	log_error("%s", why);
	s->vain = 0;
	s->down_ns = 0;
	s->gone_ns = 0;
	s->anew_ns = now;
	if (again) {
		out_of_service(s);
		return;
	}
	worker_check_end(s); /* it holds /dev/fuse, too */
	supervisor_abort(s);
	if (!supervisor_is_there(s)) { /* somebody has unmounted it */
		s->stopping = true;
		return;
	}
	CLEANUP_CLOSE int dead_fd =
		open(s->cfg->root, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int r = forget_kept(s);
	if (r == 0)
		r = supervisor_cover(s, dead_fd);
	/* callers were told by that: the journal's disk may hang */
	int64_t since_ns;
	supervisor_drain(s, false, &since_ns);
	supervisor_gap(s, since_ns);
	if (r < 0) {
		CLEANUP_FREE char *over = mount_covered_by(s->cfg->root);
		log_error("cannot mount again: %s%s",
			  over ? over : strerror(-r),
			  over ? " is mounted over it" : "");
		out_of_service(s);
		return;
	}
	log_notice("mounted again root=%s: programs have to open their files "
		   "again, everything is compared",
		   s->cfg->root);
	worker_start(s);
}

/* Each death counts, and is forgotten after a while. */
static int64_t pause_ns(struct supervisor *s, int64_t now)
{
	int64_t lived = (now - s->worker_start_ns) / HASTE_NS;
	s->haste = (s->haste > lived ? s->haste - lived : 0) + 1;
	if (s->vain > 1)
		return VAIN_MAX >> 2 * (VAIN - 1 - s->vain);
	return s->haste > HASTE_MANY ? PAUSE_NS : 0;
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void say_how_it_ended(const struct supervisor *s, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_RETIRED)
		log_notice("the fs worker retired: another one takes over");
	else if (s->retire_ns && was_killed(status))
		log_notice("the fs worker had something to do still and was "
			   "killed: another one takes over");
	else
		log_warning("the fs worker died (%s %d): another one takes "
			    "over",
			    WIFSIGNALED(status) ? "signal" : "exit status",
			    WIFSIGNALED(status) ? WTERMSIG(status)
						: WEXITSTATUS(status));
}

/* take_leave - what it has said so far counts. */
static void take_leave(struct supervisor *s)
{
	s->worker = 0;
	s->lost_ns = 0;
	worker_listen(s);
	deposits_hang_up(&s->deposits);
}

void worker_ended(struct supervisor *s, int status)
{
	int64_t now = clock_mono_ns();
	take_leave(s);
	/* not every kernel tells the worker which of the two it was */
	bool cut = status == 0 && s->ready && supervisor_is_there(s);
	if (status == 0 && !cut) {
		s->stopping = true;
		return;
	}
	if (!s->ready) {
		out_of_service(s);
		return;
	}
	if (cut ||
	    (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_ABORTED)) {
		mount_anew(s, "somebody has cut the connection of the mount");
		return;
	}
	say_how_it_ended(s, status);
	s->killed = was_killed(status);
	if (!s->serving && !s->retire_ns) {
		s->vain += !s->killed;
		upgrade_failed(s);
	}
	if (shared_pinned(s->shared)) {
		s->restarts++;
		mount_anew(s, "without file handles no other fs worker can "
			      "take over");
		return;
	}
	s->serving = false;
	s->restarts++;
	if (!s->down_ns)
		s->down_ns = now;
	if (s->vain >= VAIN || now - s->down_ns > DOWN_NS) {
		mount_anew(s, "no fs worker comes to serve");
		return;
	}
	s->worker_after_ns = now + pause_ns(s, now);
	if (s->worker_after_ns == now)
		worker_start(s);
}

/* abandon - it cannot even be killed: whatever it hangs in, its callers shall
 * not. */
static void abandon(struct supervisor *s)
{
	s->left = reallocarray(s->left, s->n_left + 1, sizeof(*s->left));
	if (!s->left)
		abort();
	s->left[s->n_left++] = s->worker;
	if (!s->left_since_ns)
		s->left_since_ns = clock_wall_ns() -
				   (clock_mono_ns() - s->worker_start_ns);
	take_leave(s);
	s->serving = false;
	s->restarts++;
	mount_anew(s, "no fs worker comes to serve, and the last one does not "
		      "end");
}

/* What it hung in may have been done just now, and a file has the times of when
 * that began. */
void worker_left_ended(struct supervisor *s, pid_t pid)
{
	unsigned i = 0;
	while (i < s->n_left && s->left[i] != pid)
		i++;
	if (i == s->n_left)
		return;
	log_notice("a worker that was given up has ended: everything is "
		   "compared, and what changed since it began is sent");
	supervisor_gap(s, s->left_since_ns);
	s->left[i] = s->left[--s->n_left];
	if (s->n_left == 0)
		s->left_since_ns = 0;
}

bool worker_left(struct supervisor *s)
{
	for (unsigned i = s->n_left; i-- > 0;) {
		if (waitpid(s->left[i], NULL, WNOHANG) == s->left[i])
			worker_left_ended(s, s->left[i]);
	}
	return s->n_left != 0;
}

/* lost - it is dead, but for a thread that cannot end; returns how long to
 * sleep, ms. */
static int lost(struct supervisor *s)
{
	int status, ms = stuck_look(s, &status);
	if (ms == 0) {
		worker_ended(s, status);
		return 10;
	}
	/* most have ended a moment later */
	if (s->lost_ns && clock_mono_ns() - s->lost_ns > UNREAPED_NS) {
		s->serving = false;
		if (!s->down_ns)
			s->down_ns = s->lost_ns;
	}
	return ms;
}

/* newcomer_hangs - and the program before it would serve. */
static bool newcomer_hangs(const struct supervisor *s, int64_t now)
{
	return s->former_fd >= 0 && !s->retire_ns &&
	       now - s->worker_start_ns > UPGRADE_NS;
}

/* excuse - while we did not run, stopped or held up ourselves, no worker could
 * come: that time does not count. (One that does not serve is looked at often.) */
static void excuse(struct supervisor *s, int64_t now)
{
	int64_t away = s->timers_ns ? now - s->timers_ns : 0;
	s->timers_ns = now;
	if (away < AWAY_NS || s->serving || !s->down_ns)
		return;
	s->worker_start_ns += away;
	s->down_ns += away;
	if (s->down_ns > now)
		s->down_ns = now;
	if (s->worker_start_ns > now)
		s->worker_start_ns = now;
}

int worker_timers(struct supervisor *s)
{
	int lost_ms = s->failed || s->stopping ? -1 : lost(s);
	int64_t now = clock_mono_ns();
	excuse(s, now);
	int ms = supervisor_sooner(check_ms(s),
				   supervisor_sooner(lost_ms, retire_ms(s)));
	if (s->worker && s->serving && s->renew_worker) {
		s->renew_worker = false;
		retire(s);
	}
	if (s->failed || s->stopping || (s->worker && s->serving))
		return ms;
	if (!s->worker && now >= s->worker_after_ns)
		worker_start(s);
	/* one that hangs before it serves */
	int64_t down = s->down_ns && s->ready ? now - s->down_ns : 0;
	if (s->worker && down > DOWN_NS + END_NS)
		abandon(s);
	else if (s->worker && (down > DOWN_NS || newcomer_hangs(s, now)))
		kill(s->worker, SIGKILL);
	else if (down > DOWN_NS)
		mount_anew(s, "no fs worker can be started");
	return 10;
}
