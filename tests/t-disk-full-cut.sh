#!/bin/bash
# A replica's disk is full when the connection to it is made anew: what makes room
# there is sent all the same, and what did not fit arrives then. What a lost
# connection has left is no reason why there is none.
. "$(dirname "$0")/functions.sh"
expect_log "parked|no space|connection|lost|reset|ended"

MB=$((1 << 20))
lay_below ext4 "$T/replica1"
rmdir "$T/replica1/lost+found"
tune2fs -r 0 "$(findmnt -no SOURCE "$T/replica1")" >"$T/out" || fail "tune2fs"
ssh_replicas 1
echo $((1 << 40)) >"$T/credit"
proxy_start --credit "$T/credit" --count "$T/count"
head -c $((40 * MB)) /dev/urandom >"$T/tree/old"
mkdir "$T/tree/dir" && ln -s dir "$T/tree/link" || fail "tree"
check "mount" mount_tree "${REPLICAS[@]}"
check "wait" synced

# half of a file, and then all that is left is taken by somebody else
read -r n <"$T/count"
echo $((n + 15 * MB)) >"$T/credit"
head -c $((30 * MB)) /dev/urandom >"$T/tree/new"
half() { [ -n "$(find "$T/replica1/.mirrorfs/stage" -size +10M)" ]; }
check "it is on its way" wait_for 60 half
fill() { # what is free, to the last block
	head -c 2G /dev/zero >>"$T/replica1/.mirrorfs/ballast" 2>"$T/err"
	sync -f "$T/replica1"
}
kill -USR1 $PROXY
check "offline" wait_for 60 state_is r1 offline
fill
fill
kill -USR2 $PROXY
kill -ALRM $PROXY
check "retry" "$MIRRORFS" retry "$T/tree"
rm "$T/tree/old"
check "the master makes room" wait_for 60 test ! -e "$T/replica1/old"
check "retry" "$MIRRORFS" retry "$T/tree"
check "wait" synced
check "same" same "$T/replica1"

# full to the last byte, with nothing of ours in the stage
kill -USR1 $PROXY
check "offline" wait_for 60 state_is r1 offline
fill
fill
check "full" eval '! head -c 5000 /dev/zero >"$T/replica1/.mirrorfs/x"' 
rm -f "$T/replica1/.mirrorfs/x"
kill -USR2 $PROXY
rm "$T/tree/new"
ln -sfn elsewhere "$T/tree/link"
check "retry" "$MIRRORFS" retry "$T/tree"
check "the master makes room" wait_for 60 test ! -e "$T/replica1/new"
check "retry" "$MIRRORFS" retry "$T/tree"
check "wait" synced
check "same" same "$T/replica1"
exit 0
