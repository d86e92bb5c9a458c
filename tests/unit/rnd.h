#ifndef TESTS_UNIT_RND_H
#define TESTS_UNIT_RND_H

/* Numbers at random, the same ones for the same seed (xorshift64): set
 * random_state, not to 0, before. */

#include <stdint.h>

static uint64_t random_state;

static inline uint32_t rnd(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 24) % below;
}

#endif
