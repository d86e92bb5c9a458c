/* Paths, words and times as text. */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "clock.h"
#include "paths.h"

static void is_text(char *got, const char *want)
{
	assert_string_equal(got, want);
	free(got);
}

static void test_escape(void **state)
{
	is_text(path_escape("/var/www"), "var-www");
	is_text(path_escape("/var//www/"), "var-www");
	is_text(path_escape("/"), "-");
	is_text(path_escape("/srv/my-site"), "srv-my\\x2dsite");
	is_text(path_escape("/.x"), "\\x2ex");
	is_text(path_escape("/a.b"), "a.b");
}

static void test_parts(void **state)
{
	is_text(path_join("", "a"), "a");
	is_text(path_join("a/b", "c"), "a/b/c");
	is_text(path_parent("a/b/c"), "a/b");
	is_text(path_parent("a"), "");
	is_text(path_parent(""), "");
	assert_string_equal(path_name("a/b"), "b");
	assert_string_equal(path_name("b"), "b");
}

static void test_below(void **state)
{
	assert_true(path_is_below("a", ""));
	assert_true(path_is_below("a/b", "a"));
	assert_true(path_is_below("a", "a"));
	assert_false(path_is_below("ab", "a"));
	assert_false(path_is_below("a", "a/b"));
	assert_true(path_related("a", "a/b"));
	assert_false(path_related("a/c", "a/b"));
	assert_true(path_is_reserved(".mirrorfs"));
	assert_true(path_is_reserved(".mirrorfs/x"));
	assert_false(path_is_reserved(".mirrorfs2"));
	assert_false(path_is_reserved("a/.mirrorfs"));
}

static void test_rebase(void **state)
{
	is_text(path_rebase("a/b/c", "a/b", "x"), "x/c");
	is_text(path_rebase("a/b", "a/b", "x/y"), "x/y");
	is_text(path_rebase("c", "", "x"), "x/c");
}

static void test_normalise(void **state)
{
	is_text(path_normalise("/a//b/./c/", "/"), "/a/b/c");
	is_text(path_normalise("/a/../../b", "/"), "/b");
	is_text(path_normalise("x/../y", "/home/u"), "/home/u/y");
	is_text(path_normalise(".", "/"), "/");
	is_text(path_normalise("..", "/a"), "/");
}

static void test_words(void **state)
{
	static const char *const words[] = {"identity", "url", "adopt"};
	assert_string_equal(text_nearest("identiy", words, 3), "identity");
	assert_string_equal(text_nearest("ulr", words, 3), "url");
	assert_null(text_nearest("zzzzzzzz", words, 3));
	is_text(text_printable("a\n\033[31mb\\"), "a\\x0a\\x1b[31mb\\x5c");
}

static void test_times(void **state)
{
	int64_t ns;
	setenv("TZ", "UTC", 1);
	assert_int_equal(clock_parse_span("90", &ns), 0);
	assert_int_equal(ns, 90 * NS_PER_S);
	assert_int_equal(clock_parse_span("1.5h", &ns), 0);
	assert_int_equal(ns, 5400 * NS_PER_S);
	assert_int_equal(clock_parse_span("500ms", &ns), 0);
	assert_int_equal(ns, 500 * NS_PER_MS);
	assert_true(clock_parse_span("5 apples", &ns) < 0);
	assert_true(clock_parse_span("-3s", &ns) < 0);
	assert_true(clock_parse_span("", &ns) < 0);

	int64_t now = 1790000000LL * NS_PER_S;
	assert_int_equal(clock_parse("10m", now, &ns), 0);
	assert_int_equal(ns, now - 600 * NS_PER_S);
	assert_int_equal(clock_parse("2026-11-22 15:01:02", now, &ns), 0);
	assert_int_equal(ns / NS_PER_S, 1795359662);
	assert_int_equal(clock_parse("2026-11-22", now, &ns), 0);
	assert_int_equal(ns / NS_PER_S, 1795305600);
	assert_int_equal(clock_parse("2026-11-22 15:01:02.250", now, &ns), 0);
	assert_int_equal(ns % NS_PER_S, 250 * NS_PER_MS);
	assert_true(clock_parse("yesterdaj", now, &ns) < 0);
	assert_int_equal(clock_parse("9999-12-31", now, &ns), 0);
	assert_true(ns > now);
	assert_int_equal(clock_parse("1000-01-01 10:00:00.5", now, &ns), 0);
	assert_true(ns < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),    cmocka_unit_test(test_parts),
		cmocka_unit_test(test_below),     cmocka_unit_test(test_rebase),
		cmocka_unit_test(test_normalise), cmocka_unit_test(test_words),
		cmocka_unit_test(test_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
