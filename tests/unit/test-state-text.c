/* The text of a replica's state file: with any bit changed, or cut anywhere, it is
 * told to be damaged, or says what it said. */
#include "confdefs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sync/stage.h"

#define UUID "01234567-89ab-cdef-0123-456789abcdef"

static const struct stage_state was = {
	.seq = (7ULL << 40) + 12345, .turn = 42, .replica = 3};

static bool is_same(const struct stage_state *s)
{
	return s->exists && strcmp(s->uuid, UUID) == 0 && s->seq == was.seq &&
	       s->turn == was.turn && s->replica == was.replica;
}

static void test_text(void **state)
{
	struct stage_state s = {0};
	char text[STATE_TEXT_MAX];

	size_t n = stage_state_text(&was, UUID, text);
	assert_int_equal(n, strlen(text));
	assert_int_equal(stage_state_parse(text, &s), 0);
	assert_true(is_same(&s));
}

static void test_flips(void **state)
{
	char text[STATE_TEXT_MAX];
	unsigned refused = 0;

	size_t n = stage_state_text(&was, UUID, text);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		struct stage_state s = {0};
		text[bit / 8] ^= (char)(1 << bit % 8);
		int r = stage_state_parse(text, &s);
		text[bit / 8] ^= (char)(1 << bit % 8);
		if (r < 0)
			refused++;
		else
			assert_true(is_same(&s));
	}
	assert_true(refused > 8 * strlen("uuid=" UUID "\nseq="));
}

/* What is left of it may be older, but is of the same journal. */
static void test_cuts(void **state)
{
	char text[STATE_TEXT_MAX];

	for (size_t n = stage_state_text(&was, UUID, text); n-- > 0;) {
		struct stage_state s = {0};
		text[n] = 0;
		if (stage_state_parse(text, &s) < 0)
			continue;
		assert_string_equal(s.uuid, UUID);
		assert_true(s.seq <= was.seq);
	}
}

static void test_older(void **state)
{
	struct stage_state s = {0};

	assert_int_equal(stage_state_parse("uuid=" UUID "\nseq=17\n", &s), 0);
	assert_int_equal(s.seq, 17);
	assert_int_equal(s.turn, 0);
	assert_int_equal(stage_state_parse("uuid=" UUID "\n", &s), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_older),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
