#!/bin/bash
# The disk of the journal and of the log hangs, and workers die meanwhile: others
# take over, reading goes on, and so does writing where something was written
# lately. When the disk answers, all is there, and was never mounted anew.
. "$(dirname "$0")/functions.sh"
need fsfreeze pgrep
# (on a slow machine, as the dead ones have it locked)
expect_log "fs worker died|journal cannot be (opened|written)"

mkdir "$T/state"
lay_below ext4 "$T/state"
# who waits for that disk cannot be killed: the test would hang with it
thaw_late() { sleep 150 && touch "$T/late" && fsfreeze -u "$T/state"; }
worker() { pgrep -P "$SUPERVISOR" -f " fs-worker "; } # (not one that is dead)
# hangs PATTERN - a thread of such a name of the worker, in a call that the disk holds up
hangs() {
	local t
	for t in /proc/"$WORKER"/task/*; do
		[[ "$(cat "$t/comm")" == $1 ]] &&
			grep -q "^State:.D" "$t/status" && return 0
	done 2>/dev/null
	return 1
}
# goes_on WORD - and what was open before is not lost
goes_on() {
	equal "$(cat <&5)" read "what was open for reading"
	exec 5<"$T/tree/read"
	echo "$1" >&6 || fail "to write what was open"
	equal "$(tail -n 1 "$T/tree/write")" "$1" "another reader"
	check "to make one" touch "$T/tree/$1"
	refuse "it hangs" [ -e "$T/late" ]
}

pipe_replicas 1
: >"$T/tree/write" # so it has a mark of its own
check "mount" mount_tree "${REPLICAS[@]}"
SUPERVISOR=$(status_pid supervisor_pid)
echo read >"$T/tree/read" || fail "a file"
exec 5<"$T/tree/read" 6>>"$T/tree/write"
echo before >&6
check "wait" wait_for 60 cmp -s "$T/tree/read" "$T/replica1/read"
WORKER=$(worker)
freeze "$T/state" || skip "file systems cannot be frozen here"
background thaw_late 5<&- 6>&-
THAW=$BG
goes_on frozen
check "the journal hangs" wait_for 60 hangs "*"
"$MIRRORFS" status "$T/tree" >"$T/out" 2>"$T/err" && fail "status"
check "it tells why" grep -q "waits for a disk" "$T/err"
# as many as there are threads, at least: they give up
syncs=()
for ((i = $(nproc) + 4; i > 0; i--)); do
	background sync "$T/tree/write"
	syncs+=("$BG")
done
goes_on syncs
for pid in "${syncs[@]}"; do
	wait "$pid" || fail "a sync"
done
refuse "a sync hangs" [ -e "$T/late" ]
for word in first second; do
	kill -9 "$WORKER"
	goes_on "$word"
	WORKER=$(worker)
	check "the log hangs" wait_for 60 hangs log
done
thaw
kill "$THAW"
exec 5<&- 6>&-
equal "$(xargs <"$T/tree/write")" "before frozen syncs first second" "what was written"
check "told" wait_for 60 grep -q "fs worker died" "$T/state/mirrorfs.log"
equal "$(status_pid supervisor_pid)" "$SUPERVISOR" "the supervisor"
equal "$(status_pid worker_pid)" "$WORKER" "the worker"
refuse "mounted again" grep -q "mounted again" "$T/state/mirrorfs.log"
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree
exit 0
