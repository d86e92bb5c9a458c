/*
 * What is kept of INIT, spoilt by seeded bit flips and garbage: the next worker
 * agrees to the same as before, or refuses to take over; it never does anything
 * else with these bytes.
 */
#include "confdefs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/device.h"
#include "fs/kept.h"
#include "log.h"
#include "rnd.h"

/* one that takes every answer, or none: then nobody waits for it any more */
static struct fuse_session *new_session(int flags)
{
	struct fuse_session *se;
	int fd = open("/dev/null", flags | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(device_open(fd, 0, &se), 0);
	close(fd);
	return se;
}

/* agree - as with the kernel; both sides are kept. */
static void agree(struct kept_init *k)
{
	struct {
		struct fuse_in_header head;
		struct fuse_init_in init;
	} r = {
		.head = {.len = sizeof(r), .opcode = FUSE_INIT, .unique = 2},
		.init = {.major = 7,
			 .minor = 38,
			 .max_readahead = 131072,
			 .flags = 0x73fffffb},
	};
	struct fuse_buf buf = {.mem = &r, .size = sizeof(r)};
	struct fuse_session *se = new_session(O_RDWR);
	memcpy(k->request, &r, sizeof(r));
	k->request_len = sizeof(r);
	k->answer_len = 0;
	fuse_session_process_buf(se, &buf);
	assert_true(k->answer_len > sizeof(struct fuse_out_header));
	fuse_session_destroy(se);
}

static int resume(void)
{
	struct fuse_session *se = new_session(O_RDONLY);
	int r = device_resume(se);
	fuse_session_destroy(se);
	return r;
}

static void spoil(struct kept_init *k)
{
	uint8_t *bytes = (uint8_t *)k;
	for (unsigned n = 1 + rnd(6); n > 0; n--) {
		/* mostly where something is */
		uint32_t at = rnd(3) ? rnd(120) : rnd(sizeof(*k));
		bytes[at] ^= (uint8_t)(1u << rnd(8));
	}
	if (rnd(8) == 0)
		k->request_len = rnd(UINT32_MAX);
	if (rnd(8) == 0)
		k->answer_len = rnd(UINT32_MAX);
	if (rnd(8) == 0)
		memset(bytes + rnd(sizeof(*k) - 64), (int)rnd(256), 64);
}

static void test_init(void **state)
{
	unsigned agreed = 0, refused = 0, rounds = 2000;
	const char *soak = getenv("SOAK");
	struct kept_init was, *k;
	int fd;
	assert_int_equal(kept_create(&fd), 0);
	assert_int_equal(kept_open(fd), 0);
	k = kept_init();
	agree(k);
	was = *k;
	assert_int_equal(resume(), 0);
	if (soak)
		rounds *= (unsigned)atoi(soak);
	alarm(600);
	for (unsigned i = 0; i < rounds; i++) {
		*k = was;
		spoil(k);
		int r = resume();
		assert_true(r == 0 || r == -EPROTO);
		agreed += r == 0;
		refused += r != 0;
	}
	alarm(0);
	printf("%u agreed, %u refused\n", agreed, refused);
	assert_true(refused > rounds / 4);
	kept_close();
	close(fd);
}

int main(void)
{
	random_state = 20261127;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
	};
	log_open("test", "/dev/null"); /* each refusal is told */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
