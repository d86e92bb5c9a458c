#ifndef MIRRORFS_CLI_H
#define MIRRORFS_CLI_H

/*
 * The command line. Exit status of each subcommand: 0 yes or done, 1 no or
 * failed, 2 wrong usage. Each error is one line on stderr.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "journal.h"
#include "settings.h"

enum { EXIT_YES = 0, EXIT_NO = 1, EXIT_USAGE = 2 };

#define COMMAND(word, function, synopsis, text)                                \
	int function(int argc, char **argv);
#include "cli/commands.h"
#undef COMMAND
/* hidden: the children of the supervisor */
int cmd_fs_worker(int argc, char **argv);
int cmd_sync(int argc, char **argv);

/* fail - "mirrorfs: …" on stderr; returns EXIT_NO, or EXIT_USAGE. */
int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int fail_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* output_end - `status`, or EXIT_NO when stdout did not take all; that is said,
 * unless nobody reads it any more. */
int output_end(int status);

/*
 * Options: a table for each subcommand. Parsed options are taken out of argv,
 * so that what remains are the operands, in order; "--" ends them.
 */
enum option_type { OPTION_FLAG, OPTION_TEXT, OPTION_LIST, OPTION_SPAN,
		   OPTION_COUNT };
struct option_list {
	char **items;
	unsigned n;
};
struct option {
	const char *name;  /* without dashes; one letter has one dash */
	const char *value; /* what stands for its value in --help, or NULL */
	enum option_type type;
	void *where;       /* bool, char * (borrowed), option_list, int64_t
			    * (ns), uint64_t */
	const char *text;  /* for --help */
};
/*
 * options_parse - returns how many operands are left in argv[0…], or -1 after
 * it has printed a fault (exit 2), or -2 after --help (exit 0).
 */
int options_parse(const char *command, const struct option *options,
		  int argc, char **argv);
/* options_exit - the exit status for a negative options_parse. */
int options_exit(int r);

/* Which mount is meant. */
struct target {
	char *name;
	char *root;
	char *state_dir;
	bool alive;
	pid_t pid; /* of the supervisor, if it is alive */
};
void target_done(struct target *t);
/* default_state_dir - /var/lib/mirrorfs/NAME, owned by the caller. */
char *default_state_dir(const char *name);

struct target_choice {
	char *name;      /* --name or NULL */
	char *state_dir; /* --state-dir or NULL */
};
/* TARGET_OPTIONS - the options of a command that fill `choice`. */
#define TARGET_OPTIONS(choice) \
	{ "name", "NAME", OPTION_TEXT, &(choice).name, \
	  "the mount, by its name" }, \
	{ "state-dir", "DIR", OPTION_TEXT, &(choice).state_dir, \
	  "the mount, by its state folder" }

/*
 * target_find - the mount that the options or the first operand name, or the
 * one that there is. When the first operand was taken as ROOT, *ret_used is
 * 1. An operand that is a path inside a known mount chooses that mount and is
 * not used up. Returns 0, or EXIT_NO after it has printed why.
 */
int target_find(const struct target_choice *choice, int n, char **operands,
		struct target *ret, int *ret_used);
/* target_again - the tree may have been mounted, or unmounted, since. */
void target_again(struct target *t);
/* target_path - an operand as a tree path of the mount: absolute paths below
 * its root, or relative ones, without a symbolic link on their way; the last name
 * may be one. NULL after it has printed why. */
char *target_path(const struct target *t, const char *operand);
#define MAX_LINKS 40 /* as many as the kernel follows */
struct ways {
	char *paths[MAX_LINKS + 1];
	unsigned n;
	bool leaves; /* the last one led out of the tree */
};
/* target_ways - the same as it is written, and with each symbolic link followed
 * that it leads through, or is: all that must have arrived. Returns EXIT_YES, or
 * EXIT_NO after it has printed why, also at `end_ns` (0: never; monotonic). */
int target_ways(const struct target *t, const char *operand, int64_t end_ns,
		struct ways *ret);
void ways_done(struct ways *w);
/* target_journal - open its journal; NULL after it has printed why. */
struct journal *target_journal(const struct target *t, enum journal_mode mode);

/* target_pids - what the supervisor says of itself; false when it is not
 * alive, or does not answer in time (zeros then). */
struct target_pids {
	bool silent; /* it is alive, and does not answer */
	int failed;  /* no worker is started any more */
	int looking; /* for what was changed while nothing was mounted */
	long long supervisor, worker, sync;
	int worker_silent_s, sync_silent_s; /* they do not go on for so long */
	long long restarts; /* how many workers have taken over */
	uint64_t last_seq;
	long long pinned; /* 0: files have handles; else see shared_pinned */
	char passthrough[80]; /* "on", or "off: " and why */
	int journal_error;    /* errno of the writer; 0: the journal is well */
	int journal_required; /* the policy */
	int64_t journal_since_ns;
};
bool target_pids(const struct target *t, struct target_pids *ret);
/* target_wake - tell sync that the list of replicas has changed. Returns
 * EXIT_YES, or EXIT_NO after it has printed that this will take a while. */
int target_wake(const struct target *t);
/* silence_text - that the supervisor does not answer, why, and what to do, as
 * one phrase owned by the caller. target_silent - the same, with `but` before
 * it, on stderr; returns EXIT_NO. */
char *silence_text(const char *root, const char *state_dir, pid_t pid);
/* ask_status - the supervisor `pid` of the mount `name`, as runtime_ask. One
 * that is not stopped may have much to do: with it there is more patience. */
int ask_status(const char *name, pid_t pid, char **ret_answer);
int target_silent(const struct target *t, const char *but);
/* ask_apart - `fn`, in a child, as who reads from a disk that hangs cannot even be
 * interrupted. Returns its exit status; or EXIT_NO when it has waited for a disk
 * for 10 s, and is left to it. */
int ask_apart(int (*fn)(void *), void *arg);

/*
 * dead_mount_look - did a killed supervisor leave a mount over `root`, which has
 * no symbolic link in it? Returns 0 with -1 twice when it did not, else with
 * descriptors on that and on the directory below it, owned by the caller; or an
 * exit status after it has said why: one is alive there.
 */
int dead_mount_look(const char *root, int *ret_fd, int *ret_below_fd);
/* dead_mount_cut - whoever waits for an answer there gets an error, if there is
 * such a mount and nobody serves it. */
void dead_mount_cut(const char *root);

/* ---- printing ---- */
struct libscols_table;
struct json_t;
/* table_new - with columns "A", "B", … NULL; the last one takes the rest. */
struct libscols_table *table_new(const char *const *columns);
/* table_row - one text for each column, NULL at the end. */
void table_row(struct libscols_table *t, const char *const *cells);
/* table_print - on stdout, and free it. */
void table_print(struct libscols_table *t);
/* json_text - any bytes as a JSON string: what is not UTF-8 becomes U+FFFD. */
struct json_t *json_text(const char *s);
/* json_add_bytes - what json_text cannot tell exactly, in hexadecimal; nothing
 * where `s` is NULL or UTF-8. */
void json_add_bytes(struct json_t *o, const char *key, const char *s);
/* json_print - one line (or indented) on stdout, and free it. */
void json_print(struct json_t *o, bool indent);
/* user_name - of a uid, or its number; static buffer. */
const char *user_name(uint32_t uid);

/* What a mount finds in its state folder. */
struct found_journal {
	bool damaged;  /* or gone: to be set aside */
	char uuid[37]; /* "": there is none */
	char *done;    /* about the damage, in words; owned */
	bool required; /* constant: no mount without it */
	int late;      /* its disk fails with this negative errno; it is known
			* who it is, and the rest can wait. 0: it is fine */
};
/* journal_find - is it whole, and for this root? *ret is NULL when it is not
 * there, or damaged, and a copy in memory when it cannot be read. Changes
 * nothing. Returns 0, or EXIT_NO after it has printed why. */
int journal_find(const char *state_dir, const char *root,
		 struct found_journal *f, struct journal **ret);
/* journal_late - the folder cannot be written: can that wait? Sets f->late. */
bool journal_late(const char *state_dir, struct found_journal *f, int error);
int journal_set_aside(const char *state_dir, struct found_journal *f);

/* state_prepare - the folder, a journal that is whole, and in it what the
 * settings say. Returns 0, also when it has to wait (found->late), or EXIT_NO
 * after it has printed why. */
int state_prepare(const struct settings *s, bool from_config, bool rescan,
		  struct found_journal *found);

/* title_begin - at the start of main: argv points to copies from then on.
 * title_set - what ps shows of this process; cut where there is no room. */
void title_begin(int argc, char **argv);
void title_set(const char *command, int argc, char *const *argv);

/* preflight_replica - can it be used? Returns true, or false after it has
 * printed why. A replica that is merely unreachable is fine: a notice. `keep`:
 * the connection may stay open (sync_probe), until one of the others. */
bool preflight_replica(const struct settings_replica *r, const char *root,
		       const char *uuid, bool keep);
/* preflight_ahead - those connections; NULL: none. preflight_take - the same,
 * and the caller owns them now. _end, _forget: as sync_ahead_. */
const struct sync_ahead *preflight_ahead(void);
struct sync_ahead *preflight_take(void);
void preflight_end(void);
void preflight_forget(void);
/* replica_row_from - a row for journal_replica_put; borrows r's strings. */
struct replica_row replica_row_from(const struct settings_replica *r);
/* options_given - each "key=value,…" of `list` into `given`; false after it
 * has printed what is wrong. */
bool options_given(const struct option_list *list, struct replica_given *given);
/* replica_parse - "NAME=URL" into `s`; NULL after it has printed why. */
struct settings_replica *replica_parse(struct settings *s, const char *text);

#endif
