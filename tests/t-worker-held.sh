#!/bin/bash
# A call that takes long meets the deaths of several workers, all of them killed
# from outside: each next one does it again, and nobody refuses it.
. "$(dirname "$0")/functions.sh"
[ -z "$SANITIZED" ] || skip "cannot be preloaded into a sanitized program"
expect_log "fs worker died"

plan
pipe_replicas 1
export FAULTS=$T/plan
LD_PRELOAD=$HELPERS/sysfault.so mount_tree "${REPLICAS[@]}" || fail "mount"
pid=$(status_pid worker_pid)
another() {
	local now
	now=$(status_pid worker_pid)
	[ "${now:-0}" != 0 ] && [ "$now" != "$pid" ] && pid=$now
}

plan pwrite 1 1 wait /tree/held
echo "it was written" >"$T/tree/held" &
writer=$!
for i in 1 2 3 4 5 6; do
	check "it waits, $i" wait_for 30 test -e "$T/plan.hits"
	rm "$T/plan.hits"
	kill -9 "$pid"
	check "another one, $i" wait_for 30 another
done
check "it waits again" wait_for 30 test -e "$T/plan.hits"
plan
wait $writer || fail "the write"
equal "$(cat "$T/tree/held")" "it was written" "the file"
refuse "refused" grep "is refused" "$T/state/mirrorfs.log"
check "wait" synced
check "same" same "$T/replica1"
exit 0
