/*
 * What is asked on the control socket: who has given up meanwhile was told that
 * nothing is changed, so nothing is.
 */
#include "confdefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/control.h"

enum { STAYS, LEAVES, SAYS_NO_MORE };

static enum control_verb ask(const char *line, int how)
{
	int pair[2];
	char text[CONTROL_TEXT];
	size_t len = strlen(line);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pair[0], line, len), len);
	if (how == SAYS_NO_MORE)
		shutdown(pair[0], SHUT_WR);
	if (how == LEAVES)
		close(pair[0]);
	enum control_verb verb = control_read(pair[1], text);
	if (verb == CONTROL_UPGRADE)
		assert_string_equal(text, "/a b");
	if (how != LEAVES)
		close(pair[0]);
	if (verb != CONTROL_NONE) /* else it is closed */
		close(pair[1]);
	return verb;
}

static void one_that_waits(void **state)
{
	for (int how = STAYS; how <= SAYS_NO_MORE; how += SAYS_NO_MORE) {
		assert_int_equal(ask("status\n", how), CONTROL_STATUS);
		assert_int_equal(ask("wake\n", how), CONTROL_WAKE);
		assert_int_equal(ask("stop\n", how), CONTROL_STOP);
		assert_int_equal(ask("upgrade /a b\n", how), CONTROL_UPGRADE);
		assert_int_equal(ask("other\n", how), CONTROL_NONE);
	}
}

static void one_that_has_given_up(void **state)
{
	assert_int_equal(ask("stop\n", LEAVES), CONTROL_NONE);
	assert_int_equal(ask("upgrade /a b\n", LEAVES), CONTROL_NONE);
	/* a list of replicas that was changed is taken over */
	assert_int_equal(ask("wake\n", LEAVES), CONTROL_WAKE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_waits),
		cmocka_unit_test(one_that_has_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
