/* layer: base */
#ifndef MIRRORFS_CAUSES_H
#define MIRRORFS_CAUSES_H

/*
 * Why something could not be brought to a replica, in words: tbl/causes.h.
 */

enum cause {
#define CAUSE(symbol, word, text, remedy) CAUSE_##symbol,
#include "tbl/causes.h"
#undef CAUSE
	CAUSES,
};

/* cause_word - as it is stored. cause_from_word - CAUSE_UNKNOWN for words that
 * are not known, and NULL. */
const char *cause_word(enum cause cause);
enum cause cause_from_word(const char *word);
/* cause_text, cause_remedy - what is wrong, and what to do. */
const char *cause_text(enum cause cause);
const char *cause_remedy(enum cause cause);

#endif
