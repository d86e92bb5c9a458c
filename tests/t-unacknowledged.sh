#!/bin/bash
# A write that the replica refuses, in the middle of a file: the file is not
# published, what was there before stays. Small and large, new and replaced, sent
# whole and as what has changed, over one connection and two.
. "$(dirname "$0")/functions.sh"
expect_log "parked|MARKER|lost|connection"
faulty_replica
check "mount" mount_tree "${REPLICAS[@]}" -o parallel-above=1M
# put NAME BYTES TEXT - that much, with TEXT in the middle
put() {
	local half=$(($2 / 2))
	{ head -c $half /dev/zero | tr '\0' x; printf '%s' "$3"
		head -c $half /dev/zero | tr '\0' y; } >"$T/tree/$1.new" &&
		mv "$T/tree/$1.new" "$T/tree/$1" || fail "put $1"
}
sizes=(100 600000 3000000)
for size in "${sizes[@]}"; do
	put "f$size" "$size" "old and well"
done
put "part" 3000000 "old and well"
check "wait" synced
cp -a "$T/replica1" "$T/before" || fail "copy"

echo "MARKER" >"$CTL/refuse"
for size in "${sizes[@]}"; do
	put "f$size" "$size" "the MARKER is"
	put "new$size" "$size" "the MARKER is"
done
printf 'MARKER' | dd of="$T/tree/part" bs=1 seek=2000000 conv=notrunc \
	status=none || fail "dd"
touch "$T/tree/other"
parked() { [ "$(status_get r1 parked)" = 7 ]; }
check "all are parked" wait_for 60 parked
check "others arrive" wait_for 60 test -e "$T/replica1/other"
for name in f100 f600000 f3000000 part; do
	check "$name is as it was" cmp "$T/before/$name" "$T/replica1/$name"
done
refuse "a new one is there" ls -d "$T/replica1/new"* 2>/dev/null
rm "$CTL/refuse"
check "retry" "$MIRRORFS" retry "$T/tree" >"$T/out"
check "wait" synced
check "same" same "$T/replica1"
exit 0
