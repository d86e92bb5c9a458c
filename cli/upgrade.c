/*
 * mirrorfs upgrade: this program, or another one, takes over the fs worker and
 * the sync process of a living mount. The supervisor does it, and asks the new
 * program first (fs/supervisor-worker.c); it stays the old program itself until
 * the next mount.
 */
#include "confdefs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "runtime.h"

static int upgrade(const struct target *t, const char *program)
{
	CLEANUP_FREE char *line = NULL;
	CLEANUP_FREE char *answer = NULL;
	if (!t->alive)
		return fail("%s is not mounted", t->root);
	if (asprintf(&line, "upgrade %s", program) < 0)
		abort();
	struct target_pids pids;
	bool answers = target_pids(t, &pids);
	int r = answers ? runtime_ask(t->name, line, RUNTIME_LATE_MS, &answer)
			: -ENOTCONN;
	if (pids.silent || r == -ETIMEDOUT)
		return target_silent(t, "nothing was changed: ");
	if (r < 0)
		return fail("%s is about to be unmounted", t->root);
	if (strcmp(answer, "ok") == 0)
		return EXIT_YES;
	if (strcmp(answer, "error: unknown request") == 0)
		return fail("the version that serves %s cannot be replaced "
			    "while it is mounted: unmount and mount again",
			    t->root);
	return fail("%s: %s", t->root,
		    strncmp(answer, "error: ", 7) ? answer : answer + 7);
}

int cmd_upgrade(int argc, char **argv)
{
	struct target_choice choice = {0};
	char *program = NULL, self[PATH_MAX];
	const struct option options[] = {
		TARGET_OPTIONS(choice),
		{"program", "FILE", OPTION_TEXT, &program,
		 "what is to take over (default: the program that is asked)"},
		{0},
	};
	int n = options_parse("upgrade", options, argc, argv);
	if (n < 0)
		return options_exit(n);
	struct target t = {0};
	int used;
	int r = target_find(&choice, n, argv, &t, &used);
	if (r == 0 && n > used)
		r = fail("%s is not the root of a mount", argv[used]);
	if (r == 0 && !realpath(program ? program : "/proc/self/exe", self))
		r = fail("%s: cannot be found", program ? program : "upgrade");
	if (r == 0)
		r = upgrade(&t, self);
	target_done(&t);
	return r;
}
