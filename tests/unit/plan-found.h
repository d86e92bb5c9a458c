#ifndef MIRRORFS_TESTS_PLAN_FOUND_H
#define MIRRORFS_TESTS_PLAN_FOUND_H

/* More of test-plan-random.c: what it has found, step by step. */

static void catch_up(void)
{
	while (cursor < n_recs)
		replica_step(RECORDS, 0, false);
}

static void come_to_rest(void)
{
	catch_up();
	assert_true(equal());
}

static void begin_steps(void)
{
	now = (struct round){.seed = 1};
	begin(now.seed);
	faults = 0;
}

static void end_steps(void)
{
	come_to_rest();
	end();
}

/* What is changed by a name that goes reaches the one that is left, though that
 * was compared, as the last one, before the record of it was read. */
static void test_last_name(void **state)
{
	begin_steps();
	model_make('o', "a");
	model_write('s', "a");
	model_link("a", "b");
	come_to_rest();
	fence("a", recs[n_recs - 1].seq + 1); /* the next one by state */
	model_attr("a");
	model_write('w', "a");
	model_write('s', "a");
	model_remove("a");
	replica_step(1, 0, false);
	end_steps();
}

/* What is written by a name that is gone reaches the other one, which nobody has
 * looked at, on a replica that began with just that. */
static void test_former_name(void **state)
{
	begin_steps();
	model_make('o', "a");
	model_write('s', "a");
	model_link("a", "b");
	model_remove("a");
	first_copy();
	model_write('w', "b");
	at(&master, "b")->former = recs[n_recs - 2].path;
	model_write('s', "b");
	end_steps();
}

/* A folder was moved there, and the connection lost, before its place became a
 * file's: what had a name in it has none there, also when there is a folder
 * again. */
static void test_name_below(void **state)
{
	begin_steps();
	model_make('m', "a");
	model_make('o', "a/a");
	model_write('s', "a/a");
	model_link("a/a", "b");
	model_make('c', "c");
	come_to_rest();
	model_write('w', "b"); /* it is sent at the end */
	catch_up();
	model_exchange("a", "c");
	fence("", recs[n_recs - 1].seq);
	del_below(&replica, "a");
	catch_up();
	model_remove("a");
	model_make('m', "a");
	model_write('s', "b");
	end_steps();
}

/* A new name of what has another one, and is gone when it is to be sent: the
 * other one has something older, and is removed. */
static void test_gone_name(void **state)
{
	begin_steps();
	model_make('o', "a");
	model_write('s', "a");
	model_link("a", "b");
	come_to_rest();
	model_write('w', "a");
	catch_up();
	give_up(obj_of(&recs[n_recs - 1]), true); /* by reconcile */
	commit();
	model_write('s', "a");
	model_rename("a", "c");
	model_remove("b");
	model_remove("c");
	replica_step(2, 0, false);
	end_steps();
}

/* A link to what is in a parked folder, which is written by the new name, and
 * that one goes: the folder's own name has something older. */
static void test_parked_name(void **state)
{
	begin_steps();
	model_make('m', "a");
	model_make('o', "a/b");
	model_write('s', "a/b");
	come_to_rest();
	park("a", PARKED_BEFORE);
	model_link("a/b", "c");
	catch_up();
	do /* until the next one is as large and as old */
		model_write('w', "c");
	while (same_content(at(&master, "c"), at(&replica, "a/b"),
			    STRICT_DATA));
	model_write('s', "c");
	catch_up();
	model_remove("c");
	catch_up();
	retry_parked();
	end_steps();
}

/* A server without links, and a name in a folder that is parked, where another
 * file has it still: that file seems to be the same, and reconcile sends what
 * has changed by the other name. */
static void test_parked_copy(void **state)
{
	begin_steps();
	nolinks = true;
	model_make('m', "a");
	model_make('o', "a/b");
	model_write('s', "a/b");
	model_make('o', "c");
	do
		model_write('w', "c");
	while (same_content(at(&master, "c"), at(&master, "a/b"), STRICT_DATA));
	model_write('s', "c");
	come_to_rest();
	park("a", PARKED_BEFORE);
	model_remove("a/b");
	model_link("c", "a/b");
	catch_up();
	fence("c", recs[n_recs - 1].seq + 1); /* the next one by state */
	model_attr("c");
	catch_up();
	retry_parked();
	end_steps();
	nolinks = false;
}

#endif
