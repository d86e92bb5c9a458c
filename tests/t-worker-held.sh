#!/bin/bash
# A call that takes long meets the deaths of several workers, all of them killed
# from outside: each next one does it again, and nobody refuses it.
. "$(dirname "$0")/functions.sh"
expect_log "fs worker died"

pipe_replicas 1
check "mount" mount_with_faults "${REPLICAS[@]}"

plan pwrite 1 1 wait /tree/held
echo "it was written" >"$T/tree/held" &
writer=$!
for i in 1 2 3 4 5 6; do
	check "it waits, $i" wait_for 60 test -e "$T/plan.hits"
	rm "$T/plan.hits"
	pid=$(status_pid worker_pid)
	kill -9 "$pid"
	check "another one, $i" wait_for 60 worker_after "$pid"
done
check "it waits again" wait_for 60 test -e "$T/plan.hits"
plan
wait $writer || fail "the write"
equal "$(cat "$T/tree/held")" "it was written" "the file"
refuse "refused" grep "is refused" "$T/state/mirrorfs.log"
check "wait" synced
check "same" same "$T/replica1"
exit 0
