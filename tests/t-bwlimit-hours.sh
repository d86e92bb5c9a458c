#!/bin/bash
# A bandwidth limit by the time of day: the hour changes while a large file is on
# its way, and the limit follows, to and fro. Another replica, with the same limit
# at all hours, is the clock: what arrives there meanwhile is compared.
. "$(dirname "$0")/functions.sh"
once
[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"

# hour N - it is half past N for mirrorfs, in a time zone of its own
export TZ=UTC0
hour() {
	clock $(($1 * 3600 + 1800 - $(date +%s) % 86400))
}
# arrived N - bytes that replica N has of the file, whole or on its way
arrived() {
	find "$T/replica$1" -type f \( -path "*/stage/*" -o -name large \) \
		-size +64k -printf '%s\n' 2>/dev/null | sort -n | tail -n 1 |
		grep . || echo 0
}
# more N FROM BYTES
more() {
	[ $(($(arrived "$1") - $2)) -ge "$3" ]
}
# crawls - while the clock goes on, next to nothing arrives
crawls() {
	local r1 r2
	r1=$(arrived 1) r2=$(arrived 2)
	wait_for 60 more 2 "$r2" 400000 || fail "the clock has stopped"
	[ $(($(arrived 1) - r1)) -lt 100000 ]
}

hour 12
pipe_replicas 2
check "mount" env LD_PRELOAD="$HELPERS/sysfault.so" CLOCK_STEP="$T/step" \
	timeout 60 "$MIRRORFS" mount "$T/tree" --state-dir "$T/state" \
	${DURABLE:+-o "durable=$DURABLE"} "${REPLICAS[@]}"
MOUNTS+=("$T/tree") LOGS+=("$T/state/mirrorfs.log")
check "wait" synced
# by day it would take 18 hours, and the clock 10 minutes
"$MIRRORFS" replica set "$T/tree" r1 "bwlimit=08:00-18:00 1K, 4M" &&
	"$MIRRORFS" replica set "$T/tree" r2 bwlimit=128K || fail "limits"
"$HELPERS/blob" write "$T/tree/large" "$SEED" 70000000 || fail "write"

check "it is under way" wait_for 60 more 2 0 100000
check "slow by day" wait_for 60 crawls
hour 18
r1=$(arrived 1) r2=$(arrived 2)
check "faster from six o'clock on" wait_for 60 more 1 "$r1" 10000000
[ $(($(arrived 2) - r2)) -lt 10000000 ] || fail "the other one was as fast"
hour 8
check "slow again in the morning" wait_for 60 crawls
refuse "it was sent" test -e "$T/replica1/large"
check "still slow" crawls
hour 7
check "it is complete" wait_for 120 test -e "$T/replica1/large"
refuse "so is the other one" test -e "$T/replica2/large"
check "lift it" "$MIRRORFS" replica set "$T/tree" r2 bwlimit=never
check "wait" synced
"$HELPERS/blob" check "$T/replica1/large" "$T/replica2/large" || fail "content"
check "same" same "$T/replica1"
exit 0
