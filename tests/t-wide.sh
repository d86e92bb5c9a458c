#!/bin/bash
# A folder with very many entries: copied, compared, renamed and removed, with
# memory that is a small multiple of its names. ENTRIES: how many; `make soak`
# takes 1,000,000. What each step takes is told, not checked.
. "$(dirname "$0")/functions.sh"
ENTRIES=${ENTRIES:-$(scaled 3000)}
PATIENCE=$((120 + ENTRIES / 1000))

# sync_kib FIELD - of the sync process: VmRSS, or VmHWM for the most so far
sync_kib() {
	awk -v f="$1:" '$1 == f { print $2 }' \
		"/proc/$(status_pid sync_pid)/status"
}

# step TEXT COMMAND... - and how long it took
step() {
	local text=$1 start=$EPOCHREALTIME
	check "$@"
	say "$(awk -v a="$start" -v b="$EPOCHREALTIME" -v t="$text" \
		'BEGIN { printf "%s: %.2f s", t, b - a }')," \
		"sync has had $(sync_kib VmHWM) KiB"
}

counted() { [ "$(ls -f "$1" | wc -l)" -eq $((ENTRIES + 2)) ]; }

compared() {
	timeout $PATIENCE "$MIRRORFS" reconcile "$T/tree" --wait >"$T/out" &&
		[ "$(grep -c " 0 differed$" "$T/out")" = 2 ]
}

"$HELPERS/benchtool" files "$T/tree" 1 "$ENTRIES" 0 || fail "files"
ssh_replicas 1
mkdir "$T/replica2"
step "mount" mount_tree "${REPLICAS[@]}" --replica "r2=$T/replica2"
step "ls" counted "$T/tree/d0"
step "first copy" synced $PATIENCE
for i in 1 2; do
	step "replica $i is the same" same "$T/replica$i"
done
step "comparison, nothing differs" compared
mv "$T/tree/d0" "$T/tree/d1" || fail "mv"
step "rename of the folder" synced $PATIENCE
check "renamed" counted "$T/replica1/d1"
check "renamed there, too" counted "$T/replica2/d1"
step "rm -rf" rm -rf "$T/tree/d1"
step "and the replicas" synced $PATIENCE
refuse "still there" test -e "$T/replica1/d1" -o -e "$T/replica2/d1"
[ -n "$SANITIZED" ] || # that one keeps what is freed
	check "memory of two replicas ($(sync_kib VmHWM) KiB)" test \
		"$(sync_kib VmHWM)" -lt $((65536 + ENTRIES * 2 * 200 / 1024))
exit 0
