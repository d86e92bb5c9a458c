#!/bin/bash
# A large file that was cut on its way goes on where it was: in a first copy, and
# when it, or what the replica has of it, changed meanwhile.
. "$(dirname "$0")/functions.sh"
[ -z "$OTHER_RELEASE" ] || once
expect_log "connection|lost|reset|ended"

MB=$((1 << 20))
lay_below ext4 "$T/replica1"
rmdir "$T/replica1/lost+found"
tune2fs -r 0 "$(findmnt -no SOURCE "$T/replica1")" >"$T/out" ||
	fail "tune2fs"
ssh_replicas 1
: >"$T/credit"
proxy_start --credit "$T/credit" --count "$T/count"
sent() { read -r n <"$T/count" && echo "$n"; }
# went BYTES - so many have gone to the replica since BEFORE
went() { [ $(($(sent) - BEFORE)) -ge "$1" ]; }
# lets_pass MIB - so many more go to the replica, and then nothing
lets_pass() {
	BEFORE=$(sent) LIMIT=$(($1 * MB))
	echo $((BEFORE + LIMIT)) >"$T/credit"
}
cut_off() { # the line, when that is used up
	check "it is on its way" wait_for 60 went $LIMIT
	kill -USR1 $PROXY
	check "offline" wait_for 60 state_is r1 offline
	echo $((1 << 40)) >"$T/credit"
}
nothing_left() {
	[ -z "$(find "$T/replica1/.mirrorfs/stage" -type f -size +1M)" ]
}
goes_on() { # AT-MOST-MIB TEXT
	kill -USR2 $PROXY
	check "retry" "$MIRRORFS" retry "$T/tree"
	check "wait, $2" synced 120
	check "same, $2" same "$T/replica1"
	say "$2: $((($(sent) - BEFORE) / MB)) MiB were sent"
	[ $((($(sent) - BEFORE) / MB)) -le "$1" ] || fail "$2: too much"
	check "$2: nothing is left in the stage" wait_for 60 nothing_left
}

lets_pass 24
head -c $((32 * MB)) /dev/urandom >"$T/tree/first"
check "mount" mount_tree "${REPLICAS[@]}" -o bwlimit=16M,durable=no
cut_off
goes_on 46 "a first copy"

# part of what was sent is another one now, and there is more of it
lets_pass 24
head -c $((32 * MB)) /dev/urandom >"$T/tree/changed"
cut_off
printf new | dd of="$T/tree/changed" bs=1 seek=$((5 * MB)) conv=notrunc \
	status=none
echo more >>"$T/tree/changed"
fallocate -p -o $((8 * MB)) -l $((2 * MB)) "$T/tree/changed"
goes_on 46 "a changed file"

lets_pass 24
head -c $((32 * MB)) /dev/urandom >"$T/tree/cut"
cut_off
truncate -s $((18 * MB + 3)) "$T/tree/cut"
goes_on 34 "a shorter file"

# what was left of it is another one, or shorter
lets_pass 24
head -c $((32 * MB)) /dev/urandom >"$T/tree/spoilt"
cut_off
left=$(find "$T/replica1/.mirrorfs/stage" -type f -size +1M)
check "it is there" test -n "$left"
truncate -s 1M "$left"
goes_on 60 "a short rest"

lets_pass 24
head -c $((32 * MB)) /dev/urandom >"$T/tree/gone"
cut_off
rm "$T/tree/gone"
goes_on 28 "a file that is gone"

# there is no room for it twice
lets_pass 24
head -c $((32 * MB)) /dev/urandom >"$T/tree/full"
cut_off
left=$(stat -f -c '%a %S' "$T/replica1" | { read -r a s && echo $((a * s)); })
fallocate -l $((left - 14 * MB)) "$T/replica1/.mirrorfs/ballast"
goes_on 60 "no room"

# what counts was fsynced before
if [ -n "${SOAK:-}" ]; then
	check "set" "$MIRRORFS" replica set "$T/tree" r1 bwlimit=4M durable=yes
	check "wait" synced
	lets_pass 54
	head -c $((64 * MB)) /dev/urandom >"$T/tree/synced"
	cut_off
	goes_on 84 "on the disk"
fi
exit 0
