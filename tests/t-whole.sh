#!/bin/bash
# A half-written or half-attributed file is never visible on a replica: files
# that can tell whether they are whole are replaced on the master, in place
# and by rename, and read on the replicas all the time; while the replicas
# also get their first copy and sync is killed.
. "$(dirname "$0")/functions.sh"
expect_log "the sync process ended"
expect_races

pipe_replicas 2
mkdir "$T/tree/d"
"$HELPERS/blob" writers "$T/tree/d" "$SEED" 20 || fail "writers"
check "mount" mount_tree
readers=()
start_readers() {
	wait_for 60 test -d "$T/replica$1/d" || fail "no folder on replica $1"
	background "$HELPERS/blob" readers "$T/replica$1/d" "$T/stop"
	readers+=("$BG")
}
background "$HELPERS/blob" writers "$T/tree/d" $((SEED + 1)) "$(scaled 1500)"
writers=$BG
check "add" "$MIRRORFS" replica add "$T/tree" "r1=$T/replica1"
start_readers 1
check "add" "$MIRRORFS" replica add "$T/tree" "r2=$T/replica2"
start_readers 2
sleep 1
kill -9 "$(status_pid sync_pid)"
wait "$writers" || fail "writers"
check "wait" synced
touch "$T/stop"
for pid in "${readers[@]}"; do
	wait "$pid" || fail "a file was not whole"
done
check "replica 1" same "$T/replica1"
check "replica 2" same "$T/replica2"
exit 0
