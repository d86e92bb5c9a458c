/* layer: sync */
#ifndef SYNC_PLAN_BUILD_H
#define SYNC_PLAN_BUILD_H

/*
 * Inside the plan: the actions under construction, with what is needed to
 * fold a record into an earlier one. plan.c decides how a record is applied,
 * plan-fold.c does the operations, plan-build.c keeps the books.
 */

#include "sync/plan.h"

#include <uthash.h>

/* A path that an action refers to, or an ancestor of one. */
struct plan_path {
	const char *key;     /* borrowed; not ended by NUL */
	int last;            /* newest live action that names it, or -1 */
	int state;           /* its RECONCILE in `states`, or -1 */
	bool state_below;    /* something below is in `states` */
	unsigned live_below; /* live actions on names below it */
	UT_hash_handle hh;
};

struct plan_object {
	const struct fhandle *key; /* borrowed */
	int last;  /* newest live action on it, whatever the name, or -1 */
	int put;   /* newest live PUT or SYMLINK of it, or -1 */
	int attr;  /* newest live SETATTR of it, or -1 */
	int state; /* its OBJECT in `states`, or -1 */
	bool gone; /* its last name was removed in this batch */
	UT_hash_handle hh;
};

struct plan_slot { /* beside each action */
	int prev, prev2; /* `last` of path and path2 before it */
	int prev_obj;    /* `last` of its object */
};

struct builder {
	const struct plan_view *view;
	struct plan_memory *memory;
	struct plan *plan;
	struct plan_slot *slots;
	unsigned cap;
	struct action *states;
	unsigned n_states, cap_states, cap_gone;
	struct plan_path *paths;
	struct plan_object *objects;
};

void builder_done(struct builder *b);

struct plan_path *builder_path(struct builder *b, const char *path);
struct plan_object *builder_object(struct builder *b,
				   const struct fhandle *obj);

/* builder_emit - append an action; returns its index. path2 may be NULL. */
int builder_emit(struct builder *b, enum action_kind kind,
		 const struct record *r, const char *path, const char *path2);
/* builder_kill - undo an action that nothing after it depends on. */
void builder_kill(struct builder *b, int index);
/* builder_gone - the same of a PUT, and of its object nothing is left. */
void builder_gone(struct builder *b, int index);
/* builder_last - the newest live action on `path` when it is of this kind,
 * else -1. */
int builder_last(struct builder *b, const char *path, enum action_kind kind);

/* builder_above - a live action after `index` names a folder that `path` is in:
 * it may rely on what is in it by then. */
bool builder_above(struct builder *b, const char *path, int index);
/* builder_touches - a live action names `path`, or something above or below. */
bool builder_touches(struct builder *b, const char *path);

/* builder_state - reconcile `path` at the end of the batch. */
void builder_state(struct builder *b, const struct record *r, const char *path,
		   enum strictness strict, bool deep);
/* builder_renew - what is named so from now on is something new. */
void builder_renew(struct builder *b, const struct fhandle *obj);
/* builder_state_object - and all names that the replica has of r's object. */
void builder_state_object(struct builder *b, const struct record *r,
			  enum strictness strict);
/* builder_state_unsure - what `r` names by its object. */
void builder_state_unsure(struct builder *b, const struct record *r);
/* builder_in_state - a path related to this one is reconciled. */
bool builder_in_state(struct builder *b, const char *path);

void builder_count(struct builder *b, const char *kind,
		   const struct record *r);

/* ---- plan-memory.c ---- */

struct plan_absent {
	struct fhandle obj;
	bool shadow; /* something older may be at its name on the replica */
	bool linked; /* it has got more than one name */
	uint64_t until; /* it is gone: no later record tells of it; or 0 */
	bool kept, kept_shadow, kept_linked; /* by the journal */
	bool restored; /* … and nobody has said so since */
	UT_hash_handle hh;
};

struct plan_absent *memory_find(struct plan_memory *m,
				const struct fhandle *obj);
void memory_add(struct plan_memory *m, const struct fhandle *obj, bool shadow);
void memory_del(struct plan_memory *m, const struct fhandle *obj);
void memory_clear(struct plan_memory *m);
/* memory_epoch - a record of that one follows: what was restored is settled, as
 * nothing stays open from one mount to the next. */
void memory_epoch(struct plan_memory *m, uint64_t epoch);

/* ---- plan-fold.c ---- */

/* plan_operate - `r` as an operation, folded into what is there. */
void plan_operate(struct builder *b, const struct record *r);
/* plan_special - a type that SFTP cannot make: its word, or NULL. */
const char *plan_special(uint32_t mode);

#endif
