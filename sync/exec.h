/* layer: sync */
#ifndef SYNC_EXEC_H
#define SYNC_EXEC_H

/*
 * The executor: steps that a replica is to take, in order, pipelined.
 *
 * Steps are pushed in the order in which their effects must appear. What can
 * be prepared without being seen (the upload of a file into the stage) runs
 * ahead, many at once; what is seen (rename, mkdir, remove …) is sent strictly
 * in the order of the steps, each as soon as its preparation is acknowledged,
 * without waiting for the answer of the one before: the server works in
 * order.
 *
 * A step that fails does not stop the others; `finished` hears of each step, and
 * how it ended. When the connection is lost, exec_push and exec_drain return
 * -ENOTCONN; `finished` hears of what was under way when that is closed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "abilities.h"
#include "journal.h"
#include "remote.h"
#include "shared.h"
#include "sync/links.h"
#include "sync/owners.h"
#include "sync/partial.h"
#include "sync/stale.h"

enum step_kind {
	STEP_PUT,      /* content and attributes of obj to path */
	STEP_MKDIR,    /* path, like obj */
	STEP_SYMLINK,  /* path -> the target of obj */
	STEP_NAME,     /* nothing is sent: path is known in its turn */
	STEP_LINK,     /* path2 becomes another name of path, replacing */
	STEP_RENAME,   /* path to path2, replacing */
	STEP_EXCHANGE, /* path and path2 */
	STEP_REMOVE,   /* path, no directory; absent is fine */
	STEP_RMDIR,    /* path; absent is fine */
	STEP_SETATTR,  /* path like obj; no times for a directory */
	STEP_DIRTIMES, /* path: a directory, times like the lower one there */
};

/* What came of a step. */
enum step_result {
	STEP_DONE,
	STEP_FAILED,	 /* `error` says why */
	STEP_GONE,	 /* obj does not exist any more: later records know */
	STEP_SUPERSEDED, /* obj is being written: its next SETTLE brings it */
	STEP_ASIDE,	 /* large: its upload goes on, see exec_aside_ready */
};

struct step {
	enum step_kind kind;
	char *path, *path2; /* owned */
	struct fhandle obj;
	enum step_result result;
	int error;   /* negative errno of the first failure */
	bool linked; /* … when one more name was to be made */
	void *tag; /* the pusher's */
	/* the executor's */
	struct exec *exec;
	struct step *next;
	uint64_t number; /* counted from 1, as they are pushed */
	int phase;
	unsigned pending; /* requests without an answer */
	unsigned retries;
	char *stage;  /* path in the stage, owned */
	char *target; /* SYMLINK */
	struct stat st;
	int fd;
	uint64_t off, hole_end, mark;
	int64_t begun_ns; /* PUT: monotonic */
	bool aside, dropped; /* in the list of those, and nobody wants it */
	bool kept;	  /* it was refused, and what is in the stage stays */
	uint64_t as_of;	  /* PUT, SETATTR: the record as of which it is read */
	uint64_t since; /* PUT: path has the content as of this record; 0: no */
	uint64_t base_size; /* … and its size as of then; 0: what it has */
	uint64_t ranges_to; /* the record up to which they were asked for */
	struct range *ranges; /* only these travel; owned; NULL: all does */
	uint32_t n_ranges;
	bool source_asked; /* the old content is being opened */
	struct remote_handle source, handle;
	uint64_t source_size;
	struct sure sure;	    /* what of it is in the stage */
	struct second_file *second; /* exec-second.c; NULL: none */
	bool all_sent;  /* what is left is to hear the answers */
	bool unowned;	/* its owner's number there is not known yet */
	bool settled;	/* as of as_of it was not being written */
	bool frozen;	/* fd is a copy as of then */
	bool refreshed; /* st is newer than what was read */
	bool in_place; /* it is written into the file, not into the stage */
	bool not_in_place;
	bool space_asked; /* waits to hear whether there is room */
	unsigned looks;	  /* at folders that lead to it, not answered yet */
	bool astray;	  /* one of them is no folder */
	bool early;	  /* SETATTR: the content is still to come */
	bool looked;	  /* DIRTIMES: they were begun */
	bool synced;	  /* DIRTIMES: the folder was fsynced behind that */
};

/* How a file is updated: as in tbl/replica-options.h. */
enum exec_update { UPDATE_ATOMIC, UPDATE_APPEND, UPDATE_INPLACE, UPDATE_WHOLE };

struct exec_config {
	struct remote *remote;
	struct shared *shared;
	struct journal *journal;
	struct links *links;
	struct partials *partials; /* borrowed; NULL: none */
	const char *stage; /* the folder for uploads; borrowed */
	int lower_fd;
	int stop_fd; /* eventfd: readable when the thread is to end */
	const struct abilities *can; /* of the server; borrowed */
	struct owners *owners;	     /* borrowed */
	bool durable; /* content is on the disk before it is published */
	uint64_t delta_above;	     /* smaller files travel whole, bytes */
	uint64_t aside_above;	     /* smaller files stay in the line, bytes */
	uint64_t (*rate)(void *arg); /* bytes in a second; 0: no limit */
	uint64_t (*planned)(void *arg); /* no record up to that is to come */
	uint64_t inplace_above; /* smaller files are never written in place */
	/* so many bytes of large files are worth a second connection: it is
	 * to be had, some time; NULL: there is none */
	uint64_t parallel_above;
	void (*second)(void *arg);
	enum exec_update update;
	/* each step, in order, just before its visible part is sent */
	void (*sending)(void *arg, const struct step *s);
	/* each finished step, in the order of their ends; then it is freed */
	void (*finished)(void *arg, const struct step *s);
	/* may this PUT be done later than all that is behind it? */
	bool (*may_leave)(void *arg, const struct step *s);
	/* counts what SFTP cannot carry */
	void (*uncarried)(void *arg, const char *kind, const char *path);
	/* without hard links: this other name of its object is to be made
	 * anew, as a copy, when the steps are done */
	void (*copy)(void *arg, const char *path);
	void *arg;
};

struct exec;
struct exec *exec_new(const struct exec_config *cfg);
/* exec_free - forgets steps that are not finished (their requests must have
 * been answered or the connection closed before). */
void exec_free(struct exec *x);

/* exec_push - a copy of path and path2 is taken. May pump. */
int exec_push(struct exec *x, enum step_kind kind, const char *path,
	      const char *path2, const struct fhandle *obj, void *tag);
/* exec_push_update - a PUT of an object of which the replica has an older
 * content at `path`, `has`, when the step before is done and no step that is not
 * has to do with path or object: only what changed need travel. */
int exec_push_update(struct exec *x, const char *path,
		     const struct fhandle *obj, struct stale_content has,
		     void *tag);
/* exec_push_early - owner and mode, right behind a PUT (attr.c). */
void exec_push_early(struct exec *x, const struct step *put);
/* exec_next - the number that the next step will have. */
uint64_t exec_next(const struct exec *x);
/* exec_send - until all steps are sent; exec_drain - until they are finished.
 * -ENOTCONN, -ECANCELED when stop_fd became readable. */
int exec_send(struct exec *x);
int exec_drain(struct exec *x);
/* exec_stage_name - a path in the stage that is not in use; owned by the
 * caller. */
char *exec_stage_name(struct exec *x);

/* ---- between exec.c and its parts ---- */

#define EXEC_UPLOADS	  512 /* what a long line needs for small files */
#define EXEC_UPLOADS_NEAR 96 /* … and a short one: more only cost time */
#define EXEC_SPARES	  16

struct exec {
	struct exec_config cfg;
	struct step *head, **tail; /* not yet sent, in order */
	struct step *fresh;	   /* first of them that was not looked at */
	struct step *active[EXEC_UPLOADS + 1]; /* the head may start over */
	unsigned n_active, turn; /* … of the large ones among them */
	struct step *asides; /* large ones that have left the line */
	unsigned n_aside;
	struct step *kept; /* exec-kept.c */
	struct freeze *freeze; /* freeze.c; NULL: none is wanted yet */
	unsigned n_waiting; /* steps with PHASE_WAITING */
	struct remote *second; /* for pieces of large ones, or NULL */
	bool worth;	       /* … to be had */
	bool limited;	       /* … but there is a rate */
	int64_t small_ns; /* when something else came last */
	struct spare {
		char *name; /* in the stage; NULL: none */
		bool asked; /* it is being opened */
		struct remote_handle handle;
	} spares[EXEC_SPARES];
	unsigned n_sent; /* steps that are sent and not finished */
	unsigned n_live; /* steps pushed and not finished */
	unsigned n_other; /* … that are neither contents nor DIRTIMES */
	uint64_t n_pushed;
	uint64_t n_stage;
	unsigned n_synced; /* contents, since durable_commit */
	bool hasty;	   /* others were not, nor folders: too many */
	int trouble;	   /* the journal's, which ends the connection */
	bool unsure;	   /* an fsync was refused: no later one helps */
	bool held;	   /* nothing seen is sent: see stage.c */
	struct space {	   /* left on the replica: space.c */
		bool known, asking;
		struct remote_space now; /* by the newest answer */
		uint64_t sent;		 /* bytes, since that was asked for */
		uint64_t sent_since;	 /* … since it was asked for again */
		int64_t asked_ns;
	} space;
};

enum {
	PHASE_NEW,
	PHASE_WAITING, /* large, and there are many: for a place */
	PHASE_PREPARING,
	PHASE_READY,
	PHASE_SENT
};

struct step *step_new(struct exec *x, enum step_kind kind, const char *path,
		      const char *path2, const struct fhandle *obj);
void step_free(struct step *s);

/* exec_is_far - round trips are worth to be saved. */
bool exec_is_far(const struct exec *x);

/* step_fail - note the first failure. */
void step_fail(struct step *s, int error);
/* step_answered - a request of a step was. */
void step_answered(struct step *s);
/* done functions: the status is all that matters; absent is well; all is well */
void step_done(void *arg, const struct remote_reply *reply);
void step_done_or_absent(void *arg, const struct remote_reply *reply);
void step_tried(void *arg, const struct remote_reply *reply);
/* step_unseen - its object could not be looked at. That it is no more is no
 * failure, but one known by number has perhaps only moved. step_is_other -
 * `obj` is not what the record meant. */
void step_unseen(struct step *s, int error);
bool step_is_other(const struct step *s, const struct fhandle *obj);
/* step_link - `to` becomes a name of what `from` names, whatever it was. */
void step_link(struct step *s, const char *from, const char *to);
/* step_link_names - the other names that the replica has of the object by then
 * follow the step's path, or the link would be broken. Not those that later
 * steps are to make: their folders may still be something else, such as a
 * symbolic link that leads out of the replica. */
void step_link_names(struct step *s);
/* step_publish - the stage takes the place of the path, and its other names
 * follow. */
void step_publish(struct step *s);

#include "sync/delta.h"
#include "sync/exec-aside.h"
#include "sync/space.h"
#include "sync/upload.h"

#endif
