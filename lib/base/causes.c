/* The table of causes, read three ways. */
#include "confdefs.h"

#include <stddef.h>
#include <string.h>

#include "causes.h"

static const struct {
	const char *word, *text, *remedy;
} causes[] = {
#define CAUSE(symbol, word, text, remedy) {word, text, remedy},
#include "tbl/causes.h"
#undef CAUSE
};

static enum cause known(enum cause cause)
{
	return (unsigned)cause < CAUSES ? cause : CAUSE_UNKNOWN;
}

const char *cause_word(enum cause cause)
{
	return causes[known(cause)].word;
}

enum cause cause_from_word(const char *word)
{
	for (unsigned i = 0; word && i < CAUSES; i++) {
		if (strcmp(causes[i].word, word) == 0)
			return (enum cause)i;
	}
	return CAUSE_UNKNOWN;
}

const char *cause_text(enum cause cause)
{
	return causes[known(cause)].text;
}

const char *cause_remedy(enum cause cause)
{
	return causes[known(cause)].remedy;
}
