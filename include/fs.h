/* layer: fs */
#ifndef MIRRORFS_FS_H
#define MIRRORFS_FS_H

/*
 * The overlay: a supervisor that owns the mount, and the worker that serves
 * it. The worker is a process of its own, started by the supervisor with
 * inherited descriptors.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Features of the kernel that are used where they are there. */
enum feature {
	FEATURE_PASSTHROUGH = 1 << 0,	/* reads go to the lower file */
	FEATURE_DIRECT_WRITES = 1 << 1, /* writes pass by the page cache */
	FEATURE_HANDLES = 1 << 2,	/* objects below by file handle */
};

/* features_parse - a list, separated by commas or blanks. NULL: none.
 * Returns 0, or -EINVAL with the word that is none in `why`. */
int features_parse(const char *text, unsigned *ret, char why[32]);

/* lower_has_handles - the file system of `fd` names files by handle, for good. */
bool lower_has_handles(int fd);

struct supervisor_config {
	const char *root;      /* absolute, normalised, no symlink in it */
	const char *name;
	const char *state_dir; /* exists, has a journal */
	const char *program;   /* this program's file, to start the children */
	int lower_fd;          /* the directory there; kept */
	int dead_fd;           /* on a dead mount that lies over it; else -1 */
	int lock_fd;           /* of runtime_claim: the children keep it, too */
	const char *log_file;  /* NULL: stderr */
	bool debug;
	int ready_fd;          /* gets "ok\n" or one line of error; -1: none */
	/* once mounted, in a process of its own, with the processes that serve
	 * the mount: what it writes to ready_fd follows the "ok", which is
	 * closed then */
	void (*report)(const struct supervisor_config *cfg, const pid_t *ours,
		       unsigned n);
	/* the state folder as a mount needs it, found and made ready: 0, or a
	 * negative errno, after the log has it. When it could not be, `late`
	 * says so, and this is done once it can */
	int (*prepare)(const struct supervisor_config *cfg);
	const void *prepare_arg;
	int late; /* 0, or a negative errno */
	/* in the supervisor: the system's mount table is not what it was */
	void (*mounts_changed)(const struct supervisor_config *cfg);
	/* the first sync process is not run but forked, has these descriptors
	 * as well, and goes on with `sync_run`, as the subcommand does; then
	 * `sync_forked` is called here. NULL: it is run, too */
	int (*sync_run)(int argc, char **argv);
	void (*sync_forked)(void);
	const int *sync_fds;
	unsigned n_sync_fds;
	int64_t history_ns;
	int64_t settle_idle_ns;/* see struct worker_config */
	int64_t settle_age_ns;
	uint64_t delta_above;  /* see struct sync_config */
	bool activity_log;     /* activity.h */
	int64_t lift_ns;       /* see struct worker_config */
	int64_t hang_ns; /* who does not go on for so long hangs; 0: nobody */
	bool journal_required; /* no change while it cannot be written */
	const char *without;   /* as for features_parse; NULL: none */
};

/* supervisor_run - mount, start the children, watch them, unmount. Returns
 * the exit status of the process. */
int supervisor_run(const struct supervisor_config *cfg);

struct worker_config {
	const char *state_dir;
	int fuse_fd;   /* /dev/fuse, already mounted */
	int lower_fd;  /* root of the lower tree: a directory, not O_PATH */
	int shared_fd; /* struct shared */
	int wake_fd;   /* eventfd of the sync process */
	int kept_fd;   /* fs/kept.h; -1: this is the only worker ever */
	int deposit_fd; /* fs/deposit.h; -1: likewise */
	unsigned threads; /* 0: as many as there are processors, at least 4 */
	int64_t history_ns;
	int64_t settle_idle_ns; /* settle an open file so long after its last
				 * write; 0: never */
	int64_t settle_age_ns;  /* … or so long after its first; 0: never */
	int64_t lift_ns;	/* marks are lifted so often: activity.h */
	unsigned without;	/* FEATURE_* that are not used */
	bool killed;		/* so was the one before, from outside */
};

/* How a worker ends. */
enum worker_status {
	WORKER_UNMOUNTED = 0, /* or the supervisor is gone: all is settled */
	WORKER_FAILED = 1,
	WORKER_RETIRED = 3, /* told to end: another one goes on */
	WORKER_ABORTED = 4, /* the connection to the kernel was cut */
	WORKER_FORMAT = 5,  /* worker_check: it knows another journal */
};

/* worker_main - serves the mount until it is unmounted, or SIGTERM. Returns
 * the exit status of the process. */
int worker_main(const struct worker_config *cfg);

/* worker_check - could this program serve the mount that another version of it
 * serves now? Returns the exit status: 0 when it could. */
int worker_check(const struct worker_config *cfg);

#endif
