/*
 * SQLite keeps the index of its log in a file that all processes map,
 * journal.db-shm, and stores into the mapping. Its blocks are there, as SQLite
 * writes each page once before it maps it. On btrfs that is not enough: a page
 * that was written back needs room again for the next store, also in a file
 * made without copy on write, and where the disk is full to the last byte the
 * process gets SIGBUS (Linux 6.18: `mirrorfs status` and the worker, t-journal-marks).
 *
 * Before SQLite stores there it takes a lock of the index. So then the pages
 * are made writable by a call that returns an error instead, and SQLite is told
 * that the disk is full. What is left is a page that is written back between
 * that and the store.
 */
#include "confdefs.h"

#include <errno.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "lib/journal/db.h"

#ifndef MADV_POPULATE_WRITE /* Linux 5.14 */
#define MADV_POPULATE_WRITE 23
#endif

#define REGION 32768 /* SQLite's WALINDEX_PGSZ: what it maps at once */

static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
static const sqlite3_io_methods *real; /* once */
static sqlite3_io_methods guarded;     /* once: real, but for two of them */

/* fill - on an old kernel, or with huge pages, nothing is known: go on. */
static int fill(void volatile *p)
{
	return madvise((void *)p, REGION, MADV_POPULATE_WRITE) < 0 &&
			       errno == EFAULT
		       ? SQLITE_FULL
		       : SQLITE_OK;
}

static int guarded_map(sqlite3_file *f, int region, int size, int extend,
		       void volatile **ret)
{
	int rc = real->xShmMap(f, region, size, extend, ret);
	return rc == SQLITE_OK && *ret ? fill(*ret) : rc;
}

static int guarded_lock(sqlite3_file *f, int offset, int n, int flags)
{
	void volatile *p;
	int rc = SQLITE_OK;
	for (int i = 0; flags & SQLITE_SHM_LOCK && rc == SQLITE_OK; i++) {
		rc = real->xShmMap(f, i, REGION, 0, &p);
		if (rc != SQLITE_OK || !p)
			break;
		rc = fill(p);
	}
	return rc == SQLITE_OK ? real->xShmLock(f, offset, n, flags) : rc;
}

void shm_guard(sqlite3 *db, const char *path)
{
	sqlite3_file *f = NULL;
	struct statfs fs;
	if (statfs(path, &fs) < 0 || fs.f_type != BTRFS_SUPER_MAGIC ||
	    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f) !=
		    SQLITE_OK ||
	    !f->pMethods || f->pMethods->iVersion < 2)
		return;
	pthread_mutex_lock(&once);
	if (!real) {
		real = f->pMethods;
		guarded = *real;
		guarded.xShmMap = guarded_map;
		guarded.xShmLock = guarded_lock;
	}
	if (f->pMethods == real)
		f->pMethods = &guarded;
	pthread_mutex_unlock(&once);
}
