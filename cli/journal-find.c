/* The journal that a mount finds in its state folder, whole or not. */
#include "confdefs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "owed.h"

/* check_root - that it is for this root. */
static int check_root(const char *state_dir, const char *has, const char *root)
{
	if (has && strcmp(has, root) != 0)
		return fail("the journal in %s belongs to %s, not to %s: "
			    "choose another --state-dir",
			    state_dir, has, root);
	return 0;
}

/* find_identity - it is damaged, or gone, when there is an identity all the
 * same: what is known of it, its replicas, too. */
static int find_identity(const char *state_dir, const char *root,
			 struct found_journal *f, struct journal **ret)
{
	struct journal_identity id;
	if (journal_identity(state_dir, &id) < 0 ||
	    journal_recall(state_dir, ret) < 0)
		return 0;
	f->damaged = true;
	memcpy(f->uuid, id.uuid, sizeof(f->uuid));
	int r = check_root(state_dir, id.root, root);
	free(id.root);
	return r;
}

bool journal_late(const char *state_dir, struct found_journal *f, int error)
{
	struct journal_identity id;
	if (f->required || !journal_may_recover(error) ||
	    journal_identity(state_dir, &id) < 0)
		return false;
	free(id.root);
	f->late = error;
	return true;
}

int journal_find(const char *state_dir, const char *root,
		 struct found_journal *f, struct journal **ret)
{
	*ret = NULL;
	int r = journal_open(state_dir, JOURNAL_READ, ret);
	if (r == 0)
		r = journal_check(*ret);
	if (r == -ENOENT || r == -ENOTDIR || r == -EUCLEAN) {
		journal_close(*ret);
		*ret = NULL;
		f->damaged = r == -EUCLEAN;
		return find_identity(state_dir, root, f, ret);
	}
	if (r < 0) {
		journal_close(*ret);
		*ret = NULL;
	}
	if (r < 0 && (!journal_late(state_dir, f, r) ||
		      journal_recall(state_dir, ret) < 0))
		return fail("the journal in %s cannot be opened: %s", state_dir,
			    r == -EOPNOTSUPP ? journal_error(NULL)
					     : strerror(-r));
	CLEANUP_FREE char *has = NULL;
	journal_meta_get(*ret, "root", &has);
	snprintf(f->uuid, sizeof(f->uuid), "%s", journal_uuid(*ret));
	return check_root(state_dir, has, root);
}

int journal_set_aside(const char *state_dir, struct found_journal *f)
{
	int r = journal_rescue(state_dir, true, &f->done);
	if (r < 0 && journal_late(state_dir, f, r))
		return 0;
	if (r < 0)
		return fail("the journal in %s is damaged, and cannot be set "
			    "aside: %s",
			    state_dir, strerror(-r));
	fprintf(stderr, "mirrorfs: warning: %s\n", f->done);
	return 0;
}
