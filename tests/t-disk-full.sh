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
exit 0
