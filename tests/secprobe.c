/*
 * secprobe - what may whom do what to, and what is left of it?
 *
 *	secprobe DIR setid|access|tricks|lower...
 *
 * Prints one line for each caller and each thing that it tries in DIR. Run on
 * a plain folder and on a mount over the same file system: the lines must be
 * the same. Needs root.
 */
#include "confdefs.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/secprobe.h"

#define CAP(x)	    (UINT64_C(1) << (x))
#define ALL_CAPS    (~UINT64_C(0))
#define MANY_GROUPS 200

const struct caller callers[] = {
	{"root", 0, 0, 0, 0, BY_PROCESS, 0},
	{"root-no-fsetid", 0, 0, 0, CAP(CAP_FSETID), BY_PROCESS, 0},
	{"root-no-fsetid-in-team", 0, 0, 1, CAP(CAP_FSETID), BY_PROCESS, 1},
	{"root-no-dac", 0, 0, 0,
	 CAP(CAP_DAC_OVERRIDE) | CAP(CAP_DAC_READ_SEARCH), BY_PROCESS, 0},
	{"root-no-fowner", 0, 0, 0, CAP(CAP_FOWNER), BY_PROCESS, 0},
	{"root-no-chown", 0, 0, 0, CAP(CAP_CHOWN), BY_PROCESS, 0},
	{"root-no-admin", 0, 0, 0, CAP(CAP_SYS_ADMIN), BY_PROCESS, 0},
	{"root-no-caps", 0, 0, 0, ALL_CAPS, BY_PROCESS, 0},
	{"owner", OWNER, OWNER, 0, ALL_CAPS, BY_PROCESS, 0},
	{"owner-in-team", OWNER, OWNER, 1, ALL_CAPS, BY_PROCESS, 1},
	{"user", USER, USER, 0, ALL_CAPS, BY_PROCESS, 0},
	{"user-of-team", USER, TEAM, 0, ALL_CAPS, BY_PROCESS, 1},
	{"user-in-team", USER, USER, 1, ALL_CAPS, BY_PROCESS, 0},
	{"user-in-many", USER, USER, MANY_GROUPS, ALL_CAPS, BY_PROCESS, 0},
	{"user-may-dac", USER, USER, 0, ALL_CAPS & ~CAP(CAP_DAC_OVERRIDE),
	 BY_PROCESS, 0},
	{"thread", USER, USER, 0, ALL_CAPS, BY_THREAD, 1},
	{"thread-in-team", USER, USER, 1, ALL_CAPS, BY_THREAD, 0},
	{"fsuid", USER, USER, 0, 0, BY_FSUID, 0},
	{"user-namespace", USER, USER, 0, ALL_CAPS, BY_USER_NS, 0},
	{NULL, 0, 0, 0, 0, BY_PROCESS, 0},
};

const char *error_word(int error)
{
	return error ? strerrorname_np(error) : "ok";
}

void make_file(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	char block[8192];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	memset(block, 'x', sizeof(block));
	SETUP(fd >= 0 && write(fd, block, sizeof(block)) == sizeof(block));
	close(fd);
	SETUP(!chown(path, uid, gid) && !chmod(path, mode));
}

const char *look(const char *path, char out[80])
{
	struct stat st;

	if (lstat(path, &st))
		return "-";
	snprintf(out, 80, "%06o %u:%u %lld", st.st_mode, st.st_uid, st.st_gid,
		 S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size);
	return out;
}

/* All of these are about one thread: the system calls, not glibc's. */
static int become_ids(const struct caller *c)
{
	gid_t groups[MANY_GROUPS];

	for (unsigned i = 0; i < c->n_groups; i++)
		groups[i] = i + 1 == c->n_groups ? TEAM : 100000 + i;
	if (syscall(SYS_setgroups, c->n_groups, groups))
		return -1;
	if (c->how == BY_FSUID) {
		syscall(SYS_setfsgid, c->gid);
		syscall(SYS_setfsuid, c->uid);
		return 0;
	}
	if (syscall(SYS_setresgid, c->gid, c->gid, c->gid))
		return -1;
	return (int)syscall(SYS_setresuid, c->uid, c->uid, c->uid);
}

static int lose_caps(uint64_t without)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &head, caps))
		return -1;
	for (int i = 0; i < 2; i++) {
		caps[i].permitted &= ~(uint32_t)(without >> 32 * i);
		caps[i].effective = caps[i].permitted;
	}
	return (int)syscall(SYS_capset, &head, caps);
}

static void enter_user_ns(const struct caller *c)
{
	char map[64];
	int fd;

	if (unshare(CLONE_NEWUSER))
		return; /* not allowed here, nor there */
	fd = open("/proc/self/setgroups", O_WRONLY);
	SETUP(fd < 0 || write(fd, "deny", 4) == 4);
	close(fd);
	snprintf(map, sizeof(map), "0 %u 1", c->uid);
	fd = open("/proc/self/uid_map", O_WRONLY);
	SETUP(fd >= 0 && write(fd, map, strlen(map)) == (ssize_t)strlen(map));
	close(fd);
	snprintf(map, sizeof(map), "0 %u 1", c->gid);
	fd = open("/proc/self/gid_map", O_WRONLY);
	SETUP(fd >= 0 && write(fd, map, strlen(map)) == (ssize_t)strlen(map));
	close(fd);
}

static void become(const struct caller *c)
{
	bool root = c->uid == 0 || c->how == BY_FSUID;

	if (!root)
		SETUP(!prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	SETUP(!become_ids(c));
	if (c->how != BY_FSUID)
		SETUP(!lose_caps(c->without));
	if (c->how == BY_USER_NS) {
		/* who owns its /proc files may write the maps */
		SETUP(!prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
		enter_user_ns(c);
	}
}

struct task {
	const struct caller *c;
	int (*fn)(void *);
	void *arg;
	int error;
};

static void *task_run(void *p)
{
	struct task *t = p;

	become(t->c);
	errno = 0;
	t->error = t->fn(t->arg) ? errno : 0;
	return NULL;
}

int as_caller(const struct caller *c, int (*fn)(void *), void *arg)
{
	struct task t = {c, fn, arg, 0};
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		pthread_t thread;

		alarm(60);
		if (c->how == BY_THREAD || c->how == BY_FSUID) {
			SETUP(!pthread_create(&thread, NULL, task_run, &t));
			pthread_join(thread, NULL);
		} else {
			task_run(&t);
		}
		_exit(t.error);
	}
	SETUP(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status))
		printf("    signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} all[] = {
		{"setid", probe_setid},
		{"access", probe_access},
		{"tricks", probe_tricks},
		{"lower", probe_lower},
	};
	int r = 2;

	if (argc < 3 || chdir(argv[1])) {
		fputs("usage: secprobe DIR PROBE...\n", stderr);
		return 2;
	}
	umask(022);
	for (int i = 2; i < argc; i++) {
		for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++) {
			if (strcmp(argv[i], all[k].name))
				continue;
			all[k].run();
			r = 0;
		}
	}
	return r;
}
