/* The configuration file: what is read, and what each fault is called. */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "clock.h"
#include "settings.h"

static int load(struct settings *s, const char *text, char **ret_why)
{
	char path[] = "/tmp/mirrorfs-settings-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
	settings_init(s);
	int r = settings_load(s, path, ret_why);
	unlink(path);
	return r;
}

static void test_good(void **state)
{
	struct settings s;
	char *why = NULL;
	assert_int_equal(load(&s,
			      "# comment\n[mount]\nroot = /var/www\n"
			      "history = 7d\nsettle-idle = never\n"
			      "accept-new = yes\n"
			      "[replica web1]\nurl = sftp://web1/srv ; note\n"
			      "[replica \"web2\"]\nurl = /srv/copy\n"
			      "adopt = on\nidentity = /k\n",
			      &why),
			 0);
	assert_string_equal(s.root, "/var/www");
	assert_int_equal(s.history_ns, 7 * 86400 * NS_PER_S);
	assert_int_equal(s.settle_idle_ns, 0);
	assert_true(s.accept_new);
	assert_int_equal(s.n_replicas, 2);
	assert_string_equal(s.replicas[0].name, "web1");
	assert_string_equal(s.replicas[0].url, "sftp://web1/srv");
	assert_false(s.replicas[0].adopt);
	assert_string_equal(s.replicas[1].name, "web2");
	assert_true(s.replicas[1].adopt);
	settings_done(&s);
}

static void is_fault(const char *text, const char *part)
{
	struct settings s;
	char *why = NULL;
	assert_true(load(&s, text, &why) < 0);
	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("\"%s\" does not say \"%s\"", why, part);
	assert_null(strchr(why, '\n'));
	free(why);
	settings_done(&s);
}

static void test_faults(void **state)
{
	is_fault("[mount]\nroot = /x\nidentiy = /k\n",
		 ":3: unknown key \"identiy\": did you mean \"identity\"?");
	is_fault("[mount]\nqqqqqqqqqq = 1\n", "unknown key \"qqqqqqqqqq\"");
	is_fault("[mounts]\nroot = /x\n", "unknown section [mounts]");
	is_fault("[mount]\nroot = var/www\n", "not an absolute path");
	is_fault("[mount]\nroot =\n", "root");
	is_fault("[mount]\naccept-new = maybe\n", "neither yes nor no");
	is_fault("[mount]\nhistory = long\n", "not a duration");
	is_fault("[replica a/b]\nurl = /x\n", "needs a name");
	is_fault("[replica web1]\nadopt = yes\n", "[replica web1] has no url");
	is_fault("[mount]\nroot\n", ":2: ");
}

static void test_missing(void **state)
{
	struct settings s;
	char *why = NULL;
	settings_init(&s);
	assert_true(settings_load(&s, "/nonexistent.conf", &why) < 0);
	assert_non_null(strstr(why, "/nonexistent.conf"));
	free(why);
	settings_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_missing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
