#!/bin/bash
# A new fs worker serves before it has what may keep it waiting: the journal.
# And one that was killed before it served says nothing against the next: the
# mount stays, with what is open.
. "$(dirname "$0")/functions.sh"
expect_log "fs worker died"

pipe_replicas 1
check "mount" mount_tree "${REPLICAS[@]}"
exec 5>"$T/tree/open" && echo one >&5
SUPERVISOR=$(status_pid supervisor_pid)
pid=$(status_pid worker_pid)

new_worker() {
	local now
	now=$(status_pid worker_pid)
	[ "${now:-0}" != 0 ] && [ "$now" != "$pid" ] && pid=$now
}

# who opens it waits until somebody opens the other end
rm "$T/state/journal.lock" && mkfifo "$T/state/journal.lock" || fail "fifo"
kill -9 "$pid"
check "another one" wait_for 60 new_worker
check "it serves" timeout 60 touch "$T/tree/meanwhile"
check "the journal" timeout 60 sh -c ': >"$0"' "$T/state/journal.lock"
rm "$T/state/journal.lock"
check "it arrives" wait_for 60 test -e "$T/replica1/meanwhile"

# one that cannot open its log does not get any further
log=$T/state/mirrorfs.log
mv "$log" "$T/state/log" && mkfifo "$log" || fail "fifo"
for _ in 1 2 3 4 5 6 7; do
	kill -9 "$pid"
	check "another one" wait_for 60 new_worker
done
mv "$T/state/log" "$log"
kill -9 "$pid"
check "another one" wait_for 60 new_worker
echo two >&5 || fail "a file from before"
exec 5>&-
refuse "mounted again" grep -q "mounted again" "$log"
equal "$(status_pid supervisor_pid)" "$SUPERVISOR" "the supervisor"
check "wait" synced
check "same" same "$T/replica1"
check "umount" umount_tree
exit 0
