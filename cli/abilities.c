/* What the servers of replicas can do, for `mirrorfs replica list`. */
#include "confdefs.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "cli/cli.h"
#include "cli/status.h"
#include "memo.h"

json_t *abilities_json(struct journal *j, int64_t id)
{
	CLEANUP_FREE char *owners = NULL;
	struct abilities a;
	json_t *o = json_object();

	if (journal_abilities_load(j, id, &a, &owners) <= 0)
		return o;
	for (unsigned i = 0; i < ABILITIES; i++)
		json_object_set_new(o, ability_word((enum ability)i),
				    json_boolean(a.can[i]));
	return o;
}

void abilities_print(struct journal *j, const struct replica_row *r)
{
	CLEANUP_FREE char *owners = NULL;
	struct abilities a;

	if (journal_abilities_load(j, r->id, &a, &owners) <= 0) {
		printf("%s: not connected yet: what its server can do is not "
		       "known\n",
		       r->name);
		return;
	}
	printf("%s: its server can", r->name);
	for (unsigned i = 0; i < ABILITIES; i++) {
		if (a.can[i])
			printf(" %s", ability_word((enum ability)i));
	}
	putchar('\n');
	for (unsigned i = 0; i < ABILITIES; i++) {
		if (!a.can[i])
			printf("%s: no %s: %s\n", r->name,
			       ability_word((enum ability)i),
			       ability_without((enum ability)i));
	}
}
