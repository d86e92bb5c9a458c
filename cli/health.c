/* How the journal of a living mount does, and what to do about it. */
#include "confdefs.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "cli/status.h"
#include "clock.h"

/* what_to_do - one phrase; %s is the state folder. */
static const char *what_to_do(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
		return "make room for %s";
	case EROFS:
	case EACCES:
	case EPERM:
		return "make %s writable again";
	case EBUSY:
		return "some program locks the database in %s";
	case EUCLEAN:
		return "it is set aside in %s and replaced as soon as no other "
		       "program writes to it; if that does not come, umount "
		       "and mount";
	case EIO:
		return "look at the disk of %s (dmesg)";
	default:
		return "look at %s and at its mirrorfs.log";
	}
}

/* aside_newest - a journal that was set aside, or NULL; how many there are. */
static char *aside_newest(const char *state_dir, unsigned *ret_n)
{
	const size_t len = strlen(JOURNAL_DAMAGED);
	CLEANUP_CLOSEDIR DIR *d = opendir(state_dir);
	char *newest = NULL;
	struct dirent *de;
	*ret_n = 0;
	while (d && (de = readdir(d))) {
		const char *name = de->d_name;
		if (strncmp(name, JOURNAL_DAMAGED, len) != 0 ||
		    strchr(name + len, '-')) /* its -wal and -shm */
			continue;
		++*ret_n;
		if (newest && strcmp(newest, name) > 0)
			continue;
		free(newest);
		newest = strdup(name);
	}
	return newest;
}

void health_print_aside(const struct target *t)
{
	unsigned n;
	CLEANUP_FREE char *newest = aside_newest(t->state_dir, &n);
	if (newest)
		printf("%u damaged journal%s set aside, the newest is %s/%s: "
		       "look at the disk; remove what you do not need\n",
		       n, n == 1 ? " was" : "s were", t->state_dir, newest);
}

char *health_text(const struct target *t, const struct target_pids *p)
{
	char since[64], *hint = NULL, *text = NULL;
	if (!p->journal_error)
		return strdup("ok");
	clock_format(p->journal_since_ns, since, sizeof(since));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (asprintf(&hint, what_to_do(p->journal_error), t->state_dir) < 0)
		abort();
#pragma GCC diagnostic pop
	if (asprintf(&text, "failing since %s: %s: %s; until then %s", since,
		     strerror(p->journal_error), hint,
		     p->journal_required
			     ? "all changes are refused"
			     : "users go on, and replicas wait") < 0)
		abort();
	free(hint);
	return text;
}

json_t *health_json(const struct target *t, const struct target_pids *p)
{
	char since[64] = "";
	unsigned n;
	free(aside_newest(t->state_dir, &n));
	if (p->journal_error)
		clock_format(p->journal_since_ns, since, sizeof(since));
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:i}", "state",
		p->silent	   ? "unknown"
		: p->journal_error ? "failing"
				   : "ok",
		"policy", p->journal_required ? "required" : "preferred",
		"error",
		p->journal_error ? json_string(strerror(p->journal_error))
				 : json_null(),
		"since", *since ? json_string(since) : json_null(), "set_aside",
		(int)n);
}
