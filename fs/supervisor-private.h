#ifndef MIRRORFS_FS_SUPERVISOR_PRIVATE_H
#define MIRRORFS_FS_SUPERVISOR_PRIVATE_H

/*
 * For supervisor.c and supervisor-*.c only. All of it belongs to the one thread
 * of the supervisor.
 */

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"
#include "fs.h"
#include "fs/deposit.h"
#include "fs/lookback.h"
#include "fs/spawn.h"
#include "record.h"

struct journal;
struct shared;

/* Who was found to be as it was, at so many looks. */
struct silence {
	int who; /* a thread, or a process */
	uint64_t sign;
	unsigned looks;
};

struct supervisor {
	const struct supervisor_config *cfg;
	struct journal *journal;
	struct shared *shared;
	int lower_fd, shared_fd, wake_fd, fuse_fd, signal_fd, listen_fd;
	int kept_fd;	       /* what workers leave to each other */
	int program_fd;	       /* what the children run */
	int client;	       /* of the control socket, who asks; -1: nobody */
	int64_t client_end_ns; /* it has so long */
	pid_t worker, sync, prober, reporter; /* 0: does not run */
	pid_t looker;	       /* for what was changed before the mount */
	int64_t sync_after_ns; /* start sync again from then on */
	int64_t stop_after_ns; /* try to unmount from then on; 0: not */
	bool stop_told;	       /* the log has what is in the way */
	bool renew_sync;       /* it was told to end: start it at once */
	bool sync_forked;      /* the first one: see supervisor_config */
	bool mounted, ready, stopping, failed;
	int ready_fd;	      /* as in cfg, while it is open */
	int64_t ready_end_ns; /* it is closed then; 0: it is */
	struct clock_trust trust; /* for the children */
	unsigned covered;	  /* dead mounts below ours */
	int mount_id;		  /* of ours, or -1; while it is there */
	struct stamps_mount at;
	int64_t bare_ns;       /* the root shows the tree below since then */
	int64_t bare_since_ns; /* wall clock; or when it was unmounted */
	int64_t gone_ns;       /* the kernel has told the worker so, or us; or 0 */
	bool bare_said, bare_owed; /* the journal has still to be told */

	/* supervisor-silent.c: */
	int64_t look_ns; /* the next one */
	struct silence sync_silence, worker_silence;

	/* supervisor-late.c: */
	int late;	/* no epoch has begun, as the journal fails with this */
	pid_t beginner; /* tries to; 0: nobody */
	int64_t late_after_ns;	 /* … again from then on */
	int64_t late_since_ns;	 /* wall clock */
	uint64_t late_epoch;	 /* the last one that has begun */
	uint64_t late_first_seq; /* what the records in memory begin with */
	char late_uuid[37];
	bool late_said;
	bool renew_worker; /* another one shall take over */

	/* supervisor-worker.c: */
	struct deposits deposits;
	bool serving;		 /* the worker is up to it */
	bool killed;		 /* so was the last one, from outside */
	int64_t worker_start_ns; /* it was started then … */
	int64_t worker_after_ns; /* … or is to be, not before */
	int64_t down_ns;	 /* nobody serves since then */
	int64_t timers_ns;	 /* worker_timers has looked then; 0: never */
	int64_t retire_ns;	 /* it was told to retire then; or 0 */
	int64_t anew_ns;	 /* last mounted again then; 0: never */
	int64_t lost_ns;	 /* its first thread has ended, and it is still
				  * there, since then; or 0 */
	pid_t *left; /* owned; workers that were given up, and have not ended */
	unsigned n_left;
	int64_t left_since_ns; /* wall clock: the first of them began then */
	unsigned restarts;
	unsigned vain;	/* workers in a row that never served */
	int64_t haste;	/* how often they died lately */
	int former_fd;	/* the program before an upgrade, until it is over */
	int upgrader;	/* who asked for it and waits; -1: nobody */
	pid_t checker;	/* the new program is asked; 0: none is */
	int checked_fd; /* … by this */
	int64_t checker_end_ns;
};

/* supervisor_sooner - of two times to sleep, ms; -1: for ever. */
static inline int supervisor_sooner(int a_ms, int b_ms)
{
	return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* ---- supervisor-mount.c ---- */

/* supervisor_take_root - before anything is mounted there. Returns 0, or a
 * negative errno: -ELOOP when its path leads elsewhere by now. */
int supervisor_take_root(struct supervisor *s);
/* supervisor_mount - over what was opened. Returns 0, or a negative errno: -EBUSY
 * when there is a mirrorfs. */
int supervisor_mount(struct supervisor *s);
/* supervisor_is_there - it is in the mount table, at the root, whatever somebody
 * has mounted over it. */
bool supervisor_is_there(const struct supervisor *s);
/* supervisor_unmount - ours, and nothing else. Returns 0 when it is (or was)
 * unmounted, or a negative errno, and *ret_why is owned by the caller: what is in
 * the way, or NULL. */
int supervisor_unmount(struct supervisor *s, char **ret_why);
/* supervisor_abort - nobody serves it: fail all callers. */
void supervisor_abort(struct supervisor *s);
/*
 * supervisor_cover - a new mount in place of the dead one that `dead_fd` is on
 * (borrowed; O_PATH), at the root. Nobody reaches the tree below in between:
 * the new one is put beneath the dead one (Linux 6.5), else over it, and then
 * the dead one stays below. Returns 0, or a negative errno: -EBUSY when the
 * topmost mount there is another one.
 */
int supervisor_cover(struct supervisor *s, int dead_fd);
/* supervisor_uncover - when it is unmounted, the dead ones go, too. */
void supervisor_uncover(struct supervisor *s);

/* supervisor_stays_closed - it was to replace a dead one, and nobody was served
 * yet: as it ends the root is left as closed, and /run knows of it still. */
bool supervisor_stays_closed(const struct supervisor *s);

/* supervisor_look - the mount table has changed: is it still over the root?
 * When it was taken away lazily, users go on, and others write past us. */
void supervisor_look(struct supervisor *s);
/* supervisor_bare - say so when it lasts; returns how long to sleep, ms. */
int supervisor_bare(struct supervisor *s);
/* supervisor_bare_noted - by the journal, if it has to be. */
bool supervisor_bare_noted(struct supervisor *s);
/* supervisor_ends - it was not lazy, if the kernel has told the worker of the end
 * at once. */
void supervisor_ends(struct supervisor *s);

/* supervisor_put_stop - the last row: tree and journal hold all that there was.
 * Only then may it be there, as what is marked is not looked at after it. */
void supervisor_put_stop(struct supervisor *s);
/* supervisor_look_back - what was changed while nothing was mounted? A child
 * finds it out. */
void supervisor_look_back(struct supervisor *s);

/* ---- supervisor-ready.c ---- */

/* supervisor_probe - a child looks at the mount: it ends with 0 when the worker
 * has answered. */
void supervisor_probe(struct supervisor *s);
/* supervisor_ready - tell whoever started us, once, how it went. */
void supervisor_ready(struct supervisor *s, const char *error);
/* supervisor_ready_ms - how long a look back may keep whoever started us; -1:
 * for ever. */
int supervisor_ready_ms(struct supervisor *s);
/* supervisor_ready_end - it has been told all. */
void supervisor_ready_end(struct supervisor *s);

/* ---- supervisor-sync.c ---- */

/* supervisor_start_sync - it is not running. */
void supervisor_start_sync(struct supervisor *s);

/* ---- supervisor-late.c ---- */

/* supervisor_begin - an epoch of the journal, s->journal, which is open then;
 * or, when that has to wait, numbers for the time until then, and s->journal is
 * NULL. Returns 0, or a negative errno. */
int supervisor_begin(struct supervisor *s, uint64_t *ret_first_seq);
/* supervisor_begun - there is shared memory that can tell it. */
void supervisor_begun(struct supervisor *s);
/* supervisor_late - begin it now, if that is due; returns how long to sleep,
 * ms. */
int supervisor_late(struct supervisor *s);
/* supervisor_late_ended - the child that tried it was reaped. */
void supervisor_late_ended(struct supervisor *s, int status);

/* ---- supervisor-worker.c ---- */

void worker_init(struct supervisor *s);
void worker_start(struct supervisor *s);
/* worker_listen - there is something to read from the worker. */
void worker_listen(struct supervisor *s);
/* worker_left_ended - if it is one that was given up, it was reaped after all. */
void worker_left_ended(struct supervisor *s, pid_t pid);
/* worker_left - one that was given up is alive still; the others are reaped. */
bool worker_left(struct supervisor *s);
/* worker_ended - it was reaped. */
void worker_ended(struct supervisor *s, int status);
/* worker_timers - what is due; returns how long to sleep, ms; -1: for ever. */
int worker_timers(struct supervisor *s);
/* worker_upgrade - from now on the children run `program`; the answer goes to
 * `client`, which is taken over. */
void worker_upgrade(struct supervisor *s, const char *program, int client);
/* worker_checked - the new program has answered: it was reaped. */
void worker_checked(struct supervisor *s, int status);
/* worker_check_end - it is not asked any longer, if it is. */
void worker_check_end(struct supervisor *s);
void worker_done(struct supervisor *s);

/* ---- supervisor-stuck.c ---- */

/* stuck_look - 0: it is dead, and ends only when another one serves; *ret_status
 * as waitpid would tell. Else how long to sleep before the next look, ms; -1:
 * it lives, or there is none. */
int stuck_look(struct supervisor *s, int *ret_status);

/* threads_open - of a process, in /proc; NULL: it is gone. Owned by the caller.
 * threads_next - the number of the next one, in `d` (NULL: there is none). */
DIR *threads_open(pid_t pid);
const char *threads_next(DIR *d);

/* ---- supervisor-silent.c ---- */

/* silence_timers - look whether sync and worker go on, if that is due; returns how
 * long to sleep, ms. */
int silence_timers(struct supervisor *s);
/* silence_s - for how long one of them has not; 0: it has. */
int silence_s(const struct supervisor *s, const struct silence *is);

/* ---- supervisor.c ---- */

/* supervisor_event - a record by the supervisor itself. */
void supervisor_event(struct supervisor *s, enum record_op op);
/* supervisor_gap - everything is to be compared, and what was written to since
 * `since_ns` is to be sent, however equal it looks. */
void supervisor_gap(struct supervisor *s, int64_t since_ns);
/* supervisor_note_names - what sync knows of objects is nothing, now or at the
 * next mount: the journal keeps that, and perhaps a GAP is put. */
int supervisor_note_names(struct supervisor *s);
/* supervisor_drain - what is in the ring, when nobody else takes it, goes into
 * the journal; and what intents of a dead worker leave to be looked at.
 * *ret_since, if it is not NULL: contents that may have been written to without
 * a record have no older ctime; 0: that is not known.
 * Returns a negative errno when it does not: the log says so. `last`: then it
 * is lost, as nobody tries it again. */
int supervisor_drain(struct supervisor *s, bool last, int64_t *ret_since);
/* supervisor_common - the arguments of both children. */
void supervisor_common(struct supervisor *s, struct spawn *sp,
		       const char *command);

#endif
