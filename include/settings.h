/* layer: base */
#ifndef MIRRORFS_SETTINGS_H
#define MIRRORFS_SETTINGS_H

/*
 * The configuration file: INI, a [mount] section and a [replica NAME] section
 * for each replica; the keys are in tbl/settings.h, and for both sections in
 * tbl/replica-options.h. All strings are owned by
 * the structure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica-options.h"

struct settings_replica {
	char *name;
	char *url;
	char *identity;    /* NULL: that of the mount */
	char *known_hosts; /* NULL: that of the mount */
	bool accept_new;
	bool adopt;
	bool configured; /* has a section, else: named on the command line */
	struct replica_given options;
};

struct settings {
	char *root;
	char *name;
	char *state_dir;
	char *identity;
	char *known_hosts;
	bool accept_new;
	int64_t history_ns;
	int64_t settle_idle_ns;
	int64_t settle_age_ns;
	uint64_t delta_above; /* bytes; UINT64_MAX: never */
	char *journal; /* NULL: preferred */
	bool activity_log;
	int64_t activity_lift_ns;
	int64_t hang_ns;
	char *without; /* NULL: none; see features_parse in fs.h */
	struct replica_given options; /* for all replicas */
	struct settings_replica *replicas;
	unsigned n_replicas;
};

/* settings_init - the defaults: history 90 d, settle-idle 5 min, settle-age
 * 1 h, delta-above 1 MiB, activity-log, activity-lift 30 s,
 * hang-after 1 min. */
void settings_init(struct settings *s);
void settings_done(struct settings *s);

/*
 * settings_load - read `path` over what `s` holds.
 * Returns 0, or a negative errno with one line for the user in *ret_why
 * (owned by the caller), which names file, line and, for an unknown key, the
 * nearest known one: -ENOENT, -EINVAL, or what fopen(3) says.
 */
int settings_load(struct settings *s, const char *path, char **ret_why);

/* settings_replica - the one with that name, made if there is none. */
struct settings_replica *settings_replica(struct settings *s,
					  const char *name);

/* settings_name_ok - letters, digits, "_", ".", "-", "\\" and ":", not
 * starting with "." or "-": fit for a file name and a table. */
bool settings_name_ok(const char *name);

#endif
