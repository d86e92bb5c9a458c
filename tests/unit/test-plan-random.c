/*
 * The plan against a model, without any file: a master that changes at
 * random and writes records, a replica that lags behind and runs the plan's
 * actions on what the master has *now*, as the real one does. Batches are cut
 * anywhere, actions fail, the process dies in the middle. When the master
 * comes to rest the two must be equal, names, content, attributes and links.
 *
 * PLAN_SEED and PLAN_ROUNDS repeat or prolong it; PLAN_ONE="…", as a failure
 * prints it, traces one round, and with PLAN_SHRINK=1 the fewest steps of it
 * that fail.
 */
#include "confdefs.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "paths.h"
#include "sync/pathset.h"
#include "sync/plan.h"
#include "tests/unit/model.h"
#include "tests/unit/plan-replica.h"
#include "tests/unit/plan-fences.h"
#include "tests/unit/plan-reconcile.h"
#include "tests/unit/plan-redo.h"

#define AT_ONCE 1000000 /* a lag: all in one batch */

static uint64_t n_planned; /* records */

static struct round {
	uint64_t seed;
	unsigned steps, lag, faults, crashes;
	unsigned shape; /* or n_shapes: all; above: any operation */
	bool exact;
	bool nolinks;
	unsigned rule;
} now;

__attribute__((format(printf, 1, 2), noreturn)) static void wrong(
	const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr,
		"%s: PLAN_ONE=\"%" PRIu64 " %u %u %u %u %u %d %d %u\"\n", text,
		now.seed, now.steps, now.lag, now.faults, now.crashes,
		now.shape, now.exact, now.nolinks, now.rule);
	fail();
	abort();
}

/* ---- the loop of a replica ---- */

/* What is not done by state; false when it was cut off. */
static bool run_steps(const struct plan *plan, struct pathset *bad,
		      unsigned *left, bool exact)
{
	for (unsigned i = 0; i < plan->n; i++) {
		const struct action *a = &plan->actions[i];

		if (action_is_state(a))
			continue;
		if ((*left)-- == 0)
			return false;
		bool good = run(a, rnd(1000) < faults);
		if (trace)
			print_message("    %d %s %s%s\n", a->kind, a->path,
				      a->path2 ? a->path2 : "",
				      good ? "" : " FAILED");
		if (exact && !good && !gave_up)
			wrong("%d %s %s failed", a->kind, a->path,
			      a->path2 ? a->path2 : "");
		if (a->tree || a->kind == ACT_EXCHANGE)
			moved(a);
		if (!good)
			failed(a, bad);
	}
	return true;
}

/* Runs `plan`, at most `left` steps; false when it was cut off. */
static bool run_plan(const struct plan *plan, unsigned left, bool exact)
{
	struct pathset bad = {NULL};
	bool ok = run_steps(plan, &bad, &left, exact) &&
		  redo_failed(plan, &bad, &left);

	for (unsigned i = 0; ok && i < plan->n; i++)
		if (action_is_state(&plan->actions[i]))
			ok = run_state(&plan->actions[i], &left);
	reset(&doubted);
	reset(&to_copy);
	pathset_done(&bad);
	return ok;
}

static bool ask_excluded(void *arg, const char *path, bool is_dir)
{
	return filter_excludes(filter, path, is_dir);
}

static bool ask_moves_change(void *arg, const char *path, const char *path2)
{
	return filter_tells_apart(filter, path, path2);
}

/* Those of rsync, one a round; none where there are no filters. */
static const char *const rules[] = {NULL,   "c",   "b/",    "/a/*",
				    "/d/c", "a/c", "/*/*b", "+ /a/c\nc"};
#define N_RULES (sizeof(rules) / sizeof(*rules))

static struct plan_view view = {.by_state = ask_state,
				.held = ask_held,
				.moves_change = ask_moves_change};
static unsigned n_resumed;

/* Those that were not done are done now. */
static bool resume_moves(const struct plan *plan)
{
	struct pathset bad = {NULL};
	unsigned left = ~0u;

	for (unsigned i = 0; i < plan->n; i++) {
		const struct action *a = &plan->actions[i];

		if (!at(&replica, a->path) == !at(&replica, a->path2))
			return false;
	}
	for (unsigned i = 0; i < plan->n; i++) {
		const struct action *a = &plan->actions[i];

		if (!at(&replica, a->path))
			sent(a);
		else if (!run(a, false))
			failed(a, &bad);
		moved(a);
	}
	redo_failed(plan, &bad, &left);
	pathset_done(&bad);
	return true;
}

/* resume_planned - as in batch.c: what was in flight is planned again. */
static bool resume_planned(unsigned used)
{
	struct plan_memory *none = plan_memory_new();
	struct plan plan;
	bool done;

	plan_build(recs + cursor, used, &view, none, &plan);
	done = plan.used == used && plan.n == used && plan.actions[0].tree &&
	       resume_moves(&plan);
	n_resumed += done;
	plan_done(&plan);
	plan_memory_free(none);
	return done;
}

/* What a new process finds. */
static void recover(unsigned used)
{
	fences_recover();
	n_crashes++;
	if (trace)
		print_message("  died\n");
	connect_again();
	if (resume_planned(used)) {
		cursor += used;
		commit();
	} else {
		fence("", recs[cursor + used - 1].seq);
	}
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

/*
 * What no plan may do: send more than the records that it replaces, send and
 * compare, in all, more than they have names, send a content twice, be out of
 * order. (ACT_NAME sends nothing.)
 */
static void check_plan(const struct plan *plan)
{
	unsigned acts = 0, states = 0, names = 0;
	uint64_t seq = 0;

	for (unsigned i = 0; i < plan->used; i++)
		names += recs[cursor + i].path2 ? 2 : 1;
	for (unsigned i = 0; i < plan->n; i++) {
		const struct action *a = &plan->actions[i];

		assert_int_not_equal(a->kind, ACT_NONE);
		states += a->kind >= ACT_RECONCILE;
		acts += a->kind < ACT_RECONCILE && a->kind != ACT_NAME;
		if (a->kind < ACT_RECONCILE) {
			assert_true(a->rec->seq >= seq);
			seq = a->rec->seq;
		}
		for (unsigned k = 0; k < i && a->kind == ACT_PUT; k++)
			if (plan->actions[k].kind == ACT_PUT &&
			    obj_of(plan->actions[k].rec) == obj_of(a->rec))
				wrong("object %d is sent twice",
				      obj_of(a->rec));
	}
	if (acts > plan->used || acts + states > names)
		wrong("%u actions and %u comparisons for %u records of %u "
		      "names",
		      acts, states, plan->used, names);
}

static bool is_held(const char *path)
{
	return ask_held(NULL, path, 0) == HELD_HERE;
}

/* The replica has something else there, as in batch.c and unsure.c. */
static void note_moved(const struct record *r)
{
	stale[obj_of(r)] = true;
	if (r->flags & RF_EXCHANGE) {
		doubt_content(r->path);
		doubt_content(r->path2);
	}
}

static void note_stale(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct record *r = &recs[cursor + i];

		if (filter_excludes(filter, r->path, false))
			continue;
		if (r->op == OP_SETTLE || r->op == OP_TRUNC)
			stale[obj_of(r)] = true;
		gave_up |= r->op == OP_UNSURE ||
			   (r->op == OP_SETTLE && r->flags & RF_LAST);
		if (r->op == OP_RENAME &&
		    (is_held(r->path) || is_held(r->path2)))
			note_moved(r);
	}
}

static void note_parked(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct record *r = &recs[cursor + i];

		if ((r->op == OP_RENAME || r->op == OP_LINK) &&
		    (is_held(r->path2) ||
		     (r->flags & RF_EXCHANGE && is_held(r->path))))
			note_moved(r);
	}
}

static void replica_step(unsigned max, unsigned crashes, bool exact)
{
	unsigned n = n_recs - cursor, used, left = ~0u;
	struct plan plan;

	if (n > max)
		n = max;
	if (n == 0)
		return;
	for (int i = 0; i < parked.n; i++)
		parked.objs[parked.names[i].obj].attr = PARKED_BEFORE;
	if (rnd(20) == 0) /* another connection */
		connect_again();
	plan_build(recs + cursor, n, &view, memory, &plan);
	used = plan.used;
	assert_true(used > 0);
	show_records(used);
	note_stale(used);
	n_planned += used;
	check_plan(&plan);
	if (rnd(1000) < crashes)
		left = rnd(plan.n + 2);
	if (run_plan(&plan, left, exact)) {
		note_parked(used);
		cursor += used;
		fences_drop(recs[cursor - 1].seq);
		plan_memory_forget(memory, recs[cursor - 1].seq);
		commit();
	} else {
		recover(used);
	}
	plan_done(&plan);
}

static bool is_hidden(const char *path)
{
	return filter_excludes(filter, path, is_dir(&master, path));
}

/* Of all that the replica gets. */
static int names_of(const struct object *o)
{
	int n = 0;

	for (int i = 0; i < master.n; i++)
		n += &master.objs[master.names[i].obj] == o &&
		     !is_hidden(master.names[i].path);
	return n;
}

static bool equal(void)
{
	int n = 0;

	for (int i = 0; i < master.n; i++) {
		struct object *m = at(&master, master.names[i].path);
		struct object *r = at(&replica, master.names[i].path);

		if (is_hidden(master.names[i].path))
			continue;
		n++;
		if (!r || r->type != m->type || r->attr != m->attr ||
		    (m->type != 'd' && r->content != m->content)) {
			print_message("differs: %s: %d %d, is %d %d\n",
				      master.names[i].path, m->content, m->attr,
				      r ? r->content : -1, r ? r->attr : -1);
			return false;
		}
		if (m->type == 'f' && !nolinks && names_of(m) != r->names) {
			print_message("links: %s: %d, is %d\n",
				      master.names[i].path, names_of(m),
				      r->names);
			for (int k = 0; k < replica.n; k++)
				if (at(&replica, replica.names[k].path) == r)
					print_message("  %s\n",
						      replica.names[k].path);
			return false;
		}
	}
	if (n != replica.n)
		print_message("%d and %d names\n", n, replica.n);
	return n == replica.n;
}

static void begin(uint64_t s)
{
	char *why = NULL;

	nolinks = now.nolinks;
	filter = NULL;
	if (rules[now.rule])
		assert_int_equal(filter_add(&filter, rules[now.rule], &why), 0);
	view.excluded = filter ? ask_excluded : NULL;
	model_begin(s);
	cursor = 0;
	gave_up = false;
	memset(stale, 0, sizeof(stale));
	memory = plan_memory_new();
	n_rows = 0;
	names_again();
	shape_begin(now.shape, now.lag == AT_ONCE);
}

static void end(void)
{
	reset(&master);
	reset(&replica);
	names_reset();
	reset(&parked);
	reset(&doubted);
	plan_memory_free(memory);
	filter_free(filter);
	fences_drop(PENDING);
	for (unsigned i = 0; i < n_recs; i++)
		record_done(&recs[i]);
}

static void step(void)
{
	if (now.shape > n_shapes)
		master_step();
	else
		shape_step();
}

/* A replica that keeps up never meets anything unexpected. */
static void follow(void)
{
	if (!now.exact && rnd(now.lag) == 0)
		replica_step(1 + rnd(now.lag * 2), now.crashes, false);
	while (now.exact && cursor < n_recs && rnd(now.lag))
		replica_step(RECORDS, 0, true);
}

/* A replica that is added in between begins with what there is by then. */
static void first_copy(void)
{
	cursor = n_recs;
	rc_entry("", STRICT_DATA, true);
	links_trust(links);
	commit();
}

static void round_run(void)
{
	begin(now.seed);
	bool whole = now.exact || now.lag == AT_ONCE;
	unsigned first = !whole && rnd(2) ? now.steps / 4 : 0;

	faults = now.faults;
	for (unsigned i = 0; i < now.steps; i++) {
		step();
		if (i + 1 == first)
			first_copy();
		if (i >= first)
			follow();
		if (faults && rnd(30) == 0)
			retry_parked();
	}
	settle_all();
	faults = 0;
	while (cursor < n_recs)
		replica_step(1 + rnd(now.lag * 2), 0, now.exact);
	retry_parked();
	if (!equal())
		wrong("the trees differ");
	end();
}

static uint64_t start;
static unsigned rounds = 200;

/* rounds_run - half of them any operation, half of them shapes. */
static void rounds_run(bool exact, unsigned fault_rate, unsigned crashes)
{
	for (unsigned i = 0; i < rounds; i++) {
		unsigned all = n_shapes + 1;

		now = (struct round){.seed = start + i,
				     .steps = 50 + i % 400,
				     .lag = 1 + i % (exact ? 20 : 60),
				     .faults = fault_rate,
				     .crashes = crashes,
				     .shape = i % 2 ? all : i / 2 % all,
				     .exact = exact,
				     .nolinks = i % 3 == 2,
				     .rule = i % 5 == 4 ? i / 5 % N_RULES : 0};
		round_run();
	}
}

static void test_exact(void **state)
{
	rounds_run(true, 0, 0);
}

static void test_lag(void **state)
{
	rounds_run(false, 0, 0);
}

static void test_faults(void **state)
{
	rounds_run(false, 30, 0);
}

static void test_crashes(void **state)
{
	rounds_run(false, 0, 100);
}

static void test_all(void **state)
{
	rounds_run(false, 30, 100);
	print_message("%u actions, %u failed, %u crashes (%u resumed), %llu "
		      "records\n",
		      n_actions, n_failed, n_crashes, n_resumed,
		      (unsigned long long)n_planned);
}

/* Each shape by itself, nothing in between, all of it in one batch: how many
 * actions are left of it, for a reader. */
static void test_shapes(void **state)
{
	for (unsigned i = 0; i < n_shapes; i++) {
		unsigned was = n_actions;
		uint64_t records = n_planned;

		now = (struct round){start, shape_steps(i), AT_ONCE, 0, 0,
				     i,	    false,	    false,   0};
		round_run();
		print_message("%3u actions for %3u records: %s\n",
			      n_actions - was, (unsigned)(n_planned - records),
			      shape_name(i));
	}
}

#include "tests/unit/plan-found.h"

/* ---- one round again ---- */

static int one_fails(unsigned steps)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (!freopen("/dev/null", "w", stdout) ||
		    !freopen("/dev/null", "w", stderr))
			_exit(0);
		now.steps = steps;
		round_run();
		_exit(0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status != 0;
}

/* The fewest steps of the same seed that fail, then those, traced. */
static int run_one(void)
{
	unsigned steps = 1;

	while (getenv("PLAN_SHRINK") && steps < now.steps && !one_fails(steps))
		steps++;
	if (getenv("PLAN_SHRINK"))
		now.steps = steps;
	trace = true;
	setlinebuf(stdout);
	printf("%u steps\n", now.steps);
	round_run();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_name),
		cmocka_unit_test(test_former_name),
		cmocka_unit_test(test_name_below),
		cmocka_unit_test(test_gone_name),
		cmocka_unit_test(test_parked_name),
		cmocka_unit_test(test_parked_copy),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_lag),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_crashes),
		cmocka_unit_test(test_all),
	};
	const char *s = getenv("PLAN_SEED"), *n = getenv("PLAN_ROUNDS");
	const char *one = getenv("PLAN_ONE");
	int exact = 0, no = 0;

	start = s ? strtoull(s, NULL, 10) : (uint64_t)time(NULL) * 1000;
	if (n)
		rounds = strtoul(n, NULL, 10);
	if (one &&
	    sscanf(one, "%" SCNu64 " %u %u %u %u %u %d %d %u", &now.seed,
		   &now.steps, &now.lag, &now.faults, &now.crashes, &now.shape,
		   &exact, &no, &now.rule) >= 7 &&
	    now.rule < N_RULES) {
		now.exact = exact;
		now.nolinks = no;
		return run_one();
	}
	printf("seed %llu\n", (unsigned long long)start);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
