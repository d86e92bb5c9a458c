/*
 * A private sshd for tests: on a free port of loopback, with throw-away keys,
 * in a temporary folder, for the user who runs the test.
 */
#ifndef TESTS_UNIT_PRIVATE_SSHD_H
#define TESTS_UNIT_PRIVATE_SSHD_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <shadow.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define SSHD_PROGRAM "/usr/sbin/sshd"
#define DEADLINE_NS  (30 * NS_PER_S)

struct sshd {
	char dir[64];  /* keys, configuration, and `tree` for replicas */
	char key[96];  /* private key that may log in */
	char known[96];/* known hosts with its host key */
	char url[192]; /* of `tree` */
	char tree[96];
	const char *user;
	unsigned port;
	pid_t pid;
};

__attribute__((unused)) static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "cannot %s: %s\n", what, strerror(errno));
	exit(1);
}

__attribute__((format(printf, 1, 2), unused)) static int shell(const char *fmt,
							       ...)
{
	char *command = NULL;
	va_list ap;
	va_start(ap, fmt);
	must(vasprintf(&command, fmt, ap) >= 0, "make a command");
	va_end(ap);
	int r = system(command);
	free(command);
	return r;
}

__attribute__((unused)) static bool sshd_is_there(void)
{
	return access(SSHD_PROGRAM, X_OK) == 0 &&
	       shell("command -v ssh-keygen >/dev/null") == 0;
}

/* listen_somewhere - a listening socket on a free port of loopback. */
__attribute__((unused)) static int listen_somewhere(unsigned *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t size = sizeof(a);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fd >= 0 && bind(fd, (struct sockaddr *)&a, size) == 0 &&
		     listen(fd, 8) == 0 &&
		     getsockname(fd, (struct sockaddr *)&a, &size) == 0,
	     "listen");
	*ret_port = ntohs(a.sin_port);
	return fd;
}

__attribute__((unused)) static bool port_answers(unsigned port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons((uint16_t)port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	close(fd);
	return ok;
}

/* A root account that is locked can log in by key only when PAM decides. */
__attribute__((unused)) static bool account_is_locked(const char *user)
{
	struct spwd *sp = getspnam(user);
	return sp && sp->sp_pwdp && *sp->sp_pwdp == '!';
}

/* Since 9.8 sshd refuses addresses that failed to log in; all of ours come
 * from one address. */
static bool sshd_has_penalties(const struct sshd *s)
{
	return shell(SSHD_PROGRAM " -T -f /dev/null -h %s/host "
				  "-o PerSourcePenalties=no >/dev/null 2>&1",
		     s->dir) == 0;
}

__attribute__((unused)) static void sshd_configure(struct sshd *s,
						   const char *extra)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/conf", s->dir);
	FILE *f = fopen(path, "we");
	must(f != NULL, "write a configuration");
	if (sshd_has_penalties(s))
		fprintf(f, "PerSourcePenalties no\n");
	fprintf(f, "Port %u\nListenAddress 127.0.0.1\nHostKey %s/host\n"
		   "AuthorizedKeysFile %s/authorized\nStrictModes no\n"
		   "UsePAM %s\nPidFile none\nPasswordAuthentication no\n"
		   "KbdInteractiveAuthentication no\nLogLevel FATAL\n%s\n%s",
		s->port, s->dir, s->dir,
		account_is_locked(s->user) ? "yes" : "no",
		strstr(extra, "Subsystem") ? "" : "Subsystem sftp " SFTP_SERVER,
		extra);
	must(fclose(f) == 0, "write a configuration");
}

/* sshd_run - returns whether it answers. */
__attribute__((unused)) static bool sshd_run(struct sshd *s)
{
	char conf[128];
	snprintf(conf, sizeof(conf), "%s/conf", s->dir);
	s->pid = fork();
	must(s->pid >= 0, "fork");
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test, too */
		execl(SSHD_PROGRAM, SSHD_PROGRAM, "-D", "-e", "-f", conf,
		      NULL);
		_exit(127);
	}
	int64_t end = clock_mono_ns() + DEADLINE_NS;
	while (clock_mono_ns() < end) {
		if (port_answers(s->port))
			return true;
		if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
			break;
		poll(NULL, 0, 5);
	}
	return false;
}

__attribute__((unused)) static void sshd_keys(struct sshd *s)
{
	must(shell("cd %s && mkdir tree && "
		   "ssh-keygen -q -t ed25519 -N '' -f host && "
		   "ssh-keygen -q -t ed25519 -N '' -f key && "
		   "cp key.pub authorized", s->dir) == 0, "make keys");
}

/* sshd_start - `extra` lines go to the end of its configuration. */
__attribute__((unused)) static void sshd_start(struct sshd *s,
					       const char *extra)
{
	*s = (struct sshd){.user = getpwuid(getuid())->pw_name};
	snprintf(s->dir, sizeof(s->dir), "/tmp/test-sshd-XXXXXX");
	must(mkdtemp(s->dir) != NULL, "make a folder");
	snprintf(s->key, sizeof(s->key), "%s/key", s->dir);
	snprintf(s->known, sizeof(s->known), "%s/known", s->dir);
	snprintf(s->tree, sizeof(s->tree), "%s/tree", s->dir);
	sshd_keys(s);
	mkdir("/run/sshd", 0755); /* privilege separation wants it */
	for (unsigned tries = 0; tries < 5; tries++) {
		close(listen_somewhere(&s->port));
		sshd_configure(s, extra);
		if (sshd_run(s))
			break;
		must(tries < 4, "start sshd");
	}
	snprintf(s->url, sizeof(s->url), "sftp://%s@127.0.0.1:%u%s", s->user,
		 s->port, s->tree);
	must(shell("cd %s && printf '[127.0.0.1]:%u ' >known && "
		   "cat host.pub >>known", s->dir, s->port) == 0,
	     "make known hosts");
}

__attribute__((unused)) static pid_t parent_of(pid_t pid)
{
	char path[64], line[512];
	int parent = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	char *end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (!end || sscanf(end, ") %*c %d", &parent) != 1)
		parent = 0;
	fclose(f);
	return parent;
}

/* signal_below - to each process that descends from `top`; all are found before
 * the first is signalled, for a death changes who descends from whom. */
__attribute__((unused)) static unsigned signal_below(pid_t top, int sig)
{
	pid_t found[256];
	unsigned n = 0, sent = 0;
	DIR *proc = opendir("/proc");
	must(proc != NULL, "read /proc");
	for (struct dirent *e; n < 256 && (e = readdir(proc));) {
		pid_t pid = atoi(e->d_name), up = pid;
		while (up > 1 && up != top)
			up = parent_of(up);
		if (up == top && pid != top)
			found[n++] = pid;
	}
	closedir(proc);
	for (unsigned i = 0; i < n; i++)
		sent += kill(found[i], sig) == 0;
	return sent;
}

/* child_named - a descendant of `top` whose program has that name, or 0. */
__attribute__((unused)) static pid_t child_named(pid_t top, const char *name)
{
	pid_t found = 0;
	DIR *proc = opendir("/proc");
	must(proc != NULL, "read /proc");
	for (struct dirent *e; !found && (e = readdir(proc));) {
		char path[64], comm[64] = "";
		pid_t pid = atoi(e->d_name), up = pid;
		while (up > 1 && up != top)
			up = parent_of(up);
		if (up != top || pid == top)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
		FILE *f = fopen(path, "re");
		if (f && fgets(comm, sizeof(comm), f) &&
		    strncmp(comm, name, strlen(name)) == 0)
			found = pid;
		if (f)
			fclose(f);
	}
	closedir(proc);
	return found;
}

__attribute__((unused)) static void sshd_stop(struct sshd *s)
{
	signal_below(s->pid, SIGKILL);
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	shell("rm -rf %s", s->dir);
}

#endif
