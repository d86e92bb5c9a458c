#!/bin/bash
# Disk full is foreseen: what cannot fit is parked before it is sent, small
# files go on, and when there is room it arrives by itself.
. "$(dirname "$0")/functions.sh"
expect_log "parked|no space"

mount -t tmpfs -o size=12M,mode=755 none "$T/replica1" ||
	skip "cannot mount a tmpfs"
LOWERS+=("$T/replica1")
check "mount" mount_tree --replica "r1=$T/replica1"
echo x >"$T/tree/first"
check "wait" synced
sync_pid=$(status_pid sync_pid)
server=$(echo $(process_children "$sync_pid"))
received() { awk '/^rchar/ { print $2 }' "/proc/$server/io"; }
check "the server's counters" test -n "$(received)"

before=$(received)
head -c 20000000 /dev/urandom >"$T/tree/huge"
head -c 15000000 /dev/urandom >"$T/tree/also"
for ((i = 1; i <= 100; i++)); do
	head -c 20000 /dev/urandom >"$T/tree/small$i" || fail "small$i"
done
parked() { [ "$(status_get r1 parked)" "$@" ]; }
check "the two are parked" wait_for 60 parked -eq 2
check "small ones go on" "$MIRRORFS" wait "$T/tree" "$T/tree/small100" \
	--timeout 60
for ((i = 1; i <= 100; i++)); do
	cmp -s "$T/tree/small$i" "$T/replica1/small$i" || fail "small$i"
done
check "what cannot fit was not sent" [ $(($(received) - before)) -lt 5000000 ]
"$MIRRORFS" status "$T/tree" --parked >"$T/out" || fail "status"
check "needs and has" grep -Eq "disk-full.*/huge.*needs 19M, has (1[0-2]|9)M" \
	"$T/out"

# two that fit each, but not both: one arrives, and all the rest
head -c 7500000 /dev/urandom >"$T/tree/one"
head -c 7500000 /dev/urandom >"$T/tree/two"
check "one of them" wait_for 60 parked -eq 3

# what was in the way is removed by the master
rm "$T/tree/also" "$T/tree/one" "$T/tree/two" || fail "rm"
head -c 10000000 /dev/urandom >"$T/tree/later"
check "in its place" wait_for 60 parked -eq 1
check "it is there" "$MIRRORFS" wait "$T/tree" "$T/tree/later" --timeout 60

mount -o remount,size=50M "$T/replica1" || fail "remount"
check "by itself" wait_for 60 parked -eq 0
check "wait" synced
check "the same" same "$T/replica1"
equal "$(status_pid sync_pid)" "$sync_pid" "the sync process"

# room MIB - the disk has that much, and the tree only what is small
room() {
	rm -rf "$T"/tree/{huge,later,one,two,many} || fail "rm"
	check "wait" synced
	mount -o "remount,size=${1}M" "$T/replica1" || fail "remount"
}
# at_once COMMAND... - what it writes is one batch, to a new server
at_once() {
	"$MIRRORFS" replica pause "$T/tree" r1
	check "paused" wait_for 60 process_gone "$server"
	"$@" || fail "$*"
	"$MIRRORFS" replica resume "$T/tree" r1
}
# arrived_or_parked N FILE-PATTERN
arrived_or_parked() {
	server=$(echo $(process_children "$sync_pid"))
	[ $(($(find "$T/replica1" -path "$T/replica1/$2" | wc -l) +
		$(status_get r1 parked))) -ge "$1" ]
}

# room that was promised to an upload under way is not free: the second of two
# is not begun
two() {
	head -c 17000000 /dev/urandom >"$T/tree/one" &&
		head -c 17000000 /dev/urandom >"$T/tree/two"
}
room 28
at_once two
check "one of two" wait_for 60 arrived_or_parked 2 "[ot][nw][eo]"
check "the other was not sent" [ "$(received)" -lt 20000000 ]

# nor is what was sent since the room was asked for: 16 MB into 10
small_ones() {
	head -c 16000000 /dev/urandom |
		split -a 3 -b 20000 - "$T/tree/many/"
}
room 12
mkdir "$T/tree/many"
check "wait" synced
at_once small_ones
check "some of many" wait_for 60 arrived_or_parked 800 "many/*"
check "the others were not sent" [ "$(received)" -lt 14000000 ]
exit 0
