#!/bin/bash
# Times that SFTP cannot carry, before 1970 and after 2106: a replica gets the
# nearest one, it is told, and a comparison finds nothing to do.
. "$(dirname "$0")/functions.sh"
pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
mkdir "$T/tree/dir"
for name in old new dir/now; do
	echo "$name" >"$T/tree/$name" || fail "write"
done
touch -d 1960-02-03 "$T/tree/old" && touch -d 2150-02-03 "$T/tree/new" ||
	fail "touch"
year() { date -u -d "@$(stat -c %Y "$T/tree/$1")" +%Y; }
[ "$(year old) $(year new)" = "1960 2150" ] ||
	skip "the file system has no such times"
check "wait" synced
equal "$(stat -c %Y "$T/replica1/old")" 0 "the oldest"
equal "$(stat -c %Y "$T/replica1/new")" 4294967295 "the newest"
check "it is told" grep -q "not carried.*: time, [0-9]* times, as in /" \
	<("$MIRRORFS" status "$T/tree")
check "compare" "$MIRRORFS" reconcile "$T/tree" --wait >"$T/out"
check "no difference" grep -q "compared, 0 differed" "$T/out"
touch -d 2001-02-03 "$T/tree/old" "$T/tree/new" || fail "touch"
check "wait" synced
check "same" same "$T/replica1"
exit 0
