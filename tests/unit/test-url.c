/* Replica URLs: what is taken, and what is refused with which words. */
#include "confdefs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "remote.h"

static void same_text(const char *got, const char *want)
{
	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
}

static void test_good(void **state)
{
	static const struct {
		const char *text, *user, *host;
		unsigned port;
		const char *path;
	} good[] = {
		{"/srv/copy", NULL, NULL, 0, "/srv/copy"},
		{"/srv//copy/./x/..", NULL, NULL, 0, "/srv/copy"},
		{"/a%20b", NULL, NULL, 0, "/a%20b"},
		{"/", NULL, NULL, 0, "/"},
		{"sftp://web1/var/www", NULL, "web1", 22, "/var/www"},
		{"sftp://bob@web1:2222/a//b/", "bob", "web1", 2222, "/a/b"},
		{"sftp://web1/", NULL, "web1", 22, "/"},
		{"sftp://[::1]/x", NULL, "::1", 22, "/x"},
		{"sftp://r@[fe80::1%eth0]:65535/x", "r", "fe80::1%eth0", 65535,
		 "/x"},
		{"sftp://a%40b@h/x%20y%2fz", "a@b", "h", 22, "/x y/z"},
		{"sftp://a@b@h/x", "a@b", "h", 22, "/x"},
		{"sftp://h/a@b:c", NULL, "h", 22, "/a@b:c"},
		{"sftp://192.0.2.7/x", NULL, "192.0.2.7", 22, "/x"},
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct remote_url u;
		const char *why = NULL;
		print_message("%s\n", good[i].text);
		assert_int_equal(remote_url_parse(good[i].text, &u, &why), 0);
		same_text(u.user, good[i].user);
		same_text(u.host, good[i].host);
		same_text(u.path, good[i].path);
		assert_int_equal(u.port, good[i].port);
		remote_url_done(&u);
	}
}

static void test_bad(void **state)
{
	static const struct {
		const char *text, *word;
	} bad[] = {
		{"", "absolute"},
		{"srv/copy", "absolute"},
		{"ssh://web1/x", "absolute"},
		{"SFTP", "absolute"},
		{"sftp://", "path"},
		{"sftp://web1", "path"},
		{"sftp://web1:22", "path"},
		{"sftp:///x", "host"},
		{"sftp://-oProxyCommand=x/x", "host"},
		{"sftp://we b/x", "host"},
		{"sftp://web1;id/x", "host"},
		{"sftp://bob:secret@web1/x", "password"},
		{"sftp://@web1/x", "user"},
		{"sftp://-l@web1/x", "user"},
		{"sftp://a%0ab@web1/x", "user"},
		{"sftp://a%zz@web1/x", "%XX"},
		{"sftp://web1/a%00b", "%XX"},
		{"sftp://web1/a%2", "%XX"},
		{"sftp://web1:/x", "port"},
		{"sftp://web1:0/x", "port"},
		{"sftp://web1:65536/x", "port"},
		{"sftp://web1:99999999999999999999/x", "port"},
		{"sftp://web1:2a/x", "port"},
		{"sftp://[::1/x", "bracket"},
		{"sftp://[::1]x/x", "host"},
		{"sftp://[]/x", "host"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct remote_url u;
		const char *why = NULL;
		print_message("%s\n", bad[i].text);
		assert_int_equal(remote_url_parse(bad[i].text, &u, &why),
				 -EINVAL);
		assert_non_null(why);
		assert_non_null(strstr(why, bad[i].word));
		assert_null(strstr(why, "secret"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
