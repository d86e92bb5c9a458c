#!/bin/bash
# A replica that is away for longer than the journal keeps what it misses is
# stale: no record is kept for it, and on return it is compared, unasked.
. "$(dirname "$0")/functions.sh"
expect_log "cannot reach|lost|connection|ended"
expect_races

ssh_replicas 1
mkdir "$T/replica2"
printf '[mount]\nroot = %s\nhistory = 1ms\n' "$T/tree" >"$T/history.conf"
check "mount" mount_tree --config "$T/history.conf" "${REPLICAS[@]}" \
	--replica "r2=$T/replica2" -o max-backlog=500
echo old >"$T/tree/alike"
touch -d '2020-01-01' "$T/tree/alike"
"$HELPERS/churn" --seed "$SEED" --ops 1000 "$T/tree" || fail "churn"
check "wait" synced
port=$SSHD_PORT
sshd_stop
check "pause r2" "$MIRRORFS" replica pause "$T/tree" r2
echo new >"$T/tree/alike"
touch -d '2020-01-01' "$T/tree/alike"
echo few >"$T/tree/few"
check "a short absence" wait_for 60 state_is r1 offline
"$HELPERS/churn" --seed $((SEED + 1)) --ops 2000 "$T/tree" || fail "churn"
check "stale" wait_for 60 state_is r1 stale
check "told" wait_for 60 grep -q "r1: stale" "$T/state/mirrorfs.log"
check "the paused one, too" wait_for 60 grep -q "r2: stale" \
	"$T/state/mirrorfs.log"
"$MIRRORFS" wait "$T/tree" --timeout 1 >"$T/out" 2>&1
equal $? 1 "wait for a replica that is stale"

# its records are gone, and what is left is much younger: so only what was noted
# when they went tells that "alike" has changed
forgotten() {
	local oldest
	echo >>"$T/tree/few"
	oldest=$("$MIRRORFS" log "$T/tree" --json | head -n 1 |
		jq '.time | floor')
	[ "$oldest" -gt $(($(stat -c %Z "$T/tree/alike") + 4)) ]
}
check "nobody needs the records" wait_for 60 forgotten

sshd_start "$T/sshd" "$port" || fail "sshd does not start again"
check "resume r2" "$MIRRORFS" replica resume "$T/tree" r2
check "wait when they are back" synced
check "replica 1" same "$T/replica1"
check "replica 2" same "$T/replica2"
equal "$(cat "$T/replica1/alike" "$T/replica2/alike" | tr '\n' ' ')" \
	"new new " "of the same size and second"
echo on >"$T/tree/on"
check "wait" synced
check "they are replayed again" same "$T/replica1"

# few records, but many bytes
check "set" "$MIRRORFS" replica set "$T/tree" r2 max-backlog=never \
	max-backlog-bytes=1M
check "pause r2" "$MIRRORFS" replica pause "$T/tree" r2
"$HELPERS/blob" write "$T/tree/large" "$SEED" 2000000 || fail "write"
stale_again() { [ "$(grep -c "r2: stale" "$T/state/mirrorfs.log")" -gt 1 ]; }
check "stale by bytes" wait_for 60 stale_again
check "resume r2" "$MIRRORFS" replica resume "$T/tree" r2
check "wait" synced
check "replica 2 by bytes" same "$T/replica2"
exit 0
