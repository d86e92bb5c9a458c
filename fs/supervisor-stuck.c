/*
 * A worker that is dead and does not end. A thread of it may wait in the kernel
 * for a page that a caller has locked, who waits for the answer to a request
 * that another thread of it had (pages.h); only the next worker can answer that
 * request. Or a thread waits for a disk, in an fsync or a syncfs, which may take
 * minutes; or for that of the journal and the log, which may hang. It cannot be
 * killed, and as long as it is there nobody is told that the process has ended.
 * So the next one is started then. That it dies is told by a pipe that only one
 * thread of it has open (deposit.c): from then on it is looked at.
 *
 * It must not be started while a thread of the old one is in any other call: a
 * write that is on its way to a disk would come after what the new one writes.
 * Who is in a write to /dev/fuse, or syncs, or closes a file, which frees a large
 * one that was removed, runs nothing any more when that is over. Nor does a thread
 * that ends already, and closes what the process had open.
 *
 * Nor is it of any harm what the threads that write the log and the journal are in:
 * no more than that one call is still done, and what SQLite has locked stays so
 * until the last of them has ended, as do our own locks (rescue.c). The next
 * writer waits for that, in a thread of its own. This is not so for the marks
 * (activity.h), which requests write.
 */
#include "confdefs.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "fs/supervisor-private.h"
#include "log.h"
#include "shared.h"

#define LOST_NS (50 * NS_PER_MS) /* others end as soon as the first one */
#define LOOK_MS 20

#define FLAGS_WORD 6   /* of stat, behind the name */
#define ENDING	   0x4 /* PF_EXITING of <linux/sched.h> */

/* read_line - of a file in /proc; false when it is not there. */
static bool read_line(const char *path, char *line, size_t size)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	return f && fgets(line, (int)size, f);
}

/* What /proc/PID/stat says of a thread. */
struct thread {
	char name[16];
	char state; /* 0: there is none */
	bool ends;
	int status; /* as waitpid would tell */
};

static struct thread thread_of(const char *path)
{
	char line[1024], *word, *save;
	struct thread t = {0};
	if (!read_line(path, line, sizeof(line)) || !strrchr(line, ')'))
		return t;
	sscanf(line, "%*d (%15[^)]", t.name);
	word = strtok_r(strrchr(line, ')') + 1, " \n", &save);
	t.state = word ? *word : 0;
	for (unsigned i = 0; word; i++) {
		if (i == FLAGS_WORD)
			t.ends = strtoul(word, NULL, 10) & ENDING;
		t.status = atoi(word); /* the last one */
		word = strtok_r(NULL, " \n", &save);
	}
	return t;
}

static bool only_writes(const struct thread *t)
{
	return strcmp(t->name, LOG_THREAD) == 0 ||
	       strcmp(t->name, WRITER_THREAD) == 0;
}

/* is_harmless - the thread is in such a call. */
static bool is_harmless(pid_t pid, const char *tid)
{
	char path[96], line[256], link[64];
	long call;
	unsigned fd;
	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/syscall", (int)pid,
		 tid);
	if (!read_line(path, line, sizeof(line)) ||
	    sscanf(line, "%ld %x", &call, &fd) != 2)
		return false;
	if (call == SYS_fsync || call == SYS_fdatasync || call == SYS_syncfs ||
	    call == SYS_close)
		return true;
	if (call != SYS_write && call != SYS_writev)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/fd/%u", (int)pid, tid,
		 fd);
	ssize_t n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return false;
	link[n] = 0;
	return strcmp(link, "/dev/fuse") == 0;
}

DIR *threads_open(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	return opendir(path);
}

const char *threads_next(DIR *d)
{
	struct dirent *de;
	while (d && (de = readdir(d))) {
		if (*de->d_name != '.')
			return de->d_name;
	}
	return NULL;
}

/* is_stuck - all threads that are left are in such calls. */
static bool is_stuck(pid_t pid)
{
	char path[96];
	const char *tid;
	unsigned n = 0;
	CLEANUP_CLOSEDIR DIR *d = threads_open(pid);
	while ((tid = threads_next(d))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat",
			 (int)pid, tid);
		struct thread t = thread_of(path);
		if (!t.state || t.state == 'Z' || t.state == 'X')
			continue;
		if (!(t.ends && t.state == 'D') && !only_writes(&t) &&
		    !is_harmless(pid, tid))
			return false;
		n++;
	}
	return n > 0;
}

/* A pidfd does not tell that the first thread has ended before all others have
 * (Linux 6.18, also with PIDFD_THREAD), so it is looked at. */
int stuck_look(struct supervisor *s, int *ret_status)
{
	char path[64];
	if (!s->worker || s->deposits.life >= 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)s->worker);
	struct thread t = thread_of(path);
	*ret_status = t.state ? t.status : SIGKILL;
	if (t.state != 'Z' && !t.ends) {
		s->lost_ns = 0;
		return LOOK_MS;
	}
	if (!s->lost_ns)
		s->lost_ns = clock_mono_ns();
	if (clock_mono_ns() - s->lost_ns < LOST_NS || !is_stuck(s->worker))
		return LOOK_MS;
	log_notice("a thread of it waits in the kernel, for a page or a disk: "
		   "another one serves before it has ended");
	return 0;
}
