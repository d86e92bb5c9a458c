#!/bin/bash
# The sync process cannot look at the master (it has no descriptor left): what
# the replica has stays there, what could not be compared is parked and told,
# and arrives when there are some again.
. "$(dirname "$0")/functions.sh"
need prlimit
expect_log "parked"

check "mount" mount_tree --replica "r1=$T/replica1"
mkdir -p "$T/tree/a/b/c" || fail "mkdir"
for i in 1 2 3 4 5; do
	echo "$i" >"$T/tree/a/b/c/f$i"
	ln -s "$i" "$T/tree/a/b/l$i"
done
check "wait" synced
# there - what the replica has, its own folder included; but not what is on its way
there() { find "$T/replica1" ! -path '*/stage/*/*' | wc -l; }
have=$(there)
sync_pid=$(status_pid sync_pid)
limit() {
	prlimit --pid "$sync_pid" --nofile="$1:"
}
kept() { equal "$(there)" "$have" "$1"; }
parked() { [ "$(status_get r1 parked)" "$@" ]; }
tried() { [ "$(parked_tries)" != "$1" ]; }

check "limit" limit 3
echo more >>"$T/tree/a/b/c/f1" || fail "write"
chmod 700 "$T/tree/a/b" || fail "chmod"
check "it is parked" wait_for 60 parked -ge 1
kept "without a descriptor"
"$MIRRORFS" status "$T/tree" --parked >"$T/out" || fail "status --parked"
check "the cause is told" grep -q "Too many open files" "$T/out"

# one more each time, so that each of them is missing once
for ((n = 4; n < 100; n++)); do
	parked -ge 1 || break
	[ ! -e "/proc/$sync_pid/fd/$((n - 1))" ] || continue
	check "limit" limit "$n"
	before=$(parked_tries)
	"$MIRRORFS" retry "$T/tree" >"$T/out" || fail "retry"
	check "tried" wait_for 60 tried "$before"
	kept "up to descriptor $n"
done
check "limit" limit 1024
"$MIRRORFS" retry "$T/tree" >"$T/out" || fail "retry"
check "nothing is parked" wait_for 60 parked -eq 0
check "wait" synced
check "same" same "$T/replica1"
equal "$(status_pid sync_pid)" "$sync_pid" "the sync process never ended"
exit 0
