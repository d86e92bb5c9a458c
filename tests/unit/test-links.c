/* The names of hard-linked objects: what is known, and what is doubted. */
#include "confdefs.h"


#include "journal-fixture.h"
#include "sync/links.h"

static void test_doubt(void **state)
{
	struct fixture f;
	struct links *l;
	struct fhandle h1 = fx_obj(1), h2 = fx_obj(2);
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");

	assert_int_equal(links_open(f.j, id, &l), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_doubt)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
