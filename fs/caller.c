/*
 * Raw system calls: glibc's wrappers for setfsuid cannot report errors, and
 * those for capabilities live in libraries that act on a process. Each thread
 * remembers what it is, so that a user who does a thousand things in a row
 * costs two calls.
 */
#include "confdefs.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs/caller.h"
#include "privileges.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

static __thread struct {
	uid_t uid;
	gid_t gid;
	bool without_fsetid, with_groups;
	mode_t umask;
} now; /* what this thread is; root at its start */

int caller_process_start(void)
{
	/* memory that we need must not wait for a write-back through us;
	 * where this is not allowed, we do without */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	/* a change of id changes nothing else, and root's id gives nothing */
	if (prctl(PR_SET_SECUREBITS,
		  SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
			  SECBIT_NOROOT | SECBIT_NOROOT_LOCKED,
		  0, 0, 0) < 0)
		return -errno;
	/* our groups are nobody's: a group decides who may keep a set-gid bit
	 * and use reserved blocks */
	if (setgroups(0, NULL) < 0)
		return -errno;
	umask(0);
	/* CAP_SYS_RESOURCE is not kept: with it, everybody could use reserved
	 * blocks and exceed quotas */
	return privileges_drop(FS_WORKER);
}

int caller_thread_start(void)
{
	if (unshare(CLONE_FS) < 0)
		return -errno;
	memset(&now, 0, sizeof(now));
	umask(0);
	return 0;
}

static int become_uid(uid_t uid)
{
	if (now.uid == uid)
		return 0;
	syscall(SYS_setfsuid, uid);
	if ((uid_t)syscall(SYS_setfsuid, (uid_t)-1) != uid)
		return -EPERM;
	now.uid = uid;
	return 0;
}

static int become_gid(gid_t gid)
{
	if (now.gid == gid)
		return 0;
	syscall(SYS_setfsgid, gid);
	if ((gid_t)syscall(SYS_setfsgid, (gid_t)-1) != gid)
		return -EPERM;
	now.gid = gid;
	return 0;
}

int caller_become(uid_t uid, gid_t gid, enum caller_setid setid)
{
	if (uid == (uid_t)-1)
		uid = 0;
	if (gid == (gid_t)-1)
		gid = 0;
	int r = now.with_groups ? caller_groups(NULL, 0) : 0;
	if (r == 0)
		r = become_gid(gid);
	if (r == 0)
		r = become_uid(uid);
	bool without = setid == CALLER_CLEARS_SETID;
	if (r == 0 && without != now.without_fsetid) {
		r = without ? privileges_lower(CAP_FSETID)
			    : privileges_raise(CAP_FSETID);
		if (r == 0)
			now.without_fsetid = without;
	}
	return r;
}

/* Of this thread only: glibc's would tell all threads. */
int caller_groups(const gid_t *groups, size_t n)
{
	if (syscall(SYS_setgroups, n, groups) < 0)
		return -errno;
	now.with_groups = n > 0;
	return 0;
}

void caller_umask(mode_t mask)
{
	if (now.umask == mask)
		return;
	umask(mask);
	now.umask = mask;
}

static bool maps_all(pid_t tid, const char *map)
{
	char path[64];
	unsigned long inner, outer, count;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)tid, map);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	return f && fscanf(f, "%lu %lu %lu", &inner, &outer, &count) == 3 &&
	       inner == 0 && outer == 0 && count == UINT32_MAX;
}

/* A namespace of its own maps less than everything: what is "root" there has
 * no capability that counts for our files. Root may have mapped all users, but
 * hardly anybody maps projects, too; the first one has them. To look at
 * the namespace itself takes more rights than we have. */
static bool in_first_user_ns(pid_t tid)
{
	return maps_all(tid, "uid_map") && maps_all(tid, "gid_map") &&
	       maps_all(tid, "projid_map");
}

bool caller_has_capability(pid_t tid, int cap)
{
	char path[64], line[256];
	unsigned long long effective = 0;
	if (tid <= 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	CLEANUP_FCLOSE FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			break;
	}
	return (effective >> cap & 1) && in_first_user_ns(tid);
}
