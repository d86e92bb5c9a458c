/* The table of abilities, as words. */
#include "confdefs.h"

#include <stddef.h>
#include <string.h>

#include "abilities.h"

static const struct {
	const char *word, *without;
} abilities[] = {
#define ABILITY(symbol, word, without) {word, without},
#include "tbl/abilities.h"
#undef ABILITY
};

const char *ability_word(enum ability a)
{
	return (unsigned)a < ABILITIES ? abilities[a].word : "?";
}

enum ability ability_from_word(const char *word)
{
	unsigned i = 0;

	while (i < ABILITIES && strcmp(abilities[i].word, word) != 0)
		i++;
	return (enum ability)i;
}

const char *ability_without(enum ability a)
{
	return (unsigned)a < ABILITIES ? abilities[a].without : "";
}
