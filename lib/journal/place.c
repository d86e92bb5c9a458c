/*
 * Is the database that is open still the one at its path? The state folder may be
 * moved away, and back: then nothing was lost. Or something else comes in its place.
 * SQLITE_FCNTL_HAS_MOVED is not enough: it compares the number of the inode (3.46),
 * which is the same in a copy of a whole file system; and of a path with symbolic
 * links only what these led to.
 */
#include "confdefs.h"

#include <sys/stat.h>

#include "cleanup.h"
#include "journal.h"
#include "lib/journal/db.h"
#include "lib/journal/memory.h"
#include "paths.h"

/* is_there - a file where its own is, or was. */
static bool is_there(const struct journal *j, struct stat *ret)
{
	CLEANUP_FREE char *path = j->dir ? path_join(j->dir, DB_FILE) : NULL;
	return stat(path ? path : sqlite3_db_filename(j->db, "main"), ret) == 0;
}

void db_placed(struct journal *j)
{
	struct stat st;
	if (!is_there(j, &st))
		return;
	j->dev = st.st_dev;
	j->ino = st.st_ino;
}

static bool is_another(const struct journal *j, const struct stat *st)
{
	int moved = 0;
	sqlite3_file_control(j->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	return moved || st->st_dev != j->dev || st->st_ino != j->ino;
}

bool journal_replaced(const struct journal *j)
{
	struct stat st;
	if (!is_there(j, &st) || !is_another(j, &st))
		return false;
	if (j->tell) /* the writer looks, too */
		ring_wake_taker(j->tell);
	return true;
}

bool db_moved(const struct journal *j)
{
	struct stat st;
	return !is_there(j, &st) || is_another(j, &st);
}
