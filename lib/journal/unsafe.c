/* Up to where a replica is sure to have it on its disk: memo.h. */
#include "confdefs.h"

#include "lib/journal/db.h"
#include "memo.h"

int journal_unsafe_put(struct journal *j, int64_t id, uint64_t seq)
{
	return db_run(j, NULL,
		      "INSERT INTO unsafe(replica, seq) VALUES(?, ?) "
		      "ON CONFLICT DO UPDATE SET seq = min(seq, excluded.seq)",
		      "ll", id, seq);
}

int journal_unsafe_set(struct journal *j, int64_t id, uint64_t seq)
{
	return db_run(j, NULL,
		      "INSERT OR REPLACE INTO unsafe(replica, seq) "
		      "VALUES(?, ?)",
		      "ll", id, seq);
}

int journal_unsafe_get(struct journal *j, int64_t id, uint64_t *ret_seq)
{
	int64_t seq;
	int r = db_number(j, &seq, -1,
			  "SELECT seq FROM unsafe WHERE replica = ?", "l", id);
	if (r < 0 || seq < 0)
		return r;
	*ret_seq = (uint64_t)seq;
	return 1;
}

/* Records go from the oldest on: where one up to the mark is left, those behind
 * it are, too. Else what is gone cannot be compared by its records. */
int journal_unsafe_back(struct journal *j, int64_t id)
{
	return db_run(j, NULL,
		      "UPDATE replica SET inflight = max(inflight, cursor),"
		      " cursor = min(cursor, u.seq),"
		      " seeded = CASE WHEN u.seq > 0 AND EXISTS("
		      "  SELECT 1 FROM record WHERE record.seq <= u.seq)"
		      "  THEN seeded ELSE 0 END "
		      "FROM unsafe AS u "
		      "WHERE u.replica = replica.id AND replica.id = ?",
		      "l", id);
}

int journal_unsafe_clear(struct journal *j, int64_t id)
{
	return db_run(j, NULL, "DELETE FROM unsafe WHERE replica = ?", "l", id);
}
