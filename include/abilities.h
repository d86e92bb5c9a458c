/* layer: base */
#ifndef MIRRORFS_ABILITIES_H
#define MIRRORFS_ABILITIES_H

/*
 * What the server of a replica can do: tbl/abilities.h.
 */

#include <stdbool.h>

enum ability {
#define ABILITY(symbol, word, without) CAN_##symbol,
#include "tbl/abilities.h"
#undef ABILITY
	ABILITIES,
};

struct abilities {
	bool can[ABILITIES];
};

const char *ability_word(enum ability a);
/* ability_from_word - ABILITIES for a word that is not known. */
enum ability ability_from_word(const char *word);
/* ability_without - what is different without it. */
const char *ability_without(enum ability a);

#endif
