#ifndef MIRRORFS_CLI_STATUS_H
#define MIRRORFS_CLI_STATUS_H

#include <jansson.h>

#include "cli/cli.h"
#include "journal.h"

/* Rows of replicas, for `status` and `replica list`. `alive`: mounted.
 * replicas_load - as journal_replica_list; behind is also what is only in the
 * memory of the mount yet. */
int replicas_load(struct journal *j, const struct target_pids *pids,
		  struct replica_row **ret, unsigned *ret_n);
json_t *replicas_json(struct journal *j, const struct replica_row *rows,
		      unsigned n, bool alive);
void replicas_table(const struct replica_row *rows, unsigned n, bool alive);
/* health_text - how the journal does, owned by the caller; health_json. */
char *health_text(const struct target *t, const struct target_pids *p);
json_t *health_json(const struct target *t, const struct target_pids *p);
/* health_print_aside - damaged journals that are kept, if any. */
void health_print_aside(const struct target *t);
/* replicas_options - a line for each option that is not as preset. */
void replicas_options(const struct replica_row *rows, unsigned n);
/* abilities_json, abilities_print - what the server of a replica can do. */
json_t *abilities_json(struct journal *j, int64_t id);
void abilities_print(struct journal *j, const struct replica_row *r);
/* parked_short, parked_list - the first few of a replica, in lines; all of all
 * replicas. */
void parked_short(struct journal *j, const struct replica_row *r);
int parked_list(struct journal *j, const struct replica_row *rows, unsigned n,
		bool json);
/* progress.c: a first copy that is under way: null / false when there is none.
 * _draw - how far it is, or `instead`, in a line in place. _wait - until that of
 * `name` is complete, drawing on a terminal; the exit status. _goes_on - there
 * is something to wait for: EXIT_YES, or EXIT_NO after it has printed why. */
json_t *progress_json(struct journal *j, int64_t id);
bool progress_text(struct journal *j, int64_t id, char *out, size_t size);
void progress_draw(struct journal *j, const struct replica_row *row,
		   const char *instead);
int progress_wait(const struct target *t, struct journal *j, const char *name);
int progress_goes_on(const struct target *t);
/* comparison_text - how far it is. comparison_print - those of a part of the
 * tree that a replica works on. */
struct comparison;
void comparison_text(const struct comparison *c, char *out, size_t size);
void comparison_print(struct journal *j, const struct replica_row *r);
/* retry_ask - who waits for a better time is to try at once. */
int retry_ask(struct journal *j);
void replica_rows_free(struct replica_row *rows, unsigned n);

#endif
