/*
 * Where the journal comes from: at the mount, or later.
 *
 * An epoch begins on the disk before the first change gets a number of it. When
 * the state folder is full, read-only or gives errors, that cannot be, but a
 * mount that is refused would show users the bare tree, and what they change
 * there nobody would ever know of. So they are served, and the epoch begins as
 * soon as it can:
 *
 *   the tree is told that a comparison is owed (owed.h): whatever comes now, a
 *   power cut, or an umount before the disk works again, the next mount
 *   compares everything, and after a power cut sends it. Where that cannot be
 *   noted the mount is refused.
 *   Records stay in memory, with numbers of the epoch after the next; the
 *   worker touches neither database nor activity log, sync is not started.
 *   Each second a child tries to make up for it: all that a mount does to the
 *   state folder, the epoch with what is owed, and an empty one after it, the
 *   one that the records in memory belong to. One that fails, or is killed,
 *   leaves nothing that the next one trips over.
 *   Then the writer writes, sync starts, and another worker takes over, which
 *   has an activity log.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "activity.h"
#include "cleanup.h"
#include "clock.h"
#include "fs/supervisor-private.h"
#include "journal.h"
#include "log.h"
#include "owed.h"
#include "paths.h"
#include "reserve.h"
#include "shared.h"

#define RETRY_NS   NS_PER_S
#define LATE_STALE 2 /* exit status */

/* ---- an epoch ---- */

static int begin(struct supervisor *s, uint64_t *ret_first_seq)
{
	int64_t since;
	int r = journal_open(s->cfg->state_dir, JOURNAL_CREATE, &s->journal);
	if (r == 0 && owed_read(s->lower_fd, &since) > 0)
		r = journal_rescan_next(s->journal, since);
	if (r == 0)
		r = journal_epoch_begin(s->journal, ret_first_seq);
	if (r == 0 && !s->cfg->activity_log)
		r = activity_disable(s->cfg->state_dir);
	if (r < 0) {
		journal_close(s->journal);
		s->journal = NULL;
	}
	return r;
}

/* Else the worker does it, when what was changed so far is on the disk. */
static void settle_debt(struct supervisor *s)
{
	int r = s->cfg->activity_log && !shared_pinned(s->shared)
			? 0
			: owed_clear(s->lower_fd);
	if (r < 0)
		log_warning("the next mount compares everything once more: %s",
			    strerror(-r));
}

/* ---- later ---- */

static int put_off(struct supervisor *s, int error, uint64_t *ret_first_seq)
{
	struct journal_identity id;
	if (s->cfg->journal_required || !journal_may_recover(error) ||
	    journal_identity(s->cfg->state_dir, &id) < 0)
		return error;
	free(id.root);
	s->late_since_ns = clock_wall_ns();
	if (owed_note(s->lower_fd, s->late_since_ns) < 0)
		return error;
	s->late = error;
	s->late_epoch = id.epoch;
	memcpy(s->late_uuid, id.uuid, sizeof(s->late_uuid));
	*ret_first_seq = s->late_first_seq = SEQ_FIRST(id.epoch + 2);
	log_error("the journal cannot be written: %s; users are served, and "
		  "replicas wait until it can",
		  strerror(-error));
	return 0;
}

/* begin_anew - it is damaged where nobody has looked (journal_check): as if that
 * had been found before. */
static int begin_anew(struct supervisor *s, uint64_t *ret_first_seq)
{
	CLEANUP_FREE char *text = NULL;
	int r = journal_rescue(s->cfg->state_dir, true, &text);
	if (r < 0)
		return r;
	log_error("%s", text);
	r = s->cfg->prepare(s->cfg);
	return r < 0 ? r : begin(s, ret_first_seq);
}

int supervisor_begin(struct supervisor *s, uint64_t *ret_first_seq)
{
	owed_begin(s->lower_fd); /* where it cannot be, nothing is noted */
	int r = s->cfg->late ? s->cfg->late : begin(s, ret_first_seq);
	if (r == -EUCLEAN)
		r = begin_anew(s, ret_first_seq);
	return r == 0 ? 0 : put_off(s, r, ret_first_seq);
}

void supervisor_begun(struct supervisor *s)
{
	if (s->late)
		shared_set_late(s->shared, s->late);
	else
		settle_debt(s);
}

/* It shall not be tried in vain what leaves half of it. */
static bool disk_works(const char *state_dir)
{
	CLEANUP_FREE char *path = path_join(state_dir, "probe");
	CLEANUP_CLOSE int fd =
		open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	return unlink(path) == 0 &&
	       posix_fallocate(fd, 0, JOURNAL_RESERVE) == 0 && fsync(fd) == 0;
}

/* same_journal - -ESTALE when another journal has come to lie there, or an
 * older copy: its numbers are not those of the records in memory. -EAGAIN: it
 * cannot be read yet. */
static int same_journal(const struct supervisor *s)
{
	struct journal_identity id;
	if (journal_identity(s->cfg->state_dir, &id) < 0)
		return -EAGAIN;
	free(id.root);
	return strcmp(id.uuid, s->late_uuid) == 0 &&
			       id.epoch >= s->late_epoch &&
			       id.epoch <= SEQ_EPOCH(s->late_first_seq)
		       ? 0
		       : -ESTALE;
}

static int make_up(struct supervisor *s)
{
	int64_t since;
	int r = same_journal(s);
	if (r == 0 && !disk_works(s->cfg->state_dir))
		r = -EAGAIN;
	if (r == 0)
		r = s->cfg->prepare(s->cfg);
	if (r == 0)
		r = journal_open(s->cfg->state_dir, JOURNAL_CREATE,
				 &s->journal);
	if (r < 0)
		return r;
	if (owed_read(s->lower_fd, &since) <= 0)
		since = s->late_since_ns;
	r = journal_epoch_reach(s->journal, SEQ_EPOCH(s->late_first_seq),
				since);
	if (r == 0 && !s->cfg->activity_log)
		r = activity_disable(s->cfg->state_dir);
	if (r == 0)
		r = supervisor_note_names(s);
	journal_close(s->journal);
	return r;
}

static void start_child(struct supervisor *s)
{
	pid_t pid = fork();
	s->late_after_ns = clock_mono_ns() + RETRY_NS;
	if (pid != 0) {
		s->beginner = pid > 0 ? pid : 0;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(s->fuse_fd);
	deposits_hang_up(&s->deposits);
	int r = make_up(s);
	if (r < 0 && r != -EAGAIN && r != -ESTALE)
		log_error("the journal cannot be written yet: %s",
			  strerror(-r));
	_exit(r == 0 ? 0 : r == -ESTALE ? LATE_STALE : 1);
}

int supervisor_late(struct supervisor *s)
{
	if (!s->late || s->stopping || s->failed)
		return -1;
	int64_t now = clock_mono_ns();
	if (!s->beginner && s->ready && now >= s->late_after_ns)
		start_child(s);
	return 200;
}

void supervisor_late_ended(struct supervisor *s, int status)
{
	s->beginner = 0;
	if (status != 0) {
		bool stale =
			WIFEXITED(status) && WEXITSTATUS(status) == LATE_STALE;
		if (stale && !s->late_said)
			log_error("in %s is not the journal that was there "
				  "before: if it is the right one, umount and "
				  "mount",
				  s->cfg->state_dir);
		s->late_said = stale;
		return;
	}
	log_notice("the journal can be written: what was changed meanwhile is "
		   "brought to the replicas");
	s->late = 0;
	shared_set_late(s->shared, 0);
	settle_debt(s);
	journal_reserve_keep(s->cfg->state_dir, JOURNAL_RESERVE);
	s->renew_worker = s->cfg->activity_log && !shared_pinned(s->shared);
	supervisor_look_back(s);
}
