#!/bin/bash
# A large file on a slow line holds nothing up: what is made after it arrives
# before it, over the same connection. Meanwhile it may be renamed, changed,
# removed, and the connection may end: all is right when it has arrived. The line
# passes bytes only as long as somebody waits for something, so it is slow
# however slow the machine is.
. "$(dirname "$0")/functions.sh"
expect_log "lost|connection|cannot reach|ended|refused|reset|closed"

MB=$((1 << 20))
ssh_replicas 1
slow_line() {
	CREDIT=0
	grant
	proxy_start --credit "$T/credit" --count "$T/count"
}
start() {
	check "mount" mount_tree "${REPLICAS[@]}" "$@"
}
fast() { kill -ALRM "$PROXY"; }
grant() { printf '%-20d\n' $((CREDIT += MB / 4)) >"$T/credit"; }
moved() { read -r n <"$T/count" && [ "$n" -ge "$1" ]; }
# passing COMMAND... - it succeeds; until then more may pass, as it is used up
passing() {
	"$@" && return
	! moved $CREDIT || grant
	return 1
}
# large NAME MEGABYTES - made, and under way
large() {
	local before
	read -r before <"$T/count"
	head -c $(($2 * MB)) /dev/urandom >"$T/tree/$1" || fail "write $1"
	check "$1 is under way" wait_for 60 passing moved $((before + MB / 2))
}
# there [FILE] - or all
there() {
	"$MIRRORFS" wait "$T/tree" ${1:+"$T/tree/$1"} --timeout 0 \
		>"$T/out" 2>&1
}
# arrives FILE - while the largest one, of 30 MB, does not
arrives() {
	check "wait for $1" wait_for 60 passing there "$1"
	cmp "$T/tree/$1" "$T/replica1/$1" || fail "$1"
	refuse "the line was too fast" moved $((25 * MB))
}

slow_line
mkdir "$T/tree/dir"
start
check "wait" wait_for 60 passing there
large big.part 30
for i in 1 2 3; do
	echo $i >"$T/tree/small$i"
	arrives small$i
done
refuse "a part is visible" test -e "$T/replica1/big.part"
refuse "it counts as arrived" "$MIRRORFS" wait "$T/tree/big.part" --timeout 0
equal "$(status_get r1 state)" replaying "state"
# as uploads go on: the final name, permissions, a folder that moves
mv "$T/tree/big.part" "$T/tree/dir/big"
chmod 640 "$T/tree/dir/big"
mv "$T/tree/dir" "$T/tree/moved"
echo 4 >"$T/tree/small4"
arrives small4
large gone 4
rm "$T/tree/gone"
large changed 4
printf hello | dd of="$T/tree/changed" bs=1 seek=$MB conv=notrunc status=none
large linked 4
ln "$T/tree/linked" "$T/tree/linked.name"
rm "$T/tree/linked"
echo 5 >"$T/tree/moved/small5"
arrives moved/small5
say "$(($(cat "$T/count") / MB)) MB had passed"
fast
check "wait for all" synced
check "same" same "$T/replica1"
check "state" wait_for 60 state_is r1 synced
equal "$(status_get r1 parked)" 0 "parked"
check "left on the stage" wait_for 60 no_uploads "$T/replica1"

# the connection ends, and the mount; the names go on meanwhile
check "umount" umount_tree
slow_line
start
check "wait" wait_for 60 passing there
large cut 30
echo 6 >"$T/tree/small6"
arrives small6
kill -USR1 "$PROXY"
check "it is told" wait_for 60 state_is r1 offline
mv "$T/tree/cut" "$T/tree/cut2"
kill -USR2 "$PROXY"
echo 7 >"$T/tree/small7"
arrives small7
check "umount" umount_tree
start
mv "$T/tree/cut2" "$T/tree/moved/cut3"
echo 8 >"$T/tree/small8"
arrives small8
fast
check "wait for all" synced
check "same" same "$T/replica1"

# it is compared, and so sent, while it is under way: what happens to it then
# happens to what the replica has
check "umount" umount_tree
slow_line
start
check "wait" wait_for 60 passing there
large compared 30
check "reconcile" "$MIRRORFS" reconcile "$T/tree/compared"
check "it differs" wait_for 60 passing grep -q "r1: differs: /compared$" \
	"$T/state/mirrorfs.log"
fast
check "wait" synced
chown 1003:1004 "$T/tree/compared"
truncate -s $MB "$T/tree/compared"
check "wait for all" synced
check "same, what was compared" same "$T/replica1"

# who wants it that way has all in order
check "umount" umount_tree
slow_line
start -o aside-above=never
large first 4
echo 9 >"$T/tree/small9"
fast
check "wait" "$MIRRORFS" wait "$T/tree/small9" --timeout 60
cmp "$T/tree/first" "$T/replica1/first" || fail "the order"
exit 0
