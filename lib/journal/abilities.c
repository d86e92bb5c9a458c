/* What the server of a replica can do, as it was found out last. */
#include "confdefs.h"

#include <errno.h>
#include <string.h>

#include "lib/journal/db.h"
#include "memo.h"

#define OWNERS "owner-option" /* no ability: what was asked for */

static int put(struct journal *j, int64_t id, const char *word,
	       const char *value)
{
	return db_run(j, NULL,
		      "INSERT OR REPLACE INTO replica_ability"
		      "(replica, ability, value) VALUES(?, ?, ?)",
		      "ltt", id, word, value);
}

static int put_all(struct journal *j, int64_t id, const struct abilities *a,
		   const char *owners)
{
	int r = put(j, id, OWNERS, owners);

	for (unsigned i = 0; r == 0 && i < ABILITIES; i++)
		r = put(j, id, ability_word((enum ability)i),
			a->can[i] ? "yes" : "no");
	return r;
}

int journal_abilities_put(struct journal *j, int64_t id,
			  const struct abilities *a, const char *owners)
{
	int r = journal_transaction_begin(j);
	if (r < 0)
		return r;
	r = put_all(j, id, a, owners);
	return journal_transaction_close(j, r);
}

int journal_abilities_load(struct journal *j, int64_t id, struct abilities *ret,
			   char **ret_owners)
{
	DB_RESET sqlite3_stmt *st = NULL;
	int n = 0;
	int r = db_query(j, &st,
			 "SELECT ability, value FROM replica_ability "
			 "WHERE replica = ?",
			 "l", id);
	*ret = (struct abilities){0};
	*ret_owners = NULL;
	while (r == 0 && (r = db_next(j, st)) > 0) {
		enum ability a = ability_from_word(db_str(st, 0));
		if (a < ABILITIES)
			ret->can[a] = strcmp(db_str(st, 1), "yes") == 0;
		else if (strcmp(db_str(st, 0), OWNERS) == 0)
			*ret_owners = db_text(st, 1);
		n++;
		r = 0;
	}
	return r < 0 ? r : n > 0;
}
