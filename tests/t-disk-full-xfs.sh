#!/bin/bash
# An XFS on a replica has no block left, so no folder and no link can be made there,
# as the connection is made, again and again: what makes room there is sent, what needs
# room is parked, and each connection has the link that shuts it out at the next.
. "$(dirname "$0")/functions.sh"
expect_log "parked|no space"

R=$T/replica1
lay_below xfs "$R"
mkdir "$T/tree/d" && ln -s d "$T/tree/current" && echo x >"$T/tree/f" &&
	ln "$T/tree/f" "$T/tree/g" || fail "tree"
for n in 1 2 3; do
	head -c 3M /dev/urandom >"$T/tree/gone$n" || fail "gone$n"
done
check "mount" mount_tree --replica "r1=$R"
check "wait" synced
fill() { # what is free, to the last block
	local i
	for i in 1 2 3; do
		head -c 2G /dev/zero >>"$R/.mirrorfs/ballast" 2>"$T/err"
		sync -f "$R"
	done
}
pause() {
	check "pause" "$MIRRORFS" replica pause "$T/tree" r1
	check "paused" wait_for 60 state_is r1 paused
}
connect() {
	check "resume" "$MIRRORFS" replica resume "$T/tree" r1
	check "connected" wait_for 60 state_is r1 synced
	equal "$(readlink "$R"/.mirrorfs/stage/*/root)" ../../.. "link $1"
}
pause
fill
refuse "there is room" mkdir "$R/.mirrorfs/x" 2>"$T/err"
connect first
visit=$(ls "$R/.mirrorfs/stage")
pause
connect second
refuse "the same folder" test -e "$R/.mirrorfs/stage/$visit"

head -c 2M /dev/urandom >"$T/tree/new" && ln -s f "$T/tree/link" || fail "new"
check "new is parked" wait_for 60 parked_as disk-full new
check "link is parked" wait_for 60 parked_as disk-full link
rm "$T/tree/f" && chmod 600 "$T/tree/g" || fail "changes"
check "removed" wait_for 60 test ! -e "$R/f"
rm "$T/tree/gone1"
check "room is made" wait_for 60 test ! -e "$R/gone1"
check "retry" "$MIRRORFS" retry "$T/tree" >"$T/out"
check "wait" synced
check "same" same "$R"

# removed while there is no connection
pause
fill
rm "$T/tree/gone2" && echo more >"$T/tree/more" || fail "changes"
connect third
check "same" same "$R"
pause
connect fourth
check "wait" synced
check "same" same "$R"
exit 0
