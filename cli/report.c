/* What is told about who writes around the mount: who holds the tree since
 * before it, by which other mounts one gets at it, and what was mounted over it, or a
 * part of it, since. */
#include "confdefs.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/holders.h"
#include "mounts.h"
#include "fs.h"
#include "log.h"
#include "paths.h"

static void tell(const struct supervisor_config *cfg, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* To the log, and to the terminal of who mounts. */
static void tell(const struct supervisor_config *cfg, const char *fmt, ...)
{
	CLEANUP_FREE char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	log_warning("%s", text);
	if (cfg->ready_fd >= 0)
		dprintf(cfg->ready_fd, "%s\n", text);
}

/* Those of the tree itself, or something in it: they were made for it. Of the
 * others status tells. */
static void mounts_report(const struct supervisor_config *cfg)
{
	struct mount_around *m;
	unsigned n = mounts_around(cfg->root, &m), told = 0;
	for (unsigned i = 0; i < n; i++) {
		if (m[i].whole || ++told > HOLDER_SHOWN)
			continue;
		CLEANUP_FREE char *at = text_printable(m[i].at);
		CLEANUP_FREE char *what = text_printable(m[i].what);
		tell(cfg,
		     "%s shows %s since before the mount, and what is written "
		     "there goes around mirrorfs: unmount it, and bind mount "
		     "it again now",
		     at, what);
	}
	if (told > HOLDER_SHOWN)
		tell(cfg, "and %u more mounts show something of the tree below",
		     told - HOLDER_SHOWN);
	mounts_around_free(m, n);
}

/* is_socket - it was not removed, nor is it one of another mount namespace. */
static bool is_socket(const struct supervisor_config *cfg, const char *path)
{
	struct stat st;
	const char *name = path + strlen(cfg->root) + 1;
	return fstatat(cfg->lower_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISSOCK(st.st_mode);
}

/* Who connects finds the object of the mount, and nobody listens at that. */
static void sockets_report(const struct supervisor_config *cfg)
{
	const unsigned long listens = 0x10000; /* __SO_ACCEPTCON */
	const unsigned datagram = 2;
	size_t n = strlen(cfg->root);
	unsigned told = 0, type;
	unsigned long flags;
	int at;
	char line[512];
	CLEANUP_FCLOSE FILE *f = fopen("/proc/net/unix", "re");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		at = 0;
		if (sscanf(line, "%*s %*s %*s %lx %x %*s %*s %n", &flags, &type,
			   &at) != 2 ||
		    at == 0 || (!(flags & listens) && type != datagram) ||
		    strncmp(line + at, cfg->root, n) != 0 ||
		    line[at + (int)n] != '/' || !is_socket(cfg, line + at) ||
		    ++told > HOLDER_SHOWN)
			continue;
		CLEANUP_FREE char *path = text_printable(line + at);
		tell(cfg,
		     "a service listens at the socket %s since before the "
		     "mount and is not reached through it: restart it",
		     path);
	}
	if (told > HOLDER_SHOWN)
		tell(cfg, "and at %u more sockets", told - HOLDER_SHOWN);
}

void holders_report(const struct supervisor_config *cfg, const pid_t *ours,
		    unsigned n_ours)
{
	pid_t except[8] = {getpid()};
	unsigned n_except = 1;
	for (unsigned i = 0; i < n_ours && n_except < 8; i++)
		except[n_except++] = ours[i];
	struct holder *h;
	unsigned n = holders_list(cfg->root, HOLDERS_BELOW, except, n_except,
				  &h);
	for (unsigned i = 0; i < n && i < HOLDER_SHOWN; i++)
		tell(cfg,
		     "%s (%d) holds the tree below since before the mount: %s; "
		     "what it writes there goes around mirrorfs: restart it",
		     h[i].program, (int)h[i].pid, h[i].what);
	if (n > HOLDER_SHOWN)
		tell(cfg, "and %u more processes hold the tree below",
		     n - HOLDER_SHOWN);
	free(h);
	mounts_report(cfg);
	sockets_report(cfg);
}

/* over_report - the same of what was mounted over all of it. */
static void over_report(const struct supervisor_config *cfg)
{
	static char *told; /* the supervisor has one thread */
	char *over = mount_covered_by(cfg->root);
	if (over && (!told || strcmp(over, told) != 0))
		log_warning("%s is mounted over %s: nobody gets at the tree, "
			    "and what is written there is not mirrored",
			    over, cfg->root);
	else if (!over && told)
		log_notice("nothing is mounted over %s any more", cfg->root);
	free(told);
	told = over;
}

void inner_report(const struct supervisor_config *cfg)
{
	static char *told; /* the supervisor has one thread */
	char *inner = mount_all_below(cfg->root);
	if (inner && (!told || strcmp(inner, told) != 0))
		log_warning("mounted inside %s: %s: what is written there is "
			    "not mirrored",
			    cfg->root, inner);
	else if (!inner && told)
		log_notice("nothing is mounted inside %s any more", cfg->root);
	free(told);
	told = inner;
	over_report(cfg);
}
