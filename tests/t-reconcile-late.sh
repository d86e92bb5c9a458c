#!/bin/bash
# Files whose contents are compared on demand, and that change while they are read
# back: what differed on the replica is found, and sent, all the same.
. "$(dirname "$0")/functions.sh"

faulty_replica
MB=$((1 << 20))
check "mount" mount_tree "${REPLICAS[@]}"
cd "$T/tree" || fail "cd"
echo content >modes && head -c $((4 * MB)) /dev/urandom >large || fail "files"
check "wait" synced

# tamper FILE OFFSET - a byte of it, which size and time do not tell
tamper() {
	touch -r "$T/replica1/$1" "$T/time"
	printf '\377\0' | dd of="$T/replica1/$1" bs=1 seek="$2" conv=notrunc \
		status=none
	touch -r "$T/time" "$T/replica1/$1"
}
# meanwhile FILE COMMAND... - that is done while it is to be opened
meanwhile() {
	local file=$1
	shift
	# a server that has released what it held holds nothing any more
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	rm -f "$CTL"/{release,held}
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "wait" synced
	echo "3 /$file" >"$CTL/hold"
	background "$MIRRORFS" reconcile "$T/tree/$file" --checksum --wait \
		>"$T/out" 2>&1
	check "$file: held" wait_for 60 held 1
	"$@" || fail "$*"
	rm "$CTL/hold"
	touch "$CTL/release"
	wait "$BG" || fail "$file: $(cat "$T/out")"
}
# told DIFFERED
told() {
	equal "$(cat "$T/out")" "r1: 1 entry compared, $1 differed" "it is told"
}

tamper modes 3
meanwhile modes chmod 600 modes
check "wait" synced
check "same" same "$T/replica1"
told 1

# what is written here, and settles later, would be sent as a change of what is
# there
tamper large $((2 * MB))
exec 5<>large
begin() { printf x >&5; }
meanwhile large begin
told 0
exec 5>&-
check "wait" synced
check "same" same "$T/replica1"
exit 0
