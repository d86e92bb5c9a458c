/* What a name service says of a number here: a name, that there is none, or that
 * it cannot tell now, which is something else. */
#include "confdefs.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sync/idmap.h"

#define LARGE (1u << 20) /* what a group of many members takes */

static int error;
static size_t needs;

/* ours, in place of the system's */
int getgrgid_r(gid_t id, struct group *g, char *room, size_t size,
	       struct group **ret)
{
	*ret = NULL;
	if (error)
		return error;
	if (size < needs)
		return ERANGE;
	g->gr_name = room;
	snprintf(room, size, "g%u", id);
	*ret = g;
	return 0;
}

int getgrnam_r(const char *name, struct group *g, char *room, size_t size,
	       struct group **ret)
{
	int r = getgrgid_r(7, g, room, size, ret);

	g->gr_gid = 7;
	return r;
}

static void test_large(void **state)
{
	char *name = NULL;
	uint32_t id;

	needs = LARGE;
	assert_int_equal(id_name_here(ID_GROUP, 7, &name), 1);
	assert_string_equal(name, "g7");
	free(name);
	assert_int_equal(id_number_here(ID_GROUP, "g7", &id), 1);
	assert_int_equal(id, 7);
	needs = SIZE_MAX;
	assert_int_equal(id_name_here(ID_GROUP, 7, &name), -ERANGE);
	assert_null(name);
	needs = 0;
}

static void test_errors(void **state)
{
	static const struct {
		int error, r;
	} cases[] = {{ENOENT, -EIO},	{ESRCH, -EIO},	  {EIO, -EIO},
		     {EMFILE, -EMFILE}, {ENOTCONN, -EIO}, {EACCES, -EIO}};
	char *name;
	uint32_t id;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		error = cases[i].error;
		assert_int_equal(id_name_here(ID_GROUP, 7, &name), cases[i].r);
		assert_null(name);
		assert_int_equal(id_number_here(ID_GROUP, "g7", &id),
				 cases[i].r);
	}
	error = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
