#!/bin/bash
# A replica is made from the disk of another one of the mount, .mirrorfs included,
# and both have the same records: it is not the one that it says it is, and what the
# other one's filter left out is brought, and its owners are mended.
. "$(dirname "$0")/functions.sh"
mkdir -p "$T/replica2" "$T/tree/sub" && echo x >"$T/tree/sub/a.log" &&
	echo x >"$T/tree/page" && chown daemon "$T/tree/page" || fail "files"
cat >"$T/test.conf" <<-CONF
[mount]
root = $T/tree
state-dir = $T/state
[replica r1]
url = $T/replica1
exclude = *.log
owner = 33:33
[replica r2]
url = $T/replica2
CONF
MOUNTS+=("$T/tree") LOGS+=("$T/state/mirrorfs.log")
WHY="comparing everything: what it has was brought for another replica"
told() { grep -c "$WHY" "$T/state/mirrorfs.log"; }

check "mount" "$MIRRORFS" mount --config "$T/test.conf"
check "wait" synced
check "pause" "$MIRRORFS" replica pause "$T/tree" r2
check "paused" wait_for 60 state_is r2 paused
find "$T/replica2" -mindepth 1 -delete
cp -a "$T/replica1/." "$T/replica2/" || fail "cp"
equal "$(told)" 0 "what the log told before"
check "resume" "$MIRRORFS" replica resume "$T/tree" r2
check "it is told" wait_for 60 grep -q "r2: $WHY" "$T/state/mirrorfs.log"
check "wait" synced
check "same" same "$T/replica2"

# from now on it is itself, and so is the other one
for r in r1 r2; do
	check "pause" "$MIRRORFS" replica pause "$T/tree" $r
	check "paused" wait_for 60 state_is $r paused
	check "resume" "$MIRRORFS" replica resume "$T/tree" $r
done
echo y >>"$T/tree/page"
check "wait" synced
equal "$(told)" 1 "what the log told in all"
check "same" same "$T/replica2"
exit 0
