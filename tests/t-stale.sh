#!/bin/bash
# A replica that is away for longer than the journal keeps what it misses is
# stale: no record is kept for it, and on return it is compared, unasked.
. "$(dirname "$0")/functions.sh"
expect_log "cannot reach|lost|connection|ended"

ssh_replicas 1
mkdir "$T/replica2"
check "mount" mount_tree "${REPLICAS[@]}" --replica "r2=$T/replica2" \
	-o max-backlog=500
"$HELPERS/churn" --seed "$SEED" --ops 1000 "$T/tree" || fail "churn"
check "wait" synced
port=$SSHD_PORT
sshd_stop
check "pause r2" "$MIRRORFS" replica pause "$T/tree" r2
echo few >"$T/tree/few"
check "a short absence" wait_for 60 state_is r1 offline
"$HELPERS/churn" --seed $((SEED + 1)) --ops 2000 "$T/tree" || fail "churn"
check "stale" wait_for 60 state_is r1 stale
check "told" wait_for 20 grep -q "r1: stale" "$T/state/mirrorfs.log"
check "the paused one, too" wait_for 20 grep -q "r2: stale" \
	"$T/state/mirrorfs.log"
"$MIRRORFS" wait "$T/tree" --timeout 1 >"$T/out" 2>&1
equal $? 1 "wait for a replica that is stale"

sshd_start "$T/sshd" "$port" || fail "sshd does not start again"
check "resume r2" "$MIRRORFS" replica resume "$T/tree" r2
check "wait when they are back" synced 90
check "replica 1" same "$T/replica1"
check "replica 2" same "$T/replica2"
echo on >"$T/tree/on"
check "wait" synced
check "they are replayed again" same "$T/replica1"
exit 0
