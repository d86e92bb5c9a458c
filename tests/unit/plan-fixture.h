/* Records in the order of their numbers, what a plan is made of them, and how
 * that reads. */
#ifndef TESTS_PLAN_FIXTURE_H
#define TESTS_PLAN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "paths.h"
#include "sync/pathset.h"
#include "sync/plan.h"

#define MAX 64

static struct record recs[MAX];
static unsigned n_recs;
static struct plan_memory *memory;
static struct pathset fences, parked;

static bool ask_state(void *arg, const char *path, uint64_t seq)
{
	return pathset_related(&fences, path) >= seq;
}

static enum plan_held ask_held(void *arg, const char *path, uint64_t seq)
{
	if (pathset_cover(&parked, path))
		return HELD_HERE;
	return pathset_below(&parked, path) ? HELD_BELOW : HELD_NO;
}

static const struct plan_view view = {.by_state = ask_state, .held = ask_held};

static int setup(void **state)
{
	n_recs = 0;
	memory = plan_memory_new();
	return 0;
}

static int teardown(void **state)
{
	plan_memory_free(memory);
	pathset_done(&fences);
	pathset_done(&parked);
	return 0;
}

static struct record *rec(enum record_op op, int obj, const char *path,
			  const char *path2, uint32_t flags)
{
	static uint64_t seq = 1000;
	struct record *r = &recs[n_recs++];

	*r = (struct record){.seq = ++seq,
			     .op = op,
			     .flags = flags,
			     .path = (char *)path,
			     .path2 = (char *)path2};
	r->obj.len = sizeof(obj);
	memcpy(r->obj.bytes, &obj, sizeof(obj));
	r->mode = op == OP_MKDIR || op == OP_RMDIR ? S_IFDIR | 0755
						   : S_IFREG | 0644;
	return r;
}

static inline void dir(struct record *r)
{
	r->mode = S_IFDIR | 0755;
}

static const char *const words[] = {
	[ACT_NONE] = "none",	   [ACT_PUT] = "put",
	[ACT_MKDIR] = "mkdir",	   [ACT_SYMLINK] = "symlink",
	[ACT_LINK] = "link",	   [ACT_NAME] = "name",
	[ACT_RENAME] = "rename",   [ACT_EXCHANGE] = "exchange",
	[ACT_UNLINK] = "unlink",   [ACT_RMDIR] = "rmdir",
	[ACT_SETATTR] = "setattr", [ACT_RECONCILE] = "reconcile",
	[ACT_OBJECT] = "object",
};

static const char *show(const struct plan *plan)
{
	static char text[4096];
	size_t len = 0;
	unsigned i;

	text[0] = 0;
	for (i = 0; i < plan->n; i++) {
		const struct action *a = &plan->actions[i];

		len += snprintf(text + len, sizeof(text) - len, "%s%s %s",
				i ? "; " : "", words[a->kind], a->path);
		if (a->path2)
			len += snprintf(text + len, sizeof(text) - len, " %s",
					a->path2);
		if (a->kind == ACT_RECONCILE)
			len += snprintf(text + len, sizeof(text) - len, " %d%s",
					a->strict, a->deep ? "d" : "");
	}
	return text;
}

/* Plans what was recorded since the last call; all of it must be covered. */
static void expect(const char *want)
{
	struct plan plan;

	plan_build(recs, n_recs, &view, memory, &plan);
	assert_string_equal(show(&plan), want);
	assert_int_equal(plan.used, n_recs);
	plan_done(&plan);
	n_recs = 0;
}

#endif
