/*
 * One table says who keeps what and why; see privileges.h.
 *
 * Root's ids alone open every file that root owns, so this is no prison: it
 * keeps a process that was tricked from mounting, loading modules, tracing,
 * or talking to the network below the ports. docs/SECURITY.md says more.
 */
#include "confdefs.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"
#include "privileges.h"

#define OF(who) (1u << (who))
#define ALL	(OF(SUPERVISOR) | OF(FS_WORKER) | OF(SYNC))

/* The supervisor has what its children have: they start with no more. */
static const struct {
	unsigned cap;
	unsigned effective; /* OF(…) */
	unsigned kept;	    /* for a moment, or for a program it starts */
} privileges[] = {
	/* open_by_handle_at; the content of all files */
	{CAP_DAC_READ_SEARCH, ALL, 0},
	/* the kernel has checked what a caller may do, the worker does it;
	 * sync: a journal or known_hosts that somebody else owns */
	{CAP_DAC_OVERRIDE, ALL, 0},
	{CAP_CHOWN, OF(SUPERVISOR) | OF(FS_WORKER), OF(SYNC)},
	/* sync: to read, without a new access time, what others own */
	{CAP_FOWNER, OF(SUPERVISOR) | OF(FS_WORKER), OF(SYNC)},
	{CAP_FSETID, OF(SUPERVISOR) | OF(FS_WORKER), OF(SYNC)},
	{CAP_MKNOD, OF(SUPERVISOR) | OF(FS_WORKER), 0},
	{CAP_LINUX_IMMUTABLE, OF(SUPERVISOR) | OF(FS_WORKER), 0},
	/* who else has a file open: fs/passthrough.h */
	{CAP_LEASE, OF(SUPERVISOR) | OF(FS_WORKER), 0},
	{CAP_SETFCAP, OF(SUPERVISOR) | OF(FS_WORKER), 0},
	/* setfsuid, setfsgid, setgroups */
	{CAP_SETUID, OF(SUPERVISOR) | OF(FS_WORKER), 0},
	{CAP_SETGID, OF(SUPERVISOR) | OF(FS_WORKER), 0},
	/* mount; for the worker "trusted." and "security." attributes, and
	 * passthrough where there is any */
	{CAP_SYS_ADMIN, OF(SUPERVISOR), OF(FS_WORKER)},
	/* the children's bounding sets and securebits */
	{CAP_SETPCAP, OF(SUPERVISOR), 0},
	/* PR_SET_IO_FLUSHER and limits of a new worker */
	{CAP_SYS_RESOURCE, OF(SUPERVISOR), 0},
	/* what other processes hold; with hidepid, who they are */
	{CAP_SYS_PTRACE, OF(SUPERVISOR), 0},
};

#define N_PRIVILEGES (sizeof(privileges) / sizeof(*privileges))

/* proc_hides - other users' processes are not shown but to those who may
 * trace them: the journal would not say who did it. */
static bool proc_hides(void)
{
	char line[1024];
	CLEANUP_FCLOSE FILE *f = fopen("/proc/self/mounts", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, " /proc proc ") && strstr(line, "hidepid=") &&
		    !strstr(line, "hidepid=0") && !strstr(line, "hidepid=off"))
			return true;
	}
	return false;
}

/* Adds what was to be had; names it in `text`. */
static void choose(enum privileges_of who, bool have[CAP_LAST_CAP + 1],
		   char *text, size_t size)
{
	bool hides = who == FS_WORKER && proc_hides();
	size_t len = 0;
	*text = '\0';
	for (size_t i = 0; i < N_PRIVILEGES; i++) {
		unsigned cap = privileges[i].cap;
		bool now = (privileges[i].effective & OF(who)) ||
			   (hides && cap == CAP_SYS_PTRACE);
		if (!have[cap] || (!now && !(privileges[i].kept & OF(who))))
			continue;
		int type = CAPNG_PERMITTED | CAPNG_BOUNDING_SET |
			   (now ? CAPNG_EFFECTIVE : 0);
		capng_update(CAPNG_ADD, (capng_type_t)type, cap);
		len += (size_t)snprintf(
			text + len, size - len, "%s%s%s", len ? "," : "",
			capng_capability_to_name(cap), now ? "" : "(kept)");
	}
}

int privileges_drop(enum privileges_of who)
{
	bool have[CAP_LAST_CAP + 1];
	char text[512];
	if (capng_get_caps_process() < 0)
		return -EPERM;
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
		have[cap] = capng_have_capability(CAPNG_PERMITTED, cap);
	capng_clear(CAPNG_SELECT_ALL);
	choose(who, have, text, sizeof(text));
	/* in a container it may be that the bounds cannot be changed */
	bool bounds = have[CAP_SETPCAP];
	if (bounds && capng_apply(CAPNG_SELECT_BOUNDS) < 0)
		bounds = false;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -EPERM;
	/* of a disk that hangs this may be the first line; the supervisor has
	 * still to fork a process that has threads */
	if (who != SUPERVISOR)
		log_start();
	log_info("capabilities=%s%s no-new-privileges", text,
		 bounds ? "" : " (the bounding set stays as it was)");
	return 0;
}

/* ---- a thread's ---- */

#define CAPS_VERSION                                                           \
	((struct __user_cap_header_struct){                                    \
		.version = _LINUX_CAPABILITY_VERSION_3})

static int effective(int cap, bool on)
{
	struct __user_cap_header_struct head = CAPS_VERSION;
	struct __user_cap_data_struct caps[2];
	if (syscall(SYS_capget, &head, caps) < 0)
		return -errno;
	if (on)
		caps[CAP_TO_INDEX(cap)].effective |= CAP_TO_MASK(cap);
	else
		caps[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	return syscall(SYS_capset, &head, caps) < 0 ? -errno : 0;
}

bool privileges_have(int cap)
{
	struct __user_cap_header_struct head = CAPS_VERSION;
	struct __user_cap_data_struct caps[2];
	return syscall(SYS_capget, &head, caps) == 0 &&
	       caps[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

int privileges_raise(int cap)
{
	return effective(cap, true);
}

int privileges_lower(int cap)
{
	return effective(cap, false);
}
