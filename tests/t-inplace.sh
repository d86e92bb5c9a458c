#!/bin/bash
# update = append, inplace, whole: what is written into the file on the replica
# and what replaces it, and that it is made whole when the connection is lost.
. "$(dirname "$0")/functions.sh"
. "$TESTS/property.sh"
expect_log "lost|connection|cannot reach|ended|refused|reset|closed"

MB=$((1 << 20))
patch_at() { # OFFSET TEXT FILE
	printf %s "$2" | dd of="$3" bs=1 seek="$1" conv=notrunc status=none
}
inode() { stat -c %i "$T/replica1/large"; }
# changes kept|new TEXT COMMAND... - the replica's file has the same inode or
# another one afterwards. What is still being written when it is sent goes whole
# the next time, so it is sent when the command has ended.
changes() {
	local want=$1 text=$2 before got=new
	shift 2
	before=$(inode)
	check "pause, $text" "$MIRRORFS" replica pause "$T/tree" r1
	check "$text" "$@"
	check "resume, $text" "$MIRRORFS" replica resume "$T/tree" r1
	check "wait, $text" synced
	check "same, $text" same "$T/replica1"
	[ "$(inode)" != "$before" ] || got=kept
	equal "$got" "$want" "$text: inode"
}
append() { echo more >>"$T/tree/large"; }
# what was changed before the mount has been looked for, and the replica knows
# of the mount: a file that changes before that is sent whole
looked() {
	[ "$(sqlite3 "$T/state/journal.db" "SELECT count(*) FROM stamp")" = 0 ]
} 2>/dev/null
start() {
	check "mount" mount_above 1M "${REPLICAS[@]}" -o inplace-above=2M "$@"
	check "looked" wait_for 60 looked
	# what happened is numbered anew, and the replica must know of that
	touch "$T/tree/marker"
	check "wait for the beginning" synced
}
need sqlite3

pipe_replicas 1
start -o update=append
head -c $((8 * MB)) /dev/urandom >"$T/tree/large"
head -c $MB /dev/urandom >"$T/tree/small"
check "wait" synced
changes kept "an append" append
changes kept "a hole behind" truncate -s $((10 * MB)) "$T/tree/large"
changes new "five bytes" patch_at $((4 * MB)) hello "$T/tree/large"
changes new "a cut" truncate -s $((9 * MB)) "$T/tree/large"
check "umount" umount_tree

start -o update=inplace
changes kept "five bytes in place" patch_at $((4 * MB)) olleh "$T/tree/large"
changes kept "holes" fallocate -p -o $((5 * MB)) -l $MB "$T/tree/large"
# what it has by then is not for who could read it before
changes new "fewer permissions" eval \
	"chmod 600 '$T/tree/large' && patch_at 9 nine '$T/tree/large'"
changes new "another group" eval \
	"chgrp 1 '$T/tree/large' && patch_at 8 eight '$T/tree/large'"
changes kept "more permissions" eval \
	"patch_at 9 enin '$T/tree/large' && chmod 644 '$T/tree/large'"
changes new "most of it" eval "head -c $((7 * MB)) /dev/urandom |
	dd of='$T/tree/large' conv=notrunc bs=1M status=none"
ln "$T/tree/large" "$T/tree/large.name"
check "wait" synced
changes kept "by another name" patch_at 7 seven "$T/tree/large.name"
before=$(stat -c %i "$T/replica1/small")
patch_at 3 three "$T/tree/small"
check "wait" synced
refuse "a small one in place" [ "$(stat -c %i "$T/replica1/small")" = "$before" ]
# what somebody has put there is not written into
cp "$T/replica1/large" "$T/elsewhere"
ln -sf "$T/elsewhere" "$T/replica1/large"
cp "$T/elsewhere" "$T/before"
check "write" patch_at 99 ninety "$T/tree/large"
check "wait" synced
check "same, after a link was laid" same "$T/replica1"
cmp "$T/elsewhere" "$T/before" || fail "written through a link"
check "umount" umount_tree

start -o update=whole
changes new "whole" append
check "umount" umount_tree

# everything that users do
check "mount" mount_above 0 "${REPLICAS[@]}" -o update=inplace,inplace-above=0
property_rounds 1 3 "$(scaled 1000)"
property_parked
check "umount" umount_tree

# the connection is lost in the middle
ssh_replicas 1
echo $((1 << 40)) >"$T/credit"
proxy_start --credit "$T/credit" --count "$T/count"
mkdir "$T/replica2"
check "mount" mount_above 1M "${PROXY_LOGIN[@]}" \
	-o update=inplace,inplace-above=2M --replica "r2=${PROXY_URL%1}2"
head -c $((24 * MB)) /dev/zero | tr '\0' a >"$T/tree/torn"
check "wait" synced
read -r before <"$T/count"
moved() { read -r n <"$T/count" && [ "$n" -ge "$1" ]; }
echo $((before + 4 * MB)) >"$T/credit" # of the 10
head -c $((10 * MB)) /dev/zero | tr '\0' b |
	dd of="$T/tree/torn" conv=notrunc bs=1M status=none
check "it is under way" wait_for 60 moved $((before + 4 * MB))
kill -USR1 "$PROXY"
check "it is told" wait_for 60 state_is r2 offline
kill -ALRM "$PROXY"
kill -USR2 "$PROXY"
check "wait" synced
check "same, after a cut" same "$T/replica2"
exit 0
