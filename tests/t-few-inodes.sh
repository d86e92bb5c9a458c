#!/bin/bash
# No, or few, inodes are left on a replica as the connection is made: what the server
# cannot make then it could before, and symbolic links that are there stay. What is
# removed goes there, and the connection has the link that shuts it out at the next.
. "$(dirname "$0")/functions.sh"
expect_log "parked|refuse|cannot"

R=$T/replica1
mount -t tmpfs -o nr_inodes=200,mode=755 none "$R" ||
	skip "cannot mount a tmpfs"
LOWERS+=("$R")
mkdir "$T/tree/d" && echo x >"$T/tree/d/f" && ln "$T/tree/d/f" "$T/tree/g" &&
	ln -s d "$T/tree/current" && touch "$T"/tree/gone{0..6} || fail "files"
check "mount" mount_tree --replica "r1=$R"
check "wait" synced
# left N - so many inodes, of those that were free
left() {
	local i
	mkdir -p "$R/.mirrorfs/full"
	for i in {1..200}; do
		[ "$(stat -f -c %d "$R")" -gt "$1" ] || break
		: >"$R/.mirrorfs/full/$1.$i"
	done
}
has_link() {
	[ "$(readlink "$R"/.mirrorfs/stage/*/root)" = ../../.. ]
}
for n in 0 1 2 3 4 5 6; do
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	check "paused" wait_for 60 state_is r1 paused
	left $n
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "connected, $n inodes left" wait_for 60 state_is r1 synced
	check "a link to shut it out by, $n inodes left" has_link
	# without one it cannot link what it does not know to be linked
	"$MIRRORFS" reconcile "$T/tree" --wait >"$T/out" 2>"$T/err"
	equal $? $((n == 0)) "compare, $n inodes left"
	equal "$(readlink "$R/current")" d "the link, $n inodes left"
	equal "$(stat -c %h "$R/g")" 2 "names, $n inodes left"
	left 0
	touch "$T/tree/new$n" || fail "touch"
	check "parked" wait_for 60 parked_as no-inodes "new$n"
	rm "$T/tree/gone$n" || fail "rm"
	check "removed, $n inodes left" wait_for 60 test ! -e "$R/gone$n"
	rm -r "$R/.mirrorfs/full"
	check "retry" "$MIRRORFS" retry "$T/tree" >"$T/out"
	check "wait" synced
done
check "same" same "$R"
exit 0
