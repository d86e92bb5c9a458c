#!/bin/bash
# Few inodes are left on a replica as the connection is made: what the server cannot
# make then it could before, and symbolic links that are there stay.
. "$(dirname "$0")/functions.sh"
expect_log "parked|refuse|cannot"

mount -t tmpfs -o nr_inodes=200,mode=755 none "$T/replica1" ||
	skip "cannot mount a tmpfs"
LOWERS+=("$T/replica1")
mkdir "$T/tree/d" && echo x >"$T/tree/d/f" && ln "$T/tree/d/f" "$T/tree/g" &&
	ln -s d "$T/tree/current" || fail "files"
check "mount" mount_tree --replica "r1=$T/replica1"
check "wait" synced
settled() { state_is r1 synced || state_is r1 refused; }
for n in 2 3 4 5 6; do
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	check "paused" wait_for 60 state_is r1 paused
	mkdir -p "$T/replica1/.mirrorfs/full"
	for i in {1..200}; do
		[ "$(stat -f -c %d "$T/replica1")" -gt $n ] || break
		: >"$T/replica1/.mirrorfs/full/$n.$i"
	done
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "connected" wait_for 60 settled
	if state_is r1 synced; then
		check "compare" "$MIRRORFS" reconcile "$T/tree" --wait >"$T/out"
	fi
	equal "$(readlink "$T/replica1/current")" d "the link, $n inodes left"
	equal "$(stat -c %h "$T/replica1/g")" 2 "names, $n inodes left"
	rm -r "$T/replica1/.mirrorfs/full"
done
check "retry" "$MIRRORFS" retry "$T/tree" >"$T/out"
check "wait" synced
check "same" same "$T/replica1"
exit 0
