#!/bin/bash
# One of two replicas is down while users go on: the other one is served as
# ever, the backlog is shown, survives an unmount, and is sent when it returns.
# The replica that is down at mount time is no reason to refuse.
. "$(dirname "$0")/functions.sh"
expect_log "cannot reach|lost|connection|ended"
expect_races

ssh_replicas 1
mkdir "$T/replica2"
check "mount" mount_tree "${REPLICAS[@]}" --replica "r2=$T/replica2"
"$HELPERS/churn" --seed "$SEED" --ops 1000 "$T/tree" || fail "churn"
check "wait" synced
port=$SSHD_PORT
sshd_stop

echo one >"$T/tree/while-down"
"$HELPERS/churn" --seed $((SEED + 1)) --ops 2000 "$T/tree" || fail "churn"
check "the other replica" "$MIRRORFS" wait "$T/tree" --replica r2 --timeout 60
check "replica 2" same "$T/replica2"
check "offline is told" wait_for 60 state_is r1 offline
check "with the reason" test "$(status_get r1 error)" != null
"$MIRRORFS" status "$T/tree" >"$T/status" || fail "status"
check "and since when" grep -Eqx "r1: offline since 2[-0-9]+ [0-9:]+" "$T/status"
SINCE=$(status_get r1 since)
check "lag" test "$(status_get r1 lag_records)" -gt 100
"$MIRRORFS" wait "$T/tree" --timeout 1 >"$T/out" 2>&1
equal $? 1 "wait for a replica that is down"
equal "$(status_get r1 since)" "$SINCE" "since when, after another try"
refuse "not there yet" test -e "$T/replica1/while-down"

check "umount" umount_tree
check "mount with a replica down" mount_tree 2>"$T/err"
echo two >>"$T/tree/while-down"
lag=$(status_get r1 lag_records)
check "the backlog is still there ($lag)" test "$lag" -gt 100
sshd_start "$T/sshd" "$port" || fail "sshd does not start again"
check "wait when it is back" synced
check "replica 1" same "$T/replica1"
check "replica 2" same "$T/replica2"
exit 0
