#!/bin/bash
# The journal's database is lost while nothing changes, and a new one is made:
# who asks whether all has arrived gets an answer, when all was compared.
. "$(dirname "$0")/functions.sh"
need sqlite3
expect_log "journal|lost|sync process ended"

db=$T/state/journal.db
mended() {
	[ -e "$db" ] && [ "$(stat -c %i "$db")" != "$was" ] &&
		"$MIRRORFS" status "$T/tree" 2>/dev/null |
		grep -qx "journal: ok"
}

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
echo one >"$T/tree/one"
check "wait" synced
for round in 1 2; do
	was=$(stat -c %i "$db")
	ln "$db" "$T/kept$round" # its number is not another one's
	rm "$db"
	echo "other $round" >"$T/replica1/one"
	check "it is there again" wait_for 120 mended
	check "wait, and nothing has changed" synced
	check "same" same "$T/replica1"
	equal "$(sqlite3 "$db" "SELECT count(*) FROM record WHERE op = 16")" 1 \
		"records that tell of it"
done
echo two >"$T/tree/two"
check "wait" synced
check "same" same "$T/replica1"
exit 0
