/*
 * The text of the state file. It has a checksum: with one bit of its uuid changed
 * it would name another journal, and the replica were refused until somebody
 * looked at it, instead of being compared.
 */
#include "confdefs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "paths.h"
#include "sync/stage.h"

#define SUM "sum="

int stage_state_parse(const char *text, struct stage_state *ret)
{
	const char *sum = strstr(text, "\n" SUM);
	uint64_t seq, turn = 0, is;
	int64_t replica = 0;

	if (sscanf(text,
		   "uuid=%39s\nseq=%" SCNu64 "\nturn=%" SCNu64
		   "\nreplica=%" SCNd64,
		   ret->uuid, &seq, &turn, &replica) < 2)
		return -EBADMSG;
	if (sum && (sscanf(++sum, SUM "%" SCNx64, &is) < 1 ||
		    is != text_sum(text, (size_t)(sum - text))))
		return -EBADMSG;
	ret->seq = seq;
	ret->turn = turn;
	ret->replica = replica;
	ret->exists = true;
	return 0;
}

size_t stage_state_text(const struct stage_state *s, const char *uuid,
			char out[STATE_TEXT_MAX])
{
	int n = snprintf(out, STATE_TEXT_MAX,
			 "uuid=%s\nseq=%" PRIu64 "\nturn=%" PRIu64
			 "\nreplica=%" PRId64 "\n",
			 uuid, s->seq, s->turn, s->replica);

	n += snprintf(out + n, STATE_TEXT_MAX - (size_t)n,
		      SUM "%016" PRIx64 "\n", text_sum(out, (size_t)n));
	return (size_t)n;
}
