/* The state folder as a mount needs it. */
#include "confdefs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "activity.h"
#include "cleanup.h"
#include "cli/cli.h"

static int make_dirs(const char *path)
{
	CLEANUP_FREE char *part = strdup(path);
	for (char *p = part + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* keep - what the journal knows of it better. The command line has no options
 * for one replica: those that it was added with, or that were set, stay. What
 * was allowed for a first copy is allowed until that is complete, also when the
 * journal was lost (journal_rescue). */
static void keep(struct replica_row *row, const struct replica_row *old,
		 unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(old[i].name, row->name) != 0 ||
		    strcmp(old[i].url, row->url) != 0)
			continue;
		if (!row->from_config)
			row->given = old[i].given;
		row->adopt |= old[i].adopt && !old[i].seeded;
	}
}

/* store_replicas - the journal's list follows the configuration. What was
 * added otherwise stays until "replica remove". */
static int store_replicas(const struct settings *s, bool from_config,
			  struct journal *j)
{
	struct replica_row *rows;
	unsigned n;
	int r = journal_replica_list(j, &rows, &n);
	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < n; i++) {
		bool named = false;
		for (unsigned k = 0; k < s->n_replicas; k++)
			named |= !strcmp(s->replicas[k].name, rows[i].name);
		if (from_config && rows[i].from_config && !named)
			r = journal_replica_remove(j, rows[i].name);
	}
	for (unsigned i = 0; r == 0 && i < s->n_replicas; i++) {
		struct replica_row row =
			replica_row_from(&s->replicas[i]);
		keep(&row, rows, n);
		r = journal_replica_put(j, &row);
	}
	for (unsigned i = 0; i < n; i++)
		replica_row_done(&rows[i]);
	free(rows);
	return r;
}

static int fill_journal(const struct settings *s, bool from_config, bool rescan,
			struct journal *j)
{
	int r = journal_meta_set(j, "root", s->root);
	if (r == 0)
		r = journal_meta_set(j, "name", s->name);
	if (r == 0)
		r = journal_replica_defaults(j, &s->options);
	if (r == 0 && rescan)
		r = journal_rescan_next(j, 0);
	return r < 0 ? r : store_replicas(s, from_config, j);
}

/* prepare - 0, EXIT_NO (says why), or -EUCLEAN. */
static int prepare(const struct settings *s, bool from_config, bool rescan,
		   struct found_journal *found)
{
	struct journal *j;
	int r = journal_open(s->state_dir, JOURNAL_CREATE, &j);
	if (r == -EUCLEAN)
		return r;
	if (r < 0)
		return journal_late(s->state_dir, found, r)
			       ? 0
			       : fail("cannot make a journal in %s: %s",
				      s->state_dir, strerror(-r));
	r = fill_journal(s, from_config, rescan, j);
	if (r < 0 && r != -EUCLEAN)
		r = journal_late(s->state_dir, found, r)
			    ? 0
			    : fail("cannot write the journal in %s: %s",
				   s->state_dir, journal_error(j));
	journal_close(j);
	return r;
}

int state_prepare(const struct settings *s, bool from_config, bool rescan,
		  struct found_journal *found)
{
	int r = make_dirs(s->state_dir);
	if (r < 0)
		return fail("cannot make the state folder %s: %s", s->state_dir,
			    strerror(-r));
	/* a large one is not looked through before */
	r = found->damaged ? -EUCLEAN : prepare(s, from_config, rescan, found);
	if (r != -EUCLEAN)
		return r;
	r = journal_set_aside(s->state_dir, found);
	if (r != 0 || found->late)
		return r;
	r = prepare(s, from_config, rescan, found);
	return r == -EUCLEAN ? fail("the journal in %s is damaged again: is "
				    "its disk failing?",
				    s->state_dir)
			     : r;
}
