/*
 * The plan against a model, without any file: a master that changes at
 * random and writes records, a replica that lags behind and runs the plan's
 * actions on what the master has *now*, as the real one does. Batches are cut
 * anywhere, actions fail, the process dies in the middle. When the master
 * comes to rest the two must be equal, names, content, attributes and links.
 *
 * PLAN_SEED and PLAN_ROUNDS repeat or prolong it; PLAN_ONE="seed steps lag
 * faults crashes" traces one round.
 */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "paths.h"
#include "sync/pathset.h"
#include "sync/plan.h"
#include "tests/unit/model.h"
#include "tests/unit/plan-replica.h"
#include "tests/unit/plan-reconcile.h"

/* ---- fences, parked paths ---- */

static void fence(const char *path, uint64_t seq)
{
	assert_true(n_fences < 16384);
	fences[n_fences++] = (struct fence){strdup(path), seq};
}

static void fences_drop(uint64_t upto)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_fences; i++)
		if (fences[i].seq > upto)
			fences[n++] = fences[i];
		else
			free(fences[i].path);
	n_fences = n;
}

/* A new process cannot know how far an unfinished reconcile has looked
 * ahead: as far as there is. */
static bool fences_recover(void)
{
	bool found = false;

	for (unsigned i = 0; i < n_fences; i++)
		if (fences[i].seq == PENDING) {
			fences[i].seq = recs[n_recs - 1].seq;
			found = true;
		}
	return found;
}

static bool ask_state(void *arg, const char *path, uint64_t seq)
{
	for (unsigned i = 0; i < n_fences; i++)
		if (fences[i].seq >= seq && path_related(fences[i].path, path))
			return true;
	return false;
}

static enum plan_held ask_held(void *arg, const char *path, uint64_t seq)
{
	enum plan_held held = HELD_NO;

	for (int i = 0; i < parked.n; i++) {
		if (path_is_below(path, parked.names[i].path))
			return HELD_HERE;
		if (path_is_below(parked.names[i].path, path))
			held = HELD_BELOW;
	}
	return held;
}

/* Something was renamed on the replica. */
static void moved(const struct action *a)
{
	if (a->kind == ACT_EXCHANGE) {
		move(&parked, a->path, "~");
		move(&parked, a->path2, a->path);
		move(&parked, "~", a->path2);
	} else {
		del_below(&parked, a->path2);
		move(&parked, a->path, a->path2);
	}
}

/* ---- the loop of a replica ---- */

/* Returns false when it was cut off: the process died. */
static bool reconcile(const char *path, enum strictness strict, bool deep,
		      unsigned *left)
{
	char *root = climb(path);

	if (trace)
		print_message("    reconcile %s (%s) %d%s\n", path, root,
			      strict, deep ? "d" : "");
	if ((*left)-- == 0) {
		fence(root, PENDING);
		if (rnd(2))
			rc_entry(root, strict, deep, false);
		free(root);
		return false;
	}
	if (rnd(1000) < faults * 10) {
		if (trace)
			print_message("    parked\n");
		if (find(&parked, path) < 0)
			set(&parked, path, 0);
		fence(root, recs[n_recs - 1].seq);
	} else {
		rc_entry(root, strict, deep || strcmp(root, path), false);
		if (deep || strcmp(root, path))
			del_below(&parked, root);
		fence(root, recs[n_recs - 1].seq);
	}
	free(root);
	return true;
}

static void forget_done(void)
{
	for (int i = 0; i < OBJECTS; i++) {
		free(done_path[i]);
		done_path[i] = NULL;
	}
}

static void retry_parked(void)
{
	unsigned left = ~0u;

	for (int i = parked.n; i-- > 0;) {
		char *p = strdup(parked.names[i].path);

		reconcile(p, STRICT_FULL, true, &left);
		free(p);
		if (i > parked.n)
			i = parked.n;
	}
	forget_done();
}

static bool two_paths(const struct action *a)
{
	return a->path2 && a->kind != ACT_SYMLINK;
}

static bool reconcile_object(const struct action *a, unsigned *left)
{
	bool ok = true;
	char *paths[NAMES];
	int n = 0;

	for (int i = 0; i < known.n; i++)
		if (known.names[i].obj == obj_of(a->rec))
			paths[n++] = strdup(known.names[i].path);
	while (n-- > 0) {
		ok = ok && reconcile(paths[n], a->strict, false, left);
		free(paths[n]);
	}
	return ok;
}

static bool repair(const struct plan *plan, struct pathset *bad,
		   unsigned *left)
{
	for (unsigned i = 0; i < plan->n; i++) {
		const struct action *a = &plan->actions[i];

		if (a->kind >= ACT_RECONCILE)
			continue;
		if (pathset_at(bad, a->path) &&
		    !reconcile(a->path, STRICT_FULL, true, left))
			return false;
		if (two_paths(a) && pathset_at(bad, a->path2) &&
		    !reconcile(a->path2, STRICT_FULL, true, left))
			return false;
	}
	return true;
}

static void judge(const struct action *a, bool good, struct pathset *bad)
{
	bool bad2 = two_paths(a) && pathset_related(bad, a->path2);

	n_failed += !good;
	if (good && !bad2 && !pathset_related(bad, a->path))
		return;
	pathset_put(bad, a->path, 1);
	if (two_paths(a))
		pathset_put(bad, a->path2, 1);
}

/* Runs `plan`, at most `left` steps; false when it was cut off. */
static bool run_plan(const struct plan *plan, unsigned left, bool exact)
{
	struct pathset bad = {NULL};
	bool ok = true;

	for (unsigned i = 0; i < plan->n && ok; i++) {
		const struct action *a = &plan->actions[i];
		bool good;

		if (a->kind == ACT_RECONCILE) {
			ok = reconcile(a->path, a->strict, a->deep, &left);
			continue;
		}
		if (a->kind == ACT_OBJECT) {
			ok = reconcile_object(a, &left);
			continue;
		}
		ok = left-- != 0;
		if (!ok)
			break;
		good = rnd(1000) >= faults && run(a);
		if (trace)
			print_message("    %d %s %s%s\n", a->kind, a->path,
				      a->path2 ? a->path2 : "",
				      good ? "" : " FAILED");
		if (exact && !good && !gave_up && a->kind != ACT_EXCHANGE)
			fail_msg("%d %s %s", a->kind, a->path, a->path2);
		if (good && (a->tree || a->kind == ACT_EXCHANGE))
			moved(a);
		judge(a, good, &bad);
	}
	ok = ok && repair(plan, &bad, &left);
	forget_done();
	pathset_done(&bad);
	return ok;
}

/* What a new process finds. */
static void recover(const struct plan *plan, unsigned used)
{
	const struct action *a = plan->actions;
	bool ahead = fences_recover();

	n_crashes++;
	if (trace)
		print_message("  died\n");
	if (rnd(2)) {
		plan_memory_free(memory);
		memory = plan_memory_new();
	}
	if (plan->n == 1 && a->tree && !ahead) {
		if (!at(&replica, a->path) && at(&replica, a->path2))
			cursor += used;
		return;
	}
	fence("", recs[cursor + used - 1].seq);
}

static void show_records(unsigned n)
{
	for (unsigned i = 0; trace && i < n; i++) {
		const struct record *r = &recs[cursor + i];

		print_message("  %s %s %s obj %d flags %x\n",
			      record_op_word(r->op), r->path,
			      r->path2 ? r->path2 : "", *(int *)r->obj.bytes,
			      r->flags);
	}
}

static void replica_step(unsigned max, unsigned crashes, bool exact)
{
	const struct plan_view view = {.by_state = ask_state, .held = ask_held};
	unsigned n = n_recs - cursor, used, left = ~0u;
	struct plan plan;

	if (n > max)
		n = max;
	if (n == 0)
		return;
	plan_build(recs + cursor, n, &view, memory, &plan);
	used = plan.used;
	assert_true(used > 0);
	show_records(used);
	if (rnd(1000) < crashes)
		left = rnd(plan.n + 2);
	if (run_plan(&plan, left, exact)) {
		cursor += used;
		fences_drop(recs[cursor - 1].seq);
	} else {
		recover(&plan, used);
	}
	plan_done(&plan);
}

static bool equal(void)
{
	for (int i = 0; i < master.n; i++) {
		struct object *m = at(&master, master.names[i].path);
		struct object *r = at(&replica, master.names[i].path);

		if (!r || r->type != m->type || r->attr != m->attr ||
		    (m->type != 'd' && r->content != m->content)) {
			print_message("differs: %s: %d %d, is %d %d\n",
				      master.names[i].path, m->content,
				      m->attr, r ? r->content : -1,
				      r ? r->attr : -1);
			return false;
		}
		if (m->type == 'f' && m->names != r->names) {
			print_message("links: %s\n", master.names[i].path);
			for (int k = 0; k < replica.n; k++)
				if (at(&replica, replica.names[k].path) == r)
					print_message("  %s\n",
						      replica.names[k].path);
			return false;
		}
	}
	if (master.n != replica.n)
		print_message("%d and %d names\n", master.n, replica.n);
	return master.n == replica.n;
}

static void begin(uint64_t s)
{
	seed = s;
	n_recs = cursor = 0;
	gave_up = false;
	memory = plan_memory_new();
}

static void end(void)
{
	reset(&master);
	reset(&replica);
	reset(&known);
	reset(&parked);
	plan_memory_free(memory);
	fences_drop(PENDING);
	for (unsigned i = 0; i < n_recs; i++)
		record_done(&recs[i]);
}

static void round_of(uint64_t s, unsigned steps, unsigned lag,
		     unsigned fault_rate, unsigned crashes)
{
	begin(s);
	new_obj(&parked, 'f', 0, 0);
	faults = fault_rate;
	for (unsigned i = 0; i < steps; i++) {
		master_step();
		if (rnd(lag) == 0)
			replica_step(1 + rnd(lag * 2), crashes, false);
		if (faults && rnd(30) == 0)
			retry_parked();
	}
	settle_all();
	faults = 0;
	while (cursor < n_recs)
		replica_step(1 + rnd(lag * 2), 0, false);
	retry_parked();
	if (!equal())
		fail_msg("PLAN_ONE=\"%llu %u %u %u %u\"",
			 (unsigned long long)s, steps, lag, fault_rate,
			 crashes);
	end();
}

static uint64_t start;
static unsigned rounds = 200;

/* A replica that keeps up never meets anything unexpected. */
static void test_exact(void **state)
{
	for (unsigned i = 0; i < rounds; i++) {
		begin(start + i);
		trace = getenv("PLAN_TRACE");
		for (unsigned k = 0; k < 50 + i % 400; k++) {
			master_step();
			if (rnd(1 + i % 20) == 0)
				while (cursor < n_recs)
					replica_step(RECORDS, 0, true);
		}
		settle_all();
		while (cursor < n_recs)
			replica_step(RECORDS, 0, true);
		if (!equal())
			fail_msg("seed %llu",
				 (unsigned long long)(start + i));
		end();
	}
}

static void test_rates(unsigned fault_rate, unsigned crashes)
{
	for (unsigned i = 0; i < rounds; i++)
		round_of(start + i, 50 + i % 400, 1 + i % 60, fault_rate,
			 crashes);
}

static void test_lag(void **state)
{
	test_rates(0, 0);
}

static void test_faults(void **state)
{
	test_rates(30, 0);
}

static void test_crashes(void **state)
{
	test_rates(0, 100);
}

static void test_all(void **state)
{
	test_rates(30, 100);
	print_message("%u actions, %u failed, %u crashes\n", n_actions,
		      n_failed, n_crashes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),	cmocka_unit_test(test_lag),
		cmocka_unit_test(test_faults),	cmocka_unit_test(test_crashes),
		cmocka_unit_test(test_all),
	};
	const char *s = getenv("PLAN_SEED"), *n = getenv("PLAN_ROUNDS");
	const char *one = getenv("PLAN_ONE");
	unsigned long long sd;
	unsigned a, b, c, d;

	start = s ? strtoull(s, NULL, 10) : (uint64_t)time(NULL) * 1000;
	if (n)
		rounds = strtoul(n, NULL, 10);
	if (one && sscanf(one, "%llu %u %u %u %u", &sd, &a, &b, &c, &d) == 5) {
		trace = true;
		setlinebuf(stdout);
		round_of(sd, a, b, c, d);
		return 0;
	}
	printf("seed %llu\n", (unsigned long long)start);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
