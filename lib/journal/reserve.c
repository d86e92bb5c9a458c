/*
 * STATE/reserve: room for a mount on a disk that somebody else has filled.
 *
 * While it is mounted a full disk stops nobody: records wait in memory, and
 * marks have their blocks (activity-file.c). But a mount has to begin an epoch
 * of the journal, durably. Without it users would find the bare tree, and
 * change it unseen. So some blocks are kept for that, and given up when a mount
 * finds the disk full. They are taken back when the journal can be written
 * again, or at the umount, when the log of the database is gone; of what the
 * journal has grown by meanwhile they are the less.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "paths.h"
#include "reserve.h"

#define RESERVE_FILE  "reserve"
#define RESERVE_LEAST (512u << 10)

/* room_in - bytes that root may still use; false: not known. */
static bool room_in(const char *state_dir, uint64_t *ret)
{
	struct statvfs st;
	if (statvfs(state_dir, &st) < 0)
		return false;
	*ret = (uint64_t)st.f_bfree * st.f_frsize;
	return true;
}

void journal_reserve_use(const char *state_dir)
{
	CLEANUP_FREE char *path = path_join(state_dir, RESERVE_FILE);
	uint64_t room;
	if (room_in(state_dir, &room) && room < JOURNAL_RESERVE)
		unlink(path);
}

static bool is_there(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && st.st_size >= (off_t)JOURNAL_RESERVE;
}

static bool make(const char *path, uint64_t bytes)
{
	CLEANUP_CLOSE int fd =
		open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return true; /* less would not help */
	if (posix_fallocate(fd, 0, (off_t)bytes) == 0)
		return true;
	unlink(path);
	return false;
}

void journal_reserve_keep(const char *state_dir, uint64_t beside)
{
	CLEANUP_FREE char *path = path_join(state_dir, RESERVE_FILE);
	uint64_t room, bytes = JOURNAL_RESERVE;
	if (is_there(path) || !room_in(state_dir, &room) ||
	    room < beside + RESERVE_LEAST)
		return;
	while (bytes >= RESERVE_LEAST && !make(path, bytes))
		bytes /= 2;
}
