#!/bin/bash
# Another filter, or other owners, and wait at once: it waits until what comes of
# that is there, also while sync does not even know of it yet.
. "$(dirname "$0")/functions.sh"

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
check "set" "$MIRRORFS" replica set "$T/tree" r1 'exclude=*.log'
echo log >"$T/tree/a.log"
echo page >"$T/tree/page"
check "wait" synced
check "filtered" [ -e "$T/replica1/page" ]
refuse "filtered" [ -e "$T/replica1/a.log" ]

sync=$(status_pid sync_pid)
kill -STOP "$sync" || fail "stop"
check "set" "$MIRRORFS" replica set "$T/tree" r1 filter=
"$MIRRORFS" wait "$T/tree" --timeout 1 >"$T/out" 2>&1
said=$?
kill -CONT "$sync"
equal "$said" 1 "wait, while sync knows of nothing"
check "wait" synced
check "same" same "$T/replica1"

# and as it comes
for n in 1 2 3; do
	check "set" "$MIRRORFS" replica set "$T/tree" r1 'filter=- /later*'
	check "wait" synced
	echo "$n" >"$T/tree/later$n"
	check "wait" synced
	refuse "filtered" [ -e "$T/replica1/later$n" ]
	check "set" "$MIRRORFS" replica set "$T/tree" r1 filter=
	check "wait" synced
	check "same, $n" same "$T/replica1"
	chown 4001:4003 "$T/tree/page"
	check "set" "$MIRRORFS" replica set "$T/tree" r1 owner=ignore
	check "wait" synced
	check "set" "$MIRRORFS" replica set "$T/tree" r1 owner=numeric
	check "wait" synced
	check "same, owners, $n" same "$T/replica1"
	chown 0:0 "$T/tree/page"
done
exit 0
