/*
 * Is the database that is open still the one at its path? The state folder may be
 * moved away, and back: then nothing was lost. Or something else comes in its place.
 * SQLITE_FCNTL_HAS_MOVED is not enough, which compares no more than the number of
 * the inode (3.46): a copy of a whole file system has the same.
 */
#include "confdefs.h"

#include <sys/stat.h>

#include "journal.h"
#include "lib/journal/db.h"

static bool is_there(const struct journal *j, struct stat *ret)
{
	return stat(sqlite3_db_filename(j->db, "main"), ret) == 0;
}

void db_placed(struct journal *j)
{
	struct stat st;
	if (!is_there(j, &st))
		return;
	j->dev = st.st_dev;
	j->ino = st.st_ino;
}

bool journal_replaced(const struct journal *j)
{
	struct stat st;
	return is_there(j, &st) && (st.st_dev != j->dev || st.st_ino != j->ino);
}

bool db_moved(const struct journal *j)
{
	struct stat st;
	return !is_there(j, &st) || journal_replaced(j);
}
