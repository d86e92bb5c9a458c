/* The record decoder: what it takes is encoded and decoded to the same. */
#include "confdefs.h"

#include <string.h>

#include "record.h"
#include "tests/fuzz/fuzz.h"

static void again(const struct record *r)
{
	struct buf one = BUF_INIT, two = BUF_INIT;
	struct record copy;

	record_encode(&one, r);
	FUZZ_CHECK(record_decode(&one, &copy) == 0);
	FUZZ_CHECK(buf_left(&one) == 0);
	record_encode(&two, &copy);
	FUZZ_CHECK(one.len == two.len &&
		   memcmp(one.data, two.data, one.len) == 0);
	record_done(&copy);
	buf_done(&one);
	buf_done(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = BUF_INIT;
	struct record r;

	buf_put(&b, data, size);
	while (buf_left(&b) > 0 && record_decode(&b, &r) == 0) {
		again(&r);
		record_done(&r);
	}
	buf_done(&b);
	return 0;
}

bool fuzz_seed(unsigned n, struct buf *out)
{
	char path[] = "a/b\xff", path2[] = "c";
	struct range ranges[] = {{0, 10}, {4096, 1}};
	struct record r = {.seq = SEQ_FIRST(3) + n,
			   .time_ns = 1700000000000000000,
			   .op = n % 14,
			   .flags = n * 37,
			   .who = {0, 33, 4711, "vsftpd", "user: 192.0.2.7"},
			   .obj = {.len = 8, .type = 1, .bytes = {1, 2, 3}},
			   .path = n % 5 == 4 ? NULL : path,
			   .path2 = n % 2 ? path2 : NULL,
			   .mode = 0100644,
			   .uid = n,
			   .gid = 33,
			   .size = 5000,
			   .n_ranges = n % 3,
			   .ranges = n % 3 ? ranges : NULL};

	for (unsigned i = 0; i <= n % 3; i++)
		record_encode(out, &r);
	return n < 20;
}
