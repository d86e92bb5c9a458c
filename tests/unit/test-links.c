/* The names of hard-linked objects: what is known, and what is doubted. */
#include "confdefs.h"

#include "journal-fixture.h"
#include "sync/links.h"

/* no_names - of a replica that has just been added. */
static struct links *no_names(struct fixture *f)
{
	struct links *l;
	fx_open(f);
	assert_int_equal(links_open(f->j, fx_replica(f, "r"), &l), 0);
	return l;
}

static void test_doubt(void **state)
{
	struct fixture f;
	struct fhandle h1 = fx_obj(1), h2 = fx_obj(2);
	struct links *l = no_names(&f);

	links_add(l, &h1, "d/a", 0);
	links_add(l, &h1, "b", 0);
	assert_true(links_is(l, "d/a", &h1));
	assert_true(links_is_other(l, "d/a", &h2));
	assert_false(links_is_other(l, "d/a", &h1));
	assert_false(links_is_other(l, "d/b", &h2));

	/* the folder is looked at: not known, but not forgotten either */
	links_doubt(l, "d");
	links_del_tree(l, "d");
	assert_false(links_is(l, "d/a", &h1));
	assert_true(links_is(l, "b", &h1));
	assert_true(links_is_other(l, "d/a", &h2));
	assert_false(links_is_other(l, "d/a", &h1));
	links_add(l, &h2, "d/a", 0);
	assert_true(links_is_other(l, "d/a", &h2));
	links_trust(l);
	assert_false(links_is_other(l, "d/a", &h2));
	links_close(l);
	fx_close(&f);
}

/* What a name was is known until something has been sent there. */
static void test_keep(void **state)
{
	struct fixture f;
	struct fhandle h1 = fx_obj(1), h2 = fx_obj(2);
	struct links *l = no_names(&f);

	links_add(l, &h1, "d/a", 0);
	links_keep(l, "d/a", &h2);
	links_del(l, "d/a");
	links_keep(l, "d/b", &h2); /* nobody knows it */
	links_trust(l);
	assert_true(links_is_other(l, "d/a", &h2));
	assert_false(links_is_other(l, "d/a", &h1));
	assert_false(links_is_other(l, "d/b", &h2));
	links_add(l, &h2, "d/a", 0); /* as it will be */
	assert_true(links_is_other(l, "d/a", &h2));
	links_move(l, "d", "e");
	assert_false(links_is_other(l, "d/a", &h2));
	assert_true(links_is_other(l, "e/a", &h2));
	links_taken(l, "e/a");
	assert_false(links_is_other(l, "e/a", &h2));

	/* so it is with one that was doubted before */
	links_add(l, &h1, "c", 0);
	links_doubt(l, "c");
	links_del(l, "c");
	links_keep(l, "c", &h2);
	links_trust(l);
	assert_true(links_is_other(l, "c", &h2));
	links_move(l, "d", "c"); /* replaced */
	assert_false(links_is_other(l, "c", &h2));
	links_close(l);
	fx_close(&f);
}

/* names - "d", "d/a", "d/s/b" and "de" are one object's. */
static void names(struct fixture *f, int64_t *ret_id, struct links **ret)
{
	static const char *const paths[] = {"d", "d/a", "d/s/b", "de"};
	struct fhandle h = fx_obj(1);
	fx_open(f);
	*ret_id = fx_replica(f, "r");
	assert_int_equal(links_open(f->j, *ret_id, ret), 0);
	for (unsigned i = 0; i < 4; i++)
		links_add(*ret, &h, paths[i], 0);
	assert_int_equal(links_save(*ret), 0);
}

/* only - of these names, none but those in `want` is left; also for who opens
 * the journal later. */
static void only(struct fixture *f, int64_t id, struct links *l,
		 const char *want)
{
	static const char *const paths[] = {"d", "d/a", "d/s/b", "de"};
	assert_int_equal(links_save(l), 0);
	links_close(l);
	assert_int_equal(links_open(f->j, id, &l), 0);
	for (unsigned i = 0; i < 4; i++) {
		char word[16];
		snprintf(word, sizeof(word), " %s ", paths[i]);
		assert_int_equal(links_has(l, paths[i]),
				 strstr(want, word) != NULL);
	}
	links_close(l);
	fx_close(f);
}

static void test_del(void **state)
{
	struct fixture f;
	struct links *l;
	int64_t id;
	names(&f, &id, &l);
	links_del(l, "d");
	links_del(l, "d/s");
	only(&f, id, l, " d/a d/s/b de ");
}

static void test_del_tree(void **state)
{
	struct fixture f;
	struct links *l;
	int64_t id;
	names(&f, &id, &l);
	links_del_tree(l, "d");
	only(&f, id, l, " de ");
}

static void test_del_entries(void **state)
{
	struct fixture f;
	struct links *l;
	int64_t id;
	names(&f, &id, &l);
	links_del_entries(l, "d");
	only(&f, id, l, " d d/s/b de ");
	names(&f, &id, &l);
	links_del_entries(l, "");
	only(&f, id, l, " d/a d/s/b ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubt),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_del),
		cmocka_unit_test(test_del_tree),
		cmocka_unit_test(test_del_entries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
