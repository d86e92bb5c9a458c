#ifndef MIRRORFS_CLI_STATUS_H
#define MIRRORFS_CLI_STATUS_H

#include <jansson.h>

#include "journal.h"

/* Rows of replicas, for `status` and `replica list`. `alive`: mounted. */
json_t *replicas_json(struct journal *j, const struct replica_row *rows,
		      unsigned n, bool alive);
void replicas_table(const struct replica_row *rows, unsigned n, bool alive);
void replica_rows_free(struct replica_row *rows, unsigned n);

#endif
