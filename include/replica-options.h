/* layer: base */
#ifndef MIRRORFS_REPLICA_OPTIONS_H
#define MIRRORFS_REPLICA_OPTIONS_H

/*
 * Per-replica options (tbl/replica-options.h): as somebody gave them, texts
 * that were checked, and as the program uses them. What was not given for a
 * replica is as given for all replicas, or else the preset.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rate.h"

enum replica_option_id {
#define REPLICA_OPTION(member, key, kind, words, preset, text)                 \
	REPLICA_OPTION_##member,
#include "tbl/replica-options.h"
#undef REPLICA_OPTION
	REPLICA_OPTIONS /* how many there are */
};

#define REPLICA_OPTION_TYPE_BOOL  bool
#define REPLICA_OPTION_TYPE_COUNT uint64_t
#define REPLICA_OPTION_TYPE_SIZE  uint64_t
#define REPLICA_OPTION_TYPE_SPAN  int64_t
#define REPLICA_OPTION_TYPE_WORD  unsigned
#define REPLICA_OPTION_TYPE_PERCENT unsigned
#define REPLICA_OPTION_TYPE_RATE struct rate
#define REPLICA_OPTION_TYPE_FILTER char *
#define REPLICA_OPTION_TYPE_TEXT  char *

/* As the program uses them; texts are owned. */
struct replica_options {
#define REPLICA_OPTION(member, key, kind, words, preset, text)                 \
	REPLICA_OPTION_TYPE_##kind member;
#include "tbl/replica-options.h"
#undef REPLICA_OPTION
};

/* As given; NULL: not. All zeros is a good start. Texts are owned. */
struct replica_given {
	char *text[REPLICA_OPTIONS];
};

void replica_given_done(struct replica_given *g);
bool replica_given_same(const struct replica_given *a,
			const struct replica_given *b);

/*
 * replica_given_set - an empty `value` takes back what was given.
 * Returns 0, or a negative errno with one line for the user in *ret_why
 * (owned by the caller): -ENOENT for an unknown key, which names the nearest
 * known one, -EINVAL.
 */
int replica_given_set(struct replica_given *g, const char *key,
		      const char *value, char **ret_why);
/* replica_given_list - "key=value,key=value"; "\," is a comma in a value, a
 * key alone is "yes". Returns like replica_given_set. */
int replica_given_list(struct replica_given *g, const char *list,
		       char **ret_why);

/* replica_given_add - what `from` has and `to` has not. */
void replica_given_add(struct replica_given *to,
		       const struct replica_given *from);

/* replica_options_make - as given, else as preset. */
void replica_options_make(struct replica_options *ret,
			  const struct replica_given *given);
void replica_options_done(struct replica_options *o);

/* replica_option_key - "max-backlog"; _preset - as text. */
const char *replica_option_key(unsigned id);
const char *replica_option_preset(unsigned id);

#endif
