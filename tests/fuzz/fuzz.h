#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

/*
 * A fuzz target: one function that takes any bytes, and the seeds that a fuzzer
 * starts from, made by code. The target aborts when it finds a fault.
 * `make fuzz` links each with libFuzzer; else fuzz-main.c runs the seeds and
 * some mutations of them, as a test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* fuzz_seed - seed number `n` from 0 on, appended; false: there are no more. */
bool fuzz_seed(unsigned n, struct buf *out);

#define FUZZ_CHECK(condition)                                                  \
	do {                                                                   \
		if (!(condition))                                              \
			abort();                                               \
	} while (0)

/* fuzz_text - the bytes up to the first NUL; owned by the caller. */
char *fuzz_text(const uint8_t *data, size_t size);

#endif
