#!/bin/bash
# A server that carries out late what a lost connection had asked for, and has no room
# for a folder of the next connection: that takes the old one over, and what comes late
# comes to nothing all the same.
. "$(dirname "$0")/functions.sh"
expect_log "parked|lost|connection|cannot reach|ended|refused|reset|closed"

R=$T/replica1
mount -t tmpfs -o nr_inodes=200,mode=755 none "$R" ||
	skip "cannot mount a tmpfs"
LOWERS+=("$R")
faulty_replica
for i in gone moved other; do
	echo "first $i" >"$T/tree/$i"
done
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced
offline() {
	kill -USR1 "$PROXY"
	check "it is told" wait_for 60 state_is r1 offline
}

offline
echo "13 gone" >"$CTL/hold"
rm "$T/tree/gone" && mv "$T/tree/moved" "$T/tree/target" &&
	chmod 700 "$T/tree/other" || fail "changes"
kill -USR2 "$PROXY"
check "requests wait" wait_for 60 held 3
offline
rm "$CTL/hold"
mkdir "$R/.mirrorfs/full"
for i in {1..200}; do
	: >"$R/.mirrorfs/full/$i" || break
done 2>"$T/out"
equal "$(stat -f -c %d "$R")" 0 "inodes that are left"
late=$(ls "$R/.mirrorfs/stage")
kill -USR2 "$PROXY"
check "retry" "$MIRRORFS" retry "$T/tree" >"$T/out"
check "the next connection" synced
check "same" same "$R"
refuse "the folder of the one before" test -e "$R/.mirrorfs/stage/$late"
equal "$(readlink "$R"/.mirrorfs/stage/*/root)" ../../.. "its link"

rm -r "$R/.mirrorfs/full"
echo second >"$T/tree/gone" && echo second >"$T/tree/moved" &&
	rm "$T/tree/target" && chmod 755 "$T/tree/other" || fail "changes"
check "retry" "$MIRRORFS" retry "$T/tree" >"$T/out"
check "wait" synced
check "same" same "$R"
touch "$CTL/release"
check "it ends" wait_for 60 process_gone "$LATE"
check "after late requests" same "$R"
check "left on the stage" wait_for 60 empty_stage "$R"
exit 0
