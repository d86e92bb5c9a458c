/* Filters: what rsync(1) says of its patterns. */
#include "confdefs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "filter.h"

/* out - is `path` excluded by these rules? One with a slash behind is a
 * folder. */
static bool out(const char *rules, const char *path)
{
	struct filter *f = NULL;
	char *why = NULL, name[256];
	bool is_dir = path[strlen(path) - 1] == '/';
	assert_int_equal(filter_add(&f, rules, &why), 0);
	snprintf(name, sizeof(name), "%s", path);
	if (is_dir)
		name[strlen(name) - 1] = 0;
	bool r = filter_excludes(f, name, is_dir);
	filter_free(f);
	return r;
}

static void test_patterns(void **state)
{
	static const struct {
		const char *rules, *path;
		bool out;
	} cases[] = {
		{"- *.o", "a.o", true},
		{"- *.o", "deep/in/a.o", true},
		{"- *.o", "a.oo", false},
		{"- /foo", "foo", true},
		{"- /foo", "sub/foo", false},
		{"- foo/", "foo", false},
		{"- foo/", "foo/", true},
		{"- foo/", "sub/foo/", true},
		{"- foo/", "foo/inside", true},
		{"- /foo/*/bar", "foo/a/bar", true},
		{"- /foo/*/bar", "foo/a/b/bar", false},
		{"- /foo/**/bar", "foo/a/b/bar", true},
		{"- /foo/**/bar", "x/foo/a/b/bar", false},
		{"- foo/bar", "foo/bar", true},
		{"- foo/bar", "x/y/foo/bar", true},
		{"- foo/bar", "xfoo/bar", false},
		{"- foo/bar", "foo/x/bar", false},
		{"- **/cache", "cache/", true},
		{"- **/cache", "x/cache/", true},
		{"- cache/***", "x/cache/", true},
		{"- cache/***", "x/cache/y", true},
		{"- cache/**", "x/cache/", false},
		{"- cache/**", "x/cache/y", true},
		{"- f?o", "foo", true},
		{"- f?o", "f/o", false},
		{"- f[a-c]o", "fbo", true},
		{"- f[!a-c]o", "fbo", false},
		{"- f[^a-c]o", "fxo", true},
		{"- f[[:digit:]]", "f7", true},
		{"- f[]x]", "f]", true},
		{"- f[a", "f[a", false},
		{"- a\\*b", "a*b", true},
		{"- a\\*b", "axb", false},
		{"- a\\b", "a\\b", true}, /* no wildcard: as it is */
		{"- \xc3\xa4*", "\xc3\xa4x", true},
		{"*.bak", "x.bak", true},
		{"# *.bak\n\n; x\r\n- y\r\n", "x.bak", false},
		{"# *.bak\n\n; x\r\n- y\r\n", "y", true},
		/* the first rule that matches decides */
		{"+ a.o\n- *.o", "a.o", false},
		{"- *.o\n+ a.o", "a.o", true},
		/* nobody looks into what is excluded */
		{"+ /x/keep\n- /x/", "x/keep", true},
		{"+ /x/\n+ /x/keep\n- *", "x/keep", false},
		{"+ /x/\n+ /x/keep\n- *", "x/other", true},
		{"+ */\n+ *.html\n- *", "a/b/c.html", false},
		{"+ */\n+ *.html\n- *", "a/b/c.php", true},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (out(cases[i].rules, cases[i].path) != cases[i].out)
			fail_msg("\"%s\" on \"%s\": should%s be excluded",
				 cases[i].rules, cases[i].path,
				 cases[i].out ? "" : " not");
	}
	assert_false(filter_excludes(NULL, "x", false));
}

static void test_faults(void **state)
{
	struct filter *f = NULL;
	char *why = NULL;
	assert_int_equal(filter_add(&f, "- a\n- /\n", &why), -EINVAL);
	assert_non_null(strstr(why, "2: "));
	free(why);
	filter_free(f);

	/* rsync has more kinds of rules; as patterns they would do nothing */
	static const char *const kinds[] = {
		"!",	"include a",   "P a",	  "H,s a",	    "-! a",
		"+/ a", "exclude,p a", "merge f", ": .rsync-filter"};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		f = NULL;
		assert_int_equal(filter_add(&f, kinds[i], &why), -EINVAL);
		assert_non_null(strstr(why, "kind of rule"));
		free(why);
	}
	static const char *const patterns[] = {"- P a", "-a b", "show-room",
					       "A b",	"!a",	"- !"};
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		f = NULL;
		assert_int_equal(filter_add(&f, patterns[i], &why), 0);
		filter_free(f);
	}
}

static bool apart(const char *rules, const char *a, const char *b)
{
	struct filter *f = NULL;
	char *why = NULL;
	assert_int_equal(filter_add(&f, rules, &why), 0);
	bool r = filter_tells_apart(f, a, b);
	filter_free(f);
	return r;
}

static void test_moves(void **state)
{
	assert_false(apart("- *.o\n- cache/", "a", "b"));
	assert_false(apart("- /cache/\n- /x*", "sub/a", "sub/b"));
	assert_false(apart("- /cache/", "cache", "b")); /* as a name */
	assert_true(apart("- /a/cache/", "b", "a"));
	assert_true(apart("- /a/*.o", "b", "a/c"));
	assert_true(apart("- a/cache/", "b", "c"));
	assert_true(apart("- **.o", "b", "c"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
