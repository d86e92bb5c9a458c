/* layer: sync */
#ifndef SYNC_IDMAP_H
#define SYNC_IDMAP_H

/*
 * Two small tables of owners.c, each for users and for groups: numbers here to
 * numbers there, and the names that are known there. One thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct id_pair;
struct id_name;

struct idmap {
	struct id_pair *pairs; /* here -> there */
	struct id_name *names; /* there: name -> number */
	uint32_t scanned;      /* numbers below were asked for */
	bool any;	       /* a default for all others: */
	uint32_t other;
};

void idmap_done(struct idmap *m);
void idmap_put(struct idmap *m, uint32_t here, uint32_t there, bool known);
/* idmap_get - 1 known, 0 known not to be there (*ret is `here`), -1 never
 * learnt. */
int idmap_get(const struct idmap *m, uint32_t here, uint32_t *ret);
/* idmap_name - the replica knows `name` as `there`; the first one counts. */
void idmap_name(struct idmap *m, const char *name, uint32_t there);
bool idmap_find(const struct idmap *m, const char *name, uint32_t *ret);

enum id_kind { ID_USER, ID_GROUP };
/* id_name_here - name of a number on this machine, owned. id_number_here - of a
 * name, or of a number as text. 1, 0: there is none, or a negative errno. */
int id_name_here(enum id_kind kind, uint32_t id, char **ret);
int id_number_here(enum id_kind kind, const char *name, uint32_t *ret);
/* id_parse - a number and nothing else. */
bool id_parse(const char *text, uint32_t *ret);

/*
 * idmap_load - lines "user NAME NUMBER" and "group NAME NUMBER" into
 * maps[ID_USER] and maps[ID_GROUP]; NAME is known here, or a number, or "*"
 * for all others; "#" begins a comment. `told` gets what they say, the same for
 * the same.
 * Returns 0, or -1 with one line for the user in `why`.
 */
int idmap_load(struct idmap maps[2], const char *file, FILE *told, char *why,
	       unsigned size);

#endif
