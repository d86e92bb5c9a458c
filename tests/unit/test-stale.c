/* Objects whose content the replica has not got: when they come, when they
 * go, and that they outlive the process. */
#include "confdefs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal-fixture.h"

#include "sync/lower.h"
#include "sync/stale.h"

static struct record about(enum record_op op, uint32_t flags, uint64_t obj)
{
	return (struct record){.op = op, .flags = flags, .obj = fx_obj(obj)};
}

static void told(struct stale *s, enum record_op op, uint32_t flags,
		 uint64_t obj)
{
	struct record r = about(op, flags, obj);
	stale_record(s, &r, 40 + obj);
}

static void test_stale(void **state)
{
	struct fixture f;
	struct stale *s;
	struct fhandle h1 = fx_obj(1), h2 = fx_obj(2), h3 = fx_obj(3);
	fx_open(&f);
	int64_t id = fx_replica(&f, "r"), other = fx_replica(&f, "other");

	assert_int_equal(stale_open(f.j, id, &s), 0);
	told(s, OP_SETATTR, RF_MODE, 1);
	assert_false(stale_has(s, &h1));
	told(s, OP_SETTLE, 0, 1);
	told(s, OP_TRUNC, 0, 2);
	told(s, OP_SETTLE, 0, 3);
	assert_true(stale_has(s, &h1) && stale_has(s, &h2));
	stale_published(s, &h1);
	stale_published(s, &h1); /* by a second name */
	assert_false(stale_has(s, &h1));
	told(s, OP_UNLINK, 0, 3); /* it has another name */
	assert_true(stale_has(s, &h3));
	told(s, OP_UNLINK, RF_LAST, 3);
	assert_false(stale_has(s, &h3));
	assert_int_equal(stale_save(s), 0);
	stale_close(s);

	assert_int_equal(stale_open(f.j, id, &s), 0);
	assert_true(stale_has(s, &h2));
	assert_false(stale_has(s, &h1));
	/* gone and there again, between two times of saving and in one */
	stale_published(s, &h2);
	stale_add(s, &h2);
	stale_add(s, &h3);
	stale_published(s, &h3);
	assert_int_equal(stale_save(s), 0);
	stale_published(s, &h2);
	assert_int_equal(stale_save(s), 0);
	stale_add(s, &h2);
	assert_int_equal(stale_save(s), 0);
	stale_close(s);

	assert_int_equal(stale_open(f.j, id, &s), 0);
	assert_true(stale_has(s, &h2));
	assert_false(stale_has(s, &h3));
	stale_published(s, &h2);
	assert_int_equal(stale_save(s), 0);
	stale_close(s);

	assert_int_equal(stale_open(f.j, id, &s), 0);
	assert_false(stale_has(s, &h2));
	stale_close(s);
	assert_int_equal(stale_open(f.j, other, &s), 0);
	assert_false(stale_has(s, &h2));
	stale_close(s);
	fx_close(&f);
}

static void has(struct stale *s, uint64_t obj, uint64_t since, uint64_t size)
{
	struct fhandle h = fx_obj(obj);
	struct stale_content is = {.since = 7};
	assert_true(stale_get(s, &h, &is));
	assert_int_equal(is.since, since);
	assert_int_equal(is.size, size);
}

/* What the replica has of it is the first one that was not published, or what
 * was written into that; after a failure, and in another connection, nobody
 * knows. */
static void test_older_content(void **state)
{
	struct fixture f;
	struct stale *s;
	struct fhandle h1 = fx_obj(1), h2 = fx_obj(2), h3 = fx_obj(3);
	const struct stale_content further = {.since = 90, .size = 1000};
	struct stale_content is = {.since = 7};
	fx_open(&f);
	int64_t id = fx_replica(&f, "r");
	assert_int_equal(stale_open(f.j, id, &s), 0);
	assert_false(stale_get(s, &h1, &is));
	assert_int_equal(is.since, 7);
	for (uint64_t i = 1; i < 4; i++)
		told(s, OP_SETTLE, 0, i);
	const struct record later = about(OP_SETTLE, 0, 1);
	stale_record(s, &later, 80);
	has(s, 1, 41, 0);
	stale_in_place(s, &h2, further);
	stale_record(s, &later, 95);
	has(s, 2, 90, 1000);
	stale_add(s, &h3);
	has(s, 3, 0, 0);
	stale_record(s, &later, 95);
	stale_in_place(s, &h3, further); /* into what? */
	has(s, 3, 0, 0);
	told(s, OP_UNSURE, RF_CONTENT, 2);
	has(s, 2, 0, 0);
	assert_int_equal(stale_save(s), 0);
	stale_close(s);
	assert_int_equal(stale_open(f.j, id, &s), 0);
	has(s, 1, 0, 0);
	stale_close(s);
	fx_close(&f);
}

static void test_sweep(void **state)
{
	struct fixture f;
	struct stale *s;
	struct fhandle here, gone, number;
	struct stat st;
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (lower_look_fd(fd, &st, &here) < 0 ||
	    lower_is_gone(fd, &here, NULL)) {
		close(fd);
		skip(); /* no handles there */
	}
	gone = here;
	gone.bytes[gone.len - 1] ^= 0x55;
	fhandle_by_number(1, 2, S_IFREG, &number);
	fx_open(&f);
	assert_int_equal(stale_open(f.j, fx_replica(&f, "r"), &s), 0);
	stale_add(s, &here);
	stale_add(s, &gone);
	stale_add(s, &number);
	stale_sweep(s, fd);
	assert_true(stale_has(s, &here) && stale_has(s, &number));
	assert_false(stale_has(s, &gone) && lower_is_gone(fd, &gone, NULL));
	stale_close(s);
	fx_close(&f);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_older_content),
		cmocka_unit_test(test_sweep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
