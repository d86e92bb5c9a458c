#!/bin/bash
# A bandwidth limit: a large file takes its time, small ones do not wait for
# it, and it can be lifted at once.
. "$(dirname "$0")/functions.sh"

"$HELPERS/blob" write "$T/tree/first" "$SEED" 6000000 || fail "write"
check "mount" mount_tree --replica "r1=$T/replica1" -o bwlimit=64K
# moves - the first copy tells of a part of its only file
moves() {
	local bytes
	bytes=$(status_get r1 progress.bytes)
	[ "${bytes:-null}" != null ] && [ "$bytes" -gt 0 ] &&
		[ "$bytes" -lt 6000000 ] &&
		[ "$(status_get r1 progress.sent)" -gt 0 ]
}
check "the progress of one large file" wait_for 60 moves
check "lift it" "$MIRRORFS" replica set "$T/tree" r1 bwlimit=never
check "synced" synced
check "limit" "$MIRRORFS" replica set "$T/tree" r1 bwlimit=64K
"$HELPERS/blob" write "$T/tree/large" "$SEED" 6000000 || fail "write"
echo small >"$T/tree/small"
check "a small one" wait_for 60 test -e "$T/replica1/small"
refuse "the large one needs 90 s" test -e "$T/replica1/large"
refuse "a rate that is none" "$MIRRORFS" replica set "$T/tree" r1 \
	bwlimit=fast 2>"$T/err"
check "it is named" grep -q 'bwlimit: "fast" is not a rate' "$T/err"
check "lift it" "$MIRRORFS" replica set "$T/tree" r1 bwlimit=never
check "wait" synced
"$HELPERS/blob" check "$T/replica1/large" || fail "content"
check "same" same "$T/replica1"

# it sleeps until small ones may go on
ticks() { awk '{ print $14 + $15 }' "/proc/$(status_pid sync_pid)/stat"; }
mkdir "$T/many" && head -c 8000000 /dev/urandom |
	split -a 3 -b 20000 - "$T/many/" || fail "small files"
check "limit" "$MIRRORFS" replica set "$T/tree" r1 bwlimit=1M
used=$(ticks)
began=$(cut -d ' ' -f 1 /proc/uptime)
mv "$T/many" "$T/tree/many" || fail "move"
check "wait" synced
used=$(($(ticks) - used))
awk -v used="$used" -v began="$began" -v hz="$(getconf CLK_TCK)" '{
	all = ($1 - began) * hz
	print "processor: " used " of " all
	exit used * 2 >= all }' /proc/uptime || fail "it is busy with waiting"
check "same" same "$T/replica1"
exit 0
